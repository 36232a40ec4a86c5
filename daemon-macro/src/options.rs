//! The options: one table, and how what was written is read and compared with it.
//!
//! A value stays raw tokens: rustc reads and checks it where it is put. Only literals are looked at here.

use std::path::PathBuf;

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Error, Lit};

use crate::literal::{check, list_of};
use crate::tokens::{Piece, is_punct, is_word, split_expressions};

/// What an option's value is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Umask,
    Path,
    AbsolutePath,
    Stream,
    Flag,
    Bool,
    Id,
    Descriptors,
    Names,
    Seconds,
    Setup,
    Crate,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What it takes, after "expected".
    pub(crate) takes: &'static str,
}

/// The options. A new one is one row here, one method of the runtime's `Daemon`, and one row in the runtime's
/// documentation, which a test compares.
#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    Row { name: "umask",             kind: Kind::Umask,        takes: "an octal number: `umask = 0o022`" },
    Row { name: "chdir",             kind: Kind::AbsolutePath, takes: "an absolute path in quotes: `chdir = \"/\"`" },
    Row { name: "ignore_sigchld",    kind: Kind::Flag,         takes: "no value, or a bool: `ignore_sigchld`" },
    Row { name: "pid_file",          kind: Kind::Path,         takes: "a path in quotes: `pid_file = \"/run/app.pid\"`" },
    Row { name: "stdin",             kind: Kind::Stream,       takes: "a path in quotes, or a `Stream`: `stdin = \"/dev/null\"`" },
    Row { name: "stdout",            kind: Kind::Stream,       takes: "a path in quotes, or a `Stream`: `stdout = \"/var/log/app.log\"`" },
    Row { name: "stderr",            kind: Kind::Stream,       takes: "a path in quotes, or a `Stream`: `stderr = \"/var/log/app.log\"`" },
    Row { name: "reopen_on_sighup",  kind: Kind::Flag,         takes: "no value, or a bool: `reopen_on_sighup`" },
    Row { name: "user",              kind: Kind::Id,           takes: "a name in quotes, or a number: `user = \"nobody\"`" },
    Row { name: "group",             kind: Kind::Id,           takes: "a name in quotes, or a number: `group = \"nogroup\"`" },
    Row { name: "chroot",            kind: Kind::AbsolutePath, takes: "an absolute path in quotes: `chroot = \"/var/empty\"`" },
    Row { name: "no_new_privileges", kind: Kind::Flag,         takes: "no value, or a bool: `no_new_privileges`" },
    Row { name: "no_core_dumps",     kind: Kind::Flag,         takes: "no value, or a bool: `no_core_dumps`" },
    Row { name: "keep_fds",          kind: Kind::Descriptors,  takes: "a list of descriptor numbers: `keep_fds = [3, 4]`" },
    Row { name: "keep_env",          kind: Kind::Names,        takes: "a list of names in quotes: `keep_env = [\"RUST_LOG\"]`" },
    Row { name: "setup",             kind: Kind::Setup,        takes: "an expression: `setup = Args::parse()`" },
    Row { name: "foreground",        kind: Kind::Bool,         takes: "a bool: `foreground = args.foreground`" },
    Row { name: "start_timeout",     kind: Kind::Seconds,      takes: "whole seconds, or a `Duration`: `start_timeout = 90`" },
    Row { name: "trace",             kind: Kind::Flag,         takes: "no value, or a bool: `trace`" },
    Row { name: "crate",             kind: Kind::Crate,        takes: "a path without quotes: `crate = ::daemon_runtime`" },
];

/// What others call it: the daemonize crates, daemon(3), python-daemon, systemd, start-stop-daemon, supervisord. In lower case
/// and without `_`.
const FOREIGN: &[(&str, &str)] = &[
    ("chdir", "workingdirectory workingdir workdir currentdir directory dir cwd wd"),
    ("umask", "filemode mode mask"),
    ("ignore_sigchld", "sigchld nozombies"),
    ("pid_file", "pid pidpath pidfilepath lock lockfile pidlockfile singleinstance makepidfile"),
    ("stdin", "standardinput input"),
    ("stdout", "standardoutput output out outfile stdoutlogfile"),
    ("stderr", "standarderror error err errfile log logfile logpath stderrlogfile"),
    ("reopen_on_sighup", "reopen reload execreload sighup logrotate"),
    ("user", "uid username owner setuid runas chuid"),
    ("group", "gid groupname setgid"),
    ("chroot", "root rootdir rootdirectory chrootdirectory"),
    ("no_new_privileges", "nonewprivs"),
    ("no_core_dumps", "preventcore limitcore nocore coredumps"),
    ("keep_fds", "filespreserve preservefds keepfiles fds"),
    ("keep_env", "env passenvironment preserveenv"),
    ("setup", "init args privilegedaction before prefork execstartpre onstart"),
    ("foreground", "nofork nodaemon supervised"),
    ("start_timeout", "timeout timeoutstartsec timeoutsec"),
    ("trace", "debug verbose"),
    ("crate", "krate runtime"),
];

