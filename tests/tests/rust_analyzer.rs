//! What an editor shows of the attribute: rust-analyzer is asked as an editor asks it, by the Language Server Protocol.
#![cfg(linux_alone)] // An editor shows the same everywhere.

// The attribute is the same on every system.
#![cfg(not(daemon_portable))]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{env, fs, thread};

use serde_json::{Value, json};
use tests::{Family, TAG};

/// How long an answer may take. Before the first one the crate is built once more.
const PATIENCE: Duration = Duration::from_secs(180);

/// An editor with one open file, `src/main.rs` of a package of its own.
struct Editor {
    process: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    file: String,
    /// How many requests and changes there were.
    count: u64,
}

/// A text with a mark `|` at the cursor: without it, and where it was.
fn cursor(marked: &str) -> (String, Value) {
    let (before, after) = marked.split_once('|').expect("a mark");
    let line = before.lines().last().filter(|_| !before.ends_with('\n')).unwrap_or_default();
    (format!("{before}{after}"), json!({ "line": before.matches('\n').count(), "character": line.len() }))
}

/// The messages that rust-analyzer writes.
fn read(output: ChildStdout) -> Receiver<Value> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        loop {
            let (mut header, mut length) = (String::new(), 0);
            while output.read_line(&mut header).is_ok_and(|size| size > 2) {
                length =
                    header.trim().strip_prefix("Content-Length: ").map_or(length, |size| size.parse().expect("a size"));
                header.clear();
            }
            let mut message = vec![0; length];
            // The end of the process.
            if length == 0 || output.read_exact(&mut message).is_err() {
                return;
            }
            let message = serde_json::from_slice(&message).expect("a message in JSON");
            if send.send(message).is_err() {
                return;
            }
        }
    });
    receive
}

impl Editor {
    /// Starts rust-analyzer, and waits until it knows the package.
    fn new(family: &Family) -> Editor {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let manifest = format!(
            "[package]\nname = \"edited\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\n\
             daemon-runtime = {{ path = {:?} }}\n[workspace]\n",
            root.join("daemon-runtime")
        );
        fs::write(family.path("Cargo.toml"), manifest).expect("a file");
        fs::copy(root.join("Cargo.lock"), family.path("Cargo.lock")).expect("the same dependencies");
        fs::create_dir(family.path("src")).expect("a directory");
        let text = "#[daemon_runtime::daemon]\nfn main() {}\n";
        fs::write(family.path("src/main.rs"), text).expect("a file");

        let program = env::var_os("RUST_ANALYZER").unwrap_or("rust-analyzer".into());
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rust_analyzer");
        let mut command = Command::new(&program);
        command.current_dir(family.directory()).env(TAG, family.directory());
        command.env("CARGO_TARGET_DIR", target);
        // Not offline: it asks for what the standard library depends on, which no other build has downloaded.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("cannot run {program:?}: {error}"));
        let (input, output) = process.stdin.take().zip(process.stdout.take()).expect("pipes");
        let file = format!("file://{}", family.path("src/main.rs").display());
        let mut editor = Editor { process, input, messages: read(output), file, count: 0 };
        editor.request(
            "initialize",
            json!({
                "processId": null,
                "rootUri": format!("file://{}", family.directory().display()),
                "capabilities": {
                    "experimental": { "serverStatusNotification": true },
                    "textDocument": { "hover": { "contentFormat": ["plaintext"] } },
                },
                "initializationOptions": { "checkOnSave": false, "cachePriming": { "enable": false } },
            }),
        );
        editor.send(json!({ "method": "initialized", "params": {} }));
        let document = json!({ "uri": editor.file, "languageId": "rust", "version": 0, "text": text });
        editor.send(json!({ "method": "textDocument/didOpen", "params": { "textDocument": document } }));
        while editor.receive()["params"]["quiescent"] != true {}
        editor
    }

    fn send(&mut self, mut message: Value) {
        message["jsonrpc"] = "2.0".into();
        let message = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{message}", message.len()).expect("rust-analyzer reads");
    }

