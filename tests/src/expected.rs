//! What a daemon must be like, whoever started it.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use crate::Proc;

/// The state that a daemon must be in. The default is that of a daemon without options.
#[derive(Clone, Debug)]
pub struct Expected {
    /// File mode creation mask.
    pub umask: u32,
    /// Working directory.
    pub cwd: PathBuf,
    /// Ignored signals.
    pub ignored: Vec<i32>,
    /// Signals with a handler.
    pub caught: Vec<i32>,
    /// stdin, stdout, stderr.
    pub streams: [PathBuf; 3],
    /// What is open besides, in the order of the descriptors.
    pub others: Vec<PathBuf>,
}

impl Default for Expected {
    fn default() -> Self {
        let null = Path::new("/dev/null");
        Expected {
            umask: 0o022,
            cwd: "/".into(),
            // SIGPIPE: Rust programs expect that.
            ignored: vec![13],
            // Rust's own, for stack overflows.
            caught: vec![7, 11],
            streams: [null; 3].map(Path::to_owned),
            others: Vec::new(),
        }
    }
}

impl Expected {
    /// What is wrong with `daemon`.
    pub fn differences(&self, daemon: &Proc) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut check = |what: &str, is: &dyn Debug, wanted: &dyn Debug| {
            let (is, wanted) = (format!("{is:?}"), format!("{wanted:?}"));
            if is != wanted {
                wrong.push(format!("{what} is {is} and not {wanted}"));
            }
        };
        check("that a reaper is its parent", &Proc::is_reaper(daemon.ppid), &true);
        check("that it leads its session", &(daemon.pid == daemon.sid), &false);
        check("that its session has a leader", &Proc::lives(daemon.sid), &false);
        check("its group", &daemon.pgid, &daemon.sid);
        check("its terminal", &daemon.tty, &0);
        check("its threads", &daemon.threads, &1);
        check("its umask", &daemon.umask, &self.umask);
        check("its working directory", &daemon.cwd, &self.cwd);
        check("its root", &daemon.root, &"/");
        check("its ignored signals", &daemon.ignored.numbers(), &self.ignored);
        check("its blocked signals", &daemon.blocked.numbers(), &[0; 0]);
        check("its caught signals", &daemon.caught.numbers(), &self.caught);
        let open: Vec<_> = self.streams.iter().chain(&self.others).collect();
        check("what it has open", &daemon.fds.values().collect::<Vec<_>>(), &open);
        check("its streams", &daemon.fds.keys().take(3).collect::<Vec<_>>(), &[0, 1, 2]);
        wrong
    }

    /// Fails if something is wrong with `daemon`.
    #[track_caller]
    pub fn assert(&self, daemon: &Proc) {
        let wrong = self.differences(daemon);
        assert!(wrong.is_empty(), "{}\n{daemon:#?}", wrong.join("\n"));
    }
}
