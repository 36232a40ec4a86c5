//! The options: one table, and how what was written is read, checked and answered by it.
//!
//! A value stays raw tokens: rustc reads and checks it where it is put. Only literals are looked at here.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::{Error, Lit};

use crate::function::{is_punct, split};

/// What an option's value is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Umask,
    Path,
    AbsolutePath,
    Flag,
    Bool,
    Id,
    Descriptors,
    Names,
    Seconds,
    Setup,
    Crate,
}

impl Kind {
    /// The words after "takes".
    fn noun(self) -> &'static str {
        match self {
            Kind::Umask => "an octal number",
            Kind::Path => "a path in quotes",
            Kind::AbsolutePath => "an absolute path in quotes",
            Kind::Flag => "nothing, or `true` or `false`",
            Kind::Bool => "`true`, `false` or a condition",
            Kind::Id => "a name in quotes, or a number",
            Kind::Descriptors => "a list of descriptor numbers",
            Kind::Names => "a list of names in quotes",
            Kind::Seconds => "whole seconds, or a `Duration`",
            Kind::Setup => "an expression",
            Kind::Crate => "a path without quotes",
        }
    }
}

type Row = (&'static str, Kind, &'static str);

/// The options: name, kind of value, and how it is written. A new option is one row here, one method of the runtime's
/// `Daemon`, and one row in the runtime's documentation; a test compares the three.
#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    ("umask",             Kind::Umask,        "umask = 0o022"),
    ("chdir",             Kind::AbsolutePath, "chdir = \"/\""),
    ("ignore_sigchld",    Kind::Flag,         "ignore_sigchld"),
    ("pid_file",          Kind::Path,         "pid_file = \"/run/app.pid\""),
    ("stdin",             Kind::Path,         "stdin = \"/dev/null\""),
    ("stdout",            Kind::Path,         "stdout = \"/var/log/app.log\""),
    ("stderr",            Kind::Path,         "stderr = \"/var/log/app.log\""),
    ("reopen_on_sighup",  Kind::Flag,         "reopen_on_sighup"),
    ("user",              Kind::Id,           "user = \"nobody\""),
    ("group",             Kind::Id,           "group = \"nogroup\""),
    ("chroot",            Kind::AbsolutePath, "chroot = \"/var/empty\""),
    ("no_new_privileges", Kind::Flag,         "no_new_privileges"),
    ("no_core_dumps",     Kind::Flag,         "no_core_dumps"),
    ("keep_fds",          Kind::Descriptors,  "keep_fds = [3, 4]"),
    ("keep_env",          Kind::Names,        "keep_env = [\"RUST_LOG\"]"),
    ("setup",             Kind::Setup,        "setup = Args::parse()"),
    ("foreground",        Kind::Bool,         "foreground = args.foreground"),
    ("start_timeout",     Kind::Seconds,      "start_timeout = 90"),
    ("trace",             Kind::Flag,         "trace"),
    ("crate",             Kind::Crate,        "crate = ::daemon_runtime"),
];

/// What a value must be. The runtime says the same of a value that is no literal, with the option's name before it; a
/// test keeps the words equal.
pub(crate) mod rule {
    pub(crate) const UMASK: &str = "must be at most 0o777";
    pub(crate) const EMPTY: &str = "must not be empty";
    pub(crate) const NUL: &str = "must not contain a NUL byte";
    pub(crate) const ABSOLUTE: &str = "must be an absolute path, starting with '/'";
    pub(crate) const ID: &str = "must be less than 4294967295, which means no id";
    pub(crate) const FD_STANDARD: &str = "must not list 0, 1 or 2, which are stdin, stdout and stderr";
    pub(crate) const FD_NEGATIVE: &str = "must not list a negative number";
    pub(crate) const FD_TWICE: &str = "must not list a number twice";
    pub(crate) const NAME_EMPTY: &str = "must not list an empty name";
    pub(crate) const NAME_EQUALS: &str = "must not list a name with '=' in it";
    pub(crate) const NAME_NUL: &str = "must not list a name with a NUL byte in it";
    pub(crate) const TIMEOUT: &str = "must be more than 0 seconds";
}

