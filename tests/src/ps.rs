//! A process as ps(1) shows it: what every Unix tells of another process.

use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// One look at a process.
#[derive(Clone, Debug)]
pub struct Proc {
    /// Process id.
    pub pid: i32,
    /// Parent.
    pub ppid: i32,
    /// Process group.
    pub pgid: i32,
    /// The name of its program, which may be cut.
    pub name: String,
}

/// Lists all processes, each with its environment: a line that begins with its number, and, on illumos, more lines below that.
const ALL_WITH_ENVIRONMENT: &[&str] = if cfg!(target_os = "linux") {
    &["ps", "axeww", "-o", "pid=", "-o", "args="]
} else if cfg!(target_os = "macos") {
    &["ps", "-A", "-E", "-ww", "-o", "pid=", "-o", "command="]
} else if cfg!(any(target_os = "illumos", target_os = "solaris")) {
    &["sh", "-c", "exec pargs -e $(ps -A -o pid=)"]
} else {
    &["ps", "-axeww", "-o", "pid=", "-o", "command="]
};

/// What ps(1) calls `R`, `S`, `Z` and so on, and the name of the program. By the names that are no aliases on the BSDs: an alias has
/// a header there, whatever is said.
const STATE_AND_NAME: [&str; 2] =
    if cfg!(any(target_os = "illumos", target_os = "solaris")) { ["s=", "comm="] } else { ["state=", "ucomm="] };

impl Proc {
    /// The living process `pid`. A zombie is dead: process 1 of a container may take its time to reap one.
    pub fn of(pid: i32) -> Option<Proc> {
        let [state, name] = STATE_AND_NAME;
        let columns = ["pid=", "ppid=", "pgid=", state, name].map(|column| ["-o", column]);
        let line = output_of(Command::new("ps").args(columns.as_flattened()).args(["-p", &pid.to_string()]));
        let mut words = line.split_whitespace();
        let mut number = || words.next()?.parse().ok();
        let (pid, ppid, pgid) = (number()?, number()?, number()?);
        if words.next()?.starts_with('Z') {
            return None;
        }
        // illumos has the path here, in which a space may be.
        let name = words.collect::<Vec<_>>().join(" ");
        Some(Proc { pid, ppid, pgid, name: Path::new(&name).file_name()?.to_str()?.to_owned() })
    }

    /// Whether `pid` lives; cheaper than [`Proc::of`] if it does not.
    pub fn lives(pid: i32) -> bool {
        kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH) && Proc::of(pid).is_some()
    }

    /// The living processes that were started with `variable`, `NAME=value`, in their environment. macOS does not show that of its own
    /// programs, such as sleep(1): a test of every Unix starts none of them that stays.
    pub fn started_with(variable: &str) -> Vec<i32> {
        let mut found = Vec::new();
        let mut pid: Option<i32> = None;
        for line in output_of(Command::new(ALL_WITH_ENVIRONMENT[0]).args(&ALL_WITH_ENVIRONMENT[1..])).lines() {
            let number = line.trim_start().split([' ', ':']).next();
            pid = number.and_then(|number| number.parse().ok()).or(pid);
            if line.split_whitespace().any(|word| word == variable) {
                found.extend(pid);
            }
        }
        found
    }
}

/// What a command says. Its exit code tells that it found nothing, or that a process had gone meanwhile.
fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
