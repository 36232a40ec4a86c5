//! The rules of literals, which are checked while compiling. Anything else is left to rustc and to the runtime.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, Lit, LitInt, Token};

use crate::options::{Kind, Row};
use crate::tokens::{is_group, is_punct, is_word, split_expressions};

/// What a value must be. The runtime says the same about a value that is no literal, with the option's name before it;
/// a test keeps the words equal.
#[rustfmt::skip]
pub(crate) mod rule {
    pub(crate) const UMASK:        &str = "must be at most 0o777";
    pub(crate) const EMPTY:        &str = "must not be empty";
    pub(crate) const NUL:          &str = "must not contain a NUL byte";
    pub(crate) const ABSOLUTE:     &str = "must be an absolute path, starting with '/'";
    pub(crate) const ID:           &str = "must be less than 4294967295, which means no id";
    pub(crate) const FD_STANDARD:  &str = "must not list 0, 1 or 2, which are stdin, stdout and stderr";
    pub(crate) const FD_NEGATIVE:  &str = "must not list a negative number";
    pub(crate) const FD_TWICE:     &str = "must not list a number twice";
    pub(crate) const NAME_EMPTY:   &str = "must not list an empty name";
    pub(crate) const NAME_EQUALS:  &str = "must not list a name with '=' in it";
    pub(crate) const NAME_NUL:     &str = "must not list a name with a NUL byte in it";
    pub(crate) const TIMEOUT:      &str = "must be more than 0 seconds";
}

/// Rules for literals alone, which the runtime does not have: what is computed may be meant so.
#[rustfmt::skip]
mod literal_rule {
    pub(super) const SHELL:        &str = "is not expanded: `~` and `$` are for the shell, and `%` for systemd; compute it in an expression";
    pub(super) const SYSTEMD:      &str = "names a file here; use `Stream::Null` or `Stream::Inherit`, or a path with a `/`";
    pub(super) const SYSTEMD_FILE: &str = "names a file here; write the path alone, which is appended to";
    pub(super) const USER_COLON:   &str = "must be a user alone; give the group with `group`";
    pub(super) const ID_NUMBER:    &str = "is looked up as a name here; write the number without quotes";
    pub(super) const ID_NAME:      &str = "must be one name, of letters, digits and `_`, `-` or `.`, such as `www-data`";
    pub(super) const DIRECTORY:    &str = "names a directory here; write the path of a file in it";
    pub(super) const NAME_PATTERN: &str = "must list whole names, without `*`, `$`, spaces or commas";
}

/// What systemd, supervisord and others know beside paths.
const STREAM_WORDS: &[&str] =
    &["journal", "null", "inherit", "syslog", "kmsg", "tty", "socket", "data", "auto", "none", "discard", "-"];

