//! Random token streams: whatever stands in the attribute and below it, the macro does not panic, and what it returns holds an
//! error or a function. Random expressions, which are split as syn's parser would; and random bodies, which stay as they are.
//!
//! `DAEMON_MACRO_STREAMS=5000000 cargo test -p daemon-macro --release` tries more of them. A failure names the number of
//! its stream, which is all that is needed to have it again.

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

use crate::{expand, options};

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

    fn of_table(&mut self) -> &'static str {
        options::TABLE[self.below(options::TABLE.len())].name
    }

    fn token(&mut self, depth: usize) -> TokenTree {
        match self.below(if depth == 0 { 9 } else { 11 }) {
            0 => Ident::new(self.of_table(), Span::call_site()).into(),
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
        let expanded = std::panic::catch_unwind(|| expand::daemon(options, item).into_iter().collect::<Vec<_>>());
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

// ---- Expressions

const TYPES: &[&str] = &[
    "u8",
    "P<u8, u8>",
    "&'a T",
    "*const P<A, B>",
    "fn(A, B) -> P<A, B>",
    "&dyn Fn(A) -> Vec<P<A, B>>",
    "[u8; 3]",
    "(A, B)",
    "<T as X<A, B>>::Y",
    "a::b::<A, B>::C",
    "Option<Box<dyn Iterator<Item = (A, B)> >>",
    "!",
    "_",
    "Vec<Vec<u8>>",
    "dyn for<'a> Fn(&'a A) -> B",
    "impl Fn(A)",
    "P<{ 1 + 2 }, -1>",
    "m!(a, b)",
];

/// Types as they may stand after `as`.
const CASTS: &[&str] = &[
    "u8",
    "P<u8, u8>",
    "*const P<A, B>",
    "*mut <A as B<C, D>>::E",
    "a::b<A, B>",
    "::a::B<C, D>::E",
    "fn(A) -> P<A, B>",
    "unsafe extern \"C\" fn(A, B) -> C",
    "for<'a> fn(&'a A, B) -> P<A, B>",
    "&'a dyn Fn(A, B) -> P<C, D>",
    "&(dyn A<B, C> + 'a)",
    "Box<dyn Fn(A, B) -> Vec<Vec<C>> + Send>",
    "[P<A, B>; { 3 }]",
    "(A, B)",
    "<A as B<C, D>>::E",
    "_",
];

const OPERATORS: &[&str] =
    &["+", "-", "*", "/", "%", "&&", "||", "&", "|", "^", "<<", ">>", "==", "!=", "<", ">", "<=", ">="];

impl Random {
    fn of_str(&mut self, all: &[&'static str]) -> &'static str {
        all[self.below(all.len())]
    }

    /// The text of an expression.
    fn expression(&mut self, depth: usize) -> String {
        let names =
            ["a", "b", "umask", "user", "trace", "setup", "true", "self", "1", "0o22", "\"x\"", "'c'", "a::b", "-1"];
        if depth == 0 {
            return names[self.below(names.len())].into();
        }
        let choice = self.below(62);
        let [a, b] = [(); 2].map(|()| self.expression(depth - 1));
        let ty = self.of_str(TYPES);
        match choice {
            0 | 1 => format!("{a} {} {b}", self.of_str(OPERATORS)),
            2 => format!("({a})"),
            3 => format!("({a}, {b})"),
            4 => format!("[{a}, {b}]"),
            5 => format!("f({a}, {b})"),
            6 => format!("({a}).m::<u8, {ty}>({b})"),
            7 => format!("|a, trace| {a}"),
            8 => format!("|a: {ty}, (b, c): (A, B)| {a}"),
            9 => format!("move |umask, user, b| -> {ty} {{ {a} }}"),
            10 => format!("|| {a}"),
            11 => format!("({a}) as {}", self.of_str(CASTS)),
            12 => format!("<{ty} as X<A, B>>::f({a})"),
            13 => format!("P::<u8, {ty}>::new({a})"),
            14 => format!("if {b} {{ {a} }} else {{ {b} }}"),
            15 => format!("if let Some(user) = f({b}) {{ {a} }} else {{ {b} }}"),
            16 => format!("match ({a}) {{ A | B => {b}, _ if c < d => {{}}, }}"),
            17 => format!("&{a}"),
            18 => format!("&mut ({a})"),
            19 => format!("!({a})"),
            20 => format!("*({a})"),
            21 => format!("m!({a}, {b})"),
            22 => format!("{{ let x = {a}; {b} }}"),
            23 => format!("unsafe {{ {a} }}"),
            24 => format!("({a})?"),
            25 => format!("({a})..({b})"),
            26 => format!("({a})[{b}]"),
            27 => format!("P {{ a: {a}, trace: {b} }}"),
            28 => format!("&|a: u8, b| {a}"),
            29 => format!("'l: loop {{ break 'l {a} }}"),
            30 => format!("return {a}"),
            31 => format!("break 'l {a}"),
            32 => format!("for x in ({a}) {{ {b} }}"),
            33 => format!("while let A | B = ({a}) && c {{ {b} }}"),
            34 => format!("if let A = ({a}) && let B | C = ({b}) {{ 1 }} else if c < d {{ 2 }} else {{ 3 }}"),
            35 => format!("const {{ {a} }}"),
            36 => format!("&raw const ({a})"),
            37 => format!("async |a, b| {a}"),
            38 => format!("async move |a, b: {ty}| -> {ty} {{ {a} }}"),
            39 => format!("|&(a, b), P {{ x, .. }}: &P<A, B>, [c, .., trace]| {a}"),
            40 => format!("-{a}"),
            41 => format!("!|a, b| {a}"),
            42 => format!("a::<A, {ty}>::b(|c, d| {a})"),
            43 => format!("({a}).0.1.b"),
            44 => format!("({a}) = {b}"),
            45 => format!("a <<= {b}"),
            46 => format!("a |= {b}"),
            47 => format!("..=({a})"),
            48 => format!("({a}) .."),
            49 => format!("[{a}; 3]"),
            50 => format!("P::<A, {ty}> {{ a, ..{b} }}"),
            51 => format!("m![{a}, {b}] as {}", self.of_str(CASTS)),
            52 => format!("'l: {{ {a} }}"),
            53 => {
                format!("({a}) as {} {} {b}", self.of_str(CASTS), self.of_str(&["+", "&&", "||", "|", ">", "==", ">>"]))
            }
            54 => format!("a < {b}"),
            55 => format!("a || |b, c| {b}"),
            56 => format!("a | |b, c| {b}"),
            57 => format!("return <{ty} as X<A, B>>::C"),
            58 => format!("unsafe {{ {a} }}.m::<{{ 1 }}, {ty}>()"),
            59 => format!("for<'a> |a: &'a P<A, B>, b| -> {ty} {{ {a} }}"),
            60 => format!("|| -> {ty} {{ {a} }}"),
            _ => format!("async move {{ {a} }}"),
        }
    }
}

#[test]
fn random_expressions() {
    use syn::parse::{ParseStream, Parser};
    use syn::punctuated::Punctuated;

    let count = std::env::var("DAEMON_MACRO_EXPRESSIONS").map_or(100_000, |count| count.parse().unwrap());
    let mut judged = 0;
    for number in 0..count {
        let mut random = Random(u64::wrapping_mul(number + 1, 0x9E37_79B9_7F4A_7C15));
        let names: Vec<&str> =
            (0..1 + random.below(3)).map(|_| options::TABLE[random.below(options::TABLE.len())].name).collect();
        let depth = 1 + random.below(5) / 2;
        let values: Vec<String> = names.iter().map(|_| random.expression(depth)).collect();
        let text: Vec<String> = names.iter().zip(&values).map(|(name, value)| format!("{name} = {value}")).collect();
        let text = text.join(", ");
        let Ok(tokens) = text.parse::<TokenStream>() else { continue };
        let option = |input: ParseStream| {
            use syn::ext::IdentExt;
            input.call(Ident::parse_any)?;
            input.parse::<syn::Token![=]>()?;
            input.parse::<syn::Expr>()
        };
        let parser = |input: ParseStream| Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated_with(input, option);
        // What is no expression is not judged.
        let Ok(parsed) = parser.parse2(tokens.clone()) else { continue };
        judged += 1;
        let begins = |tokens: &[TokenTree], at: usize| {
            options::TABLE.iter().any(|row| crate::tokens::is_word(&tokens[at], row.name))
                && tokens.get(at + 1).is_none_or(|next| crate::tokens::is_punct(next, '='))
        };
        let pieces = crate::tokens::split_expressions(tokens, begins);
        let split: Vec<String> = pieces
            .iter()
            .map(|piece| piece.tokens[2..].iter().cloned().collect::<TokenStream>().to_string().replace(' ', ""))
            .collect();
        let wanted: Vec<String> =
            parsed.iter().map(|value| quote::ToTokens::to_token_stream(value).to_string().replace(' ', "")).collect();
        assert_eq!(split, wanted, "expression {number}: {text}");
    }
    println!("{judged} of {count} lists of options were judged");
    assert!(judged > count / 2, "only {judged} of {count} are expressions");
}

// ---- Bodies

const INNER: &[&str] = &["#![allow(unused)]", "#![doc = \"a\"]", "#![cfg_attr(a, allow(b))]"];

/// Items and statements, each whole.
const STATEMENTS: &[&str] = &[
    "use a::{b as c, d::{self, e}};",
    "pub(crate) const N: usize = { 2 + 2 };",
    "const _: () = { fn f() {} };",
    "static S: [P<u8, { 3 }>; { N }] = [P; { N }];",
    "type T<'a, A, const M: usize = { 3 }> = P<'a, A, { M * 2 }>;",
    "struct R<T, const M: usize> { items: [Option<T>; M] }",
    "struct U;",
    "#[derive(Clone)] pub struct V<A, B>(A, Vec<Vec<B>>) where A: X<B, { 1 }>;",
    "enum E { A(u8), B { b: u8 }, C = { 3 } }",
    "union W { a: u8, b: i8 }",
    "impl<T> R<T, { N * 2 }> { fn len(&self) -> usize { 3 } }",
    "impl S<3, { 1 + 2 }> for Q<{ 2 }, A, { 3 }> {}",
    "unsafe impl<'a, T: X<Y = Z<T, { 1 }>>> Send for P<'a, T, { 2 }> where T: for<'b> Fn(&'b T) -> P<'b, T, { 3 }> {}",
    "trait A<B, const C: u8 = { 3 }>: D<E<F, { 1 }>> { const G: u8 = { 1 }; fn h() -> I<J, { 2 }>; }",
    "fn f() -> S<1, { 2 }> { S }",
    "pub async unsafe fn g<A: B<{ 1 }, C>, const D: u8>(a: A) -> impl B<{ 1 }, C> where A: B<{ 2 }, C> { #![allow(a)] }",
    "extern \"C\" { fn h(a: u8); }",
    "extern crate alloc as b;",
    "mod m { #![allow(a)] pub mod n {} }",
    "macro_rules! r { ($a:expr, { $b:tt }) => { $a } }",
    "m! { a, b }",
    "m!(a, b);",
    "let (a, b): P<u8, { 3 }> = P::<u8, { 3 }>::new(|a, b| a < b);",
    "let Some(x) = y else { return; };",
    "if a < b { c() } else { d() }",
    "match a { A { .. } => {} B | C => {} }",
    "{ struct Inner; }",
    "unsafe { f() };",
    "const { assert!(N == 3) };",
    "async {}.await;",
    "loop { break }",
    "'l: for x in y {}",
    ";",
    "#[allow(a)] f::<S<1, { 2 }>>();",
];

/// The statements of a function, with its inner attributes.
fn statements(function: &syn::ItemFn) -> Vec<String> {
    let attributes = function.attrs.iter().filter(|it| matches!(it.style, syn::AttrStyle::Inner(_)));
    let attributes = attributes.map(|attribute| quote::ToTokens::to_token_stream(attribute).to_string());
    attributes.chain(function.block.stmts.iter().map(|it| quote::ToTokens::to_token_stream(it).to_string())).collect()
}

#[test]
fn random_bodies() {
    let count = std::env::var("DAEMON_MACRO_BODIES").map_or(5_000, |count| count.parse().unwrap());
    for number in 0..count {
        let mut random = Random(u64::wrapping_mul(number + 1, 0x9E37_79B9_7F4A_7C15));
        let mut body: Vec<&str> = (0..random.below(3)).map(|_| random.of_str(INNER)).collect();
        body.extend((0..random.below(9)).map(|_| random.of_str(STATEMENTS)));
        body.push(random.of_str(&["", "a + b", "P::<u8, { 3 }> { a }"]));
        let heads =
            ["fn main()", "#[tokio::main] async fn main()", "fn serve(a: A)", "#[a::b] pub async fn serve(a: &A)"];
        let item = format!("{} {{ {} }}", random.of_str(&heads), body.join(" "));
        let original = syn::parse_str::<syn::ItemFn>(&item).unwrap_or_else(|error| panic!("{error}: {item}"));
        let expanded = expand::daemon(TokenStream::new(), item.parse().unwrap());
        let outer =
            syn::parse2::<syn::ItemFn>(expanded).unwrap_or_else(|error| panic!("{error}: body {number}: {item}"));
        // With an attribute below, the function is in a block behind what protects its name.
        let inner = match outer.block.stmts.last() {
            Some(syn::Stmt::Expr(syn::Expr::Block(block), None)) if item.starts_with('#') => {
                match &block.block.stmts[0] {
                    syn::Stmt::Item(syn::Item::Fn(inner)) => inner,
                    _ => panic!("body {number}: no function inside: {item}"),
                }
            }
            _ => &outer,
        };
        let (wanted, mut found) = (statements(&original), statements(inner));
        let attributes = wanted.iter().take_while(|it| it.starts_with("# !")).count();
        let own = found.len() - wanted.len();
        // One is for clippy, and an item, where the body has items.
        let items = usize::from(wanted.len() > attributes && !item.starts_with('#'));
        assert!(own <= 2 + items, "body {number} has {own} statements more: {item}");
        found.drain(attributes..attributes + own);
        assert_eq!(found, wanted, "body {number}: {item}");
    }
}