/// What other crates, daemon(3), python-daemon and systemd call an option, without `_` and in lower case.
const FOREIGN: &[(&str, &str)] = &[
    ("chdir", "workingdirectory workingdir workdir currentdir directory dir cwd wd rootdir nochdir cd"),
    ("umask", "filemode mode mask"),
    ("ignore_sigchld", "sigchld reap reapchildren nozombies"),
    ("pid_file", "pid pidpath pidfilepath lock lockfile pidlockfile singleinstance"),
    ("stdin", "standardinput input"),
    ("stdout", "standardoutput output out outfile stdoutfile"),
    ("stderr", "standarderror error err errfile stderrfile log logfile logpath noclose"),
    ("reopen_on_sighup", "reopen reload onreload execreload sighup logrotate"),
    ("user", "uid username owner setuid setuser runas"),
    ("group", "gid groupname setgid setgroup supplementarygroups initgroups chownpidfile"),
    ("chroot", "root rootdirectory chrootdirectory jail"),
    ("no_new_privileges", "nonewprivs"),
    ("no_core_dumps", "preventcore limitcore nocore coredumps"),
    ("keep_fds", "filespreserve preservefds keepfiles fds fd closefds"),
    ("keep_env", "env environment passenvironment preserveenv clearenv"),
    ("setup", "init args privilegedaction before prefork execstartpre onstart"),
    ("foreground", "detach detachprocess daemonize background fork nofork nodaemon type supervised"),
    ("start_timeout", "timeout timeoutstartsec timeoutsec notifytimeout"),
    ("trace", "debug verbose"),
    ("crate", "krate runtime path"),
];

/// What is the job of a supervisor: systemd's names, in lower case.
const UNIT: &str = "restart restartsec execstart execstop killmode killsignal after wants wantedby description \
                    watchdogsec nice limitnofile notifyaccess capabilityboundingset protectsystem privatetmp";

/// What has no effect on a process that is not detached.
const DETACHED_ONLY: &[&str] =
    &["trace", "keep_fds", "keep_env", "stdin", "stdout", "stderr", "reopen_on_sighup", "start_timeout"];

/// An option as it was written.
pub(crate) struct Given {
    /// The user's own token; after a typing error it differs from the table's name.
    pub(crate) name: Ident,
    pub(crate) option: &'static str,
    pub(crate) value: Value,
    kind: Kind,
}

/// What stood after the name.
pub(crate) enum Value {
    /// Nothing: a bare flag.
    Bare,
    Tokens(TokenStream),
    /// Nothing that could be compiled; an error says so.
    Wrong,
}

impl Given {
    /// A flag that is certainly on, or another option that is given.
    fn is_on(&self) -> bool {
        match &self.value {
            Value::Tokens(value) if matches!(self.kind, Kind::Flag | Kind::Bool) => value.to_string() == "true",
            _ => true,
        }
    }

    /// As the user wrote it, if that is short.
    fn written(&self) -> String {
        match &self.value {
            Value::Tokens(value) if value.to_string().len() < 40 => {
                format!("`{} = {value}`", self.option)
            }
            _ => format!("`{}`", self.option),
        }
    }
}

/// Reads the options, and notes every mistake.
pub(crate) fn read(options: TokenStream, errors: &mut Vec<Error>) -> Vec<Given> {
    let mut all: Vec<Given> = Vec::new();
    for piece in pieces(options, errors) {
        let Some(given) = one(&piece, errors) else {
            continue;
        };
        match all.iter().find(|other| other.option == given.option) {
            Some(first) => {
                let words = format!("`{}` is given twice; the first is {}", given.option, first.written());
                errors.push(Error::new(given.name.span(), words));
            }
            None => all.push(given),
        }
    }
    contradictions(&all, errors);
    all
}

/// The tokens of each option. A comma is easily forgotten: what looks like the next option is taken as one.
fn pieces(options: TokenStream, errors: &mut Vec<Error>) -> Vec<Vec<TokenTree>> {
    let mut pieces = Vec::new();
    for (mut piece, comma) in split(options, false) {
        if let (true, Some(comma)) = (piece.is_empty(), comma) {
            errors.push(Error::new(comma.span(), "an option is missing before this comma"));
            continue;
        }
        while let Some(next) = (1..piece.len()).find(|&at| begins_option(&piece, at)) {
            errors.push(Error::new(piece[next].span(), format!("a comma is missing before `{}`", piece[next])));
            let rest = piece.split_off(next);
            pieces.push(std::mem::replace(&mut piece, rest));
        }
        pieces.push(piece);
    }
    pieces
}

/// Whether an option's name stands here, followed by one `=`, or last after what can only be the end of a value.
fn begins_option(tokens: &[TokenTree], at: usize) -> bool {
    let name = tokens[at].to_string();
    let known = TABLE.iter().any(|row| row.0 == name);
    let ended = matches!(tokens[at - 1], TokenTree::Literal(_) | TokenTree::Group(_));
    match &tokens[at + 1..] {
        [] => known && ended,
        [equals, rest @ ..] => {
            let more = rest.first().is_some_and(|next| is_punct(next, '=') || is_punct(next, '>'));
            known && is_punct(equals, '=') && !more && !is_punct(&tokens[at - 1], '.')
        }
    }
}