/// Others' names for what is no option here, and what to write instead.
const NO_OPTION: &[(&str, &str)] = &[
    ("a daemon detaches, unless `foreground` is true", "detach detachprocess daemonize background fork type"),
    ("the pid file belongs to `user` by itself", "chownpidfile"),
    ("all of daemon(3) is done; `chdir`, `stdout` and `stderr` say where to", "nochdir noclose"),
    (
        "the directory must exist: create it in the unit file, or by tmpfiles.d(5)",
        "runtimedirectory statedirectory logsdirectory cachedirectory configurationdirectory runtimedirectorymode",
    ),
    (
        "the daemon is the program itself: write what it does in the body",
        "exec startas command execstart execute start",
    ),
    ("the daemon has the name of its program", "name procname title"),
    ("what the launcher is to say, print before `ready.notify()`", "exitaction quiet"),
    ("the daemon itself says by `ready.notify()` that it has started", "startsecs notifyaccess"),
    ("log files are given one by one, by `stdout` and `stderr`; both may be the same", "logdir redirectstderr"),
    (
        "variables are set by who starts the program: the shell, or the unit file; `keep_env` keeps some alone",
        "environment environmentfile setenv envfile",
    ),
    (
        "whoever stops the daemon says so: `Instance::stop` and `Instance::stop_or_kill`",
        "retry oknodo stop stopsignal timeoutstopsec killsignal killmode execstop",
    ),
    ("`user` sets the groups of the user database", "supplementarygroups initgroups"),
    ("the program writes to the log itself, such as by the `syslog` or `tracing` crates", "syslogidentifier syslog"),
    (
        "`user` drops all capabilities; give them in the unit file",
        "ambientcapabilities capabilities capabilityboundingset",
    ),
    (
        "it is for a supervisor, and stands in its configuration or the unit file",
        "restart restartsec after wants wantedby description watchdogsec nice limitnofile protectsystem \
         privatetmp dynamicuser remainafterexit oomscoreadjust keyringmode autostart autorestart exitcodes numprocs \
         priority",
    ),
];

/// What has no effect on a process that is not detached.
const DETACHED_ONLY: &[&str] = &["keep_fds", "keep_env", "stdin", "stdout", "stderr", "start_timeout", "trace"];

/// An option as it was written.
pub(crate) struct ParsedOption {
    /// The user's own token; after a typing error it differs from the table's name.
    pub(crate) name: Ident,
    pub(crate) row: &'static Row,
    pub(crate) value: Value,
    /// Whether the name is the nearest of ours to what was written. Nothing more is said about such an option.
    is_guess: bool,
}

/// What stood after the name.
pub(crate) enum Value {
    /// Nothing: a bare flag.
    Bare,
    Tokens(TokenStream),
    /// Something wrong, about which enough is said.
    Invalid,
}

/// What was read: the options, those too that are likely meant, and the names that are no option's.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) all: Vec<ParsedOption>,
    pub(crate) unknown: Vec<Ident>,
}

impl Options {
    pub(crate) fn value_of(&self, name: &str) -> Option<&Value> {
        self.all.iter().find(|option| option.row.name == name).map(|option| &option.value)
    }
}

impl ParsedOption {
    pub(crate) fn tokens(&self) -> Option<&TokenStream> {
        match &self.value {
            Value::Tokens(value) => Some(value),
            Value::Bare | Value::Invalid => None,
        }
    }

    /// `None` or `Option::None`, written out: it is not given.
    pub(crate) fn is_none(&self) -> bool {
        self.tokens().is_some_and(|value| matches!(&*value.to_string(), "None" | "Option :: None" | "Option::None"))
    }

    /// A flag that is certainly on, or another option that is given.
    fn is_on(&self) -> bool {
        let is_flag = matches!(self.row.kind, Kind::Flag | Kind::Bool);
        match &self.value {
            _ if self.is_guess => false,
            Value::Bare => true,
            Value::Tokens(value) => match syn::parse2::<Lit>(value.clone()) {
                Ok(Lit::Bool(value)) => value.value,
                _ => !is_flag && !self.is_none(),
            },
            Value::Invalid => !is_flag,
        }
    }

    /// The path, if the value is the text of one. `/a//b` and `/a/./b` are the same.
    fn path(&self) -> Option<PathBuf> {
        match syn::parse2::<Lit>(self.tokens()?.clone()) {
            Ok(Lit::Str(text)) => Some(text.value().into()),
            _ => None,
        }
    }

