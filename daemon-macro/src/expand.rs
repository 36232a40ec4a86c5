//! What replaces `fn main`, also when there are errors: they come first, and all that is right is still compiled.
//!
//! The statements stand at the top of the user's own body, and no closure or block is put around it: in another place
//! rustc and clippy would word their messages about it in another way. Own names have the hygiene of the macro, so that
//! the user's code cannot meet them. Own tokens lie on the user's where rustc may point at them.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::Error;

use crate::function::{self, Function, Param, prologue, with_stream};
use crate::options::{self, Given, Value};

/// The whole attribute.
pub(crate) fn daemon(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Vec::new();
    let options = options::read(options, &mut errors);
    let expanded = match function::read(item.clone(), &mut errors) {
        Ok(function) => main(&options, function, &mut errors),
        Err(error) => {
            errors.push(error);
            item
        }
    };
    let errors = errors.iter().map(Error::to_compile_error);
    quote! { #(#errors)* #expanded }
}

fn main(options: &[Given], mut function: Function, errors: &mut Vec<Error>) -> TokenStream {
    let find = |name: &str| options.iter().find(|given| given.option == name).map(|given| &given.value);
    let mut params = std::mem::take(&mut function.params).into_iter();
    let mut value = if find("setup").is_some() || params.len() > 1 { params.next() } else { None };
    let mut ready = params.next();
    let mut unfilled: Vec<Param> = params.collect();
    for param in &unfilled {
        let words = "`fn main` takes the value of `setup`, then `Ready`, and no more; remove this parameter";
        errors.push(Error::new_spanned(param, words));
    }
    if let (None, Some(param)) = (find("setup"), &value) {
        let words = "the first of two parameters is the value of `setup`; add `setup = …`, or take `Ready` alone";
        errors.push(Error::new_spanned(param, words));
        unfilled.extend(value.take());
    }
    let runtime = match find("crate") {
        None => Some(quote_spanned!(Span::mixed_site()=> ::daemon_runtime)),
        Some(Value::Tokens(path)) => Some(path.clone()),
        Some(_) => {
            unfilled.extend(value.take().into_iter().chain(ready.take()));
            None
        }
    };
    let setup = match find("setup") {
        Some(Value::Tokens(setup)) => Some(enclosed(setup).into_token_stream()),
        Some(_) if value.is_some() => Some(nothing()),
        _ => None,
    };
    let parts = Parts { runtime, options, setup, value, ready, unfilled };
    match &function.asyncness {
        Some(word) if function.macros.is_empty() => {
            let words = "`async fn main` needs the attribute of a runtime below `#[daemon]`, such as `#[tokio::main]`";
            errors.push(Error::new_spanned(word, words));
            parts.nested(&function, false)
        }
        None if function.macros.is_empty() => parts.direct(&function),
        _ => parts.nested(&function, true),
    }
}

/// What both ways to expand are made of.
struct Parts<'a> {
    /// The path of the runtime; `None` if what stands after `crate =` is none.
    runtime: Option<TokenStream>,
    options: &'a [Given],
    setup: Option<TokenStream>,
    value: Option<Param>,
    ready: Option<Param>,
    /// Parameters too many.
    unfilled: Vec<Param>,
}