/// One option. `None` if it cannot be told which.
fn one(piece: &[TokenTree], errors: &mut Vec<Error>) -> Option<Given> {
    let TokenTree::Ident(name) = &piece[0] else {
        errors.push(Error::new(piece[0].span(), "here stands an option's name, without quotes: `umask = 0o022`"));
        return None;
    };
    let (row, wrong) = look_up(&name.unraw().to_string());
    if let Some(words) = wrong {
        errors.push(Error::new(name.span(), words));
    }
    let &(option, kind, example) = row?;
    let mut value = match &piece[1..] {
        [] if kind == Kind::Flag => Value::Bare,
        [equals, value @ ..] if is_punct(equals, '=') && !value.is_empty() && !is_punct(&value[0], '=') => {
            Value::Tokens(value.iter().cloned().collect())
        }
        _ => {
            let words = format!("`{option}` takes {}: `{example}`", kind.noun());
            errors.push(Error::new_spanned(piece.iter().cloned().collect::<TokenStream>(), words));
            Value::Wrong
        }
    };
    if let Value::Tokens(tokens) = &value {
        let usable = check(option, kind, tokens, &mut |at, words| {
            let words = words.unwrap_or_else(|| format!("`{option}` takes {}: `{example}`", kind.noun()));
            errors.push(Error::new_spanned(at, words));
        });
        if !usable {
            value = Value::Wrong;
        }
    }
    Some(Given { name: name.clone(), option, value, kind })
}

/// The row of a name, and what is wrong with the name: the nearest of ours, or one that others use for the same.
fn look_up(name: &str) -> (Option<&'static Row>, Option<String>) {
    let ours = |wanted: &str| TABLE.iter().find(|row| row.0 == wanted);
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let wanted = plain(name);
    let foreign = FOREIGN.iter().find(|(_, names)| names.split_whitespace().any(|name| name == wanted));
    let distance = |row: &&Row| distance(&plain(row.0), &wanted);
    let nearest = TABLE.iter().min_by_key(distance).filter(|row| distance(row) <= 1 + wanted.len() / 6);
    if let Some(row) = ours(name) {
        (Some(row), None)
    } else if let Some((option, _)) = foreign {
        (ours(option), Some(format!("unknown option `{name}`; here it is called `{option}`")))
    } else if UNIT.split_whitespace().any(|name| name == wanted) {
        (None, Some(format!("unknown option `{name}`; it is for systemd, and stands in the unit file")))
    } else if let Some(row) = nearest {
        (Some(row), Some(format!("unknown option `{name}`; did you mean `{}`?", row.0)))
    } else {
        let names: Vec<_> = TABLE.iter().map(|row| format!("`{}`", row.0)).collect();
        (None, Some(format!("unknown option `{name}`; the options are {}", names.join(", "))))
    }
}

/// How many letters have to be changed, added or removed to make `b` of `a` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

/// Checks a literal; anything else is left to rustc and to the runtime. `wrong` is called for each mistake, with words
/// or, for the wrong kind of value, without. Returns whether rustc can make use of the value too.
fn check(option: &str, kind: Kind, value: &TokenStream, wrong: &mut dyn FnMut(TokenStream, Option<String>)) -> bool {
    if kind == Kind::Crate {
        let path = is_path(value);
        if !path {
            wrong(value.clone(), None);
        }
        return path;
    }
    if matches!(kind, Kind::Descriptors | Kind::Names) && !is_literal(value) {
        list(option, kind, value, wrong);
        return true;
    }
    let Ok(literal) = syn::parse2::<Lit>(value.clone()) else {
        return true;
    };
    let mut broken = |rule: &str| wrong(value.clone(), Some(format!("{option} {rule}")));
    match (kind, &literal) {
        (Kind::Setup, _) | (Kind::Flag | Kind::Bool, Lit::Bool(_)) => {}
        (Kind::Umask, Lit::Int(number)) if !number.base10_digits().starts_with('-') => {
            let text = number.token().to_string().replace('_', "");
            let digits = text.trim_end_matches(number.suffix()).trim_start_matches('0');
            let decimal = text.bytes().nth(1).is_none_or(|second| second.is_ascii_digit());
            if !number.base10_parse::<u32>().is_ok_and(|mode| mode <= 0o777 || decimal) {
                broken(rule::UMASK);
            } else if decimal && digits.len() > 1 {
                let octal = !digits.contains(['8', '9']);
                let write =
                    if octal && digits.len() < 4 { format!("; write `{option} = 0o{digits}`") } else { String::new() };
                wrong(value.clone(), Some(format!("{option} is wanted in octal, and `{text}` is decimal{write}")));
            }
        }
        (Kind::Path | Kind::AbsolutePath | Kind::Id, Lit::Str(text)) => {
            let text = text.value();
            if text.is_empty() {
                broken(rule::EMPTY);
            } else if text.contains('\0') {
                broken(rule::NUL);
            } else if kind == Kind::AbsolutePath && !text.starts_with('/') {
                broken(rule::ABSOLUTE);
            }
        }
        (Kind::Id, Lit::Int(number)) if !number.base10_digits().starts_with('-') => {
            if !number.base10_parse::<u32>().is_ok_and(|id| id < u32::MAX) {
                broken(rule::ID);
            }
        }
        (Kind::Seconds, Lit::Int(number)) => {
            if number.base10_digits().starts_with('-') || number.base10_digits() == "0" {
                broken(rule::TIMEOUT);
            }
        }
        _ => {
            wrong(value.clone(), None);
            return false;
        }
    }
    true
}

