//! Helpers for tokens, and how far an expression reaches.
//!
//! syn could parse expressions with its feature `full`, which costs its users two seconds. Here an expression is only
//! delimited: groups are single tokens, so all that can hide a comma are the parameters of a closure and the angle brackets
//! of types. A test compares this with syn's parser.

use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};

/// Whether a token is one of these words.
pub(crate) fn is_word(token: &TokenTree, words: &str) -> bool {
    matches!(token, TokenTree::Ident(word) if words.split_whitespace().any(|wanted| word == wanted))
}

pub(crate) fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn is_joint(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted && punct.spacing() == Spacing::Joint)
}

pub(crate) fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

/// Returns the first and the last token's place.
pub(crate) fn ends(tokens: &TokenStream) -> (Span, Span) {
    let mut spans = tokens.clone().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::mixed_site);
    (first, spans.last().unwrap_or(first))
}

/// Returns the same brackets with something else inside.
pub(crate) fn with_stream(group: &Group, stream: TokenStream) -> Group {
    let mut other = Group::new(group.delimiter(), stream);
    other.set_span(group.span());
    other
}

/// Returns each word that stands for a variable or an item, also in `"{name}"`: no field, method, or later part of a path.
pub(crate) fn names(tokens: TokenStream) -> Vec<Ident> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut all = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let follows = |back: usize, wanted| at.checked_sub(back).is_some_and(|at| is_punct(&tokens[at], wanted));
        let is_inner = follows(1, '.') && !follows(2, '.') || follows(1, ':') && follows(2, ':');
        match token {
            TokenTree::Ident(word) if !is_inner => all.push(word.clone()),
            TokenTree::Group(group) => all.extend(names(group.stream())),
            TokenTree::Literal(literal) => {
                let ends = |next: char| next != '_' && !next.is_alphanumeric();
                let text = literal.to_string();
                let words = text.split('{').skip(1).filter_map(|rest| rest.split(ends).next());
                for mut name in words.filter_map(|word| syn::parse_str::<Ident>(word).ok()) {
                    name.set_span(literal.span());
                    all.push(name);
                }
            }
            _ => {}
        }
    }
    all
}

/// Where [`split_expressions`] cuts.
pub(crate) struct Piece {
    pub(crate) tokens: Vec<TokenTree>,
    /// The comma after it; `None` after the last one, and where one is missing.
    pub(crate) comma: Option<TokenTree>,
}

/// Splits at the commas that are part of no expression; and where an expression has ended, before a word that `begins` says
/// can only begin the next piece.
pub(crate) fn split_expressions(tokens: TokenStream, begins: impl Fn(&[TokenTree], usize) -> bool) -> Vec<Piece> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let (mut pieces, mut start, mut at) = (Vec::new(), 0, 0);
    // Whether a value has just ended, so that an operator may follow.
    let mut after_value = false;
    while at < tokens.len() {
        let token = &tokens[at];
        if is_punct(token, ',') {
            pieces.push(Piece { tokens: tokens[start..at].to_vec(), comma: Some(token.clone()) });
            (start, after_value) = (at + 1, false);
        } else if after_value && at > start && begins(&tokens, at) {
            pieces.push(Piece { tokens: tokens[start..at].to_vec(), comma: None });
            (start, after_value) = (at, false);
            continue;
        }
        (at, after_value) = skip_part(&tokens, at, after_value);
    }
    if start < tokens.len() {
        pieces.push(Piece { tokens: tokens[start..].to_vec(), comma: None });
    }
    pieces
}

/// Words after which a value begins, or a pattern.
const BEFORE_VALUE: &str = "as async break const dyn else for if impl in let loop match move mut raw ref return static \
                            unsafe while yield";

/// Goes over one part of an expression: a token, a closure's parameters, or angle brackets; tells whether a value has ended.
pub(crate) fn skip_part(tokens: &[TokenTree], at: usize, after_value: bool) -> (usize, bool) {
    let is = |at: usize, wanted: char| tokens.get(at).is_some_and(|token| is_punct(token, wanted));
    match &tokens[at] {
        TokenTree::Ident(_) if is_word(&tokens[at], "as") && after_value => (skip_type(tokens, at + 1), true),
        // `for<'a> |x| …`
        TokenTree::Ident(_) if is_word(&tokens[at], "for") && is(at + 1, '<') => (skip_angles(tokens, at + 1), false),
        // A pattern may begin with a bar, too.
        TokenTree::Ident(_) if is_word(&tokens[at], "let") && is(at + 1, '|') => (at + 2, false),
        TokenTree::Ident(_) => (at + 1, !is_word(&tokens[at], BEFORE_VALUE)),
        TokenTree::Literal(_) | TokenTree::Group(_) => (at + 1, true),
        TokenTree::Punct(punct) => match punct.as_char() {
            // `||` and `<<`
            '|' | '<' if after_value && is_joint(&tokens[at], punct.as_char()) && is(at + 1, punct.as_char()) => {
                (at + 2, false)
            }
            '|' if !after_value => (skip_closure(tokens, at), false),
            // `<T as Trait>::f`
            '<' if !after_value => (skip_angles(tokens, at), true),
            ':' if is(at + 1, ':') && is(at + 2, '<') => (skip_angles(tokens, at + 2), true),
            // A lifetime, which labels a block or leads out of one.
            '\'' => (at + 2, false),
            '?' => (at + 1, true),
            _ => (at + 1, false),
        },
    }
}

