//! What replaces the function, also when there are errors: all that is right is still compiled.
//!
//! The statements stand at the top of the user's own body, and no closure or block is put around it: in another place
//! rustc and clippy would word their messages about it in another way. Own names begin with `__daemon`, since items of the
//! user's would meet others in spite of the macro's hygiene. Own tokens lie on the user's where rustc may point at them.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::Error;

use crate::function::{self, Function, Param};
use crate::options::{self, Options, ParsedOption, Value};
use crate::tokens::{ends, is_punct, is_word, names, with_stream};

/// Expands the whole attribute.
pub(crate) fn daemon(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Vec::new();
    let options = options::read(options, &mut errors);
    let expanded = match function::read(item.clone(), &mut errors) {
        Ok(function) => expand(&options, function, &mut errors),
        Err(error) => {
            errors.push(error);
            item
        }
    };
    let errors = errors.iter().map(Error::to_compile_error);
    quote! { #expanded #(#errors)* }
}

fn expand(options: &Options, mut function: Function, errors: &mut Vec<Error>) -> TokenStream {
    let params = std::mem::take(&mut function.params);
    let mut roles = match function.is_main() {
        true => main_roles(params, options, &function, errors),
        false => function_roles(params, options, errors),
    };
    let runtime = match options.value_of("crate") {
        None => Some(quote_spanned!(Span::mixed_site()=> ::daemon_runtime)),
        Some(Value::Tokens(path)) => Some(path.clone()),
        Some(_) => {
            roles.invalid.extend(roles.setup.take().into_iter().chain(roles.ready.take()));
            None
        }
    };
    let setup = match options.value_of("setup") {
        Some(Value::Tokens(setup)) if function.is_main() => Some(enclosed(setup).into_token_stream()),
        Some(_) if roles.setup.is_some() => Some(placeholder()),
        _ => None,
    };
    let parts = Parts { runtime, options, setup, roles };
    if let (Some(word), []) = (&function.asyncness, &*function.macros) {
        let words = "`async fn` needs the attribute of a runtime below `#[daemon]`, such as `#[tokio::main]`";
        errors.push(Error::new_spanned(word, words));
        return parts.type_checked(&function);
    }
    if function.macros.is_empty() {
        return parts.direct(&function);
    }
    parts.refuse_items_of_the_body(&function, errors);
    parts.nested(&function, errors)
}

/// What each parameter is for.
#[derive(Default)]
struct Roles {
    /// Main's: the value of `setup`.
    setup: Option<Param>,
    /// Another function's: the caller's.
    caller: Vec<Param>,
    ready: Option<Param>,
    /// Parameters too many, about which enough is said.
    invalid: Vec<Param>,
}

fn main_roles(params: Vec<Param>, options: &Options, function: &Function, errors: &mut Vec<Error>) -> Roles {
    let has_setup = options.value_of("setup").is_some();
    let mut roles = Roles::default();
    let mut error = |param: &Param, words: &str| errors.push(Error::new_spanned(param, words));
    let mut params = params.into_iter();
    match (has_setup, params.next(), params.next()) {
        (true, Some(ready), None) if ready.is_ready() => {
            error(&ready, "with `setup` the first parameter takes its value; write `fn main(_: …, ready: Ready)`");
            roles.ready = Some(ready);
        }
        (true, Some(ready), Some(value)) if ready.is_ready() && !value.is_ready() => {
            error(&ready, "the value of `setup` comes first; exchange the two parameters");
            (roles.setup, roles.ready) = (Some(value), Some(ready));
        }
        (true, value, ready) => (roles.setup, roles.ready) = (value, ready),
        (false, Some(value), ready @ Some(_)) => {
            error(
                &value,
                "the first of two parameters is the value of `setup`; add `setup = …`, or take `Ready` alone",
            );
            roles.invalid.push(value);
            roles.ready = ready;
        }
        (false, Some(value), None) if !value.is_ready() && function.macros.is_empty() && cannot_be_ready(&value) => {
            error(
                &value,
                "this parameter is the value of `setup`, which is missing; add `setup = …`, or take `ready: Ready`",
            );
            roles.invalid.push(value);
        }
        (false, ready, None) => roles.ready = ready,
        (false, None, Some(_)) => {}
    }
    for param in params {
        error(&param, "`fn main` takes the value of `setup`, then `Ready`, and no more; remove this parameter");
        roles.invalid.push(param);
    }
    roles
}

/// Whether a type cannot be another name of `Ready`.
fn cannot_be_ready(param: &Param) -> bool {
    let tokens: Vec<TokenTree> = param.ty.clone().into_iter().collect();
    tokens.len() > 1 || tokens.iter().any(|token| is_word(token, "String bool str u8 u16 u32 u64 usize i32 i64"))
}

fn function_roles(mut params: Vec<Param>, options: &Options, errors: &mut Vec<Error>) -> Roles {
    if let Some(setup) = options.all.iter().find(|option| option.row.name == "setup") {
        let words =
            "`setup` is for `fn main`; here the parameters are it: what the caller gives may be used in the options";
        errors.push(Error::new(setup.name.span(), words));
    }
    let ready = if params.last().is_some_and(Param::is_ready) { params.pop() } else { None };
    for param in params.iter().filter(|param| param.is_ready()) {
        errors.push(Error::new_spanned(param, "`Ready` is the last parameter; put it behind the caller's"));
    }
    Roles { caller: params, ready, ..Roles::default() }
}

/// What all ways to expand are made of.
struct Parts<'a> {
    /// The path of the runtime; `None` if what stands after `crate =` is none.
    runtime: Option<TokenStream>,
    options: &'a Options,
    setup: Option<TokenStream>,
    roles: Roles,
}

