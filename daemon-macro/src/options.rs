//! The options: one table, and how what was written is read, checked and answered by it.
//!
//! A value stays raw tokens: rustc reads and checks it where it is put. Only literals are looked at here.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::{Error, Lit, LitInt};

use crate::function::{is_punct, is_word, split};

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

/// A name, the kind of its value, and what it takes.
type Row = (&'static str, Kind, &'static str);

/// The options. A new one is one row here, one method of the runtime's `Daemon`, and one row in the runtime's
/// documentation, which a test compares.
#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    ("umask",             Kind::Umask,        "an octal number: `umask = 0o022`"),
    ("chdir",             Kind::AbsolutePath, "an absolute path in quotes: `chdir = \"/\"`"),
    ("ignore_sigchld",    Kind::Flag,         "no value, or a bool: `ignore_sigchld`"),
    ("pid_file",          Kind::Path,         "a path in quotes: `pid_file = \"/run/app.pid\"`"),
    ("stdin",             Kind::Path,         "a path in quotes: `stdin = \"/dev/null\"`"),
    ("stdout",            Kind::Path,         "a path in quotes: `stdout = \"/var/log/app.log\"`"),
    ("stderr",            Kind::Path,         "a path in quotes: `stderr = \"/var/log/app.log\"`"),
    ("reopen_on_sighup",  Kind::Flag,         "no value, or a bool: `reopen_on_sighup`"),
    ("user",              Kind::Id,           "a name in quotes, or a number: `user = \"nobody\"`"),
    ("group",             Kind::Id,           "a name in quotes, or a number: `group = \"nogroup\"`"),
    ("chroot",            Kind::AbsolutePath, "an absolute path in quotes: `chroot = \"/var/empty\"`"),
    ("no_new_privileges", Kind::Flag,         "no value, or a bool: `no_new_privileges`"),
    ("no_core_dumps",     Kind::Flag,         "no value, or a bool: `no_core_dumps`"),
    ("keep_fds",          Kind::Descriptors,  "a list of descriptor numbers: `keep_fds = [3, 4]`"),
    ("keep_env",          Kind::Names,        "a list of names in quotes: `keep_env = [\"RUST_LOG\"]`"),
    ("setup",             Kind::Setup,        "an expression: `setup = Args::parse()`"),
    ("foreground",        Kind::Bool,         "a bool: `foreground = args.foreground`"),
    ("start_timeout",     Kind::Seconds,      "whole seconds, or a `Duration`: `start_timeout = 90`"),
    ("trace",             Kind::Flag,         "no value, or a bool: `trace`"),
    ("crate",             Kind::Crate,        "a path without quotes: `crate = ::daemon_runtime`"),
];

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

/// What others call it: the daemonize crates, daemon(3), python-daemon, systemd. In lower case and without `_`.
const FOREIGN: &[(&str, &str)] = &[
    ("chdir", "workingdirectory workingdir workdir currentdir directory dir cwd wd"),
    ("umask", "filemode mode mask"),
    ("ignore_sigchld", "sigchld nozombies"),
    ("pid_file", "pid pidpath lock lockfile pidlockfile singleinstance"),
    ("stdin", "standardinput input"),
    ("stdout", "standardoutput output out outfile"),
    ("stderr", "standarderror error err errfile log logfile logpath"),
    ("reopen_on_sighup", "reopen reload execreload sighup logrotate"),
    ("user", "uid username owner setuid runas"),
    ("group", "gid groupname setgid"),
    ("chroot", "root rootdir rootdirectory chrootdirectory"),
    ("no_new_privileges", "nonewprivs"),
    ("no_core_dumps", "preventcore limitcore nocore coredumps"),
    ("keep_fds", "filespreserve preservefds keepfiles fds"),
    ("keep_env", "env environment passenvironment preserveenv"),
    ("setup", "init args privilegedaction before prefork execstartpre onstart"),
    ("foreground", "nofork nodaemon supervised"),
    ("start_timeout", "timeout timeoutstartsec timeoutsec"),
    ("trace", "debug verbose"),
    ("crate", "krate runtime"),
];

/// Others' names for what is no option here, and what to say to them.
const NO_OPTION: &[(&str, &str)] = &[
    ("a daemon detaches, unless `foreground` is true", "detach detachprocess daemonize background fork type"),
    ("the pid file belongs to `user` by itself", "chownpidfile"),
    ("all of daemon(3) is done; `chdir`, `stdout` and `stderr` say where to", "nochdir noclose"),
    (
        "it is for systemd, and stands in the unit file",
        "restart restartsec execstart execstop killmode killsignal after wants wantedby description watchdogsec nice \
         limitnofile notifyaccess capabilityboundingset protectsystem privatetmp",
    ),
];

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
    /// Something wrong, about which enough is said.
    Wrong,
}