/// Checks the literals in a list that is written out.
fn list(option: &str, kind: Kind, value: &TokenStream, wrong: &mut dyn FnMut(TokenStream, Option<String>)) {
    let Some(TokenTree::Group(group)) = value.clone().into_iter().last() else {
        return;
    };
    let mut seen = Vec::new();
    for (item, _) in split(group.stream(), false) {
        let item: TokenStream = item.into_iter().collect();
        let Ok(literal) = syn::parse2::<Lit>(item.clone()) else {
            continue;
        };
        let broken = match (kind, &literal) {
            (Kind::Descriptors, Lit::Int(number)) => {
                let number = number.base10_digits().to_owned();
                let twice = seen.contains(&number);
                seen.push(number.clone());
                match &*number {
                    _ if number.starts_with('-') => Some(rule::FD_NEGATIVE),
                    "0" | "1" | "2" => Some(rule::FD_STANDARD),
                    _ if twice => Some(rule::FD_TWICE),
                    _ => None,
                }
            }
            (Kind::Names, Lit::Str(text)) => match &*text.value() {
                "" => Some(rule::NAME_EMPTY),
                name if name.contains('=') => Some(rule::NAME_EQUALS),
                name if name.contains('\0') => Some(rule::NAME_NUL),
                _ => None,
            },
            _ => {
                wrong(item, None);
                continue;
            }
        };
        if let Some(rule) = broken {
            wrong(item, Some(format!("{option} {rule}")));
        }
    }
}

fn is_literal(value: &TokenStream) -> bool {
    syn::parse2::<Lit>(value.clone()).is_ok()
}

/// `a::b`, `::a`, `$crate::a`, also as a macro's fragment.
fn is_path(value: &TokenStream) -> bool {
    let mut name_is_next = true;
    let tokens: Vec<_> = value.clone().into_iter().collect();
    if let [TokenTree::Group(group)] = &*tokens {
        return group.delimiter() == Delimiter::None && is_path(&group.stream());
    }
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        name_is_next = match token {
            TokenTree::Ident(_) if name_is_next => false,
            _ if is_punct(&token, ':') && tokens.next_if(|next| is_punct(next, ':')).is_some() => true,
            _ => return false,
        };
    }
    !name_is_next
}

/// Options that make no sense together: said at the second one.
fn contradictions(all: &[Given], errors: &mut Vec<Error>) {
    let foreground = all.iter().position(|given| given.option == "foreground" && given.is_on());
    for (at, given) in all.iter().enumerate().filter(|(_, given)| given.is_on()) {
        if given.option == "reopen_on_sighup" && !all.iter().any(|other| matches!(other.option, "stdout" | "stderr")) {
            let words = "`reopen_on_sighup` needs a log file: add `stderr = \"/var/log/app.log\"`, or `stdout`";
            errors.push(Error::new(given.name.span(), words));
        }
        let Some(foreground) = foreground.filter(|_| DETACHED_ONLY.contains(&given.option)) else {
            continue;
        };
        let (first, second) = (&all[at.min(foreground)], &all[at.max(foreground)]);
        let words = format!(
            "{} contradicts {}: in the foreground `{}` has no effect; remove one of them",
            second.written(),
            first.written(),
            given.option
        );
        errors.push(Error::new(second.name.span(), words));
    }
}