impl Parts<'_> {
    /// No other attribute rewrites the function: all goes to the top of its body.
    fn direct(&self, function: &Function) -> TokenStream {
        let Function { inert, visibility, word_fn, name, generics, parens, returns, body, .. } = function;
        let parens = with_stream(parens, list(&self.roles.caller));
        let invalid = self.roles.invalid.iter().map(|param| param.set_to(&placeholder()));
        let launch = self.launch(self.roles.setup.as_ref(), None, self.roles.ready.as_ref());
        let body = with_statements(body, quote! { #(#invalid)* #launch });
        let own = Span::mixed_site();
        let allow = match self.options.unknown.is_empty() {
            true => quote_spanned!(own=> #[allow(clippy::items_after_statements)]),
            // For `cfg(rust_analyzer)`.
            false => quote_spanned!(own=> #[allow(clippy::items_after_statements, unexpected_cfgs)]),
        };
        quote! { #inert #allow #visibility #word_fn #name #generics #parens #returns #body }
    }

    /// An `async fn` without a runtime: its body is checked, and no more.
    fn type_checked(&self, function: &Function) -> TokenStream {
        let Function { inert, visibility, asyncness, word_fn, name, generics, parens, returns, body, .. } = function;
        let Roles { setup, caller, ready, invalid } = &self.roles;
        let params = setup.iter().chain(ready).chain(invalid).map(|param| param.set_to(&placeholder()));
        let inner = with_statements(body, quote! { #(#params)* });
        let outer = with_stream(parens, list(caller));
        let own = Span::mixed_site();
        quote_spanned! {own=>
            #inert #[allow(unused_variables)] #visibility #word_fn #name #generics #outer #returns {
                #asyncness #word_fn #name #generics #outer #returns #inner
                let _ = #name;
                loop {}
            }
        }
    }

    /// Another attribute rewrites the function, most likely into one that starts threads. It gets a function inside of
    /// ours, of the same name.
    ///
    /// Main's has no parameters, which such attributes refuse: the values go through the runtime's `hand_over` and `receive`.
    /// Unless an attribute reads a parameter, as `#[instrument(skip(ready))]` does: then they are its parameters.
    ///
    /// In the block around, the name is something that cannot be called: where an attribute takes the inner function away, a
    /// call must not reach the outer one, which would start once more.
    fn nested(&self, function: &Function, errors: &mut Vec<Error>) -> TokenStream {
        let Function { inert, macros, visibility, asyncness, word_fn, name, generics, parens, returns, body, .. } =
            function;
        let (own, runtime, is_main) = (Span::mixed_site(), &self.runtime, function.is_main());
        let Roles { setup, caller, ready, invalid } = &self.roles;
        let invalid = invalid.iter().map(|param| param.set_to(&placeholder()));
        let all: Vec<Param> = setup.iter().chain(caller).chain(ready).cloned().collect();
        let reader = macros.iter().find(|attribute| all.iter().any(|param| reads(attribute, param)));
        if let (Some(reader), true, Some(_)) = (reader, is_main, asyncness) {
            let words =
                "this attribute reads a parameter, which `async fn main` below `#[daemon]` does not have; put it above";
            errors.push(Error::new_spanned(reader, words));
        }
        let by_parameters = !is_main || reader.is_some() && asyncness.is_none();

        // The inner function. What only an option uses is not unused, although this function does not use it.
        let receive = quote_spanned!(own=> #runtime::__private::receive());
        let used = |param: &&Param| self.options.all.iter().any(|option| option.mentions(&param.pattern));
        let allow = all.iter().find(used).map(|_| quote_spanned!(own=> #[allow(unused_variables)]));
        let received = all.iter().filter(|_| !by_parameters).map(|param| {
            let statement = param.set_to(&receive);
            quote! { #allow #statement }
        });
        // Who does not take `Ready` is ready where the body begins. In an empty body rustc's words would point at that.
        let takes_ready = self.roles.ready.is_some() || body.stream().is_empty();
        let notify = match (takes_ready, runtime) {
            (false, Some(runtime)) => {
                Some(quote_spanned!(own=> #runtime::__private::receive::<#runtime::Ready>().notify();))
            }
            _ => None,
        };
        let inner_body = with_statements(body, quote! { #(#invalid)* #(#received)* #notify });
        let inner_parens = if by_parameters { with_stream(parens, list(&all)) } else { parens.clone() };
        let inner_allow = if by_parameters { allow } else { None };

        // The outer one. A name can be bound here too, for the options; of another pattern the names are references.
        let named = |index: usize, param: &Param| {
            param.named(param.name().unwrap_or(Ident::new(&format!("__daemon_value_{index}"), own)))
        };
        let outer: Vec<Param> = setup.iter().chain(caller).enumerate().map(|(at, param)| named(at, param)).collect();
        let patterns = setup.iter().chain(caller).zip(&outer).filter(|(param, _)| param.name().is_none());
        let by_reference = patterns.map(|(param, named)| (param.by_reference(), named.pattern.clone())).collect();
        let (setup, caller) = if setup.is_some() { (outer.first(), &outer[1..]) } else { (None, &outer[..]) };
        let ready_type = ready.as_ref().map_or(quote_spanned!(own=> #runtime::Ready), |ready| ready.ty.clone());
        let ready_name = Ident::new("__daemon_ready", own);
        let ready = Param { attributes: TokenStream::new(), pattern: ready_name.to_token_stream(), ty: ready_type };
        let launch = self.launch(setup, Some(by_reference), Some(&ready));
        let notify_outside = (self.roles.ready.is_none() && takes_ready && runtime.is_some())
            .then(|| quote_spanned!(own=> #ready_name.notify();));
        let takes_ready = self.roles.ready.is_some();
        let arguments: Vec<&TokenStream> = outer.iter().map(|param| &param.pattern).collect();
        let (handed, passed) = match (by_parameters, takes_ready) {
            (true, false) if notify_outside.is_some() => (vec![], arguments),
            (false, false) if notify_outside.is_some() => (arguments, vec![]),
            (true, true) => (vec![], arguments.into_iter().chain([&ready.pattern]).collect()),
            (true, false) => (vec![&ready.pattern], arguments),
            (false, _) => (arguments.into_iter().chain([&ready.pattern]).collect(), vec![]),
        };
        let hand_over = runtime.as_ref().map(|runtime| quote!(#(#runtime::__private::hand_over(#handed);)*));
        let outer_parens = with_stream(parens, list(caller));
        let returns_outer = if is_main { self.main_returns(function) } else { returns.clone() };
        let gone = Ident::new("AnAttributeBelowDaemonHasTakenThisFunctionAway", own);
        let call = quote_spanned!(own=> #name(#(#passed),*));
        let call = if runtime.is_some() { call } else { quote_spanned!(own=> let _ = #name; loop {}) };
        quote_spanned! {own=>
            #inert #[allow(unused_mut, unexpected_cfgs)] #visibility #word_fn #name #generics #outer_parens #returns_outer {
                struct #gone;
                #[allow(non_upper_case_globals, dead_code)]
                const #name: #gone = #gone;
                {
                    #(#macros)* #inner_allow #asyncness #word_fn #name #generics #inner_parens #returns #inner_body
                    #launch
                    #notify_outside
                    #hand_over
                    #call
                }
            }
        }
    }

    /// The type that the outer main returns: an attribute below may change that of the inner one (`#[snafu::report]`). Where a
    /// `?` in an option returns early, the written one is needed.
    fn main_returns(&self, function: &Function) -> TokenStream {
        let returns = &function.returns;
        let leaves = |tokens: &TokenStream| tokens.clone().into_iter().any(|token| leaves_early(&token));
        let needs_written = self.options.all.iter().filter_map(ParsedOption::tokens).any(leaves);
        let is_never = returns.clone().into_iter().last().is_some_and(|last| is_punct(&last, '!'));
        match needs_written || is_never || function.asyncness.is_some() {
            true => returns.clone(),
            false => quote_spanned!(ends(returns).0=> -> impl ::std::process::Termination),
        }
    }

    /// An option is evaluated outside of the body where an attribute below rewrites the function, and there an item of the body
    /// is unknown; or another one of the same name is meant.
    fn refuse_items_of_the_body(&self, function: &Function, errors: &mut Vec<Error>) {
        let items = items_of(&function.body);
        for option in &self.options.all {
            let used = names(option.tokens().cloned().unwrap_or_default());
            if let Some(name) = used.iter().find(|name| items.contains(name)) {
                let words = format!(
                    "an option cannot use `{name}` of the body where another attribute stands below; move it out of the function"
                );
                errors.push(Error::new(name.span(), words));
            }
        }
    }

    /// The statements that evaluate `setup`, then the options, and start the daemon. `by_reference` are patterns, and the names
    /// of the values that they take apart.
    fn launch(
        &self,
        setup: Option<&Param>,
        by_reference: Option<Vec<(TokenStream, TokenStream)>>,
        ready: Option<&Param>,
    ) -> TokenStream {
        let Some(runtime) = &self.runtime else { return TokenStream::new() };
        let own = Span::mixed_site();
        let mut daemon = quote_spanned!(own=> #runtime::__private::daemon());
        let mut before = TokenStream::new();
        if let Some(value) = &self.setup {
            let value = setup.map_or_else(|| quote!(#value;), |param| param.set_to(value));
            before = quote_spanned! {own=> let __daemon_options = #daemon; #value };
            daemon = quote_spanned!(own=> __daemon_options);
        }
        daemon.extend(self.options.all.iter().filter_map(method));
        let by_reference = by_reference.unwrap_or_default();
        if !by_reference.is_empty() {
            let (patterns, values): (Vec<_>, Vec<_>) = by_reference.into_iter().unzip();
            before.extend(quote_spanned! {own=>
                #[allow(unused_variables)]
                let __daemon_options = match (#(&#values,)*) { (#(#patterns,)*) => #daemon };
            });
            daemon = quote_spanned!(own=> __daemon_options);
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
        // For rust-analyzer alone: a method of that name is completed with the names of all options.
        let unknown = self
            .options
            .unknown
            .iter()
            .map(|name| quote_spanned!(own=> #[cfg(rust_analyzer)] let _ = #runtime::__private::daemon().#name;));
        // The first variable, so that it is dropped last: what is done at the end of the function.
        let end = quote_spanned!(own=> let __daemon_end = #runtime::__private::main_end(););
        quote! { #end #(#unknown)* #before #start }
    }
}

/// `.umask(&(0))`: an option's method, and its value, which is only borrowed.
fn method(option: &ParsedOption) -> Option<TokenStream> {
    let own = |at: Span| Span::mixed_site().located_at(at);
    if matches!(option.row.name, "setup" | "crate") || option.is_none() {
        return None;
    }
    let span = own(option.name.span());
    let name = Ident::new(option.row.name, span);
    Some(match &option.value {
        Value::Bare => quote_spanned!(span=> .#name(true)),
        Value::Tokens(value) => {
            let and = quote_spanned!(own(ends(value).0)=> &);
            let is_empty_names = option.row.name == "keep_env" && option.is_empty_list();
            let value = enclosed(&if is_empty_names { quote_spanned!(span=> [] as [&str; 0]) } else { value.clone() });
            quote_spanned!(span=> .#name(#and #value))
        }
        Value::Invalid => return None,
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
fn placeholder() -> TokenStream {
    quote_spanned!(Span::mixed_site()=> ::core::option::Option::unwrap(::core::option::Option::None))
}

/// `a: A, b: B`
fn list(params: &[Param]) -> TokenStream {
    quote!(#(#params),*)
}

/// The user's body, with statements at its top, but after inner attributes, which must be first.
fn with_statements(body: &Group, statements: TokenStream) -> Group {
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    let inner = tokens.chunks(3).take_while(|it| it.len() == 3 && is_punct(&it[0], '#') && is_punct(&it[1], '!'));
    let (before, after) = tokens.split_at(3 * inner.count());
    with_stream(body, quote! { #(#before)* #statements #(#after)* })
}

/// Whether an attribute has the name of a parameter in its arguments.
fn reads(attribute: &TokenStream, param: &Param) -> bool {
    let used = names(attribute.clone());
    param.name().is_some_and(|name| used.contains(&name))
}

/// Whether a token is a `?` or a `return`, also inside of brackets.
fn leaves_early(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.stream().into_iter().any(|token| leaves_early(&token)),
        token => is_punct(token, '?') || is_word(token, "return"),
    }
}

/// The names of the items that stand in a body itself.
fn items_of(body: &Group) -> Vec<Ident> {
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    tokens
        .windows(2)
        .filter_map(|pair| match pair {
            [word, TokenTree::Ident(name)] if is_word(word, "fn struct enum union const static mod type trait") => {
                Some(name.clone())
            }
            _ => None,
        })
        .collect()
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

    fn named(&self, name: Ident) -> Param {
        Param { attributes: TokenStream::new(), pattern: name.into_token_stream(), ty: self.ty.clone() }
    }

    /// The pattern for a reference to the value: its names are references of themselves.
    fn by_reference(&self) -> TokenStream {
        fn without(tokens: TokenStream) -> TokenStream {
            tokens
                .into_iter()
                .filter_map(|token| match token {
                    token if is_word(&token, "mut ref") || is_punct(&token, '&') => None,
                    TokenTree::Group(group) => Some(with_stream(&group, without(group.stream())).into()),
                    token => Some(token),
                })
                .collect()
        }
        without(self.pattern.clone())
    }
}
