//! The `#[daemon]` attribute of `daemon-runtime`, which re-exports it: depend on that crate alone.
//!
//! Tokens in, tokens out: `options` reads what stands in the brackets, `function` reads the function below, and `expand` puts
//! both together. Each of them notes all the mistakes that it sees and goes on, so that one compilation shows them all and
//! what is right still compiles.

mod expand;
mod function;
mod literal;
mod options;
#[cfg(test)]
mod tests;
mod tokens;

use proc_macro::TokenStream;

/// Turns the process into a daemon before the body of a function runs.
///
/// The options are described in the documentation of `daemon-runtime`. The attribute puts a few statements at the top of the
/// body, which call the methods of its `Daemon`, and takes parameters out of the signature.
///
/// # Above `main`
///
/// ```text
/// #[daemon(setup = Args::parse(), pid_file = args.pid_file)]
/// fn main(args: Args, ready: Ready) -> io::Result<()> {
///     // the body
/// }
/// ```
///
/// means the same as
///
/// ```text
/// fn main() -> io::Result<()> {
///     let daemon = Daemon::new(); // notes what is inherited
///     let args: Args = Args::parse();
///     let ready: Ready = daemon.pid_file(&args.pid_file).start().unwrap_or_else(|error| error.exit());
///     // the body
/// }
/// ```
///
/// The first parameter takes the value of `setup`, the last one is `Ready`. Without a parameter for it, the daemon is ready
/// as soon as the body begins, and the value of `setup` is dropped before the options are evaluated: a file that it opened
/// is closed then. The parameters take patterns, types and lints (`#[allow(unused)]`).
///
/// An option can end main by `?` or `return`. Then all of this is a function inside of `main`, of the same name: what it returns
/// before it is ready is told to a supervisor, in `STATUS=`.
///
/// # Above any other function
///
/// ```text
/// #[daemon(pid_file = args.pid_file)]
/// fn serve(args: Args, ready: Ready) -> io::Result<()> {
///     // the body
/// }
/// ```
///
/// becomes the daemon when it is called, as `serve(args)`: a last parameter of type `Ready` is not the caller's. The other
/// parameters may be used in the options, which only borrow them; there is no `setup`. The process that calls it does not
/// return from the call: it is the launcher, and exits when the daemon is ready. The daemon returns from it, after the threads
/// of `daemon_runtime::thread` have ended. Call it before any thread is started, and not inside of a runtime. A second call is
/// refused.
///
/// Methods with `self`, trait functions, and generic, `const`, `unsafe` and `extern` functions are refused: let them call a free
/// function.
///
/// # With other attributes
///
/// Write `#[daemon]` above `#[tokio::main]` and its like, so that it runs before any thread is started. (The other way round tokio
/// says "the main function cannot accept arguments", or the start finds the runtime's threads.) And write it above what changes
/// the return type, such as `#[snafu::report]`, if an option uses `?`.
///
/// Below `#[daemon]`, above an `async fn` or `main`, an attribute that may be a macro gets a function inside, of the same name.
/// Inside of `main` that has no parameters: the values are handed over, so they have to be `'static`, and a runtime has to
/// start `main` on the thread that called it, as the known ones do. The same holds for other functions with the attributes of
/// smol and async-std, which start nothing but a `main`. An attribute that reads the parameters of an `async fn main` goes
/// above. Where a parameter is a pattern and no name, its names are references *in the options*: `foreground = *foreground`. One
/// that stands right behind a `&` is a reference to the reference: of `(foreground, &level): (bool, &u8)` they are `&bool` and
/// `&&u8`. An option cannot `.await`, and it cannot use items and imports of the body, which are inside. (Where no attribute
/// stands below, or above any other function, there is no function inside, and it can.)
///
/// What rustc and clippy say about the body, they say in the same words and columns as without the attribute; only about items
/// after statements clippy says nothing.
///
/// # Mistakes
///
/// Literals are checked while compiling, other values when the program starts, by the same rules. All mistakes are said
/// at once, and the body is checked too. Five of the messages:
///
/// ```text
/// error: expected an octal number; write `umask = 0o22`
///  --> src/main.rs:3:18
///   |
/// 3 | #[daemon(umask = 22)]
///   |                  ^^
/// ```
///
/// ```text
/// error: chdir must be an absolute path, starting with '/'
///  --> src/main.rs:3:18
///   |
/// 3 | #[daemon(chdir = "var/lib/app")]
///   |                  ^^^^^^^^^^^^^
/// ```
///
/// ```text
/// error: unknown option `working_directory`; here it is called `chdir`
///  --> src/main.rs:3:10
///   |
/// 3 | #[daemon(working_directory = "/", privileged_action = bind(), chown_pid_file = true)]
///   |          ^^^^^^^^^^^^^^^^^
/// ```
///
/// ```text
/// error: `stderr = "/var/log/app.log"` contradicts `foreground = true`: in the foreground `stderr` has no effect; remove one of them
///  --> src/main.rs:3:58
///   |
/// 3 | #[daemon(foreground = true, stdout = "/var/log/app.log", stderr = "/var/log/app.log")]
///   |                                                          ^^^^^^
/// ```
///
/// ```text
/// error: `async fn` needs the attribute of a runtime below `#[daemon]`, such as `#[tokio::main]`
///  --> src/main.rs:4:1
///   |
/// 4 | async fn main(ready: Ready) {
///   | ^^^^^
/// ```
#[proc_macro_attribute]
pub fn daemon(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::daemon(options.into(), item.into()).into()
}
