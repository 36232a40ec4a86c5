//! The function below the attribute: its attributes, signature and parameters. The body stays raw tokens, so that rustc says
//! about it what it always says.

use proc_macro2::{Delimiter, Group, Ident, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, LitStr, Result, Token, token};

use crate::tokens::{is_punct, is_word, split_parameters};

/// Attributes that the compiler or its tools read where they stand. Any other may be a macro that rewrites the function.
const INERT: &str = "allow cfg clippy cold coverage deny deprecated diagnostic doc expect export_name forbid inline \
                     instruction_set link_section miri must_use no_mangle optimize rust_analyzer rustfmt target_feature \
                     track_caller unsafe used warn";

/// Attributes that a `let` can take over from a parameter.
const LINTS: &str = "allow deny doc expect forbid warn";

pub(crate) const TWICE: &str = "`#[daemon]` is given twice; put all options into one";

/// A function above which `#[daemon]` stands.
pub(crate) struct Function {
    /// Doc comments, lints and the like.
    pub(crate) inert: TokenStream,
    /// Attributes that may be macros.
    pub(crate) macros: Vec<TokenStream>,
    pub(crate) visibility: TokenStream,
    pub(crate) asyncness: Option<Ident>,
    pub(crate) word_fn: TokenStream,
    pub(crate) name: Ident,
    /// `<'a>`
    pub(crate) generics: TokenStream,
    /// The brackets of the parameters, empty.
    pub(crate) parens: Group,
    pub(crate) params: Vec<Param>,
    /// `&self`, about which an error has been said.
    pub(crate) receiver: Option<TokenStream>,
    /// `-> …`, and `where` of lifetimes.
    pub(crate) returns: TokenStream,
    pub(crate) body: Group,
}

impl Function {
    pub(crate) fn is_main(&self) -> bool {
        self.name.unraw() == "main"
    }
}

/// A parameter.
#[derive(Clone)]
pub(crate) struct Param {
    pub(crate) attributes: TokenStream,
    pub(crate) pattern: TokenStream,
    pub(crate) ty: TokenStream,
}

impl Param {
    /// Whether its type is called `Ready`, wherever that is from.
    pub(crate) fn is_ready(&self) -> bool {
        self.ty.clone().into_iter().last().is_some_and(|last| is_word(&last, "Ready"))
            && !self.ty.clone().into_iter().any(|token| is_punct(&token, '&') || is_punct(&token, '<'))
    }

    /// Whether its type is `&Ready`, `Option<Ready>` or the like.
    pub(crate) fn wraps_ready(&self) -> bool {
        let mut tokens = self.ty.clone().into_iter().filter(|token| !is_punct(token, '>')).peekable();
        let first = tokens.peek().cloned();
        let is_wrapper = first.is_some_and(|first| is_punct(&first, '&') || is_word(&first, "Box Option"));
        is_wrapper && tokens.last().is_some_and(|last| is_word(&last, "Ready"))
    }

    /// The name of a parameter that has a name and no more than a name.
    pub(crate) fn name(&self) -> Option<Ident> {
        let tokens: Vec<TokenTree> = self.pattern.clone().into_iter().collect();
        match &*tokens {
            [TokenTree::Ident(name)] if *name != Ident::new("_", name.span()) => Some(name.clone()),
            [mutable, TokenTree::Ident(name)] if is_word(mutable, "mut") => Some(name.clone()),
            _ => None,
        }
    }
}

