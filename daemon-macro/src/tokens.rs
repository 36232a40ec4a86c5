//! Helpers that look at tokens, and split them.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

/// Whether a token is one of these words.
pub(crate) fn is_word(token: Option<&TokenTree>, words: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(word)) if words.split_whitespace().any(|wanted| word == wanted))
}

pub(crate) fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// Returns each word of some code, also those in braces in a text: `"{name}"`.
pub(crate) fn words(tokens: &TokenStream) -> Vec<String> {
    let of_token = |token| match token {
        TokenTree::Ident(word) => vec![word.to_string()],
        TokenTree::Group(group) => words(&group.stream()),
        TokenTree::Punct(_) => Vec::new(),
        TokenTree::Literal(text) => {
            let is_end = |next: char| next != '_' && !next.is_alphanumeric();
            let text = text.to_string();
            text.split('{').skip(1).filter_map(|rest| rest.split(is_end).next()).map(str::to_owned).collect()
        }
    };
    tokens.clone().into_iter().flat_map(of_token).collect()
}

/// Returns the places of the first and the last token for a token of ours. rustc then shows the user's own code for it, and
/// no variable of the user's has its name.
pub(crate) fn own_ends(tokens: &TokenStream) -> (Span, Span) {
    let own = |token: TokenTree| Span::mixed_site().located_at(token.span());
    let mut spans = tokens.clone().into_iter().map(own);
    let first = spans.next().unwrap_or_else(Span::mixed_site);
    (first, spans.last().unwrap_or(first))
}

/// Returns an expression in brackets. Whatever is missing in it is missing at its last token.
pub(crate) fn enclosed(expression: TokenStream) -> Group {
    let end = own_ends(&expression).1;
    in_parentheses(expression, end)
}

pub(crate) fn in_parentheses(tokens: TokenStream, at: Span) -> Group {
    let mut group = Group::new(Delimiter::Parenthesis, tokens);
    group.set_span(at);
    group
}

/// Returns how a token of a type changes the depth of angle brackets. Those of `->` and `=>` are none.
pub(crate) fn angle(before: Option<&TokenTree>, token: &TokenTree) -> i32 {
    let is_arrow = is_punct(before, '-') || is_punct(before, '=');
    i32::from(is_punct(Some(token), '<')) - i32::from(is_punct(Some(token), '>') && !is_arrow)
}

/// Splits parameters, or the items of a list, at their commas. A `<` is a bracket there, and no operator.
pub(crate) fn split_at_commas(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let (mut pieces, mut depth) = (vec![Vec::new()], 0);
    for token in tokens {
        let piece = pieces.last_mut().expect("there is one from the beginning");
        depth += angle(piece.last(), &token);
        if depth == 0 && is_punct(Some(&token), ',') {
            pieces.push(Vec::new());
        } else {
            piece.push(token);
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
