//! The options in the brackets. A value stays raw tokens: rustc reads and checks it where it is put.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::Error;

use crate::rules;
use crate::tokens::{enclosed, is_punct, own_ends, words};

/// The options that are on when they are named. A new option is a word here or below, and a method of the runtime's `Daemon`;
/// a rule about its literals is a row in `rules`.
const FLAGS: &str = "ignore_sigchld create_directories reopen_on_sighup no_new_privileges no_core_dumps trace";

/// The options that need a value. `setup` and `crate` are the attribute's own, and no methods.
const WITH_VALUE: &str = "umask chdir pid_file stdin stdout stderr user group chroot keep_fds keep_env foreground \
                          start_timeout setup crate";

/// What people know an option by from other crates, from python-daemon and from systemd; in lower case and without `_`.
const FOREIGN: &[(&str, &str)] = &[
    ("workingdirectory workingdir directory cwd", "chdir"),
    ("filemode mask", "umask"),
    ("pid pidfilepath lockfile pidlockfile", "pid_file"),
    ("standardinput input", "stdin"),
    ("standardoutput output", "stdout"),
    ("standarderror error log logfile", "stderr"),
    ("uid username chuid", "user"),
    ("gid groupname", "group"),
    ("rootdirectory root", "chroot"),
    ("filespreserve fds", "keep_fds"),
    ("env passenvironment", "keep_env"),
    ("privilegedaction init args", "setup"),
    ("nodaemon nofork nodetach", "foreground"),
    ("timeout timeoutstartsec", "start_timeout"),
];

/// What was read.
pub(crate) struct Options {
    /// The name and the value of the option `setup`.
    pub(crate) setup: Option<(Ident, TokenStream)>,
    /// The path of what the expansion calls.
    pub(crate) private: TokenStream,
    /// The other options, as they were written: `.umask(&(0o027))`.
    pub(crate) methods: Vec<TokenStream>,
    pub(crate) errors: Vec<Error>,
    /// Every word in the brackets, which may be the name of a parameter.
    words: Vec<String>,
}

impl Options {
    /// Reads the options, and notes every mistake.
    pub(crate) fn read(tokens: TokenStream) -> Self {
        let private = quote_spanned!(Span::mixed_site()=> ::daemon_runtime::__private);
        let words = words(&tokens);
        let mut options = Options { setup: None, private, methods: Vec::new(), errors: Vec::new(), words };
        let mut names = Vec::new();
        for piece in pieces(tokens) {
            let equals = piece.iter().position(|token| is_punct(Some(token), '='));
            let (name, value) = piece.split_at(equals.unwrap_or(piece.len()));
            let value = value.split_first().map(|(_, value)| value.iter().cloned().collect());
            if let [TokenTree::Ident(name)] = name {
                options.errors.extend(mistakes(name, value.as_ref(), &names));
                names.push(name.clone());
                options.add(name, value);
            } else {
                let at: TokenStream = if name.is_empty() { &piece } else { name }.iter().cloned().collect();
                let text: String = name.iter().map(TokenTree::to_string).collect();
                let words = "expected `name = value` or a flag, with commas between";
                options.errors.push(Error::new_spanned(at, format!("{words}{}", did_you_mean(&text))));
            }
        }
        options
    }

