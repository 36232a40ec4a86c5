//! What replaces the function.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Error;

use crate::function::{Function, Param};
use crate::options::Options;
use crate::tokens::{in_parentheses, own_ends};

/// Puts the user's function, as it is, into one that evaluates the options, starts the daemon, and calls it.
///
/// Of main the first argument is the value of `setup`, and there is a parameter `Ready`:
///
/// ```text
/// #[daemon(setup = Args::parse(), pid_file = args.pid_file, trace)]
/// #[tokio::main]
/// #[doc(hidden)]
/// pub async fn main(args: Args, ready: Ready) -> io::Result<()> { body() }
/// ```
///
/// becomes, where `private` is `::daemon_runtime::__private`,
///
/// ```text
/// #[doc(hidden)]
/// pub fn main() -> io::Result<()> {
///     #[tokio::main]
///     #[allow(clippy::unnecessary_wraps)]
///     async fn __daemon_main(#[allow(unused_variables)] args: Args, ready: Ready) -> io::Result<()> { body() }
///
///     let __daemon_end = private::main_end();
///     let __daemon = private::setup();
///     let args: Args = (Args::parse());
///     let __daemon_ready = {
///         private::start(__daemon.pid_file(&(args.pid_file)).trace(&(true)))
///     };
///     __daemon_main(args, __daemon_ready)
/// }
/// ```
///
/// Of any other function the first arguments are the caller's. Here one is a pattern, and nothing takes `Ready`:
///
/// ```text
/// #[daemon(chdir = directory)]
/// fn serve((directory, port): (String, u16), name: &str) { body() }
/// ```
///
/// becomes
///
/// ```text
/// fn serve(__daemon_value_0: (String, u16), name: &str) {
///     #[allow(clippy::unnecessary_wraps)]
///     fn __daemon_main(#[allow(unused_variables)] (directory, port): (String, u16), name: &str) { body() }
///
///     let __daemon_end = private::main_end();
///     let __daemon = private::daemon();
///     let __daemon_ready = {
///         #[allow(unused_variables)]
///         let (directory, port) = &__daemon_value_0;
///         private::start(__daemon.chdir(&(directory)))
///     };
///     __daemon_ready.notify();
///     __daemon_main(__daemon_value_0, name)
/// }
/// ```
///
/// With errors, which come behind it, the function is the same, but `loop {}` stands there for the launch.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut options = Options::read(options);
    let expanded = match Function::read(item.clone()) {
        Ok(function) => {
            let error = function.error(&options);
            options.errors.extend(error);
            let launch = launch(&function, &options);
            let launch = if options.errors.is_empty() { launch } else { for_editors_alone(&function, &launch) };
            around(&function, &options, &launch)
        }
        Err(error) => {
            options.errors.push(error);
            item
        }
    };
    let errors = options.errors.iter().map(Error::to_compile_error);
    quote!(#expanded #(#errors)*)
}

/// The user's function, in one that does `launch`.
fn around(function: &Function, options: &Options, launch: &TokenStream) -> TokenStream {
    let own = Span::mixed_site();
    let Function { compiler, macros, visibility, asyncness, word_fn, name, generics, parens, returns, body, .. } =
        function;
    let (taken, _) = function.taken_and_ready();
    let caller = taken.iter().zip(function.values()).filter(|_| !function.is_main());
    let caller = caller.map(|(param, value)| {
        let ty = &param.ty;
        quote!(#value: #ty)
    });
    // What an option alone uses is not unused.
    let params = function.params.iter().map(|param| {
        let allow = options.mention(&param.pattern).then(|| quote!(#[allow(unused_variables)]));
        quote!(#allow #param)
    });
    // Not the user's: clippy says about the function outside, and no second time, what is to be said of a signature.
    let word_fn = Ident::new("fn", own.located_at(word_fn.span));
    let caller = in_parentheses(quote!(#(#caller),*), own.located_at(*parens));
    let params = in_parentheses(quote!(#(#params),*), *parens);
    let inner = function.inner();
    quote_spanned! {own=>
        #compiler #visibility #word_fn #name #generics #caller #returns {
            #macros #[allow(clippy::unnecessary_wraps)]
            #asyncness #word_fn #inner #generics #params #returns #body
            #launch
        }
    }
}

/// Evaluates the options, starts the daemon, and calls the user's function.
fn launch(function: &Function, options: &Options) -> TokenStream {
    let own = Span::mixed_site();
    let Options { private, methods, .. } = options;
    let (taken, ready) = function.taken_and_ready();
    let values = function.values();
    // Two names of one function, so that an editor shows what `setup` is.
    let daemon = options
        .setup
        .as_ref()
        .map_or_else(|| Ident::new("daemon", own), |(name, _)| Ident::new("setup", own.located_at(name.span())));
    let setup = options.setup.as_ref().map(|(_, setup)| match (values.first(), taken.first()) {
        (Some(value), Some(Param { ty, .. })) => quote_spanned!(own=> let #value: #ty = #setup;),
        _ => quote_spanned!(own=> #setup;),
    });
    // What is borrowed for the options ends with the start.
    let used = taken.iter().zip(&values).filter(|(param, _)| options.mention(&param.pattern));
    let patterns = used.filter_map(|(param, value)| param.by_reference(value));
    let (argument, notify) = match ready {
        // Where the type is another one, rustc points at it.
        Some(param) => (Some(Ident::new("__daemon_ready", own_ends(&param.ty).0)), None),
        None => (None, Some(quote_spanned!(own=> __daemon_ready.notify();))),
    };
    let arguments = values.iter().chain(&argument);
    // Where an attribute below takes the function away, or changes what it returns, rustc points at that attribute.
    let mut inner = function.inner();
    if !function.macros.is_empty() {
        inner.set_span(inner.span().located_at(own_ends(&function.macros).1));
    }
    let arguments = in_parentheses(quote!(#(#arguments),*), inner.span());
    let generics = function.generic_arguments();
    quote_spanned! {own=>
        let __daemon_end = #private::main_end();
        let __daemon = #private::#daemon();
        #setup
        let __daemon_ready = {
            #(#patterns)*
            #private::start(__daemon #(#methods)*)
        };
        #notify
        #inner #generics #arguments
    }
}

/// With an error nothing is called. An editor alone sees the launch, and completes what is half typed.
fn for_editors_alone(function: &Function, launch: &TokenStream) -> TokenStream {
    let values = function.values();
    let values = values.iter().filter(|_| !function.is_main());
    quote_spanned! {Span::mixed_site()=>
        #[allow(unexpected_cfgs)]
        {
            #[cfg(rust_analyzer)]
            { #launch }
        }
        let _ = (#(&#values,)*);
        loop {}
    }
}
