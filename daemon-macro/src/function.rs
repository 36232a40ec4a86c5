//! The function below the attribute. Its body and its types stay raw tokens, so that rustc says about them what it always says.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Result, Token, token};

use crate::options::Options;
use crate::tokens::{angle, is_punct, is_word, own_ends, split_at_commas};

/// Attributes that the compiler or its tools read where they stand. Any other may be a macro that rewrites the function.
const OF_THE_COMPILER: &str = "allow cfg clippy cold coverage deny deprecated diagnostic doc expect export_name forbid inline \
                               instruction_set link_section miri must_use no_mangle optimize rust_analyzer rustfmt \
                               target_feature track_caller unsafe used warn";

/// What the user's function is called in the expansion. A second `#[daemon]` below knows it by that name.
const INNER: &str = "__daemon_main";

pub(crate) struct Function {
    /// Attributes for the function outside.
    pub(crate) compiler: TokenStream,
    /// Attributes for the user's own.
    pub(crate) macros: TokenStream,
    pub(crate) visibility: TokenStream,
    pub(crate) asyncness: Option<Ident>,
    pub(crate) word_fn: Token![fn],
    pub(crate) name: Ident,
    pub(crate) generics: TokenStream,
    /// The place of the parameters' brackets.
    pub(crate) parens: Span,
    pub(crate) params: Vec<Param>,
    /// `-> …`, and `where`.
    pub(crate) returns: TokenStream,
    pub(crate) body: TokenTree,
}

pub(crate) struct Param {
    attributes: TokenStream,
    pub(crate) pattern: TokenStream,
    pub(crate) ty: TokenStream,
}

impl Function {
    pub(crate) fn read(item: TokenStream) -> Result<Self> {
        Function::parse.parse2(item)
    }