impl Given {
    /// A flag that is certainly on, or another option that is given.
    fn is_on(&self) -> bool {
        let is_flag = matches!(self.kind, Kind::Flag | Kind::Bool);
        match &self.value {
            Value::Bare => true,
            Value::Tokens(value) => !is_flag || value.to_string() == "true",
            Value::Wrong => !is_flag,
        }
    }

    /// Whether the value is code of the user's, which could open files that stay open.
    pub(crate) fn has_code(&self) -> bool {
        match &self.value {
            Value::Tokens(value) if self.kind != Kind::Crate => !only_literals(value.clone()),
            _ => false,
        }
    }

    /// Whether the value has a name in it that stands in a pattern too.
    pub(crate) fn mentions(&self, pattern: &TokenStream) -> bool {
        match &self.value {
            Value::Tokens(value) => {
                let (names, used) = (words(pattern.clone()), words(value.clone()));
                names.iter().any(|name| used.contains(name))
            }
            _ => false,
        }
    }

    /// As the user wrote it, if that is short.
    fn written(&self) -> String {
        match &self.value {
            Value::Tokens(value) if value.to_string().len() < 40 => format!("`{} = {value}`", self.option),
            _ => format!("`{}`", self.option),
        }
    }
}

fn only_literals(tokens: TokenStream) -> bool {
    tokens.into_iter().all(|token| match token {
        TokenTree::Literal(_) | TokenTree::Punct(_) => true,
        TokenTree::Ident(word) => word == "true" || word == "false",
        TokenTree::Group(group) => only_literals(group.stream()),
    })
}

/// Each word, also inside of brackets.
fn words(tokens: TokenStream) -> Vec<Ident> {
    let mut all = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(word) => all.push(word),
            TokenTree::Group(group) => all.extend(words(group.stream())),
            _ => {}
        }
    }
    all
}

