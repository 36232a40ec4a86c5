//! What a change of version is measured by: the public items, their traits, and what may go from thread to thread.
//!
//! `PUBLIC_INTERFACE=overwrite cargo test -p tests --test public_interface` writes `public_interface.txt` anew. What is
//! added there belongs in the CHANGELOG; what is changed or gone needs a version that says so.
#![cfg(linux_alone)] // Rustdoc is asked, and says the same on every Unix.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use daemon_runtime::{Daemon, Error, ErrorKind, Id, Instance, Ready, State, Step, thread};

/// Checked while compiling: errors travel in `Box<dyn Error + Send + Sync>`, handles and options between threads.
const _: () = {
    const fn is_send_and_sync<T: Send + Sync + 'static>() {}
    const fn is_error<T: std::error::Error>() {}
    is_send_and_sync::<Daemon>();
    is_send_and_sync::<Error>();
    is_send_and_sync::<ErrorKind>();
    is_send_and_sync::<Id>();
    is_send_and_sync::<Instance>();
    is_send_and_sync::<Ready>();
    is_send_and_sync::<State>();
    is_send_and_sync::<Step>();
    is_send_and_sync::<thread::Builder>();
    is_send_and_sync::<thread::JoinAllError>();
    is_send_and_sync::<thread::JoinHandle<()>>();
    is_error::<Error>();
    is_error::<thread::JoinAllError>();
};

/// The text of a piece of HTML.
fn text(html: &str) -> String {
    let lines = html.replace("<br />", "\n").replace("<br>", "\n").replace("<div class=\"where\">", "\n");
    let text: String = lines.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
        .into_iter()
        .fold(text, |text, (entity, character)| text.replace(entity, character))
}

/// The declaration of an item, its methods and its implementations, as rustdoc shows them.
fn item(html: &str) -> Vec<String> {
    // What every type has.
    let html = html.split("id=\"blanket-implementations\"").next().expect("a part");
    let declaration =
        html.split("<pre class=\"rust item-decl\">").skip(1).filter_map(|rest| rest.split("</pre>").next());
    let headers = html.split("class=\"code-header\">").skip(1).filter_map(|rest| rest.split("</h").next());
    let headers = headers.map(text).filter(|header| header.starts_with("pub ") || header.contains(" for "));
    // Of the compiler, and of no use to anybody else.
    let internal =
        ["impl Freeze", "impl<T> Freeze", "impl UnsafeUnpin", "impl<T> UnsafeUnpin", "impl StructuralPartialEq"];
    let headers = headers.filter(|header| !internal.iter().any(|prefix| header.starts_with(prefix)));
    declaration.map(text).chain(headers).collect()
}

/// The pages of items below `directory`, in the order of their paths.
fn pages(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().expect("rustdoc's directory").map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { pages(&path) } else { vec![path] }).collect();
    let is_item = |path: &PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy();
        let kinds = ["struct.", "enum.", "trait.", "fn.", "type.", "constant.", "macro.", "attr."];
        // A page for a path that is private leads to the public one.
        kinds.iter().any(|kind| name.starts_with(kind)) && fs::read_to_string(path).expect("HTML").contains("item-decl")
    };
    pages.retain(is_item);
    pages.sort();
    pages
}

#[test]
fn public_interface() {
    let version = Command::new("rustc").arg("--version").output().expect("rustc is there").stdout;
    if !version.starts_with(b"rustc 1.95.") {
        println!(
            "skipped: the pages are read as rustdoc 1.95 writes them, and this is {}",
            String::from_utf8_lossy(&version)
        );
        return;
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = tests.join("../target/public-interface");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .args(["doc", "--offline", "--locked", "--no-deps", "--package", "daemon-runtime", "--target-dir"])
        .arg(&target);
    // Whatever an older version has left would be public too.
    let documentation = target.join("doc/daemon_runtime");
    let _ = fs::remove_dir_all(target.join("doc"));
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut now = String::new();
    for page in pages(&documentation) {
        let path = page.strip_prefix(&documentation).expect("it is below").with_extension("");
        now += &format!("{}\n", path.display());
        for line in item(&fs::read_to_string(page).expect("HTML")).iter().flat_map(|declaration| declaration.lines()) {
            now += &format!("    {}\n", line.trim_end());
        }
    }
    let file = tests.join("public_interface.txt");
    if env::var_os("PUBLIC_INTERFACE").is_some_and(|value| value == "overwrite") {
        fs::write(&file, &now).expect("the file can be written");
    }
    let before = fs::read_to_string(&file).expect("public_interface.txt");
    let gone: Vec<_> = before.lines().filter(|line| !now.lines().any(|other| other == *line)).collect();
    let new: Vec<_> = now.lines().filter(|line| !before.lines().any(|other| other == *line)).collect();
    assert!(now == before, "gone: {gone:#?}\nnew: {new:#?}\nif that is meant: PUBLIC_INTERFACE=overwrite");
}