impl Parts<'_> {
    /// No other attribute rewrites the function: all goes to the top of its body.
    fn direct(&self, function: &Function) -> TokenStream {
        let Function { inert, visibility, signature, body, .. } = function;
        let unfilled = self.unfilled.iter().map(|param| param.set_to(&nothing()));
        let launch = self.launch(self.value.as_ref(), None, self.ready.as_ref());
        let body = with_statements(body, quote! { #(#unfilled)* #launch });
        quote! { #inert #visibility #signature #body }
    }

    /// Another attribute rewrites the function, most likely into one that starts threads. It gets a function inside of
    /// ours, of the same name and without parameters, which such attributes refuse. The values go through the runtime's
    /// `put` and `take`. Without `call` the function is only type-checked.
    fn nested(&self, function: &Function, call: bool) -> TokenStream {
        let Function { inert, macros, visibility, asyncness, signature, name, body, .. } = function;
        let own = Span::mixed_site();
        let runtime = &self.runtime;
        let unfilled = self.unfilled.iter().map(|param| param.set_to(&nothing()));
        let take = quote_spanned!(own=> #runtime::__private::take());
        // What only an option uses is not unused, although this function does not use it.
        let used = |param: &Param| self.options.iter().any(|given| given.mentions(&param.pattern));
        let allow =
            self.value.as_ref().filter(|param| used(param)).map(|_| quote_spanned!(own=> #[allow(unused_variables)]));
        let taken = self.value.iter().chain(&self.ready).map(|param| param.set_to(&take));
        let body = with_statements(body, quote! { #(#unfilled)* #allow #(#taken)* });

        // A name can be bound here too, for the options; another pattern binds references to what is handed on.
        let value = self.value.as_ref().map(|param| param.named(param.name().unwrap_or(Ident::new("value", own))));
        let by_reference = self.value.as_ref().filter(|param| param.name().is_none()).map(Param::by_reference);
        let ready = self.ready.as_ref().map(|param| param.named(Ident::new("ready", own)));
        let launch = self.launch(value.as_ref(), by_reference, ready.as_ref());
        let handed = value.iter().chain(&ready).map(|param| &param.pattern);
        let call = if call { quote_spanned!(own=> #name()) } else { quote_spanned!(own=> let _ = #name; loop {}) };
        quote_spanned! {own=>
            #inert #visibility #signature {
                #macros #asyncness #signature #body
                #launch
                #(#runtime::__private::put(#handed);)*
                #call
            }
        }
    }

    /// The statements that evaluate `setup`, then the options, and start the daemon.
    fn launch(&self, value: Option<&Param>, by_reference: Option<TokenStream>, ready: Option<&Param>) -> TokenStream {
        let Some(runtime) = &self.runtime else {
            return TokenStream::new();
        };
        let own = Span::mixed_site();
        let user_code = self.setup.is_some() || self.options.iter().any(|given| given.has_code());
        let mut daemon = quote_spanned!(own=> #runtime::__private::daemon(#user_code));
        let mut before = TokenStream::new();
        if let Some(setup) = &self.setup {
            let setup = value.map_or_else(|| quote!(#setup;), |param| param.set_to(setup));
            before = quote_spanned! {own=> let daemon = #daemon; #setup };
            daemon = quote_spanned!(own=> daemon);
        }
        daemon.extend(self.options.iter().filter_map(method));
        if let (Some(pattern), Some(Param { pattern: value, .. })) = (by_reference, value) {
            before.extend(quote_spanned! {own=>
                #[allow(unused_variables)]
                let daemon = match &#value { #pattern => #daemon };
            });
            daemon = quote_spanned!(own=> daemon);
        }
        let start = match ready {
            None => quote_spanned!(own=> #runtime::__private::start(#daemon).notify();),
            // Where the type is wrong, rustc's error points at the type.
            Some(param) => {
                let (first, last) = ends(&param.ty);
                let path =
                    quote_spanned!(own=> #runtime::__private::start).into_iter().map(|token| located(token, first));
                let arguments = enclosed_at(daemon, last);
                param.set_to(&quote! { #(#path)* #arguments })
            }
        };
        // The first variable, so that it is dropped last: what main does at its end.
        let main_end = quote_spanned!(own=> let _main_end = #runtime::__private::main_end(););
        quote! { #main_end #before #start }
    }
}

/// `.umask(&(0))`: an option's method, and its value, which is only borrowed.
fn method(given: &Given) -> Option<TokenStream> {
    let own = |at: Span| Span::mixed_site().located_at(at);
    if matches!(given.option, "setup" | "crate") {
        return None;
    }
    let span = own(given.name.span());
    let name = Ident::new(given.option, span);
    Some(match &given.value {
        Value::Bare => quote_spanned!(span=> .#name(true)),
        Value::Tokens(value) => {
            let and = quote_spanned!(own(ends(value).0)=> &);
            // Nothing says of what an empty list is.
            let empty = given.option == "keep_env" && value.to_string() == "[]";
            let value = enclosed(&if empty { quote_spanned!(span=> [] as [&str; 0]) } else { value.clone() });
            quote_spanned!(span=> .#name(#and #value))
        }
        Value::Wrong => return None,
    })
}

/// `(value)`: whatever is wrong with the value ends at the bracket.
fn enclosed(value: &TokenStream) -> Group {
    enclosed_at(value.clone(), ends(value).1)
}

fn enclosed_at(value: TokenStream, at: Span) -> Group {
    let mut group = Group::new(Delimiter::Parenthesis, value);
    group.set_span(Span::mixed_site().located_at(at));
    group
}

/// A value of any type, where an error has been said already. It does not make what follows unreachable.
fn nothing() -> TokenStream {
    quote_spanned!(Span::mixed_site()=> ::core::option::Option::unwrap(::core::option::Option::None))
}

/// The user's body, with statements put in.
fn with_statements(body: &Group, statements: TokenStream) -> Group {
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    let (before, after) = tokens.split_at(prologue(&tokens));
    with_stream(body, quote! { #(#before)* #statements #(#after)* })
}

/// The first and last token's place.
fn ends(tokens: &TokenStream) -> (Span, Span) {
    let mut spans = tokens.clone().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::mixed_site);
    (first, spans.last().unwrap_or(first))
}

/// The same token with its own meaning, in another place.
fn located(mut token: TokenTree, at: Span) -> TokenTree {
    token.set_span(token.span().located_at(at));
    token
}

impl Param {
    /// The parameter as a statement.
    fn set_to(&self, value: &TokenStream) -> TokenStream {
        let Param { attributes, pattern, ty } = self;
        quote_spanned!(Span::mixed_site()=> #attributes let #pattern: #ty = #value;)
    }

    /// The name of a parameter that has a name and no more than a name.
    fn name(&self) -> Option<Ident> {
        let tokens: Vec<TokenTree> = self.pattern.clone().into_iter().collect();
        match &*tokens {
            [TokenTree::Ident(name)] if name != "_" => Some(name.clone()),
            [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "mut" => Some(name.clone()),
            _ => None,
        }
    }

    fn named(&self, name: Ident) -> Param {
        Param { attributes: TokenStream::new(), pattern: name.into_token_stream(), ty: self.ty.clone() }
    }

    /// The pattern for a reference to the value: its names are references of themselves.
    fn by_reference(&self) -> TokenStream {
        fn without(tokens: TokenStream) -> TokenStream {
            tokens
                .into_iter()
                .filter_map(|token| match token {
                    TokenTree::Ident(word) if word == "mut" || word == "ref" => None,
                    TokenTree::Group(group) => Some(with_stream(&group, without(group.stream())).into()),
                    token => Some(token),
                })
                .collect()
        }
        without(self.pattern.clone())
    }
}

/// For errors.
impl ToTokens for Param {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Param { pattern, ty, .. } = self;
        tokens.extend(quote!(#pattern: #ty));
    }
}
