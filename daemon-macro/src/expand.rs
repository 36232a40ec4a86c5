//! What replaces the function, also when there are errors: all that is right is still compiled.
//!
//! The statements stand at the top of the user's own body, and no closure or block is put around it: in another place
//! rustc and clippy would word their messages about it in another way. Own names begin with `__daemon`, since items of the
//! user's would meet others in spite of the macro's hygiene. Own tokens lie on the user's where rustc may point at them.

use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Error;
use syn::ext::IdentExt;

use crate::function::{self, Function, Param, is_single_colon};
use crate::options::{self, Options, ParsedOption, Value};
use crate::tokens::{ends, is_punct, is_word, names, skip_part, split_parameters, with_stream};

/// In an attribute of a tool, into which rustc does not look: a second `#[daemon]` knows a function inside of ours by it.
const INSIDE: &str = "__daemon_inside";

/// Expands the whole attribute.
pub(crate) fn daemon(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Vec::new();
    let mut options = options::read(options, &mut errors);
    let expanded = match function::read(item.clone(), &mut errors) {
        Ok(function) => expand(&mut options, function, &mut errors),
        Err(error) => {
            errors.push(error);
            item
        }
    };
    let errors = errors.iter().map(Error::to_compile_error);
    quote! { #expanded #(#errors)* }
}

fn expand(options: &mut Options, mut function: Function, errors: &mut Vec<Error>) -> TokenStream {
    let (wrapped, params) = std::mem::take(&mut function.params).into_iter().partition(Param::wraps_ready);
    let mut roles = match function.is_main() {
        true => main_roles(params, options, &function, errors),
        false => function_roles(params, options, errors),
    };
    for param in wrapped {
        errors.push(Error::new_spanned(&param.ty, "expected `Ready` by value: `ready: Ready`"));
        roles.invalid.push(Param { ty: without_references(param.ty), ..param });
    }
    let leaves_early = options.all.iter().filter_map(ParsedOption::tokens).any(leaves_early);
    // By another name, so that `function` did not see it.
    let is_second = function.body.stream().into_iter().any(|token| is_word(&token, "__daemon_end"))
        || function.inert.to_string().contains(INSIDE);
    if is_second {
        errors.push(Error::new(Span::call_site(), function::TWICE));
    }
    let is_async = function.asyncness.is_some();
    let is_unfinished = is_async && function.macros.is_empty() && function.receiver.is_none();
    if let (Some(word), true) = (&function.asyncness, is_unfinished) {
        let words = "`async fn` needs the attribute of a runtime below `#[daemon]`, such as `#[tokio::main]`";
        let caller = if function.is_main() { "" } else { "; call it from a main that is not `async`" };
        errors.push(Error::new_spanned(word, format!("{words}{caller}")));
    }
    let is_refused = is_second || is_unfinished || function.receiver.is_some();
    let private = private(options, errors).filter(|_| !is_refused).filter(|_| {
        let above = changes_returns(&function.returns).filter(|_| leaves_early);
        let words = "this attribute changes the return type, so that no option can use `?`; put it below `#[daemon]`";
        errors.extend(above.map(|at| Error::new(at, words)));
        above.is_none()
    });
    if private.is_none() {
        roles.invalid.extend(roles.setup.take().into_iter().chain(roles.ready.take()));
    }
    let reader = function.macros.iter().find(|attribute| roles.all().iter().any(|param| reads(attribute, param)));
    // A function that no runtime calls may have its attributes where they stand: all of it is in one scope, and one type is
    // returned. But for main the compiler says less if it is taken away.
    let is_simple = !is_async && reader.is_none() && (leaves_early || !function.is_main());
    let is_direct = is_simple || function.macros.is_empty() && !is_unfinished || function.receiver.is_some();
    if !is_direct && !is_unfinished {
        refuse_items_of_the_body(options, &function, errors);
    }
    if let (Some(reader), true, true) = (reader, function.is_main(), is_async) {
        let words =
            "this attribute reads a parameter, which `async fn main` below `#[daemon]` does not have; put it above";
        errors.push(Error::new_spanned(reader, words));
    }
    let has_reader = reader.is_some();
    let setup = match options.value_of("setup") {
        Some(Value::Tokens(setup)) if function.is_main() => Some(enclosed(setup).into_token_stream()),
        Some(_) if roles.setup.is_some() => Some(placeholder()),
        _ => None,
    };
    let can_fail = leaves_early && last_word(&function.returns).is_some_and(|word| !is_punct(&word, '!'));
    let is_reported = can_fail && function.is_main() && private.is_some();
    let head = is_reported.then(|| [std::mem::take(&mut function.inert), std::mem::take(&mut function.visibility)]);
    let parts = Parts { private, options, setup, roles };
    let expanded = match is_direct {
        true => parts.direct(&function),
        false => parts.nested(&function, has_reader, leaves_early || is_unfinished),
    };
    match head {
        Some(head) => parts.reported(&head, &function, &expanded),
        None => expanded,
    }
}

/// The last word of a return type, before its arguments.
fn last_word(returns: &TokenStream) -> Option<TokenTree> {
    returns.clone().into_iter().take_while(|token| !is_punct(token, '<')).last()
}

/// The path of what the expansion calls; `None` where an error has been said about it.
fn private(options: &Options, errors: &mut Vec<Error>) -> Option<TokenStream> {
    let own = Span::mixed_site();
    match options.value_of("crate") {
        Some(Value::Tokens(path)) => {
            // Where the path leads elsewhere, rustc points at the path, and says this name.
            Some(quote_spanned!(own.located_at(ends(path).1)=> #path::__crate_must_be_daemon_runtime))
        }
        Some(_) => None,
        None => match renamed_runtime() {
            Some(name) => {
                let words = format!("this package calls `daemon-runtime` `{name}`; write `crate = ::{name}`");
                errors.push(Error::new(Span::call_site(), words));
                None
            }
            None => Some(quote_spanned!(own=> ::daemon_runtime::__private)),
        },
    }
}

/// Returns the name that the user's package gives the runtime, if it is another one. Which that is, the workspace may say.
fn renamed_runtime() -> Option<String> {
    let directory = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let mut manifests = directory.ancestors().map(|directory| dependencies(&directory.join("Cargo.toml")));
    let own = manifests.next()?;
    let is_own = |name: &str| own.iter().any(|(own, _)| own == name);
    if is_own("daemon-runtime") {
        return None;
    }
    let is_renamed = |(name, line): &(String, String)| is_own(name) && line.contains("package=daemon-runtime");
    let (name, _) = own.iter().cloned().chain(manifests.flatten()).find(is_renamed)?;
    Some(name.replace('-', "_"))
}

/// Returns the lines of a manifest without spaces and quotes, each with the dependency that it is about, if it is.
fn dependencies(manifest: &Path) -> Vec<(String, String)> {
    let mut table = None;
    let dependency = |line: &str| {
        let line = line.replace(|next: char| next.is_whitespace() || "\"'".contains(next), "");
        if line.starts_with('[') {
            table = line.rsplit_once("dependencies.").map(|(_, name)| name.trim_end_matches(']').to_owned());
        }
        let key = line.split(['=', '.']).next().unwrap_or_default();
        (table.clone().unwrap_or(key.to_owned()), line)
    };
    std::fs::read_to_string(manifest).unwrap_or_default().lines().map(dependency).collect()
}

/// Returns the place of an attribute above that has written another return type, of which rustc knows no `?`.
fn changes_returns(returns: &TokenStream) -> Option<Span> {
    let word = last_word(returns)?;
    let at = ends(returns).0;
    // What an attribute writes itself lies on the attribute.
    (at.source_text()?.starts_with('#') && !is_word(&word, "Result Option")).then_some(at)
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

impl Roles {
    fn all(&self) -> Vec<&Param> {
        self.setup.iter().chain(&self.caller).chain(&self.ready).collect()
    }

    /// The value of `setup`, or the caller's, by names: a name can be bound twice, for an option and for the body.
    fn named(&self) -> Vec<Param> {
        let named = |(index, param): (usize, &Param)| {
            let name = param.name().unwrap_or(format_ident!("__daemon_value_{index}", span = Span::mixed_site()));
            Param { attributes: TokenStream::new(), pattern: name.into_token_stream(), ty: param.ty.clone() }
        };
        self.setup.iter().chain(&self.caller).enumerate().map(named).collect()
    }
}

fn main_roles(mut params: Vec<Param>, options: &Options, function: &Function, errors: &mut Vec<Error>) -> Roles {
    let has_setup = options.value_of("setup").is_some();
    let mut roles = Roles::default();
    let mut error = |param: &Param, words: &str| errors.push(Error::new_spanned(param, words));
    if params.len() > 2 {
        // What stands between the two, or behind them.
        let surplus = if params.last().is_some_and(Param::is_ready) { 1..params.len() - 1 } else { 2..params.len() };
        for param in params.drain(surplus) {
            error(&param, "`fn main` takes the value of `setup`, then `Ready`, and no more; remove this parameter");
            roles.invalid.push(param);
        }
    }
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
    let (misplaced, caller): (Vec<Param>, Vec<Param>) = params.into_iter().partition(Param::is_ready);
    for param in &misplaced {
        errors.push(Error::new_spanned(param, "`Ready` is the last parameter; put it behind the caller's"));
    }
    Roles { caller, ready, invalid: misplaced, ..Roles::default() }
}

/// What all ways to expand are made of.
struct Parts<'a> {
    /// The path of what the expansion calls.
    private: Option<TokenStream>,
    options: &'a Options,
    setup: Option<TokenStream>,
    roles: Roles,
}

impl Parts<'_> {
    /// All goes to the top of the function's body.
    fn direct(&self, function: &Function) -> TokenStream {
        let Function { inert, macros, visibility, asyncness, word_fn, name, generics, parens, returns, body, .. } =
            function;
        let receiver = function.receiver.as_ref().map(|receiver| quote!(#receiver,));
        let params = list(&self.roles.caller);
        let parens = with_stream(parens, quote!(#receiver #params));
        let invalid = self.roles.invalid.iter().map(|param| param.set_to(&placeholder()));
        let launch = self.launch(self.roles.setup.as_ref(), None, self.roles.ready.as_ref());
        // Where an item of a macro comes first, clippy says nothing about items after statements. To allow them can be forbidden.
        let is_item = |token| is_word(&token, NAMED_ITEMS) || is_word(&token, "use impl extern macro_rules");
        let item = self
            .private
            .as_ref()
            .filter(|_| body.stream().into_iter().any(is_item))
            .map(|_| quote_spanned!(Span::mixed_site()=> const _: () = ();));
        let uses = if self.private.is_none() { self.uses() } else { None };
        let body = with_statements(body, quote! { #(#invalid)* #launch #uses #item });
        let allow_cfg = self.allow_cfg();
        quote! { #inert #(#macros)* #allow_cfg #visibility #asyncness #word_fn #name #generics #parens #returns #body }
    }

    /// For the statements that only rust-analyzer sees.
    fn allow_cfg(&self) -> Option<TokenStream> {
        let has_some = self.private.is_some() && !self.options.unknown.is_empty();
        has_some.then(|| quote_spanned!(Span::mixed_site()=> #[allow(unexpected_cfgs)]))
    }

    /// Uses what an option alone uses, which the function inside would be said not to use. `#[allow(unused_variables)]` can be
    /// forbidden.
    fn uses(&self) -> Option<TokenStream> {
        let used = names(self.options.all.iter().filter_map(ParsedOption::tokens).cloned().collect());
        let mut bound = all_bindings(self.roles.all());
        bound.extend(all_bindings(&self.roles.invalid));
        bound.retain(|name| used.contains(name));
        use_of(bound)
    }

    /// Another attribute rewrites the function, most likely into one that starts threads. It gets a function inside of
    /// ours, of the same name.
    ///
    /// Main's has no parameters, which such attributes refuse: the values go through the runtime's `hand_over` and `receive`.
    /// Unless an attribute reads a parameter, as `#[instrument(skip(ready))]` does: then they are its parameters. Those of any
    /// other function are parameters too, but for runtimes that know main alone: they get a main.
    fn nested(&self, function: &Function, has_reader: bool, leaves_early: bool) -> TokenStream {
        let Function { inert, macros, visibility, asyncness, word_fn, name, generics, parens, returns, body, .. } =
            function;
        let (own, private, is_main) = (Span::mixed_site(), &self.private, function.is_main());
        let roles = &self.roles;
        let invalid = roles.invalid.iter().map(|param| param.set_to(&placeholder()));
        let by_parameters = match is_main {
            true => has_reader && asyncness.is_none(),
            false => !macros.iter().any(wants_main),
        };
        let inner = if by_parameters || is_main { name.clone() } else { Ident::new("main", name.span()) };

        // The inner function.
        let receive = quote_spanned!(own=> #private::receive());
        let received = roles.all().into_iter().filter(|_| !by_parameters).map(|param| param.set_to(&receive));
        // Who does not take `Ready` is ready where the body begins. In an empty body rustc's words would point at that.
        let is_ready_outside = roles.ready.is_none() && body.stream().is_empty();
        let is_ready_inside = roles.ready.is_none() && !is_ready_outside;
        let notify = private.as_ref().filter(|_| is_ready_inside);
        let notify = notify.map(|private| quote_spanned!(own=> #private::receive::<#private::Ready>().notify();));
        let uses = self.uses();
        let inner_body = with_statements(body, quote! { #(#invalid)* #(#received)* #notify #uses });
        let inner_parens = if by_parameters { with_stream(parens, list(roles.all())) } else { parens.clone() };

        // The outer one. Of a pattern that is no name the names are references, for the options.
        let outer = roles.named();
        let patterns = roles.setup.iter().chain(&roles.caller).zip(&outer).filter(|(param, _)| param.name().is_none());
        let by_reference = patterns.map(|(param, named)| (param.by_reference(), named.pattern.clone())).collect();
        let (setup, caller) = outer.split_at(roles.setup.iter().count());
        let unused = use_of(all_bindings(caller));
        let ready_type = roles.ready.as_ref().map_or(quote_spanned!(own=> #private::Ready), |ready| ready.ty.clone());
        let ready_name = Ident::new("__daemon_ready", own);
        let ready = Param { attributes: TokenStream::new(), pattern: ready_name.to_token_stream(), ty: ready_type };
        let launch = self.launch(setup.first(), Some(by_reference), Some(&ready));
        let notify_outside = private.as_ref().filter(|_| is_ready_outside);
        let notify_outside = notify_outside.map(|_| quote_spanned!(own=> #ready_name.notify();));
        let (mut handed, mut passed) = (outer.iter().map(|param| &param.pattern).collect(), Vec::new());
        if by_parameters {
            std::mem::swap(&mut handed, &mut passed);
        }
        if !is_ready_outside {
            let values = if by_parameters && !is_ready_inside { &mut passed } else { &mut handed };
            values.push(&ready.pattern);
        }
        let hand_over = private.as_ref().map(|private| quote!(#(#private::hand_over(#handed);)*));
        let outer_parens = with_stream(parens, list(caller));
        let returns_outer = if leaves_early { returns.clone() } else { outer_returns(function) };
        let allow_cfg = self.allow_cfg();
        let inside = Ident::new(INSIDE, own);
        let call = match private {
            Some(_) => call(function, &inner, quote_spanned!(own=> #(#passed),*)),
            // The body is checked, and no more.
            None => quote_spanned!(own=> let _ = #inner; #unused loop {}),
        };
        let block = quote_spanned! {own=>
            #(#macros)* #[rustfmt::#inside] #asyncness #word_fn #inner #generics #inner_parens #returns #inner_body
            #launch
            #notify_outside
            #hand_over
            #call
        };
        around(function, quote!(#inert #allow_cfg #visibility), &outer_parens, &returns_outer, &inner, &block)
    }

    /// Main in another one, which tells a supervisor what the inner one has returned: the `?` of an option, or a `return`, may
    /// have ended it before it was ready.
    fn reported(&self, head: &[TokenStream], function: &Function, main: &TokenStream) -> TokenStream {
        let (private, Function { name, parens, returns, .. }) = (&self.private, function);
        // Lints about a type that is written twice are said twice. But what main cannot return, rustc has words for.
        let is_result = last_word(returns).is_some_and(|word| is_word(&word, "Result"));
        let call = call(function, name, TokenStream::new());
        // Of a function that is used once, clippy can say so.
        let block = quote_spanned! {Span::mixed_site()=>
            #main
            let _ = #name;
            let __daemon_returned = #private::Returned(#call);
            __daemon_returned.report();
            __daemon_returned.0
        };
        let returns = if is_result { any_termination(returns) } else { outer_returns(function) };
        around(function, quote!(#(#head)*), parens, &returns, name, &block)
    }

    /// The statements that evaluate `setup`, then the options, and start the daemon. `by_reference` are patterns, and the names
    /// of the values that they take apart.
    fn launch(
        &self,
        setup: Option<&Param>,
        by_reference: Option<Vec<(TokenStream, TokenStream)>>,
        ready: Option<&Param>,
    ) -> TokenStream {
        let Some(private) = &self.private else { return TokenStream::new() };
        let own = Span::mixed_site();
        let mut daemon = quote_spanned!(own=> #private::daemon());
        let mut before = TokenStream::new();
        if let Some(value) = &self.setup {
            let value = setup.map_or_else(|| quote!(#value;), |param| param.set_to(value));
            // On the option's name, so that rust-analyzer shows its documentation.
            let name =
                self.options.all.iter().find(|option| option.row.name == "setup").map(|option| option.name.span());
            let name = Ident::new("setup", name.map_or(own, |at| own.located_at(at)));
            before = quote_spanned! {own=> let __daemon_options = #private::options().#name(); #value };
            daemon = quote_spanned!(own=> __daemon_options);
        }
        daemon.extend(self.options.all.iter().filter_map(method));
        let by_reference = by_reference.unwrap_or_default();
        if !by_reference.is_empty() {
            let (patterns, values): (Vec<_>, Vec<_>) = by_reference.into_iter().unzip();
            let uses = use_of(bindings(&quote!(#(#patterns),*)));
            before.extend(quote_spanned! {own=>
                let __daemon_options = match (#(&#values,)*) { (#(#patterns,)*) => { #uses #daemon } };
            });
            daemon = quote_spanned!(own=> __daemon_options);
        }
        let start = match ready {
            None => quote_spanned!(own=> #private::start(#daemon).notify();),
            // Where the type is wrong, rustc's error points at the type.
            Some(param) => {
                let (first, last) = ends(&param.ty);
                let start = enclosed_at(quote_spanned!(own=> #private::start_for_parameter), first);
                let arguments = enclosed_at(daemon, last);
                param.set_to(&quote! { #start #arguments })
            }
        };
        // For rust-analyzer alone: a method of that name is completed with the names of all options.
        let unknown = self
            .options
            .unknown
            .iter()
            .map(|name| quote_spanned!(own=> #[cfg(rust_analyzer)] let _ = #private::options().#name;));
        // The first variable, so that it is dropped last: what is done at the end of the function.
        let end = quote_spanned!(own=> let __daemon_end = #private::main_end(););
        quote! { #end #(#unknown)* #before #start }
    }
}

/// A function around a block with another one. In there, its name is something that cannot be called: where an attribute takes
/// the inner function away, a call must not reach the outer one, which would start once more.
fn around(
    function: &Function,
    head: TokenStream,
    parens: &Group,
    returns: &TokenStream,
    inner: &Ident,
    block: &TokenStream,
) -> TokenStream {
    let (own, Function { word_fn, name, generics, .. }) = (Span::mixed_site(), function);
    let gone = Ident::new("AnAttributeBelowDaemonHasTakenThisFunctionAway", own);
    quote_spanned! {own=>
        #head #word_fn #name #generics #parens #returns {
            struct #gone;
            let #inner = #gone;
            let _ = #inner;
            { #block }
        }
    }
}

/// The call of a function inside. Where that has gone, or returns another type, rustc points at the attribute.
fn call(function: &Function, inner: &Ident, arguments: TokenStream) -> TokenStream {
    let own = Span::mixed_site();
    let at = function.macros.last().map_or(own, |attribute| ends(attribute).1);
    let arguments = enclosed_at(arguments, at);
    quote_spanned!(own=> #inner #arguments)
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
fn list<'a>(params: impl IntoIterator<Item = &'a Param>) -> TokenStream {
    let params = params.into_iter();
    quote!(#(#params),*)
}

/// The user's body, with statements at its top, but after inner attributes, which must be first.
fn with_statements(body: &Group, statements: TokenStream) -> Group {
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    let inner = tokens.chunks(3).take_while(|it| it.len() == 3 && is_punct(&it[0], '#') && is_punct(&it[1], '!'));
    let (before, after) = tokens.split_at(3 * inner.count());
    with_stream(body, quote! { #(#before)* #statements #(#after)* })
}

/// An option is evaluated outside of the body where an attribute below rewrites the function, and there an item of the body is
/// unknown; or another one of the same name is meant.
fn refuse_items_of_the_body(options: &mut Options, function: &Function, errors: &mut Vec<Error>) {
    let items = items_of(&function.body);
    for option in &mut options.all {
        let value = option.tokens().cloned().unwrap_or_default();
        let bound = bound_inside(value.clone());
        if let Some(name) = names(value).iter().find(|name| items.contains(name) && !bound.contains(name)) {
            let words = format!(
                "an option cannot use `{name}` of the body where another attribute stands below; move it out of the function"
            );
            errors.push(Error::new(name.span(), words));
            option.value = Value::Invalid;
        }
    }
}

/// A statement that uses variables and does nothing.
fn use_of(names: Vec<Ident>) -> Option<TokenStream> {
    (!names.is_empty()).then(|| quote_spanned!(Span::mixed_site()=> let _ = (#(&#names,)*);))
}

/// Returns the names that parameters bind.
fn all_bindings<'a>(params: impl IntoIterator<Item = &'a Param>) -> Vec<Ident> {
    let mut all = Vec::new();
    params.into_iter().for_each(|param| all.extend(bindings(&param.pattern)));
    all
}

/// Returns the names that a pattern binds. Those of constants and types begin with a capital letter.
fn bindings(pattern: &TokenStream) -> Vec<Ident> {
    let tokens: Vec<TokenTree> = pattern.clone().into_iter().collect();
    let is = |at: Option<usize>, wanted| at.and_then(|at| tokens.get(at)).is_some_and(|it| is_punct(it, wanted));
    let mut all = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_macro = is(at.checked_sub(1), '!');
        let is_path = is(at.checked_sub(1), ':') && is(at.checked_sub(2), ':') || is(at.checked_sub(1), '<');
        match (token, tokens.get(at + 1)) {
            (TokenTree::Group(group), _) if !is_macro => all.extend(bindings(&group.stream())),
            (TokenTree::Ident(_), Some(TokenTree::Group(_))) => {}
            (TokenTree::Ident(_), Some(next)) if is_punct(next, ':') || is_punct(next, '!') => {}
            (TokenTree::Ident(name), _) if !is_path && !is_word(token, "mut ref _ true false") => {
                let is_variable = name.unraw().to_string().starts_with(|first: char| !first.is_uppercase());
                all.extend(is_variable.then(|| name.clone()));
            }
            _ => {}
        }
    }
    all
}

/// Returns the names that an expression itself binds, in closures and patterns.
fn bound_inside(expression: TokenStream) -> Vec<Ident> {
    let tokens: Vec<TokenTree> = expression.into_iter().collect();
    let is_arrow = |at: usize| is_punct(&tokens[at], '=') && tokens.get(at + 1).is_some_and(|it| is_punct(it, '>'));
    // `arm` is where the pattern of a match may have begun.
    let (mut all, mut at, mut arm, mut after_value) = (Vec::new(), 0, 0, false);
    while at < tokens.len() {
        let (next, has_value) = skip_part(&tokens, at, after_value);
        let mut pattern = 0..0;
        match &tokens[at] {
            TokenTree::Group(group) => all.extend(bound_inside(group.stream())),
            bar if is_punct(bar, '|') && !after_value => pattern = at + 1..next.min(tokens.len()),
            word if is_word(word, "let for") => {
                let end = |at: &usize| is_punct(&tokens[*at], '=') || is_word(&tokens[*at], "in");
                pattern = at + 1..(next..tokens.len()).find(end).unwrap_or(next);
            }
            comma if is_punct(comma, ',') => arm = next,
            _ if is_arrow(at) => (pattern, arm) = (arm..at, next + 1),
            _ => {}
        }
        for part in split_parameters(tokens[pattern].iter().cloned().collect()) {
            let end = (0..part.len()).find(|&at| is_single_colon(&part, at)).unwrap_or(part.len());
            all.extend(bindings(&part[..end].iter().cloned().collect()));
        }
        (at, after_value) = (next, has_value);
    }
    all
}

/// Whether an attribute has the name of a parameter in its arguments.
fn reads(attribute: &TokenStream, param: &Param) -> bool {
    let used = names(attribute.clone());
    param.name().is_some_and(|name| used.contains(&name))
}

/// Whether an attribute is of a runtime that starts nothing but a main without parameters.
fn wants_main(attribute: &TokenStream) -> bool {
    let of_such =
        |name: &Ident| ["apply", "macro_rules_attribute", "async_std", "smol_potat"].iter().any(|it| name == it);
    names(attribute.clone()).iter().any(of_such)
}

/// Whether there is a `?` or a `return`, also inside of brackets.
fn leaves_early(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match &token {
        TokenTree::Group(group) => leaves_early(&group.stream()),
        token => is_punct(token, '?') || is_word(token, "return"),
    })
}

/// The type that the outer function returns: an attribute below may change that of the inner main (`#[snafu::report]`). A
/// runtime's own does not.
fn outer_returns(function: &Function) -> TokenStream {
    let returns = &function.returns;
    let is_never = returns.clone().into_iter().last().is_some_and(|last| is_punct(&last, '!'));
    let has_no_other = function.macros.len() == usize::from(function.asyncness.is_some());
    match is_never || has_no_other || !function.is_main() {
        true => returns.clone(),
        false => any_termination(returns),
    }
}

/// Any type that main can return. It lies on the one that is written, so that rustc points there.
fn any_termination(returns: &TokenStream) -> TokenStream {
    let own = |at: Span| Span::mixed_site().located_at(at);
    let (first, last) = ends(&returns.clone().into_iter().skip(2).collect());
    let path = quote_spanned!(own(last)=> ::std::process::Termination);
    quote_spanned!(own(first)=> -> impl #path)
}

/// Words before the name of an item.
const NAMED_ITEMS: &str = "fn struct enum union const static mod type trait";

/// The names of the items that stand in a body itself, and of what it imports.
fn items_of(body: &Group) -> Vec<Ident> {
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    let mut items = Vec::new();
    for at in 0..tokens.len() {
        match &tokens[at..] {
            [word, TokenTree::Ident(name), ..] if is_word(word, NAMED_ITEMS) => {
                items.push(name.clone());
            }
            [word, not, TokenTree::Ident(name), ..] if is_word(word, "macro_rules") && is_punct(not, '!') => {
                items.push(name.clone());
            }
            [word, path @ ..] if is_word(word, "use") => {
                items.extend(imports(path.iter().take_while(|token| !is_punct(token, ';'))));
            }
            _ => {}
        }
    }
    items
}

/// The names that an import ends with: `a::{b, c as d}` with `b` and `d`.
fn imports<'a>(path: impl IntoIterator<Item = &'a TokenTree>) -> Vec<Ident> {
    let (mut all, mut last) = (Vec::new(), None);
    for token in path {
        match token {
            TokenTree::Ident(name) => last = Some(name.clone()),
            TokenTree::Group(group) => all.extend(imports(&group.stream().into_iter().collect::<Vec<_>>())),
            token if is_punct(token, ',') => all.extend(last.take()),
            _ => last = None,
        }
    }
    all.extend(last);
    all
}

impl Param {
    /// The parameter as a statement.
    fn set_to(&self, value: &TokenStream) -> TokenStream {
        let Param { attributes, pattern, ty } = self;
        quote_spanned!(Span::mixed_site()=> #attributes let #pattern: #ty = #value;)
    }

    /// The pattern for a reference to the value: its names are references of themselves.
    fn by_reference(&self) -> TokenStream {
        without_references(self.pattern.clone())
    }
}

/// Leaves out each `&`, `mut` and `ref`.
fn without_references(tokens: TokenStream) -> TokenStream {
    let without = |token: TokenTree| match token {
        token if is_word(&token, "mut ref") || is_punct(&token, '&') => None,
        TokenTree::Group(group) => Some(with_stream(&group, without_references(group.stream())).into()),
        token => Some(token),
    };
    tokens.into_iter().filter_map(without).collect()
}
