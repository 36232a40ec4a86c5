//! The rules of literals, which are checked while compiling. All other values are the runtime's to check, by the same rules.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::{Error, Lit, LitInt};

use crate::tokens::split_at_commas;

/// What has to be true of a literal; of one of another type rustc says that it is wrong.
enum Holds {
    Text(fn(&str) -> bool),
    Number(fn(&LitInt) -> bool),
}
use Holds::{Number, Text};

/// The options that a rule is for, what has to hold, and the words if it does not. Those that begin with "must" are the
/// runtime's too, which a test compares. The others are for literals alone: what is computed may be meant so.
#[rustfmt::skip]
const RULES: &[(&str, Holds, &str)] = &[
    ("umask", Number(is_no_decimal), "takes an octal number, such as `0o022`"),
    ("umask", Number(|mask| value(mask) <= 0o777), "must be at most 0o777"),
    ("user group", Number(|id| (0..0xffff_ffff).contains(&value(id))), "must be less than 4294967295, which means no id"),
    ("keep_fds", Number(|fd| value(fd) >= 0), "must not list a negative number"),
    ("keep_fds", Number(|fd| value(fd) > 2), "must not list 0, 1 or 2, which are stdin, stdout and stderr"),
    ("start_timeout", Number(|seconds| value(seconds) > 0), "must be more than 0 seconds"),
    (NAMES_AND_PATHS, Text(|text| !text.is_empty()), "must not be empty"),
    (NAMES_AND_PATHS, Text(|text| !text.contains('\0')), "must not contain a NUL byte"),
    (PATHS, Text(is_not_for_the_shell), "is not expanded: `~` and `$` are for the shell; compute the path"),
    ("chdir chroot", Text(|path| path.starts_with('/')), "must be an absolute path, starting with '/'"),
    ("pid_file", Text(is_meant_as_path), "would be a file of that name: begin the path with `/` or `./`"),
    ("stdin stdout stderr", Text(is_meant_as_path),
        "would be a file of that name: begin the path with `/` or `./`, or use a `Stream`"),
    ("user", Text(|name| !name.contains(':')), "names the user alone; give the group with `group`"),
    ("keep_env", Text(|name| !name.is_empty()), "must not list an empty name"),
    ("keep_env", Text(|name| !name.contains('=')), "must not list a name with '=' in it"),
    ("keep_env", Text(|name| !name.contains('\0')), "must not list a name with a NUL byte in it"),
    ("crate", Text(|_| false), "takes a path without quotes: `crate = ::daemon_runtime`"),
];

const NAMES_AND_PATHS: &str = "chdir chroot pid_file stdin stdout stderr user group";
const PATHS: &str = "chdir chroot pid_file stdin stdout stderr";

/// Returns what is wrong with a value that is a literal, or a list of them.
pub(crate) fn check(option: &Ident, value: &TokenStream) -> Vec<Error> {
    let tokens: Vec<TokenTree> = value.clone().into_iter().collect();
    let items = match &*tokens {
        [TokenTree::Group(list)] if list.delimiter() == Delimiter::Bracket => split_at_commas(list.stream()),
        _ => vec![tokens],
    };
    let (mut errors, mut numbers) = (Vec::new(), Vec::new());
    for item in items {
        let item: TokenStream = item.into_iter().collect();
        let Ok(literal) = syn::parse2::<Lit>(item.clone()) else { continue };
        let mut broken = broken_rule(option, &literal);
        if let Lit::Int(number) = &literal {
            let is_twice = numbers.contains(&number.base10_digits().to_owned());
            broken = broken.or(is_twice.then_some("must not list a number twice"));
            numbers.push(number.base10_digits().to_owned());
        }
        errors.extend(broken.map(|words| Error::new_spanned(item, format!("`{option}` {words}"))));
    }
    errors
}

/// Returns the words of the first rule that does not hold.
fn broken_rule(option: &Ident, literal: &Lit) -> Option<&'static str> {
    let is_broken = |(options, holds, _): &&(&str, Holds, &str)| {
        let holds = match (holds, literal) {
            (Text(holds), Lit::Str(text)) => holds(&text.value()),
            (Number(holds), Lit::Int(number)) => holds(number),
            _ => true,
        };
        !holds && options.split(' ').any(|name| option == name)
    };
    RULES.iter().find(is_broken).map(|(.., words)| *words)
}

/// Returns the value, or the largest if it has no place.
fn value(number: &LitInt) -> i128 {
    number.base10_digits().parse().unwrap_or(i128::MAX)
}

/// Whether a mask is not in decimal digits. One digit below 8 means the same.
fn is_no_decimal(mask: &LitInt) -> bool {
    let text = mask.token().to_string();
    ["0o", "0x", "0b"].iter().any(|prefix| text.starts_with(prefix)) || (0..8).contains(&value(mask))
}

fn is_not_for_the_shell(path: &str) -> bool {
    !path.starts_with('~') && !path.contains('$')
}

/// Whether it says that it is a path. `journal` does not, nor does `append:/x`, systemd's.
fn is_meant_as_path(text: &str) -> bool {
    text.split_once('/').is_some_and(|(first, _)| !first.ends_with(':'))
}
