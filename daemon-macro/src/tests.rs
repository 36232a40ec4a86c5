//! The expansions that the documentation shows, and random token streams: whatever stands in the attribute and below it, the
//! macro does not panic, and what it returns holds an error or a function.
//!
//! `DAEMON_MACRO_STREAMS=5000000 cargo test -p daemon-macro --release` tries more of them. A failure names the number of
//! its stream, which is all that is needed to have it again.

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

use crate::expand::expand;

/// The documentation of `expand` shows what is written, and what becomes of it.
#[test]
fn documented_expansions() {
    let source = include_str!("expand.rs");
    let lines = source.lines().filter_map(|line| line.strip_prefix("///"));
    let documentation: String = lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n").collect();
    let blocks: Vec<&str> = documentation.split("```").filter_map(|block| block.strip_prefix("text\n")).collect();
    assert_eq!(blocks.len(), 4, "what is written and its expansion, for main and for another function");
    for pair in blocks.chunks(2) {
        let tokens = |text: &str| text.parse::<TokenStream>().unwrap();
        let mut written = tokens(pair[0]).into_iter().skip(1);
        let Some(TokenTree::Group(attribute)) = written.next() else { panic!("no attribute: {}", pair[0]) };
        let Some(TokenTree::Group(options)) = attribute.stream().into_iter().nth(1) else { panic!("no options") };
        let expanded = expand(options.stream(), written.collect()).to_string();
        let expanded = expanded.replace(":: daemon_runtime :: __private", "private");
        assert_eq!(expanded, tokens(pair[1]).to_string());
    }
}

/// Xorshift: the same numbers everywhere, without a dependency.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn token(&mut self, depth: usize) -> TokenTree {
        match self.below(if depth == 0 { 9 } else { 11 }) {
            0 => Ident::new(self.of(NAMES), Span::call_site()).into(),
            1 => Ident::new(self.of(WORDS), Span::call_site()).into(),
            2..4 => Punct::new(self.of(&['=', ',', ':']), self.of(&[Spacing::Alone, Spacing::Joint])).into(),
            4..6 => {
                let all: Vec<char> = "#!$%&'*+-./;<>?@^|~".chars().collect();
                Punct::new(self.of(&all), self.of(&[Spacing::Alone, Spacing::Joint])).into()
            }
            6..9 => self.of(LITERALS).parse::<Literal>().unwrap().into(),
            _ => {
                let all = [Delimiter::Brace, Delimiter::Bracket, Delimiter::Parenthesis, Delimiter::None];
                Group::new(self.of(&all), self.tokens(depth - 1)).into()
            }
        }
    }

    fn tokens(&mut self, depth: usize) -> TokenStream {
        (0..self.below(9)).map(|_| self.token(depth)).collect()
    }

    /// Right code with something wrong: tokens are lost, doubled, exchanged, put in or wrapped.
    fn changed(&mut self, code: &str) -> TokenStream {
        let mut tokens: Vec<TokenTree> = code.parse::<TokenStream>().unwrap().into_iter().collect();
        for _ in 0..self.below(4) {
            let (at, many) = (self.below(tokens.len()), tokens.len() > 1);
            match (self.below(6), &mut tokens[at]) {
                (0, _) if many => drop(tokens.remove(at)),
                (1, token) => *token = self.token(2),
                (2, token) => *token = Group::new(Delimiter::None, token.clone().into()).into(),
                (3, TokenTree::Group(group)) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().chain(self.tokens(2)).collect();
                    let skipped = self.below(inner.len() + 1);
                    *group = Group::new(group.delimiter(), inner.into_iter().skip(skipped).collect());
                }
                (4, _) => tokens.insert(at, self.token(2)),
                _ => {
                    let other = self.below(tokens.len());
                    tokens.swap(at, other);
                }
            }
        }
        tokens.into_iter().collect()
    }
}

const NAMES: &[&str] =
    &["umask", "chdir", "pid_file", "stderr", "user", "keep_fds", "keep_env", "trace", "setup", "crate"];

const WORDS: &[&str] = &[
    "fn", "main", "async", "const", "unsafe", "extern", "pub", "where", "self", "mut", "ref", "move", "true", "crate",
    "struct", "use", "impl", "as", "_", "Ready", "pidfile", "UMask", "restart", "cfg_attr", "await", "union", "x",
    "ümask",
];

const LITERALS: &[&str] = &[
    "0",
    "022",
    "0o1777",
    "1u8",
    "0x1p",
    "99999999999999999999999999",
    "1.5e3",
    "\"\"",
    "\"/\"",
    "\"a\\0b\"",
    "'c'",
    "b'c'",
    "b\"x\"",
    "c\"x\"",
    "r#\"x\"#",
    "\"x\"suffix",
    "4294967295",
    "0_0",
];

const OPTIONS: &[&str] = &[
    "umask = 0, chdir = \"/\", ignore_sigchld",
    "setup = parse::<A, B>()?, foreground = args.foreground || f(|a, b| a < b), crate = ::a::b, trace",
    "setup = |x, y: Z| -> X { x }, umask = match x { Some(x) if y => x, A::B { x, .. } => { let x: X = y; x } _ => |x| x? }",
    "keep_fds = [3, 4], keep_env = vec![\"A\", \"B\"], user = 3, start_timeout = 9, stderr = \"x\", reopen_on_sighup",
];

const ITEMS: &[&str] = &[
    "fn main() {}",
    "#[doc = \"x\"] #[cfg_attr(a, tokio::main)] pub(crate) async fn main(Args { a, mut b }: Args, ready: Ready) -> R<A, B> { f() }",
    "const unsafe extern \"C\" fn main<T: X>(mut args: a::B<C, D>, ...) -> impl X where T: Y { #![allow(x)] use a; fn b() {} c() }",
    "#[tokio::main] async fn main(&self, _: u8) -> ! { loop {} }",
    "#[tokio::main] async fn main(x: (u8, u8)) -> io::Result<()> { fn x() {} use y::z; x(); Ok(()) }",
    "pub struct X { a: u8 }",
    "mod main { fn main() {} }",
];

#[test]
fn random_token_streams() {
    let count = std::env::var("DAEMON_MACRO_STREAMS").map_or(20_000, |count| count.parse().unwrap());
    let (mut errors, mut functions) = (0, 0);
    for number in 0..count {
        let mut random = Random(u64::wrapping_mul(number + 1, 0x9E37_79B9_7F4A_7C15));
        let options = match random.below(3) {
            0 => random.tokens(3),
            _ => {
                let options = random.of(OPTIONS);
                random.changed(options)
            }
        };
        let item = match random.below(4) {
            0 => random.tokens(3),
            _ => {
                let item = random.of(ITEMS);
                random.changed(item)
            }
        };
        let text = format!("stream {number}: #[daemon({options})] {item}");
        let expanded = std::panic::catch_unwind(|| expand(options, item).into_iter().collect::<Vec<_>>());
        let expanded = expanded.unwrap_or_else(|_| panic!("{text}"));
        let has = |word| expanded.iter().any(|token| matches!(token, TokenTree::Ident(found) if found == word));
        if has("compile_error") {
            errors += 1;
        } else {
            let body =
                matches!(expanded.last(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace);
            assert!(has("fn") && body, "{text}: neither an error nor a function");
            functions += 1;
        }
    }
    println!("{count} streams: {errors} with an error, {functions} functions without");
    assert!(errors > count / 4 && functions > count / 100, "the streams are all of one kind: {errors}, {functions}");
}