    fn parse(input: ParseStream) -> Result<Self> {
        let (mut compiler, mut macros) = (TokenStream::new(), TokenStream::new());
        while input.peek(Token![#]) {
            let pound: Token![#] = input.parse()?;
            let attribute = group(input, Delimiter::Bracket)?;
            let list = if is_of_the_compiler(attribute.stream()) { &mut compiler } else { &mut macros };
            list.extend(quote!(#pound #attribute));
        }
        let mut visibility = input.parse::<Option<Token![pub]>>()?.to_token_stream();
        if !visibility.is_empty() && input.peek(token::Paren) {
            visibility.extend(group(input, Delimiter::Parenthesis)?.into_token_stream());
        }
        let asyncness = input.peek(Token![async]).then(|| input.call(Ident::parse_any)).transpose()?;
        let words = "`#[daemon]` stands above a function: expected `fn` or `async fn`";
        let word_fn = input.parse().map_err(|error| Error::new(error.span(), words))?;
        let name = input.call(Ident::parse_any)?;
        let mut generics = Vec::<TokenTree>::new();
        let mut depth = 0;
        while depth > 0 || !input.peek(token::Paren) {
            let token = input.parse()?;
            depth += angle(generics.last(), &token);
            generics.push(token);
        }
        let parens = group(input, Delimiter::Parenthesis)?;
        let params = split_at_commas(parens.stream()).into_iter().map(Param::read).collect::<Result<_>>()?;
        let mut rest: Vec<TokenTree> = input.parse::<TokenStream>()?.into_iter().collect();
        let Some(body @ TokenTree::Group(_)) = rest.pop() else {
            let words = "`#[daemon]` needs a function with a body, which one of a trait can call";
            return Err(Error::new_spanned(&name, words));
        };
        if name == INNER {
            return Err(Error::new(Span::call_site(), "`#[daemon]` is given twice; put all options into one"));
        }
        let (generics, returns) = (generics.into_iter().collect(), rest.into_iter().collect());
        let parens = parens.span();
        Ok(Function { compiler, macros, visibility, asyncness, word_fn, name, generics, parens, params, returns, body })
    }

    pub(crate) fn is_main(&self) -> bool {
        self.name.unraw() == "main"
    }

    /// Returns the parameters that the start does not give, and the last one if that is `Ready`, which it gives.
    pub(crate) fn taken_and_ready(&self) -> (&[Param], Option<&Param>) {
        match &*self.params {
            [taken @ .., ready] if is_ready(&ready.ty) => (taken, Some(ready)),
            taken => (taken, None),
        }
    }

    /// Returns the user's function's name in the expansion, at the place of the one that was written.
    pub(crate) fn inner(&self) -> Ident {
        Ident::new(INNER, self.name.span())
    }

    /// Returns the types and constants of a generic function as arguments, since its parameters need not tell them.
    pub(crate) fn generic_arguments(&self) -> Option<TokenStream> {
        let tokens: Vec<TokenTree> = self.generics.clone().into_iter().collect();
        let [_, parameters @ .., _] = &*tokens else { return None };
        let name = |parameter: Vec<TokenTree>| match &*parameter {
            [first, name, ..] if is_word(Some(first), "const") => Some(name.clone()),
            [name @ TokenTree::Ident(_), ..] => Some(name.clone()),
            _ => None,
        };
        let parameters = split_at_commas(parameters.iter().cloned().collect());
        let names: Vec<TokenTree> = parameters.into_iter().filter_map(name).collect();
        (!names.is_empty()).then(|| quote!(::<#(#names),*>))
    }

    /// Returns what the values are called that the start does not give.
    pub(crate) fn values(&self) -> Vec<Ident> {
        let (taken, _) = self.taken_and_ready();
        taken.iter().enumerate().map(|(index, param)| param.value_name(index)).collect()
    }

    /// Returns what is wrong with the function as a whole.
    pub(crate) fn error(&self, options: &Options) -> Option<Error> {
        let (taken, _) = self.taken_and_ready();
        if let Some(param) = taken.iter().find(|param| is_ready(&param.ty)) {
            return Some(Error::new_spanned(param, "`Ready` is the last parameter"));
        }
        match (&options.setup, taken) {
            (Some((setup, _)), _) if !self.is_main() => {
                let words = "`setup` is for `main`; here the caller gives the parameters, which the options may use";
                return Some(Error::new(setup.span(), words));
            }
            (Some(_), [_, param, ..]) => {
                let words = "main takes the value of `setup`, then `ready: Ready`, and no more";
                return Some(Error::new_spanned(param, words));
            }
            (None, [param, ..]) if self.is_main() => {
                let words = "nobody gives main this value: add `setup = …`, or take `ready: Ready` alone";
                return Some(Error::new_spanned(param, words));
            }
            _ => {}
        }
        let word = self.asyncness.as_ref().filter(|_| self.macros.is_empty())?;
        let words = "`async fn` needs the attribute of a runtime below `#[daemon]`, such as `#[tokio::main]`";
        Some(Error::new(word.span(), words))
    }
}

impl Param {
    fn read(tokens: Vec<TokenTree>) -> Result<Self> {
        let attributes = 2 * tokens.chunks_exact(2).take_while(|pair| is_punct(pair.first(), '#')).count();
        let is_colon = |at: usize| is_punct(tokens.get(at), ':');
        // Not one of a `::`.
        let is_single = |at: &usize| is_colon(*at) && !is_colon(at + 1) && !(*at > 0 && is_colon(at - 1));
        let colon = (attributes..tokens.len()).find(is_single).unwrap_or(tokens.len());
        let [attributes, pattern, ty] =
            [&tokens[..attributes], &tokens[attributes..colon], tokens.get(colon + 1..).unwrap_or_default()]
                .map(|part| part.iter().cloned().collect::<TokenStream>());
        if pattern.clone().into_iter().any(|token| is_word(Some(&token), "self")) {
            let words =
                "`#[daemon]` needs a free function; call one from the method, and give it what it needs of `self`";
            return Err(Error::new_spanned(pattern, words));
        }
        if ty.is_empty() {
            return Err(Error::new_spanned(pattern, "a parameter needs a name and a type: `ready: Ready`"));
        }
        Ok(Param { attributes, pattern, ty })
    }

    /// Returns the name of a parameter that has a name and no more than a name.
    fn name(&self) -> Option<Ident> {
        let tokens: Vec<TokenTree> = self.pattern.clone().into_iter().collect();
        match &*tokens {
            [mutable, TokenTree::Ident(name)] if is_word(Some(mutable), "mut") => Some(name.clone()),
            [TokenTree::Ident(name)] if name != "_" => Some(name.clone()),
            _ => None,
        }
    }

    /// Returns what its value is called outside.
    fn value_name(&self, index: usize) -> Ident {
        self.name().unwrap_or_else(|| format_ident!("__daemon_value_{index}", span = own_ends(&self.pattern).0))
    }

    /// Takes the value apart for the options, where the names of a pattern are references.
    pub(crate) fn by_reference(&self, value: &Ident) -> Option<TokenStream> {
        let pattern = self.name().is_none().then(|| without_references(self.pattern.clone()))?;
        Some(quote_spanned!(Span::mixed_site()=> #[allow(unused_variables)] let #pattern = &#value;))
    }
}

/// As the user wrote it.
impl ToTokens for Param {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Param { attributes, pattern, ty } = self;
        tokens.extend(quote!(#attributes #pattern: #ty));
    }
}

/// Whether a type is called `Ready`, wherever that is from; it may stand in the invisible brackets of a macro's fragment.
fn is_ready(ty: &TokenStream) -> bool {
    match ty.clone().into_iter().last() {
        Some(TokenTree::Group(fragment)) => is_ready(&fragment.stream()),
        last => is_word(last.as_ref(), "Ready"),
    }
}

/// Leaves out each `&`, `mut` and `ref` of a pattern, but not those of a type in it.
fn without_references(pattern: TokenStream) -> TokenStream {
    let (mut depth, mut before) = (0, None);
    let without = |token: TokenTree| {
        depth += angle(before.as_ref(), &token);
        before = Some(token.clone());
        match token {
            token if depth == 0 && (is_word(Some(&token), "mut ref") || is_punct(Some(&token), '&')) => None,
            TokenTree::Group(group) if depth == 0 => {
                Some(Group::new(group.delimiter(), without_references(group.stream())).into())
            }
            token => Some(token),
        }
    };
    pattern.into_iter().filter_map(without).collect()
}

/// Reads what stands in brackets, which may themselves stand in the invisible ones of a macro's fragment.
fn group(input: ParseStream, delimiter: Delimiter) -> Result<Group> {
    input.step(|cursor| {
        let (inside, span, rest) = cursor.group(delimiter).ok_or_else(|| cursor.error("expected brackets"))?;
        let mut group = Group::new(delimiter, inside.token_stream());
        group.set_span(span.join());
        Ok((group, rest))
    })
}

/// Whether an attribute leaves the function as it is. `cfg_attr(condition, a, b)` does if `a` and `b` do.
fn is_of_the_compiler(attribute: TokenStream) -> bool {
    let mut tokens = attribute.into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(name)), Some(TokenTree::Group(group))) if name == "cfg_attr" => {
            split_at_commas(group.stream())
                .into_iter()
                .skip(1)
                .all(|tokens| is_of_the_compiler(tokens.into_iter().collect()))
        }
        (Some(TokenTree::Group(fragment)), None) => is_of_the_compiler(fragment.stream()),
        (first, _) => is_word(first.as_ref(), OF_THE_COMPILER),
    }
}