/// Notes what is wrong with a value.
pub(crate) fn check(row: &Row, value: &TokenStream, errors: &mut Vec<Error>) {
    let kind_error = |at: &dyn quote::ToTokens| Error::new_spanned(at, format!("expected {}", row.takes));
    let tokens: Vec<TokenTree> = value.clone().into_iter().collect();
    // No expression begins so: a path without quotes.
    if is_punct(&tokens[0], '/') || is_punct(&tokens[0], '~') {
        return errors.push(kind_error(value));
    }
    if let Some(word) = tokens.iter().find(|token| is_word(token, "await")) {
        let words = format!("`{}` is evaluated before the runtime starts, and cannot `.await`", row.name);
        return errors.push(Error::new(word.span(), words));
    }
    if row.kind == Kind::Id && is_name_with_hyphens(&tokens) {
        let name: String = tokens.iter().map(TokenTree::to_string).collect();
        let words = format!("a name stands in quotes: `{} = \"{name}\"`", row.name);
        return errors.push(Error::new_spanned(value, words));
    }
    if row.kind == Kind::Crate {
        // `$crate`, or a macro's fragment, is a path too.
        // As `syn::Path::parse_mod_style`, which needs another feature of syn.
        let path = (|input: ParseStream| {
            input.parse::<Option<Token![::]>>()?;
            Punctuated::<Ident, Token![::]>::parse_separated_nonempty_with(input, Ident::parse_any)
        })
        .parse2(value.clone());
        let is_fragment = matches!(&*tokens, [TokenTree::Group(group)] if group.delimiter() == Delimiter::None);
        let names: Vec<String> = path.iter().flatten().map(Ident::to_string).collect();
        let is_in_it = names.iter().rev().skip(1).any(|name| name == "daemon_runtime");
        if is_in_it || names.last().is_some_and(|last| last.starts_with(char::is_uppercase)) {
            let words =
                "expected the crate or module that is the runtime, and nothing in it: `crate = ::daemon_runtime`";
            errors.push(Error::new_spanned(value, words));
        } else if path.is_err() && !is_fragment && !is_punct(&tokens[0], '$') {
            errors.push(kind_error(value));
        }
        return;
    }
    // What a umask holds is looked at below.
    let looks_inside = !matches!(row.kind, Kind::Umask | Kind::Setup);
    if let Some(inner) = held(&tokens).filter(|inner| looks_inside && !inner.is_empty()) {
        return check(row, &inner, errors);
    }
    let is_literal = |token: &TokenTree| matches!(token, TokenTree::Literal(_));
    if let Some(second) = (1..tokens.len()).find(|&at| is_literal(&tokens[at - 1]) && is_literal(&tokens[at])) {
        let words = format!("expected `,` or the end of the value, found `{}`", tokens[second]);
        return errors.push(Error::new(tokens[second].span(), words));
    }
    let literal = syn::parse2::<Lit>(value.clone()).ok();
    match (row.kind, literal, list_of(&tokens)) {
        (Kind::Descriptors | Kind::Names, None, Some(list)) => check_list(row, list, errors),
        (Kind::Descriptors | Kind::Names, Some(_), _) => errors.push(kind_error(value)),
        (_, Some(literal), _) => {
            errors.extend(check_literal(row, &literal).map(|words| Error::new_spanned(value, words)))
        }
        // A decimal number hides anywhere in the expression.
        (Kind::Umask, None, _) => check_umask_inside(row, value.clone(), false, errors),
        _ => {}
    }
}

/// What `Some(…)`, brackets or `&` hold, for which the same rules hold.
fn held(tokens: &[TokenTree]) -> Option<TokenStream> {
    match tokens {
        [and, rest @ ..] if is_punct(and, '&') && list_of(tokens).is_none() => Some(rest.iter().cloned().collect()),
        [some, inner @ TokenTree::Group(group)] if is_word(some, "Some") && is_group(inner, Delimiter::Parenthesis) => {
            Some(group.stream())
        }
        [inner @ TokenTree::Group(group)] if is_group(inner, Delimiter::Parenthesis) => Some(group.stream()),
        _ => None,
    }
}

/// `www-data`
fn is_name_with_hyphens(tokens: &[TokenTree]) -> bool {
    tokens.len() > 2
        && tokens.iter().enumerate().all(|(at, token)| match token {
            TokenTree::Ident(_) => at % 2 == 0,
            token => at % 2 == 1 && is_punct(token, '-'),
        })
}

/// `[…]`, `&[…]` or `vec![…]`: a list that is written out, and no call, index or repetition.
pub(crate) fn list_of(tokens: &[TokenTree]) -> Option<&Group> {
    let list = match tokens {
        [list] => list,
        [and, list] if is_punct(and, '&') => list,
        [vec, not, list] if is_word(vec, "vec") && is_punct(not, '!') => list,
        _ => return None,
    };
    match list {
        TokenTree::Group(group) if is_group(list, Delimiter::Bracket) => Some(group),
        _ => None,
    }
}

fn check_list(row: &Row, list: &Group, errors: &mut Vec<Error>) {
    let mut before = Vec::new();
    // `[3; 1]` is a list of one: its first item, and how often.
    let is_repeated = list.stream().into_iter().any(|token| is_punct(&token, ';'));
    let items = list.stream().into_iter().take_while(|token| !is_punct(token, ';')).collect();
    for item in split_expressions(items, |_, _| false) {
        let item: TokenStream = item.tokens.into_iter().collect();
        let Ok(literal) = syn::parse2::<Lit>(item.clone()) else { continue };
        let number = match &literal {
            Lit::Int(number) => Some(number.base10_digits().to_owned()),
            _ => None,
        };
        let is_twice = number.is_some() && before.contains(&number) && !is_repeated;
        let words = check_literal(row, &literal).or(is_twice.then(|| format!("{} {}", row.name, rule::FD_TWICE)));
        errors.extend(words.map(|words| Error::new_spanned(item, words)));
        before.push(number);
    }
}