    /// An empty list, of which nothing says what it is of.
    pub(crate) fn is_empty_list(&self) -> bool {
        let tokens: Vec<TokenTree> = self.tokens().cloned().into_iter().flatten().collect();
        list_of(&tokens).is_some_and(|list| list.stream().is_empty())
    }

    /// As the user wrote it, if that is short.
    fn written(&self) -> String {
        let name = self.row.name;
        match self.tokens().map(TokenStream::to_string) {
            Some(value) if value.len() < 40 => format!("`{name} = {value}`"),
            _ => format!("`{name}`"),
        }
    }
}

/// Reads the options, and notes every mistake.
pub(crate) fn read(options: TokenStream, errors: &mut Vec<Error>) -> Options {
    let mut read = Options::default();
    for piece in pieces(options, errors) {
        let Some(option) = option(&piece, &mut read.unknown, errors) else { continue };
        match read.all.iter().find(|other| other.row.name == option.row.name) {
            Some(first) if first.is_guess || option.is_guess => {}
            Some(first) => {
                let words = format!("`{}` is given twice; the first is {}", option.row.name, first.written());
                errors.push(Error::new(option.name.span(), words));
            }
            None => read.all.push(option),
        }
    }
    contradictions(&read.all, errors);
    read
}

/// Returns the tokens of each option. A comma is easily forgotten: where a value has ended, the name of an option is taken as
/// the next one.
fn pieces(options: TokenStream, errors: &mut Vec<Error>) -> Vec<Vec<TokenTree>> {
    let begins = |tokens: &[TokenTree], at: usize| {
        let is_known = TABLE.iter().any(|row| is_word(&tokens[at], row.name));
        let named = tokens.get(at + 1).is_none_or(|next| is_punct(next, '=') || is_punct(next, ','));
        is_known && named && !(at > 1 && is_punct(&tokens[at - 2], '#'))
    };
    let (semicolons, options): (Vec<_>, Vec<_>) = options.into_iter().partition(|token| is_punct(token, ';'));
    for semicolon in &semicolons {
        errors.push(Error::new(semicolon.span(), "expected `,` between options, found `;`"));
    }
    let mut pieces = Vec::new();
    let mut comma_is_missing = false;
    for Piece { tokens, comma } in split_expressions(options.into_iter().collect(), begins) {
        match (tokens.first(), &comma) {
            (None, Some(comma)) => errors.push(Error::new(comma.span(), "expected an option before this comma")),
            (Some(first), _) if comma_is_missing && semicolons.is_empty() => {
                errors.push(Error::new(first.span(), format!("expected `,` before `{first}`")));
            }
            _ => {}
        }
        comma_is_missing = comma.is_none();
        if !tokens.is_empty() {
            pieces.push(tokens);
        }
    }
    pieces
}

/// Reads one option. `None` if it cannot be told which.
fn option(piece: &[TokenTree], unknown: &mut Vec<Ident>, errors: &mut Vec<Error>) -> Option<ParsedOption> {
    if is_punct(&piece[0], '#') {
        let attribute = piece.iter().take(2).cloned().collect::<TokenStream>();
        let words = "an option takes no attributes; for `cfg`, write `#[cfg_attr(…, daemon(…))]`";
        errors.push(Error::new_spanned(attribute, words));
        return None;
    }
    let TokenTree::Ident(name) = &piece[0] else {
        errors.push(Error::new(piece[0].span(), "expected an option's name, without quotes: `umask = 0o022`"));
        return None;
    };
    // `pid-file = …`
    let hyphened = piece.iter().take_while(|token| !is_punct(token, '=')).cloned().collect::<TokenStream>();
    let has_hyphens = piece.len() > 2 && is_punct(&piece[1], '-') && matches!(piece[2], TokenTree::Ident(_));
    let text = if has_hyphens { hyphened.to_string().replace(' ', "") } else { name.unraw().to_string() };
    let (row, words, is_guess) = look_up(&text);
    let is_known = words.is_none();
    if let Some(words) = words {
        if has_hyphens {
            errors.push(Error::new_spanned(&hyphened, words));
        } else {
            errors.push(Error::new(name.span(), words));
            // A keyword is nothing that could be completed.
            unknown.extend(syn::parse2::<Ident>(name.to_token_stream()));
        }
    }
    let row = row?;
    let after = if has_hyphens { &piece[hyphened.into_iter().count()..] } else { &piece[1..] };
    let mut mistakes = Vec::new();
    let value = match after {
        [] if row.kind == Kind::Flag => Value::Bare,
        [equals, arrow, ..] if is_punct(equals, '=') && (is_punct(arrow, '>') || is_punct(arrow, '=')) => {
            let operator = [equals, arrow].into_iter().cloned().collect::<TokenStream>();
            mistakes
                .push(Error::new_spanned(&operator, format!("expected `=` after `{}`, found `={arrow}`", row.name)));
            Value::Invalid
        }
        [equals, value @ ..] if is_punct(equals, '=') && !value.is_empty() => {
            let value: TokenStream = value.iter().cloned().collect();
            check(row, &value, &mut mistakes);
            if mistakes.is_empty() { Value::Tokens(value) } else { Value::Invalid }
        }
        _ => {
            mistakes.push(Error::new(name.span(), format!("`{}` takes {}", row.name, row.takes)));
            Value::Invalid
        }
    };
    // About another name enough is said.
    if is_known {
        errors.append(&mut mistakes);
    }
    Some(ParsedOption { name: name.clone(), row, value, is_guess })
}