    /// The next message that is no request of rust-analyzer's own, which are all answered in the same way.
    fn receive(&mut self) -> Value {
        loop {
            let message = self.messages.recv_timeout(PATIENCE).expect("an answer in time");
            if message["method"].is_null() || message["id"].is_null() {
                return message;
            }
            self.send(json!({ "id": message["id"], "result": null }));
        }
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.count += 1;
        self.send(json!({ "id": self.count, "method": method, "params": params }));
        loop {
            let mut answer = self.receive();
            if answer["id"] == self.count {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    /// Types another program, and asks something at the cursor.
    fn ask(&mut self, method: &str, marked: &str) -> Value {
        let (text, position) = cursor(marked);
        self.count += 1;
        let document = json!({ "uri": self.file, "version": self.count });
        let params = json!({ "textDocument": document, "contentChanges": [{ "text": text }] });
        self.send(json!({ "method": "textDocument/didChange", "params": params }));
        self.request(method, json!({ "textDocument": { "uri": self.file }, "position": position }))
    }

    /// The names that are offered at the cursor, with their types.
    fn completions(&mut self, marked: &str) -> Vec<(String, String)> {
        let answer = self.ask("textDocument/completion", marked);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let items = answer["items"].as_array().into_iter().flatten();
        items.map(|item| (text(&item["label"]), text(&item["detail"]))).collect()
    }

    /// What is shown of the word at the cursor.
    fn hover(&mut self, marked: &str) -> String {
        let answer = self.ask("textDocument/hover", marked);
        answer["contents"]["value"].as_str().unwrap_or_default().to_owned()
    }

    /// The places that are marked as wrong, the first of which begins at the cursor, and what is said of them.
    fn mistakes(&mut self, marked: &str) -> Vec<(String, String)> {
        let answer = self.ask("textDocument/diagnostic", marked);
        let (text, position) = cursor(marked);
        let items = answer["items"].as_array().expect("a list");
        assert_eq!(items[0]["range"]["start"], position, "{items:?}");
        let at = |item: &Value| {
            let [line, start, end] = ["/start/line", "/start/character", "/end/character"]
                .map(|place| item["range"].pointer(place).and_then(Value::as_u64).expect("a number") as usize);
            text.lines().nth(line).expect("a line")[start..end].to_owned()
        };
        items.iter().map(|item| (at(item), item["message"].as_str().expect("a text").to_owned())).collect()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // It has nothing to save. What it has started ends with the family.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const USE: &str = "use daemon_runtime::{daemon, Ready};\n";

#[test]
#[ignore = "needs rust-analyzer"]
fn rust_analyzer_knows_the_options() {
    let family = Family::new();
    let mut editor = Editor::new(&family);

    // An option's name while it is typed: whether it is like no option's, like one's, or like a name for it elsewhere.
    for typed in ["p", "pi", "pid", "pid_", "pid_fil", "st", "stder", "ignore_sig", "x"] {
        for (before, after) in [("", ""), ("umask = 0, ", ""), ("", ", chdir = \"/\""), ("", " = \"/run/x\"")] {
            for function in ["fn main() {}", "fn serve(n: u32, ready: Ready) {}\nfn main() { serve(1) }"] {
                let program = format!("{USE}#[daemon({before}{typed}|{after})]\n{function}\n");
                let offered = editor.completions(&program);
                let has = |name: &str, of: &str| offered.iter().any(|(label, kind)| label == name && kind.contains(of));
                assert!(has("pid_file", "PathValue"), "{program}\n{offered:?}");
                assert!(has("stderr", "StreamValue") && has("ignore_sigchld", "FlagValue"), "{program}\n{offered:?}");
            }
        }
    }

    // What a value is made of, while it is typed.
    const ARGS: &str = "struct Args { path: String }\nfn args() -> Args { todo!() }\n";
    for (options, name) in [
        ("setup = args(), pid_file = ar|", "args"),
        ("setup = args(), pid_file = args.|", "path"),
        ("setup = args(), pid_file = args.pa|, umask = 0", "path"),
        ("setup = ar|", "args"),
        ("setup = args(), pid_file = args.pa|, umaks = 0", "path"),
    ] {
        let program = format!("{USE}{ARGS}#[daemon({options})]\nfn main(args: Args, ready: Ready) {{}}\n");
        let offered = editor.completions(&program);
        assert!(offered.iter().any(|(label, _)| label.starts_with(name)), "{program}\n{offered:?}");
    }

    // The documentation of what stands there.
    for (marked, shows) in [
        ("#[daemon(set|up = 1)]\nfn main(n: i32) {}", "An expression that runs in the launcher"),
        ("#[daemon(pid_f|ile = \"/run/x\")]\nfn main() {}", "A file that holds the daemon's pid"),
        ("#[daemon(ignore|_sigchld)]\nfn main() {}", "Whether children are reaped automatically"),
        ("#[dae|mon]\nfn main() {}", "Turns the process into a daemon"),
        // As its callers see it.
        ("#[daemon]\nfn serve(n: u32, ready: Ready) -> u32 { n }\nfn main() { ser|ve(1); }", "fn serve(n: u32) -> u32"),
    ] {
        let shown = editor.hover(&format!("{USE}{marked}\n"));
        assert!(shown.contains(shows), "{marked}\n{shown:?}");
    }

    // One error, on the user's own token.
    for (marked, at, says) in [
        (
            "#[daemon(|pid_fil = \"/run/x\")]\nfn main() {}",
            "pid_fil",
            "unknown option `pid_fil`; did you mean `pid_file`?",
        ),
        ("#[daemon(umask = |0o7777)]\nfn main() {}", "0o7777", "`umask` must be at most 0o777"),
        (
            "#[daemon(pid_file = \"/run/x\")]\nfn main() { let _: u32 = |\"text\"; }",
            "\"text\"",
            "expected u32, found &'static str",
        ),
    ] {
        let mistakes = editor.mistakes(&format!("{USE}{marked}\n"));
        assert_eq!(mistakes, [(at.to_owned(), says.to_owned())], "{marked}");
    }
}