/// For errors, and signatures.
impl ToTokens for Param {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Param { attributes, pattern, ty } = self;
        tokens.extend(quote!(#attributes #pattern: #ty));
    }
}

/// Reads the function, and notes every mistake that leaves it a function; another one is the error returned.
pub(crate) fn read(item: TokenStream, errors: &mut Vec<Error>) -> Result<Function> {
    (|input: ParseStream| function(input, errors)).parse2(item)
}

fn function(input: ParseStream, errors: &mut Vec<Error>) -> Result<Function> {
    let (inert, macros) = attributes(input, errors)?;
    let mut visibility = input.parse::<Option<Token![pub]>>()?.to_token_stream();
    if !visibility.is_empty() && input.peek(token::Paren) {
        group(input, Delimiter::Parenthesis)?.to_tokens(&mut visibility);
    }
    let asyncness = qualifiers(input, errors)?;
    let word_fn = input.parse::<Token![fn]>()?.to_token_stream();
    let name = input.call(Ident::parse_any)?;
    let words = |what: &str| format!("`#[daemon]` needs a function {what}");
    let mut generics = TokenStream::new();
    if input.peek(Token![<]) {
        // Brackets in there, as of `Fn(u8) -> u8`, are no parameters.
        let (mut depth, mut is_arrow) = (0, false);
        while depth > 0 || generics.is_empty() {
            let token = input.parse::<TokenTree>()?;
            depth += i32::from(is_punct(&token, '<')) - i32::from(is_punct(&token, '>') && !is_arrow);
            is_arrow = is_punct(&token, '-') || is_punct(&token, '=');
            token.to_tokens(&mut generics);
        }
        // Lifetimes of borrowed parameters are the caller's.
        let mut parameters = split_parameters(generics.clone().into_iter().skip(1).collect()).into_iter();
        if name.unraw() == "main" || !parameters.all(|parameter| is_punct(&parameter[0], '\'')) {
            let advice = "that is not generic; take a concrete type, and call it from the generic one";
            errors.push(Error::new_spanned(&generics, words(advice)));
        }
        if name.unraw() == "main" {
            generics = TokenStream::new();
        }
    }
    let mut parens = group(input, Delimiter::Parenthesis)?;
    let mut pieces = split_parameters(parens.stream());
    let of_self =
        |tokens: &[TokenTree]| tokens.iter().take_while(|it| !is_punct(it, ':')).any(|it| is_word(it, "self"));
    let receiver = pieces.first().is_some_and(|first| of_self(first)).then(|| pieces.remove(0).into_iter().collect());
    if let Some(receiver) = &receiver {
        let advice = "a free function; call one from the method, and give it what it needs of `self`";
        errors.push(Error::new_spanned(receiver, format!("`#[daemon]` needs {advice}")));
    }
    // Only a method can have it.
    let receiver = receiver.filter(|_| name.unraw() != "main");
    let params = pieces.into_iter().filter_map(|tokens| param(tokens, errors)).collect();
    parens = crate::tokens::with_stream(&parens, TokenStream::new());
    let mut returns = until_body(input, |input| input.peek(Token![where]))?;
    let bounds = until_body(input, |_| false)?;
    let predicates = split_parameters(bounds.clone().into_iter().skip(1).collect());
    if name.unraw() != "main" && predicates.iter().all(|predicate| is_punct(&predicate[0], '\'')) {
        // `where 'a: 'b`
        returns.extend(bounds);
    } else if !bounds.is_empty() {
        errors.push(Error::new_spanned(bounds, words("that is not generic, and has no `where`; remove this")));
    }
    let body = if input.peek(token::Brace) {
        group(input, Delimiter::Brace)?
    } else {
        let advice = "with a body, `{ … }`; a trait's function can call a free one that has the attribute";
        errors.push(Error::new(input.span(), words(advice)));
        input.parse::<Option<Token![;]>>()?;
        Group::new(Delimiter::Brace, quote!(loop {}))
    };
    Ok(Function {
        inert,
        macros,
        visibility,
        asyncness,
        word_fn,
        name,
        generics,
        parens,
        params,
        receiver,
        returns,
        body,
    })
}

/// Returns the attributes that are read where they stand, and those that may be macros.
fn attributes(input: ParseStream, errors: &mut Vec<Error>) -> Result<(TokenStream, Vec<TokenStream>)> {
    let (mut inert, mut macros) = (TokenStream::new(), Vec::new());
    while input.peek(Token![#]) {
        let pound: Token![#] = input.parse()?;
        let group = group(input, Delimiter::Bracket)?;
        if let Some(word) = own_name(&group.stream()) {
            errors.push(Error::new(word.span(), TWICE));
        } else if is_inert(&group.stream()) {
            pound.to_tokens(&mut inert);
            group.to_tokens(&mut inert);
        } else {
            macros.push(quote!(#pound #group));
        }
    }
    Ok((inert, macros))
}

/// Returns the last word of an attribute's path if it is this attribute's: `daemon`, `daemon_runtime::daemon`. Another crate's
/// `x::daemon` is not.
fn own_name(attribute: &TokenStream) -> Option<Ident> {
    let in_path = |token: &TokenTree| matches!(token, TokenTree::Ident(_)) || is_punct(token, ':');
    let words: Vec<Ident> = attribute
        .clone()
        .into_iter()
        .take_while(in_path)
        .filter_map(|token| match token {
            TokenTree::Ident(word) => Some(word),
            _ => None,
        })
        .collect();
    match &*words {
        [last] if last == "daemon" => Some(last.clone()),
        [.., krate, last] if last == "daemon" && (krate == "daemon_runtime" || krate == "daemon_macro") => {
            Some(last.clone())
        }
        _ => None,
    }
}

/// Reads the words before `fn`, of which `async` alone is allowed, and returned.
fn qualifiers(input: ParseStream, errors: &mut Vec<Error>) -> Result<Option<Ident>> {
    let (mut asyncness, mut mistakes) = (None, Vec::new());
    while !input.peek(Token![fn]) {
        let word = input.call(Ident::parse_any).unwrap_or_else(|_| Ident::new("_", input.span()));
        match &*word.to_string() {
            "async" => asyncness = Some(word),
            "const" | "unsafe" | "safe" => {
                let words = format!(
                    "expected `fn` or `async fn`, found `{word}`: a daemon cannot be started in such a function"
                );
                mistakes.push(Error::new(word.span(), words));
            }
            "extern" => {
                input.parse::<Option<LitStr>>()?;
                let words = "expected a Rust function; remove `extern`, and call it from the one that C calls";
                mistakes.push(Error::new(word.span(), words));
            }
            _ => return Err(Error::new(word.span(), "expected a function below `#[daemon]`")),
        }
    }
    errors.append(&mut mistakes);
    Ok(asyncness)
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

/// Reads the tokens up to the body, which is the last one, or up to what `end` sees.
fn until_body(input: ParseStream, end: fn(ParseStream) -> bool) -> Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !end(input) {
        let ahead = input.fork();
        let token = ahead.parse::<TokenTree>()?;
        if ahead.is_empty() && (input.peek(token::Brace) || is_punct(&token, ';')) {
            break;
        }
        input.parse::<TokenTree>()?.to_tokens(&mut tokens);
    }
    Ok(tokens)
}

/// Whether an attribute leaves the function as it is. `cfg_attr(condition, a, b)` does if `a` and `b` do.
fn is_inert(attribute: &TokenStream) -> bool {
    let mut tokens = attribute.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(name)), Some(TokenTree::Group(group))) if name == "cfg_attr" => {
            split_parameters(group.stream()).into_iter().skip(1).all(|tokens| is_inert(&tokens.into_iter().collect()))
        }
        (Some(TokenTree::Group(fragment)), None) => is_inert(&fragment.stream()),
        (Some(token), _) => is_word(&token, INERT),
        _ => false,
    }
}

fn param(tokens: Vec<TokenTree>, errors: &mut Vec<Error>) -> Option<Param> {
    let attributes = 2 * tokens.chunks_exact(2).take_while(|pair| is_punct(&pair[0], '#')).count();
    let (attributes, rest) = tokens.split_at(attributes);
    let colon = (0..rest.len()).find(|&at| is_single_colon(rest, at)).unwrap_or(rest.len());
    let (pattern, ty) = (&rest[..colon], rest.get(colon + 1..).unwrap_or_default());
    let is_variadic = |tokens: &[TokenTree]| tokens.first().is_some_and(|first| is_punct(first, '.'));
    let is_lint = attributes.iter().all(|attribute| match attribute {
        TokenTree::Group(group) => group.stream().into_iter().next().is_some_and(|name| is_word(&name, LINTS)),
        _ => true,
    });
    let all = || tokens.iter().cloned().collect::<TokenStream>();
    if is_variadic(pattern) || is_variadic(ty) {
        let words =
            "`#[daemon]` needs a function that is not variadic; the program's arguments are in `std::env::args()`";
        errors.push(Error::new_spanned(all(), words));
        return None;
    }
    if ty.is_empty() {
        errors.push(Error::new_spanned(all(), "a parameter needs a name and a type: `ready: Ready`"));
        return None;
    }
    let [mut attributes, pattern, ty] = [attributes, pattern, ty].map(|tokens| tokens.iter().cloned().collect());
    if !is_lint {
        let words = "a parameter here takes only lints, such as `#[allow(…)]`; for `cfg`, write the function twice";
        errors.push(Error::new_spanned(std::mem::take(&mut attributes), words));
    }
    Some(Param { attributes, pattern, ty })
}

/// A colon that is not half of a `::`.
pub(crate) fn is_single_colon(tokens: &[TokenTree], at: usize) -> bool {
    let joint =
        |at: usize| matches!(&tokens[at], TokenTree::Punct(p) if p.as_char() == ':' && p.spacing() == Spacing::Joint);
    is_punct(&tokens[at], ':') && !joint(at) && !(at > 0 && joint(at - 1))
}
