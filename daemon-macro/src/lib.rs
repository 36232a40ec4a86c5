//! The `#[daemon]` attribute of `daemon-runtime`, which re-exports it: depend on that crate alone.
//!
//! Tokens in, tokens out: `options` reads what stands in the brackets, `function` reads `fn main`, and `expand` puts both
//! together. Each of them notes all the mistakes that it sees and goes on, so that one compilation shows them all and
//! what is right still compiles.

mod expand;
mod function;
mod options;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Turns a program into a daemon before the body of its `main` runs.
///
/// The options are described in the documentation of `daemon-runtime`, and the attribute is sugar for its `Daemon`: it
/// puts a few statements at the top of the body and takes the parameters out of the signature. Of
///
/// ```text
/// #[daemon(setup = Args::parse(), pid_file = args.pid_file)]
/// fn main(args: Args, ready: Ready) -> io::Result<()> {
///     // the body
/// }
/// ```
///
/// it makes what means the same as
///
/// ```text
/// fn main() -> io::Result<()> {
///     let args: Args = Args::parse();
///     let ready: Ready = Daemon::new().pid_file(&args.pid_file).start()?; // it prints an error and exits by itself
///     // the body
/// }
/// ```
///
/// Without a parameter for it, `Ready` is told at once, and the value of `setup` is dropped before the options are
/// evaluated: a file that it opened is closed then. The parameters take patterns, types and lints (`#[allow(unused)]`).
/// What rustc and clippy say about the body, they say in the same words and columns as without the attribute.
///
/// # With other attributes
///
/// Write `#[daemon]` above `#[tokio::main]` and its like, so that it runs before any thread is started. Every attribute
/// below that may be a macro gets a function inside of `main`, which is also called `main` and has no parameters: the
/// values are handed over, so they have to be `'static`, and a runtime has to start `main` on the thread that called it,
/// as the known ones do. Where the first parameter is a pattern and no name, its names are references *in the options*:
/// `foreground = *foreground`. An option cannot `.await`.
///
/// # Mistakes
///
/// Literals are checked while compiling, other values when the program starts, by the same rules. All mistakes are said
/// at once, and the body is checked too. Five of the messages:
///
/// ```text
/// error: umask is wanted in octal; write `umask = 0o22`
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
/// error: `async fn main` needs the attribute of a runtime below `#[daemon]`, such as `#[tokio::main]`
///  --> src/main.rs:4:1
///   |
/// 4 | async fn main(ready: Ready) {
///   | ^^^^^
/// ```
#[proc_macro_attribute]
pub fn daemon(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::daemon(options.into(), item.into()).into()
}