fn is_negative(number: &LitInt) -> bool {
    number.base10_digits().starts_with('-')
}

/// Checks a literal that is a value, or stands in a list.
fn check_literal(row: &Row, literal: &Lit) -> Option<String> {
    let rules: &[(bool, &'static str)] = match (row.kind, literal) {
        // About a literal that is none, rustc has said enough.
        (Kind::Setup, _) | (Kind::Flag | Kind::Bool, Lit::Bool(_)) | (_, Lit::Verbatim(_)) => &[],
        // `0o888` is read as a float with a suffix.
        (_, Lit::Float(number)) if !matches!(number.suffix(), "" | "f32" | "f64") => &[],
        (Kind::Umask, Lit::Int(number)) if !is_negative(number) => {
            if let Some(words) = decimal_umask(row, number) {
                return Some(words);
            }
            &[(number.base10_parse::<u32>().is_ok_and(|mode| mode <= 0o777), rule::UMASK)]
        }
        (Kind::Id, Lit::Int(number)) if !is_negative(number) => {
            &[(number.base10_parse::<u32>().is_ok_and(|id| id < u32::MAX), rule::ID)]
        }
        (Kind::Seconds, Lit::Int(number)) => &[(!is_negative(number) && number.base10_digits() != "0", rule::TIMEOUT)],
        (Kind::Descriptors, Lit::Int(number)) => {
            let standard = matches!(number.base10_digits(), "0" | "1" | "2");
            &[(!is_negative(number), rule::FD_NEGATIVE), (!standard, rule::FD_STANDARD)]
        }
        (Kind::Path | Kind::AbsolutePath | Kind::Stream | Kind::Id, Lit::Str(text)) => {
            let text = text.value();
            let is_path = row.kind != Kind::Id;
            let relative = row.kind == Kind::AbsolutePath && !text.starts_with('/');
            let word = text.to_lowercase();
            let is_word = STREAM_WORDS.contains(&word.trim_end_matches("+console"))
                || word.starts_with("fd:")
                || word.starts_with(['|', '>', '&']);
            let prefix = is_path && ["append:", "file:", "truncate:"].iter().any(|word| text.starts_with(word));
            let is_directory = matches!(text.rsplit('/').next(), Some("" | "." | ".."));
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            &[
                (!text.is_empty(), rule::EMPTY),
                (!text.contains('\0'), rule::NUL),
                (!(text.starts_with(['~', '$']) || is_path && is_expanded(&text)), literal_rule::SHELL),
                (!relative, rule::ABSOLUTE),
                (!(row.kind == Kind::Stream && is_word), literal_rule::SYSTEMD),
                (!prefix, literal_rule::SYSTEMD_FILE),
                (is_path || !text.contains(':'), literal_rule::USER_COLON),
                (is_path || !is_number, literal_rule::ID_NUMBER),
                (is_path || is_name(&text), literal_rule::ID_NAME),
                (!matches!(row.kind, Kind::Path | Kind::Stream) || !is_directory, literal_rule::DIRECTORY),
            ]
        }
        (Kind::Names, Lit::Str(text)) => {
            let text = text.value();
            &[
                (!text.is_empty(), rule::NAME_EMPTY),
                (!text.contains('='), rule::NAME_EQUALS),
                (!text.contains('\0'), rule::NAME_NUL),
                (!text.contains(['*', '$', ' ', ',']), literal_rule::NAME_PATTERN),
            ]
        }
        _ => return Some(format!("expected {}", row.takes)),
    };
    rules.iter().find(|(holds, _)| !holds).map(|(_, rule)| format!("{} {rule}", row.name))
}

/// Whether an account can have this name: useradd(8), and those of a Windows domain, `DOMAIN\domain users`.
fn is_name(text: &str) -> bool {
    let is_part = |next: char| next.is_alphanumeric() || "_-.+".contains(next);
    let is_local = text.strip_suffix('$').unwrap_or(text).chars().all(is_part) && !text.starts_with(['-', '+']);
    is_local || text.contains(['\\', '@']) && !text.contains(['*', ','])
}

/// Whether a shell or systemd would put something else: `/run/$USER`, `/run/%n.pid`.
fn is_expanded(path: &str) -> bool {
    let after_percent = |rest: &str| rest.starts_with(|next: char| next.is_ascii_alphabetic());
    path.contains('$') || path.split('%').skip(1).any(after_percent)
}

/// What is wrong with a umask in decimal digits.
fn decimal_umask(row: &Row, number: &LitInt) -> Option<String> {
    let text = number.token().to_string().replace('_', "");
    let digits = text.trim_end_matches(number.suffix()).trim_start_matches('0');
    let is_octal = !digits.contains(['8', '9']);
    let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.len() > 1 || !is_octal);
    is_decimal.then(|| match is_octal && digits.len() < 4 {
        true => format!("expected an octal number; write `{} = 0o{digits}`", row.name),
        false => format!("expected {}", row.takes),
    })
}