/// Goes over `|a, b| -> Type`.
fn skip_closure(tokens: &[TokenTree], at: usize) -> usize {
    let is = |at: usize, wanted: char| tokens.get(at).is_some_and(|token| is_punct(token, wanted));
    let close = (at + 1..tokens.len()).find(|at| is(*at, '|'));
    let end = close.map_or(tokens.len(), |close| close + 1);
    if is(end, '-') && is(end + 1, '>') { skip_type(tokens, end + 2) } else { end }
}

/// Goes over `<…>`.
fn skip_angles(tokens: &[TokenTree], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        if is_punct(token, '<') {
            depth += 1;
        } else if is_punct(token, '>') && !is_joint(&tokens[index - 1], '-') && !is_joint(&tokens[index - 1], '=') {
            depth -= 1;
            if depth == 0 {
                return index + 1;
            }
        }
    }
    tokens.len()
}

/// Goes over a type as it may stand after `as` or `->`.
fn skip_type(tokens: &[TokenTree], mut at: usize) -> usize {
    let is = |at: usize, wanted: char| tokens.get(at).is_some_and(|token| is_punct(token, wanted));
    let word = |at: usize, words: &str| tokens.get(at).is_some_and(|token| is_word(token, words));
    // Not `<=`.
    let opens = |at: usize| is(at, '<') && !(is_joint(&tokens[at], '<') && is(at + 1, '='));
    // What stands before.
    loop {
        at += match tokens.get(at) {
            Some(token) if is_punct(token, '\'') => 2,
            Some(token) if is_punct(token, '!') => return at + 1,
            Some(token) if is_punct(token, '&') => 1,
            Some(token) if is_punct(token, '*') && word(at + 1, "const mut") => 2,
            Some(token) if is_word(token, "mut const dyn impl unsafe extern") => 1,
            Some(TokenTree::Literal(_)) => 1,
            Some(token) if is_word(token, "for") && is(at + 1, '<') => skip_angles(tokens, at + 1) - at,
            _ => break,
        };
    }
    if is(at, '<') {
        at = skip_angles(tokens, at);
    } else if matches!(tokens.get(at), Some(TokenTree::Group(_))) {
        return at + 1;
    }
    // A path, `fn(A) -> B` or `Fn(A) -> B`.
    loop {
        if is(at, ':') && is(at + 1, ':') {
            at += 2;
        } else if opens(at) {
            at = skip_angles(tokens, at);
            if !(is(at, ':') && is(at + 1, ':')) {
                return at;
            }
        } else if !matches!(tokens.get(at), Some(TokenTree::Ident(_))) {
            return at;
        } else {
            at += 1;
            if is(at, '!') && matches!(tokens.get(at + 1), Some(TokenTree::Group(_))) {
                return at + 2;
            }
            let is_call = tokens.get(at).is_some_and(|token| is_group(token, Delimiter::Parenthesis));
            if is_call && is(at + 1, '-') && is(at + 2, '>') {
                return skip_type(tokens, at + 3);
            } else if is_call {
                return at + 1;
            } else if !(opens(at) || is(at, ':') && is(at + 1, ':')) {
                return at;
            }
        }
    }
}

/// Splits parameters or attributes at their commas, where every `<` is a bracket.
pub(crate) fn split_parameters(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut pieces = vec![Vec::new()];
    let mut depth = 0_usize;
    for token in tokens {
        let piece = pieces.last_mut().expect("there is one from the beginning");
        let arrow = piece.last().is_some_and(|before| is_joint(before, '-') || is_joint(before, '='));
        if is_punct(&token, ',') && depth == 0 {
            pieces.push(Vec::new());
            continue;
        } else if is_punct(&token, '<') {
            depth += 1;
        } else if is_punct(&token, '>') && !arrow {
            depth = depth.saturating_sub(1);
        }
        piece.push(token);
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