/// Reads the options, and notes every mistake.
pub(crate) fn read(options: TokenStream, errors: &mut Vec<Error>) -> Vec<Given> {
    let mut all: Vec<Given> = Vec::new();
    for piece in pieces(options, errors) {
        let Some(given) = option(&piece, errors) else { continue };
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

/// Whether an option's name stands here, followed by one `=`, or last of all after what ends a value.
fn begins_option(tokens: &[TokenTree], at: usize) -> bool {
    let TokenTree::Ident(name) = &tokens[at] else { return false };
    let after = |distance: usize, wanted| tokens.get(at + distance).is_some_and(|token| is_punct(token, wanted));
    let ended = matches!(tokens[at - 1], TokenTree::Literal(_) | TokenTree::Group(_));
    let last = at + 1 == tokens.len() && ended;
    let named = after(1, '=') && !after(2, '=') && !after(2, '>') && !is_punct(&tokens[at - 1], '.');
    let has_attribute = at == 2 && is_punct(&tokens[0], '#');
    !has_attribute && (last || named) && TABLE.iter().any(|row| name == row.0)
}

/// One option. `None` if it cannot be told which.
fn option(piece: &[TokenTree], errors: &mut Vec<Error>) -> Option<Given> {
    if is_punct(&piece[0], '#') {
        let attribute = piece.iter().take(2).cloned().collect::<TokenStream>();
        let words = "an option takes no attributes; for `cfg`, write `#[cfg_attr(…, daemon(…))]`";
        errors.push(Error::new_spanned(attribute, words));
        return None;
    }
    let TokenTree::Ident(name) = &piece[0] else {
        errors.push(Error::new(piece[0].span(), "here stands an option's name, without quotes: `umask = 0o022`"));
        return None;
    };
    let (row, wrong) = look_up(&name.unraw().to_string());
    if let Some(words) = wrong {
        errors.push(Error::new(name.span(), words));
    }
    let &(option, kind, takes) = row?;
    let (value, mistakes) = match &piece[1..] {
        [] if kind == Kind::Flag => (Value::Bare, Vec::new()),
        [equals, value @ ..] if is_punct(equals, '=') && value.first().is_some_and(|first| !is_punct(first, '=')) => {
            let value = value.iter().cloned().collect();
            let mistakes = check(kind, &value);
            (if mistakes.is_empty() { Value::Tokens(value) } else { Value::Wrong }, mistakes)
        }
        _ => (Value::Wrong, vec![(piece.iter().cloned().collect(), Mistake::Kind)]),
    };
    for (at, mistake) in mistakes {
        let words = match mistake {
            Mistake::Kind => format!("`{option}` takes {takes}"),
            Mistake::Rule(rule) => format!("{option} {rule}"),
            Mistake::Await => {
                "options are evaluated before the runtime starts; `.await` belongs in the body".to_owned()
            }
            Mistake::Decimal(None) => format!("{option} is wanted in octal; write it as `0o…`"),
            Mistake::Decimal(Some(digits)) => format!("{option} is wanted in octal; write `{option} = 0o{digits}`"),
        };
        errors.push(Error::new_spanned(at, words));
    }
    Some(Given { name: name.clone(), option, value, kind })
}

/// The row of a name, and what is wrong with the name: the nearest of ours, or one that others use for the same.
fn look_up(name: &str) -> (Option<&'static Row>, Option<String>) {
    if let Some(row) = TABLE.iter().find(|row| row.0 == name) {
        return (Some(row), None);
    }
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let wanted = plain(name);
    let is_in = |names: &str| names.split_whitespace().any(|name| name == wanted);
    let distance = |row: &&Row| distance(&plain(row.0), &wanted);
    let nearest = TABLE.iter().min_by_key(distance).filter(|row| distance(row) <= (1 + wanted.len() / 5).min(3));
    let foreign = FOREIGN.iter().find(|(_, names)| is_in(names)).map(|(option, _)| *option);
    let (option, words) = if let Some(option) = foreign {
        (foreign, format!("here it is called `{option}`"))
    } else if let Some((words, _)) = NO_OPTION.iter().find(|(_, names)| is_in(names)) {
        (None, words.to_string())
    } else if let Some(row) = nearest {
        (Some(row.0), format!("did you mean `{}`?", row.0))
    } else {
        let names: Vec<_> = TABLE.iter().map(|row| format!("`{}`", row.0)).collect();
        (None, format!("the options are {}", names.join(", ")))
    };
    (TABLE.iter().find(|row| Some(row.0) == option), Some(format!("unknown option `{name}`; {words}")))
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

/// What is wrong with a literal.
enum Mistake {
    /// It is of another kind.
    Kind,
    Rule(&'static str),
    Await,
    /// A decimal umask, and the octal digits that were meant, if they can be told.
    Decimal(Option<String>),
}

/// Checks the literals of a value, also those in a list that is written out, each with its tokens. Anything else is left
/// to rustc and to the runtime.
fn check(kind: Kind, value: &TokenStream) -> Vec<(TokenStream, Mistake)> {
    let literal = |tokens: &TokenStream| syn::parse2::<Lit>(tokens.clone()).ok();
    let last = value.clone().into_iter().last();
    if value.clone().into_iter().next().is_some_and(|first| is_punct(&first, '/') || is_punct(&first, '~')) {
        // A path without quotes. No expression begins like this.
        return vec![(value.clone(), Mistake::Kind)];
    }
    if let Some(word) = value.clone().into_iter().find(|token| is_word(token, "await")) {
        return vec![(word.into(), Mistake::Await)];
    }
    let mut mistakes = Vec::new();
    match (kind, literal(value), last) {
        (Kind::Crate, ..) => mistakes.extend((!is_path(value)).then(|| (value.clone(), Mistake::Kind))),
        (Kind::Descriptors | Kind::Names, None, Some(TokenTree::Group(list))) if is_list(value) => {
            let mut before = Vec::new();
            for (item, _) in split(list.stream(), false) {
                let item = item.into_iter().collect();
                let Some(literal) = literal(&item) else { continue };
                let number = match &literal {
                    Lit::Int(number) => Some(number.base10_digits().to_owned()),
                    _ => None,
                };
                let twice = number.is_some() && before.contains(&number);
                let mistake = check_literal(kind, &literal).or(twice.then_some(Mistake::Rule(rule::FD_TWICE)));
                mistakes.extend(mistake.map(|mistake| (item, mistake)));
                before.push(number);
            }
        }
        (Kind::Descriptors | Kind::Names, Some(_), _) => mistakes.push((value.clone(), Mistake::Kind)),
        (_, Some(literal), _) => mistakes.extend(check_literal(kind, &literal).map(|mistake| (value.clone(), mistake))),
        _ => {}
    }
    mistakes
}

/// `[…]`, `&[…]` or `vec![…]`: a list that is written out, and no call or index.
fn is_list(value: &TokenStream) -> bool {
    let tokens: Vec<TokenTree> = value.clone().into_iter().collect();
    let is_brackets =
        |token: &TokenTree| matches!(token, TokenTree::Group(list) if list.delimiter() == Delimiter::Bracket);
    match &*tokens {
        [list] => is_brackets(list),
        [and, list] => is_punct(and, '&') && is_brackets(list),
        [vec, not, list] => is_word(vec, "vec") && is_punct(not, '!') && is_brackets(list),
        _ => false,
    }
}

/// Checks a literal that is a value, or stands in a list.
fn check_literal(kind: Kind, literal: &Lit) -> Option<Mistake> {
    let negative = |number: &LitInt| number.base10_digits().starts_with('-');
    let rules: &[(bool, &'static str)] = match (kind, literal) {
        (Kind::Setup, _) | (Kind::Flag | Kind::Bool, Lit::Bool(_)) => &[],
        (Kind::Umask, Lit::Int(number)) if !negative(number) => {
            let text = number.token().to_string().replace('_', "");
            let digits = text.trim_end_matches(number.suffix()).trim_start_matches('0');
            let octal = !digits.contains(['8', '9']);
            if digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.len() > 1 || !octal) {
                let octal = octal && digits.len() < 4;
                return Some(Mistake::Decimal(octal.then(|| digits.to_owned())));
            }
            &[(number.base10_parse::<u32>().is_ok_and(|mode| mode <= 0o777), rule::UMASK)]
        }
        (Kind::Id, Lit::Int(number)) if !negative(number) => {
            &[(number.base10_parse::<u32>().is_ok_and(|id| id < u32::MAX), rule::ID)]
        }
        (Kind::Seconds, Lit::Int(number)) => &[(!negative(number) && number.base10_digits() != "0", rule::TIMEOUT)],
        (Kind::Descriptors, Lit::Int(number)) => {
            let standard = matches!(number.base10_digits(), "0" | "1" | "2");
            &[(!negative(number), rule::FD_NEGATIVE), (!standard, rule::FD_STANDARD)]
        }
        (Kind::Path | Kind::AbsolutePath | Kind::Id, Lit::Str(text)) => {
            let text = text.value();
            let relative = kind == Kind::AbsolutePath && !text.starts_with('/');
            &[(!text.is_empty(), rule::EMPTY), (!text.contains('\0'), rule::NUL), (!relative, rule::ABSOLUTE)]
        }
        (Kind::Names, Lit::Str(text)) => {
            let text = text.value();
            &[
                (!text.is_empty(), rule::NAME_EMPTY),
                (!text.contains('='), rule::NAME_EQUALS),
                (!text.contains('\0'), rule::NAME_NUL),
            ]
        }
        _ => return Some(Mistake::Kind),
    };
    rules.iter().find(|(kept, _)| !kept).map(|(_, rule)| Mistake::Rule(rule))
}

/// `a::b`, `::a`, `$crate::a`, also as a macro's fragment.
fn is_path(value: &TokenStream) -> bool {
    let tokens: Vec<TokenTree> = value.clone().into_iter().collect();
    let colon = |at: usize| tokens.get(at).is_some_and(|token| is_punct(token, ':'));
    match &*tokens {
        [TokenTree::Group(group)] => group.delimiter() == Delimiter::None && is_path(&group.stream()),
        // A name stands at the end, and before each name two colons, or nothing.
        [.., TokenTree::Ident(_)] => (0..tokens.len()).all(|at| match &tokens[at] {
            TokenTree::Ident(_) => at == 0 || colon(at - 1),
            _ => colon(at) && (colon(at + 1) != (at > 0 && colon(at - 1))),
        }),
        _ => false,
    }
}

/// Options that make no sense together: said at the second one.
fn contradictions(all: &[Given], errors: &mut Vec<Error>) {
    let foreground = all.iter().position(|given| given.option == "foreground" && given.is_on());
    for (at, given) in all.iter().enumerate().filter(|(_, given)| given.is_on()) {
        if given.option == "reopen_on_sighup" && !all.iter().any(|other| matches!(other.option, "stdout" | "stderr")) {
            let words = "`reopen_on_sighup` needs a log file; add `stderr = \"/var/log/app.log\"`, or `stdout`";
            errors.push(Error::new(given.name.span(), words));
        }
        if let Some(foreground) = foreground.filter(|_| DETACHED_ONLY.contains(&given.option)) {
            let [first, second] = [at.min(foreground), at.max(foreground)].map(|at| &all[at]);
            let (this, that, idle) = (second.written(), first.written(), given.option);
            let words =
                format!("{this} contradicts {that}: in the foreground `{idle}` has no effect; remove one of them");
            errors.push(Error::new(second.name.span(), words));
        }
    }
}