    /// Adds an option, also with a mistake: then nothing but an editor sees it.
    fn add(&mut self, name: &Ident, value: Option<TokenStream>) {
        // A flag.
        let value = value.unwrap_or_else(|| quote!(true));
        match &*name.to_string() {
            "setup" => self.setup = Some((name.clone(), enclosed(value).into_token_stream())),
            // What is wrong may be the path itself.
            "crate" if !self.errors.is_empty() => {}
            "crate" => {
                // Where the path leads elsewhere, rustc points at its end, and says this name.
                let end = own_ends(&value).1;
                self.private = quote_spanned!(end=> #value::__crate_must_be_daemon_runtime);
            }
            // It is not given.
            _ if value.to_string() == "None" => {}
            // A keyword is no method, and another unknown name is one that an editor completes.
            _ if syn::parse2::<Ident>(name.to_token_stream()).is_err() => {}
            text => {
                // Nothing else says what an empty list is of.
                let is_empty = text == "keep_env" && value.to_string() == "[]";
                let value = if is_empty { quote!([] as [&str; 0]) } else { value };
                let and = quote_spanned!(own_ends(&value).0=> &);
                let value = enclosed(value);
                let own = Span::mixed_site().located_at(name.span());
                self.methods.push(quote_spanned!(own=> .#name(#and #value)));
            }
        }
    }

    /// Whether an option has a name in it that the pattern of a parameter binds.
    pub(crate) fn mention(&self, pattern: &TokenStream) -> bool {
        words(pattern).iter().any(|word| word != "_" && self.words.contains(word))
    }
}

/// Splits at each comma behind which an option or nothing is: other commas are part of a value, such as a closure's.
fn pieces(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut pieces = vec![Vec::new()];
    let mut rest = tokens.as_slice();
    while let [token, after @ ..] = rest {
        let piece = pieces.last_mut().expect("there is one from the beginning");
        // A comma with nothing before it is a mistake, and no end.
        if is_punct(Some(token), ',') && !piece.is_empty() && begins_option(after) {
            pieces.push(Vec::new());
        } else {
            piece.push(token.clone());
        }
        rest = after;
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// Whether the tokens begin with `name = …`, with bare names and then that, or with bare names alone.
fn begins_option(tokens: &[TokenTree]) -> bool {
    match tokens {
        [] => true,
        [comma, ..] if is_punct(Some(comma), ',') => true,
        [pound, TokenTree::Group(_), after @ ..] if is_punct(Some(pound), '#') => begins_option(after),
        [TokenTree::Ident(_)] => true,
        [TokenTree::Ident(_), next, ..] if is_punct(Some(next), '=') => true,
        [TokenTree::Ident(_), next, after @ ..] if is_punct(Some(next), ',') => begins_option(after),
        _ => false,
    }
}

/// Returns what is wrong with an option; `before` are the names of those before it.
fn mistakes(name: &Ident, value: Option<&TokenStream>, before: &[Ident]) -> Vec<Error> {
    let mistake = |words| vec![Error::new(name.span(), words)];
    let is_in = |names: &str| names.split_whitespace().any(|known| name == known);
    match value {
        _ if !is_in(FLAGS) && !is_in(WITH_VALUE) => {
            mistake(format!("unknown option `{name}`{}", did_you_mean(&name.to_string())))
        }
        _ if before.contains(name) => mistake(format!("`{name}` is given twice")),
        None if is_in(FLAGS) => Vec::new(),
        Some(value) if !value.is_empty() => rules::check(name, value),
        _ => mistake(format!("`{name}` needs a value: `{name} = …`")),
    }
}

/// Returns the end of the words about a name that no option has: which is meant, if that can be told.
fn did_you_mean(name: &str) -> String {
    match meant(name) {
        Some(option) => format!("; did you mean `{option}`?"),
        None => "; the documentation of `daemon-runtime` has a table of the options".into(),
    }
}

/// Returns the option that a wrong name means: the one that is called so elsewhere, or the nearest.
fn meant(name: &str) -> Option<&'static str> {
    let simplify = |name: &str| name.replace(|next: char| !next.is_alphanumeric(), "").to_lowercase();
    let wanted = simplify(name);
    let is_foreign = |(names, _): &&(&str, &str)| names.split(' ').any(|name| name == wanted);
    let options = || FLAGS.split_whitespace().chain(WITH_VALUE.split_whitespace());
    let nearest = || options().min_by_key(|option| distance(&simplify(option), &wanted));
    // One letter may be wrong, and one more of each five.
    let is_near = |option: &&str| distance(&simplify(option), &wanted) <= 1 + wanted.len() / 5;
    FOREIGN.iter().find(is_foreign).map(|(_, option)| *option).or_else(|| nearest().filter(is_near))
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
