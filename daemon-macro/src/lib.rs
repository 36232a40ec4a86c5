//! The `#[daemon]` attribute of `daemon-runtime`, which re-exports it: depend on that crate alone.
//!
//! Tokens in, tokens out: `options` reads what stands in the brackets, with the rules of literals from `rules`; `function` reads
//! the function below; `expand` puts that into another one. Each notes the mistakes that it sees and goes on, so that one
//! compilation shows them all, and the body is compiled all the same.

mod expand;
mod function;
mod options;
mod rules;
#[cfg(test)]
mod tests;
mod tokens;

use proc_macro::TokenStream;

/// Turns the process into a daemon before the body of a function runs.
///
/// The options are described in the documentation of `daemon-runtime`. The function stays as it is, inside of one that
/// evaluates the options, starts the daemon, and calls it.
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
///     fn daemon_main(args: Args, ready: Ready) -> io::Result<()> {
///         // the body
///     }
///     let daemon = Daemon::new(); // notes what is inherited
///     let args: Args = Args::parse();
///     let ready = daemon.pid_file(&args.pid_file).start().unwrap_or_else(|error| error.exit());
///     daemon_main(args, ready)
/// }
/// ```
///
/// The first parameter takes the value of `setup`, the last one is `Ready`, which is known by its name. Without a parameter
/// for it, the daemon is ready as soon as the body begins. Without a parameter for the value of `setup`, that is dropped
/// before the options are evaluated: a file that it opened is closed then.
///
/// On macOS `setup` must resolve no names and call none of Apple's frameworks: neither is safe before a fork there.
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
/// parameters may be used in the options; there is no `setup`. The process that calls it does not return from the call: it
/// is the launcher, and exits when the daemon is ready. The daemon returns from it, after the threads of
/// `daemon_runtime::thread` have ended. Call it before any thread is started, and not inside of a runtime. A second call is
/// refused.
///
/// # What the options see
///
/// Parameters by their names, and what stands outside of the function, but no items and imports of its body. They borrow:
/// the body gets the parameters afterwards. Where a parameter is a pattern, its names are references in the options: with
/// `(foreground, level): (bool, u8)` it is `foreground = *foreground`. An option may end the function by `?` or `return`,
/// and cannot `.await`. A value with a comma outside of all brackets, and behind it a word and `=`, needs brackets around
/// it.
///
/// # With other attributes
///
/// Write `#[daemon]` above `#[tokio::main]` and its like, so that it runs before any thread is started. (The other way round
/// tokio says "the main function cannot accept arguments", or the start finds the runtime's threads.) What may be a macro
/// goes to the function inside, with its parameters; doc comments, lints and other attributes of the compiler go to the one
/// outside.
///
/// # What does not work
///
/// * Attributes below that want a main without parameters, as those of async-std and smol. Call their `block_on` in a
///   function that is not `async`:
///
/// ```ignore
/// #[daemon(setup = "127.0.0.1:0", foreground = true)]
/// fn main(address: &str, ready: Ready) -> io::Result<()> {
///     // Or `smol::block_on`.
///     async_std::task::block_on(async {
///         let _listener = TcpListener::bind(address).await?;
///         ready.notify();
///         Ok(())
///     })
/// }
/// ```
///
/// * An attribute below that changes the return type, as `#[snafu::report]`: put it above. An option's `?` then does not
///   know that type: evaluate it in a main that calls the function.
/// * `?` in an option of a function that returns `impl Termination`, or another `impl`.
/// * Methods with `self`, and `const`, `unsafe` and `extern` functions: call a free function in there. A function without
///   `self` in an `impl` may not use `Self` or the generics of the `impl`: write the type, or call a free function.
/// * Another type by the name `Ready` as the last parameter, or another name for `Ready`.
/// * `keep_env = vec![]`, of which nothing says what it is a list of: write `keep_env = []`.
/// * A runtime that Cargo.toml gives another name, without `crate = ::that_name`.
/// * The span of `#[instrument]` is called `__daemon_main`, unless it has a name of its own: `#[instrument(name = "main")]`.
/// * `forbid` of the lints `unused_variables`, where an option uses a parameter, and `clippy::unnecessary_wraps`: these are
///   allowed for the function inside.
/// * What contradicts `foreground = true`, such as `stderr`, is no mistake: it has no effect.
/// * The text of an error that main returns before it is ready is at the terminal, and not in a supervisor's `STATUS=`.
///
/// # Mistakes
///
/// Literals are checked while compiling, other values when the program starts, by the same rules. What is wrong in the
/// options is said at once, and the body is checked too. The messages of the attribute itself look so; about all else rustc
/// says what it always says.
///
/// ```text
/// error: `umask` takes an octal number, such as `0o022`
///  --> src/main.rs:3:18
///   |
/// 3 | #[daemon(umask = 22)]
///   |                  ^^
/// ```
///
/// ```text
/// error: `chdir` must be an absolute path, starting with '/'
///  --> src/main.rs:3:18
///   |
/// 3 | #[daemon(chdir = "var/lib/app")]
///   |                  ^^^^^^^^^^^^^
/// ```
///
/// ```text
/// error: unknown option `working_directory`; did you mean `chdir`?
///  --> src/main.rs:3:10
///   |
/// 3 | #[daemon(working_directory = "/", privileged_action = bind(), chown_pid_file = true)]
///   |          ^^^^^^^^^^^^^^^^^
/// ```
///
/// ```text
/// error: `stdout` would be a file of that name: begin the path with `/` or `./`, or use a `Stream`
///  --> src/main.rs:3:19
///   |
/// 3 | #[daemon(stdout = "journal", stderr = "append:/var/log/app.log", stdin = "null")]
///   |                   ^^^^^^^^^
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
    expand::expand(options.into(), item.into()).into()
}
