//! `fn main`: its attributes, signature and parameters. The body stays raw tokens, so that rustc says about it what it
//! always says.

use proc_macro2::{Delimiter, Group, Ident, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, LitStr, Result, Token, token};

/// Attributes that the compiler or its tools read where they stand. Any other may be a macro that rewrites the function.
const INERT: &str = "allow cfg clippy cold coverage deny deprecated diagnostic doc expect export_name forbid inline \
                     instruction_set link_section miri must_use no_mangle optimize rust_analyzer rustfmt target_feature \
                     track_caller unsafe used warn";

/// Attributes that a `let` can take over from a parameter.
const LINTS: &str = "allow deny doc expect forbid warn";

/// A function above which `#[daemon]` stands.
pub(crate) struct Function {
    /// Doc comments, lints and the like.
    pub(crate) inert: TokenStream,
    /// Attributes that may be macros.
    pub(crate) macros: TokenStream,
    pub(crate) visibility: TokenStream,
    pub(crate) asyncness: Option<Ident>,
    /// `fn main() -> …`, without the parameters.
    pub(crate) signature: TokenStream,
    pub(crate) name: Ident,
    pub(crate) params: Vec<Param>,
    pub(crate) body: Group,
}

/// A parameter, which becomes a `let`.
pub(crate) struct Param {
    pub(crate) attributes: TokenStream,
    pub(crate) pattern: TokenStream,
    pub(crate) ty: TokenStream,
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
    let word_fn: Token![fn] = input.parse()?;
    let name = input.call(Ident::parse_any)?;
    if name.unraw() != "main" {
        let words = format!("`#[daemon]` goes above `fn main`, where the program begins, and not above `fn {name}`");
        errors.push(Error::new(name.span(), words));
    }
    if input.peek(Token![<]) {
        let mut generics = TokenStream::new();
        while !input.peek(token::Paren) {
            input.parse::<TokenTree>()?.to_tokens(&mut generics);
        }
        let words = "`fn main` cannot be generic, since nobody chooses its types; remove this";
        errors.push(Error::new_spanned(generics, words));
    }
    let mut parens = group(input, Delimiter::Parenthesis)?;
    let params = split(parens.stream(), true).into_iter().filter_map(|(tokens, _)| param(tokens, errors)).collect();
    parens = with_stream(&parens, TokenStream::new());
    let returns = until_body(input, |input| input.peek(Token![where]))?;
    let bounds = until_body(input, |_| false)?;
    if !bounds.is_empty() {
        errors.push(Error::new_spanned(bounds, "`fn main` cannot be generic, and needs no `where`; remove this"));
    }
    let body = if input.peek(token::Brace) {
        group(input, Delimiter::Brace)?
    } else {
        errors.push(Error::new(input.span(), "`fn main` needs a body: `{ … }`"));
        input.parse::<Option<Token![;]>>()?;
        Group::new(Delimiter::Brace, quote!(loop {}))
    };
    let signature = quote! { #word_fn #name #parens #returns };
    Ok(Function { inert, macros, visibility, asyncness, signature, name, params, body })
}

/// The attributes that are read where they stand, and those that may be macros.
fn attributes(input: ParseStream, errors: &mut Vec<Error>) -> Result<(TokenStream, TokenStream)> {
    let (mut inert, mut macros) = (TokenStream::new(), TokenStream::new());
    while input.peek(Token![#]) {
        let pound: Token![#] = input.parse()?;
        let group = group(input, Delimiter::Bracket)?;
        let in_path = |token: &TokenTree| matches!(token, TokenTree::Ident(_)) || is_punct(token, ':');
        if let Some(last) = group.stream().into_iter().take_while(in_path).last().filter(|last| is_word(last, "daemon"))
        {
            errors.push(Error::new(last.span(), "`#[daemon]` stands here twice; put all options into one"));
            continue;
        }
        let to = if is_inert(&group.stream()) { &mut inert } else { &mut macros };
        pound.to_tokens(to);
        group.to_tokens(to);
    }
    Ok((inert, macros))
}

/// The words before `fn`, of which `async` alone is allowed, and returned.
fn qualifiers(input: ParseStream, errors: &mut Vec<Error>) -> Result<Option<Ident>> {
    let (mut asyncness, mut mistakes) = (None, Vec::new());
    while !input.peek(Token![fn]) {
        let word = input.call(Ident::parse_any).unwrap_or_else(|_| Ident::new("_", input.span()));
        match &*word.to_string() {
            "async" => asyncness = Some(word),
            "const" | "unsafe" | "safe" => {
                mistakes.push(Error::new(word.span(), format!("`fn main` cannot be `{word}`; remove this word")));
            }
            "extern" => {
                input.parse::<Option<LitStr>>()?;
                mistakes.push(Error::new(word.span(), "`fn main` is called by Rust itself; remove `extern`"));
            }
            _ => return Err(Error::new(word.span(), "`#[daemon]` goes above `fn main`, and this is no function")),
        }
    }
    errors.append(&mut mistakes);
    Ok(asyncness)
}

/// What stands in brackets, which may themselves stand in the invisible ones of a macro's fragment.
fn group(input: ParseStream, delimiter: Delimiter) -> Result<Group> {
    input.step(|cursor| {
        let (inside, span, rest) = cursor.group(delimiter).ok_or_else(|| cursor.error("brackets are missing"))?;
        let mut group = Group::new(delimiter, inside.token_stream());
        group.set_span(span.join());
        Ok((group, rest))
    })
}

/// The same brackets with something else inside.
pub(crate) fn with_stream(group: &Group, stream: TokenStream) -> Group {
    let mut other = Group::new(group.delimiter(), stream);
    other.set_span(group.span());
    other
}

/// The tokens up to the body, which is the last one, or up to what `end` sees.
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
            split(group.stream(), true).into_iter().skip(1).all(|(tokens, _)| is_inert(&tokens.into_iter().collect()))
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
    let variadic = |tokens: &[TokenTree]| tokens.first().is_some_and(|first| is_punct(first, '.'));
    let is_lint = attributes.iter().all(|attribute| match attribute {
        TokenTree::Group(group) => group.stream().into_iter().next().is_some_and(|name| is_word(&name, LINTS)),
        _ => true,
    });
    let all = || tokens.iter().cloned().collect::<TokenStream>();
    if pattern.iter().any(|token| is_word(token, "self")) {
        errors.push(Error::new_spanned(all(), "`fn main` is no method; remove `self`"));
        return None;
    }
    if variadic(pattern) || variadic(ty) {
        let words = "`fn main` is not variadic; the program's arguments are in `std::env::args()`";
        errors.push(Error::new_spanned(all(), words));
        return None;
    }
    if ty.is_empty() {
        errors.push(Error::new_spanned(all(), "a parameter needs a name and a type: `ready: Ready`"));
        return None;
    }
    let [mut attributes, pattern, ty] = [attributes, pattern, ty].map(|tokens| tokens.iter().cloned().collect());
    if !is_lint {
        let words = "a parameter here takes only lints, such as `#[allow(…)]`; for `cfg`, write `fn main` twice";
        errors.push(Error::new_spanned(std::mem::take(&mut attributes), words));
    }
    Some(Param { attributes, pattern, ty })
}

/// A colon that is not half of a `::`.
fn is_single_colon(tokens: &[TokenTree], at: usize) -> bool {
    let joint =
        |at: usize| matches!(&tokens[at], TokenTree::Punct(p) if p.as_char() == ':' && p.spacing() == Spacing::Joint);
    is_punct(&tokens[at], ':') && !joint(at) && !(at > 0 && joint(at - 1))
}

/// How many tokens of a body stand before its first statement: inner attributes, which must, and items (`use`, `fn`, …),
/// about which clippy would complain if a statement came before them.
pub(crate) fn prologue(tokens: &[TokenTree]) -> usize {
    let is = |at: usize, words: &str| tokens.get(at).is_some_and(|token| is_word(token, words));
    let is_attribute = |at: usize| tokens.get(at).is_some_and(|token| is_punct(token, '#'));
    let mut end = 0;
    while is_attribute(end) && tokens.get(end + 1).is_some_and(|token| is_punct(token, '!')) {
        end += 3;
    }
    loop {
        let mut at = end;
        while is_attribute(at) {
            at += 2;
        }
        let next = at + 1;
        let function = is(at, "async const unsafe") && is(next, "async unsafe extern fn impl trait");
        let constant = is(at, "const") && !function && matches!(tokens.get(next), Some(TokenTree::Ident(_)));
        let to_semicolon = constant || is(at, "use static type") || is(at, "extern") && is(next, "crate");
        let to_brace = function || !to_semicolon && is(at, "enum extern fn impl macro_rules mod struct trait");
        let ends = |token: &TokenTree, before: &TokenTree| match token {
            TokenTree::Group(group) => to_brace && group.delimiter() == Delimiter::Brace && !is_punct(before, '<'),
            token => is_punct(token, ';'),
        };
        match (at + 1..tokens.len()).find(|&at| ends(&tokens[at], &tokens[at - 1])) {
            Some(last) if to_semicolon || to_brace => end = last + 1,
            _ => return end.min(tokens.len()),
        }
    }
}

/// Whether a token is one of these words.
pub(crate) fn is_word(token: &TokenTree, words: &str) -> bool {
    matches!(token, TokenTree::Ident(word) if words.split_whitespace().any(|wanted| word == wanted))
}

pub(crate) fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

/// Splits at commas, each piece with the comma that ends it, but not at those between angle brackets or the bars of a
/// closure. Where types stand every `<` is a bracket; in an expression only after `::`, and where a value begins.
pub(crate) fn split(tokens: TokenStream, types: bool) -> Vec<(Vec<TokenTree>, Option<TokenTree>)> {
    let mut pieces = Vec::new();
    let mut piece: Vec<TokenTree> = Vec::new();
    let (mut depth, mut in_bars) = (0_usize, false);
    for token in tokens {
        let before = piece.last();
        let after = |wanted| before.is_some_and(|before| is_punct(before, wanted));
        let begins = match before {
            Some(TokenTree::Ident(word)) => word == "move",
            Some(before) => is_punct(before, '='),
            None => true,
        };
        if is_punct(&token, ',') && depth == 0 && !in_bars {
            pieces.push((std::mem::take(&mut piece), Some(token)));
            continue;
        } else if is_punct(&token, '<') && (types || depth > 0 || begins || after(':')) {
            depth += 1;
        } else if is_punct(&token, '>') && !after('-') && !after('=') {
            depth = depth.saturating_sub(1);
        } else if is_punct(&token, '|') {
            in_bars = !types && !in_bars && begins;
        }
        piece.push(token);
    }
    if !piece.is_empty() {
        pieces.push((piece, None));
    }
    pieces
}