/// Methods and functions whose arguments are values.
const PASS_ON: &str = "if else match in return unwrap_or unwrap_or_else map_or map_or_else or or_else then then_some min max \
                       from get_or_insert new";

/// Looks at every number that may be what the expression comes to: alone in brackets or a block, in an arm of a match, beside
/// a bit operator, or given to what passes it on; but not at other arguments, patterns and what is compared. A number that
/// begins with a zero is meant to be octal wherever it stands.
fn check_umask_inside(row: &Row, value: TokenStream, is_argument: bool, errors: &mut Vec<Error>) {
    let tokens: Vec<TokenTree> = value.into_iter().collect();
    let is_any = |token: &TokenTree, all: &str| all.chars().any(|wanted| is_punct(token, wanted));
    let is_arrow = |at: usize| at + 1 < tokens.len() && is_punct(&tokens[at], '=') && is_punct(&tokens[at + 1], '>');
    // What leads to an arrow or a guard before it ends: `Some(10) | Some(22) => …`
    let in_pattern = |at: usize| {
        let ends = |at: &usize| is_any(&tokens[*at], ",;") || is_group(&tokens[*at], Delimiter::Brace);
        let to = (at..tokens.len()).find(ends).unwrap_or(tokens.len());
        (at..to).any(|at| is_arrow(at) || is_word(&tokens[at], "if"))
    };
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| &tokens[at]);
        let after_arrow = at > 1 && is_arrow(at - 2);
        match token {
            TokenTree::Literal(literal) => {
                let Lit::Int(number) = Lit::new(literal.clone()) else { continue };
                let is_after = |back: usize, all: &str| at.checked_sub(back).is_some_and(|at| is_any(&tokens[at], all));
                // `break 'label 22`, and `a = 22`, but not what is compared.
                let is_set = is_after(2, "'") || is_after(1, "=") && !is_after(2, "=!<>");
                let begins = is_set
                    || before.is_none_or(|it| {
                        is_any(it, ";|&^!,") || is_word(it, "break") || matches!(it, TokenTree::Group(_))
                    });
                let ends = tokens.get(at + 1).is_none_or(|it| is_any(it, ",;|&^") || is_word(it, "as"));
                let text = literal.to_string().replace('_', "");
                let has_zero = text.starts_with('0') && text[1..].starts_with(|next: char| next.is_ascii_digit());
                let is_value = (begins || after_arrow) && ends && !in_pattern(at) && !is_argument;
                let words = decimal_umask(row, &number).filter(|_| has_zero || is_value);
                errors.extend(words.map(|words| Error::new(literal.span(), words)));
            }
            TokenTree::Group(group) => {
                // `Some(…)` is the value itself; brackets after the name of a function hold arguments.
                let is_call = before.is_some_and(|it| match it {
                    TokenTree::Ident(name) => {
                        !is_word(it, PASS_ON) && !name.to_string().starts_with(char::is_uppercase)
                    }
                    it => is_any(it, "!>") && !after_arrow,
                });
                let is_compared = at > 2 && is_punct(&tokens[at - 2], '=') && is_any(&tokens[at - 3], "=!");
                let is_pattern = in_pattern(at) || at > 1 && is_word(&tokens[at - 2], "let");
                let is_call = is_call || is_compared || is_pattern;
                let is_argument = is_argument || is_call && !is_group(token, Delimiter::Brace);
                check_umask_inside(row, group.stream(), is_argument, errors);
            }
            _ => {}
        }
    }
}