/// Finds the row of a name, and what is wrong with the name: the nearest of ours, or one that others use for the same; and
/// tells whether that is only a guess.
fn look_up(name: &str) -> (Option<&'static Row>, Option<String>, bool) {
    let row = |wanted: &str| TABLE.iter().find(|row| row.name == wanted);
    if let Some(row) = row(name) {
        return (Some(row), None, false);
    }
    let simplified = |name: &str| name.replace(['_', '-'], "").to_lowercase();
    let wanted = simplified(name);
    let is_in = |names: &str| names.split_whitespace().any(|name| name == wanted);
    let distance = |row: &&Row| distance(&simplified(row.name), &wanted);
    let mut nearest: Vec<&'static Row> = Vec::new();
    for _ in 0..3 {
        let others = TABLE.iter().filter(|row| nearest.iter().all(|near| near.name != row.name));
        nearest.extend(others.min_by_key(distance));
    }
    // In a short name one letter, in a longer one up to three, with the same first letter.
    let is_likely = |row: &&Row| {
        let distance = distance(row);
        let same_start = simplified(row.name).chars().next() == wanted.chars().next();
        distance <= 1 && wanted.len() > 2 || same_start && distance <= (1 + wanted.len() / 5).min(3)
    };
    let likely = nearest.first().filter(|row| is_likely(row));
    let (row, words, is_guess) = if let Some((option, _)) = FOREIGN.iter().find(|(_, names)| is_in(names)) {
        (row(option), format!("here it is called `{option}`"), false)
    } else if let Some(flag) = wanted
        .strip_prefix("no")
        .and_then(|rest| TABLE.iter().find(|row| row.kind == Kind::Flag && simplified(row.name) == rest))
    {
        (None, format!("`{}` is off unless it is given", flag.name), false)
    } else if let Some((words, _)) = NO_OPTION.iter().find(|(_, names)| is_in(names)) {
        (None, words.to_string(), false)
    } else if let Some(likely) = likely {
        (Some(*likely), format!("did you mean `{}`?", likely.name), true)
    } else {
        let names: Vec<_> = nearest.iter().map(|row| format!("`{}`", row.name)).collect();
        let words = format!("the nearest are {}; all are in the documentation of `daemon-runtime`", names.join(", "));
        (None, words, false)
    };
    (row, Some(format!("unknown option `{name}`; {words}")), is_guess)
}

/// Returns how many letters have to be changed, added or removed to make `b` of `a` (Levenshtein).
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

/// Options that make no sense together: said at the second one.
fn contradictions(all: &[ParsedOption], errors: &mut Vec<Error>) {
    let find = |name: &str| all.iter().position(|option| option.row.name == name && option.is_on());
    let has_log = all.iter().any(|it| matches!(it.row.name, "stdout" | "stderr") && !it.is_none());
    // In the foreground it tells systemd about a reload.
    if let Some(at) = find("reopen_on_sighup").filter(|_| !has_log && find("foreground").is_none()) {
        let words = "`reopen_on_sighup` needs a log file; add `stderr = \"/var/log/app.log\"`, or `stdout`";
        errors.push(Error::new(all[at].name.span(), words));
    }
    let mut contradict = |first: usize, second: usize, why: String| {
        let [first, second] = [first.min(second), first.max(second)].map(|at| &all[at]);
        let words = format!("{} contradicts {}: {why}", second.written(), first.written());
        errors.push(Error::new(second.name.span(), words));
    };
    for (at, option) in all.iter().enumerate().filter(|(_, option)| option.is_on()) {
        let name = option.row.name;
        if let Some(foreground) = find("foreground").filter(|_| DETACHED_ONLY.contains(&name)) {
            contradict(foreground, at, format!("in the foreground `{name}` has no effect; remove one of them"));
        }
        let pid_file = all.iter().position(|other| other.row.name == "pid_file" && other.path().is_some());
        let same =
            pid_file.filter(|pid_file| option.row.kind == Kind::Stream && option.path() == all[*pid_file].path());
        if let Some(pid_file) = same {
            contradict(pid_file, at, "the pid file is emptied and removed; give each a file of its own".into());
        }
    }
}
