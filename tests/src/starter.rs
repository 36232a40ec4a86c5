//! What may stand between a person and a program: words before the program's own, for
//! [`Family::through`](crate::Family::through). The tools come from Debian packages that `.ci/run` installs; a test that needs
//! one says so, `#[ignore = "needs tini"]`.

use std::fs;

use crate::{Family, Launch};

/// As process 1 of a pid namespace of its own, as in a container; all in there ends with it. Needs root. Marks made in
/// there hold the number of in there: look for [`Family::named`](crate::Family::named).
pub const CONTAINER: [&str; 5] = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// The same where `init`, such as `["tini", "--"]` or `["dumb-init"]`, is process 1 and starts the program.
pub fn container<'a>(init: &[&'a str]) -> Vec<&'a str> {
    [&CONTAINER, init].concat()
}

/// In qemu-user, which passes system calls on. Needs qemu-user.
pub fn qemu() -> [String; 1] {
    [format!("qemu-{}", if cfg!(target_arch = "x86") { "i386" } else { std::env::consts::ARCH })]
}

/// In valgrind, which writes errors, and nothing else, to the family's `valgrind.` with the number of the process. Needs
/// valgrind.
pub fn valgrind(family: &Family) -> [String; 3] {
    // Not to stderr, which it would keep open in the daemon.
    let log = format!("--log-file={}.%p", family.path("valgrind").display());
    ["valgrind".into(), "--quiet".into(), log]
}

/// `program` where the family's directory `mount` is a bindfs(1) with `options`, such as `--chmod-deny`. From outside its
/// files are seen in the directory `files`. Needs root and bindfs.
pub fn on_bindfs<'a>(family: &'a Family, options: &[&str], program: &str) -> Launch<'a> {
    let [files, mount] = ["files", "mount"].map(|name| family.path(name));
    for directory in [&files, &mount] {
        fs::create_dir_all(directory).expect("a subdirectory");
    }
    let script = format!("bindfs {} \"$0\" \"$1\" && shift && exec \"$@\"", options.join(" "));
    family.launch("unshare").args(["--mount", "sh", "-c", &script]).arg(files).arg(mount).arg(program)
}

/// `program` where the family's directory `mount` is an ext4 file system of its own, mounted with `options` such as `grpid`, and
/// `prepare`, a line for sh(1), was run in it. From outside it is seen through a process in there:
/// [`Proc::outside`](crate::Proc::outside). Needs root and mkfs.ext4.
pub fn on_ext4<'a>(family: &'a Family, options: &str, prepare: &str, program: &str) -> Launch<'a> {
    let [image, mount] = ["image", "mount"].map(|name| family.path(name));
    fs::File::create(&image).and_then(|file| file.set_len(4 << 20)).expect("a file in the directory");
    fs::create_dir(&mount).expect("a subdirectory");
    let script = format!(
        "mkfs.ext4 -q \"$0\" && mount -o loop,{options} \"$0\" \"$1\" && (cd \"$1\" && {prepare}) && shift && exec \"$@\""
    );
    family.launch("unshare").args(["--mount", "sh", "-c", &script]).arg(image).arg(mount).arg(program)
}

/// A tmux(1) server of the family's own, whose only session runs `script`, a line for sh(1), at a terminal of its own. It
/// hands on its own environment; it ends with its session. Needs tmux.
pub fn tmux<'a>(family: &'a Family, script: &str) -> Launch<'a> {
    let tmux = family.launch("tmux").arg("-S").arg(family.path("tmux")).args(["-f", "/dev/null"]);
    tmux.args(["new-session", "-d", script])
}
