//! Every option, with literals, with other expressions, and with `None`; nothing here is run.
#![deny(warnings)]
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use daemon_runtime::{Id, daemon};

mod literals {
    use super::*;

    #[daemon(
        umask = 0o027,
        chdir = "/",
        ignore_sigchld,
        pid_file = "./app.pid",
        stdin = "/dev/zero",
        stdout = r"./app.log",
        stderr = "./app.log",
        reopen_on_sighup,
        user = "www-data",
        group = 33,
        chroot = "/srv",
        no_new_privileges,
        no_core_dumps,
        keep_fds = [3, 4],
        keep_env = ["RUST_LOG"],
        setup = 3,
        foreground = false,
        start_timeout = 90,
        trace,
        crate = ::daemon_runtime,
    )]
    pub fn main(_: u8) {}
}

mod names_and_paths {
    use super::*;

    #[daemon(user = "host.1$", group = "DOMAIN\\domain users", pid_file = "run/.pid", stdin = "logs/...")]
    pub fn local() {}

    #[daemon(user = "_m+n@example.com", group = "Ünal", pid_file = "/run/app.d/./.a", stdout = "log./a..")]
    pub fn others() {}
}

mod expressions {
    use super::*;

    pub struct Args {
        path: PathBuf,
        maybe: Option<PathBuf>,
        text: String,
        flag: bool,
        number: u32,
        fds: Vec<i32>,
        names: Vec<OsString>,
    }

    const DIRECTORY: &str = concat!("/var", "/lib");

    #[daemon(
        umask = args.number,
        chdir = DIRECTORY,
        ignore_sigchld = args.flag,
        pid_file = args.maybe,
        stdin = Path::new("/dev/zero"),
        stdout = args.path,
        stderr = &args.text,
        reopen_on_sighup = args.flag,
        user = if args.flag { Id::Number(3) } else { Id::Name(args.text.clone()) },
        group = None::<&str>,
        chroot = args.path.join("a").as_path(),
        no_new_privileges = !args.flag,
        no_core_dumps = args.number < 3 || args.number > 4,
        keep_fds = args.fds,
        keep_env = args.names,
        foreground = args.flag || daemon_runtime::supervised(),
        start_timeout = Duration::from_millis(1_500),
        trace = args.flag,
        setup = args()
    )]
    pub fn main(args: Args) {
        // The options only borrowed.
        drop((args.path, args.maybe, args.text, args.fds, args.names));
    }

    fn args() -> Args {
        todo!()
    }
}

mod empty {
    use super::*;

    #[daemon(keep_env = [], keep_fds = [], umask = 7, ignore_sigchld = false)]
    pub fn main() {}
}

mod commas {
    use super::*;

    fn pair<A, B: Default>() -> (Option<A>, B) {
        (None, B::default())
    }

    // Commas that end no option.
    #[daemon(
        setup = pair::<u32, Vec<i32>>(),
        umask = <(Option<u32>, u8) as Umask<u8, u8>>::umask(&pair.0),
        chdir = Some("/").filter(|path| path.len() < 2),
        keep_fds = pair.1,
        trace = pair.0 < Some(3) && Some(3) > pair.0,
    )]
    pub fn main(pair: (Option<u32>, Vec<i32>)) {
        let _ = pair;
    }

    trait Umask<A, B> {
        fn umask(umask: &Option<u32>) -> Option<u32> {
            *umask
        }
    }

    impl Umask<u8, u8> for (Option<u32>, u8) {}
}

fn main() {
    let _ = (literals::main, expressions::main, empty::main, commas::main);
    let _ = (names_and_paths::local, names_and_paths::others);
}
