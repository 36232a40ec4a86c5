//! Nothing of anyone else's is touched: descriptors, locks, signals, files and processes that the launch did not make.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use daemon_runtime::Instance;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{DEADLINE, Family, Launch, Proc, hostile, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const WITHOUT_READY: &str = env!("CARGO_BIN_EXE_without_ready");
const OPENS_IN_SETUP: &str = env!("CARGO_BIN_EXE_opens_in_setup");
const DATABASE: &str = env!("CARGO_BIN_EXE_database");
const NOBODY: u32 = 65534;

fn send(signal: Signal, pid: i32) {
    kill(Pid::from_raw(pid), signal).expect("the process lives");
}

fn mark(family: &Family, name: &str) {
    symlink("-", family.path(name)).expect("a mark");
}

/// Compiles a shared library.
fn library(family: &Family, name: &str, source: &str) -> PathBuf {
    let (library, code) = (family.path(name), family.path("library.c"));
    fs::write(&code, source).expect("a source");
    let width = if cfg!(all(target_arch = "x86", target_pointer_width = "32")) { "-m32" } else { "-O1" };
    let cc = family.launch("cc").args([width, "-shared", "-fPIC", "-o"]).arg(&library).arg(&code);
    cc.env("TMPDIR", family.directory()).run().assert_code(0);
    library
}

// ---- Descriptors

/// A library opens a file before main, remembers its number, and writes to it at the end.
#[cfg(linux_alone)]
#[test]
#[cfg(not(target_feature = "crt-static"))]
fn descriptor_of_a_constructor() {
    let family = Family::new();
    let trace = family.path("trace");
    let source = format!(
        "#include <fcntl.h>\n#include <unistd.h>\nstatic int fd;\n\
         __attribute__((constructor)) static void begin(void) {{ fd = open(\"{}\", O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC, 0600); }}\n\
         __attribute__((destructor)) static void end(void) {{ write(fd, \"trace\\n\", 6); }}\n",
        trace.display()
    );
    let library = library(&family, "trace.so", &source);
    for program in [WITHOUT_READY, READY, OPENS_IN_SETUP] {
        let launch = family.launch(program).env("LD_PRELOAD", &library).under(hostile::open(300, "/dev/null".into()));
        launch.args(["notify", "write=data", "keep_open=data", "touch=body", "wait=go", "exit=0"]).run().assert_code(0);
        let daemon = family.daemon();
        assert!(daemon.fds.values().any(|path| *path == trace), "{program}: closed: {:?}", daemon.fds);
        assert!(!daemon.fds.contains_key(&300), "{program}: what was inherited is open");
        mark(&family, "go");
        family.assert_gone();
        assert_eq!(fs::read_to_string(family.path("data")).expect("the data"), "precious data", "{program}");
        let lines = fs::read_to_string(&trace).expect("the trace").lines().filter(|line| *line == "trace").count();
        assert!(lines >= 1, "{program}: the library's line is not in its own file");
        for name in ["go", "body"] {
            fs::remove_file(family.path(name)).expect("a mark");
        }
    }
}

/// One that opens it without close-on-exec cannot be told from what was inherited; `keep_fds` is the way out.
#[cfg(linux_alone)]
#[test]
#[cfg(not(target_feature = "crt-static"))]
fn descriptor_of_a_constructor_without_the_flag() {
    let family = Family::new();
    let trace = family.path("trace");
    let source = format!(
        "#include <fcntl.h>\n#include <unistd.h>\n\
         __attribute__((constructor)) static void begin(void) {{ dup2(open(\"{}\", O_WRONLY|O_CREAT, 0600), 77); }}\n",
        trace.display()
    );
    let library = library(&family, "trace.so", &source);
    let launch = |keep: &str| family.launch(READY).env("LD_PRELOAD", &library).env("DAEMON_KEEP_FDS", keep);
    launch("77").args(["notify", "touch=kept", "pause"]).run().assert_code(0);
    assert_eq!(family.at("kept").fds.get(&77), Some(&trace), "with keep_fds");
    let launch = family.launch(READY).env("LD_PRELOAD", &library);
    launch.args(["notify", "touch=closed", "pause"]).run().assert_code(0);
    assert_eq!(family.at("closed").fds.get(&77), None, "without");
}

/// An NSS module with a lasting connection closes the number that it remembers when its pid has changed.
#[cfg(linux_alone)]
#[test]
#[cfg(target_env = "gnu")]
#[ignore = "needs root"]
fn descriptor_of_an_nss_module() {
    let family = Family::new();
    let source = format!(
        r#"#include <nss.h>
#include <pwd.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <errno.h>
static int fd = -1;
static pid_t pid;
static void talk(void) {{
  if (pid != getpid()) {{ if (fd != -1) close(fd); fd = -1; pid = getpid(); }}
  if (fd == -1) fd = open("{}", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  write(fd, "request\n", 8);
}}
enum nss_status _nss_test_getpwnam_r(const char *name, struct passwd *p, char *b, size_t n, int *e) {{
  if (strcmp(name, "svc")) {{ *e = ENOENT; return NSS_STATUS_NOTFOUND; }}
  talk();
  p->pw_name = strcpy(b, "svc"); p->pw_passwd = b; p->pw_gecos = b; p->pw_dir = strcpy(b + 8, "/");
  p->pw_shell = strcpy(b + 16, "/bin/sh"); p->pw_uid = p->pw_gid = 4242;
  return NSS_STATUS_SUCCESS;
}}
"#,
        family.path("connection").display()
    );
    library(&family, "libnss_test.so.2", &source);
    let switch = fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    let others: String =
        switch.lines().filter(|line| !line.starts_with("passwd:")).map(|line| format!("{line}\n")).collect();
    fs::write(family.path("nsswitch.conf"), format!("passwd: files test\n{others}")).expect("a file");
    let script = "mount --bind \"$DIRECTORY/nsswitch.conf\" /etc/nsswitch.conf && exec \"$0\" \"$@\"";
    for _ in 0..20 {
        let launch = family.launch("unshare").args(["-m", "sh", "-c", script, READY, "notify", "exit=0"]);
        let launch = launch.env("DIRECTORY", family.directory()).env("LD_LIBRARY_PATH", family.directory());
        launch.env("DAEMON_USER", "svc").run().assert_code(0);
        family.assert_gone();
    }
}

/// The number of the pid file is another file's by the end: a body that closes all descriptors, as old textbooks say.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn body_that_closes_all_descriptors() {
    let family = Family::new();
    let (pid_file, words) =
        (family.path("pid"), ["close_all", "write=data", "keep_open=data", "touch=body", "wait=go"]);
    // The daemon may not remove the file from root's directory, and would empty it by its number.
    fs::set_permissions(family.directory(), Permissions::from_mode(0o1777)).expect("its mode");
    let launch = family.launch(WITHOUT_READY).env("DAEMON_USER", "nobody").env("DAEMON_PID_FILE", &pid_file);
    launch.args(words).args(["keep_open=data", "keep_open=data"]).run().assert_code(0);
    family.daemon();
    mark(&family, "go");
    family.assert_gone();
    assert_eq!(fs::read_to_string(family.path("data")).expect("the data"), "precious data");
}

#[test]
fn body_that_closes_all_descriptors_before_it_is_ready() {
    let family = Family::new();
    let launch = family.launch(READY).env("DAEMON_STDERR", family.path("log"));
    let launch =
        launch.args(["close_all", "write=data", "keep_open=data", "keep_open=data", "keep_open=data", "notify"]);
    launch.run().assert_code(70).assert_one_line().assert_says(&["main's body has closed the descriptor"]);
    assert_eq!(fs::read_to_string(family.path("data")).expect("the data"), "precious data");
    family.assert_gone();
}

// ---- Signals

#[cfg(linux_alone)]
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: exec clears the flags of an ignored signal")]
fn signals_that_setup_chose() {
    let family = Family::new();
    let launch = family.launch(OPENS_IN_SETUP).env("DAEMON_SETUP", "block=15\nignore=1\nignore=12\nignore=17");
    // As by nohup(1): what `setup` ignores too stays so.
    let launch = launch.under(hostile::ignored(&[Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGALRM]));
    launch.args(["notify", "touch=body", "pause"]).run().assert_code(0);
    let daemon = family.daemon();
    assert_eq!(daemon.blocked.numbers(), [15], "its blocked signals");
    assert_eq!(daemon.ignored.numbers(), [1, 12, 13, 17], "its ignored signals");
}

/// SIGIO is the program's: no process of a start sets it, and none is told of anything by it.
#[cfg(linux_alone)]
#[test]
#[cfg(target_arch = "x86_64")]
fn sigio_is_never_touched() {
    use nix::libc;
    use tests::tracer::{Call, trace};

    let family = Family::new();
    let launch = family.launch(READY).env("DAEMON_PID_FILE", family.path("pid")).env("DAEMON_REOPEN_ON_SIGHUP", "");
    let record = trace(launch.args(["notify", "mark"]), |_| None, |_| ());
    assert!(record.body, "{record:#?}");
    let touches = |call: &&Call| {
        let [_, second, third, ..] = call.arguments;
        let command = second as libc::c_int;
        match &*call.name() {
            "rt_sigaction" => call.arguments[0] == Signal::SIGIO as u64 && second != 0,
            "fcntl" => command == libc::F_SETOWN || command == libc::F_SETFL && third & libc::O_ASYNC as u64 != 0,
            "ioctl" => second == u64::from(libc::FIOASYNC as u32), // An int with musl.
            _ => false,
        }
    };
    let touching: Vec<_> = record.calls.iter().filter(touches).collect();
    assert!(touching.is_empty(), "{touching:#?}");
}

// ---- Locks

/// A lock of SQLite's in WAL mode is lost by a fork: a committed row was, too.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: record locks are not to be seen elsewhere")]
fn database_that_is_open_before_the_fork() {
    let family = Family::new();
    let (database, pid_file) = (family.path("database"), family.path("pid"));
    let launch = || family.launch(DATABASE).env("DAEMON_DATABASE", &database).env("DAEMON_PID_FILE", &pid_file);
    let end = launch().env("DAEMON_IN_SETUP", "1").run();
    end.assert_code(70).assert_one_line();
    end.assert_says(&[
        "cannot become a daemon: descriptor ",
        "database",
        "holds a record lock",
        "open it in main's body",
    ]);
    family.assert_nothing_left(&pid_file);
    fs::remove_file(&database).expect("the database");

    launch().run().assert_code(0);
    family.daemon();
    let rows = || {
        let connection = rusqlite::Connection::open(&database).expect("the database");
        let rows = connection.query_row("select group_concat(text) from rows", [], |row| row.get::<_, String>(0));
        rows.expect("rows")
    };
    assert_eq!(rows(), "first", "before");
    mark(&family, "seen");
    family.at("written");
    mark(&family, "end");
    family.assert_gone();
    assert_eq!(rows(), "first,second", "a committed row is lost");
}

/// Where the locks of all processes are not shown, or with other pids than here, or none.
#[cfg(not(target_env = "musl"))] // It does not tell of threads.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: record locks are not to be seen elsewhere")]
fn database_where_locks_are_hidden() {
    let inside = ["unshare", "--pid", "--fork", "--kill-child"];
    for (words, script) in [
        (&["unshare", "--mount", "sh", "-c"][..], "mount -t proc -o subset=pid proc /proc && exec \"$0\""),
        (&["unshare", "--mount", "sh", "-c"][..], "mount -t tmpfs none /proc && exec \"$0\""),
        (&[&inside[..], &["sh", "-c"]].concat(), "\"$0\""),
    ] {
        let family = Family::new();
        let launch = family.launch(words[0]).args(&words[1..]).arg(script).arg(DATABASE).env("DAEMON_IN_SETUP", "1");
        let launch = launch.env("DAEMON_DATABASE", family.path("database"));
        let end = launch.env("DAEMON_PID_FILE", family.path("pid")).run();
        end.assert_code(70).assert_says(&["holds a record lock"]);
        family.assert_nothing_left(&family.path("pid"));
    }
}

// ---- Processes

#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn pid_namespace_of_the_children() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let launch = family.launch("unshare").args(["-p", READY]).env("DAEMON_PID_FILE", &pid_file);
    let end = launch.run();
    end.assert_code(70).assert_one_line().assert_says(&["pid namespace", "unshare --fork"]);
    family.assert_nothing_left(&pid_file);
    let launch = family.launch("unshare").args(["-p", env!("CARGO_BIN_EXE_verbs")]).env("DAEMON_VERB", "spawn");
    let end = launch.env("DAEMON_PID_FILE", &pid_file).run();
    end.assert_code(9).assert_stderr("");
    assert!(end.stdout.starts_with("Misuse 70 ") && end.stdout.contains("pid namespace"), "{end:?}");
    family.assert_nothing_left(&pid_file);
}

/// Process 1 of a container has a child that is process 1 too, in a namespace of its own; its exit is not the daemon's.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn child_that_has_the_same_pid() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let words = ["notify", "container_child", "touch=body", "pause"];
    let launch = family.launch("unshare").args(["-pf", "--mount-proc", "--kill-child", READY]).args(words);
    let container = launch.env("DAEMON_PID_FILE", &pid_file).start();
    until("the body goes on", || family.path("body").is_symlink().then_some(()));
    assert!(pid_file.exists(), "a child has removed the pid file");
    container.signal(Signal::SIGKILL);
    family.assert_gone();
}

#[test]
fn stopped_daemon_is_stopped() {
    let family = Family::new();
    let pid_file = family.path("pid");
    family.launch(READY).env("DAEMON_PID_FILE", &pid_file).run().assert_code(0);
    send(Signal::SIGSTOP, family.daemon().pid);
    Instance::at(&pid_file).stop(DEADLINE).expect("SIGCONT follows SIGTERM");
    family.assert_nothing_left(&pid_file);
}

// ---- Threads

/// What another thread holds is not waited for without end.
#[cfg(linux_alone)]
#[test]
fn thread_that_waits_in_stdin() {
    let family = Family::new();
    let started = Instant::now();
    let (reader, _writer) = std::os::unix::net::UnixStream::pair().expect("two sockets");
    let launch = family.launch(READY).stdin(std::os::fd::OwnedFd::from(reader)).env("DAEMON_STDIN", "INHERIT");
    launch.args(["hold_c_stdin", "notify", "touch=body", "pause"]).run().assert_code(0);
    assert!(started.elapsed() < Duration::from_secs(10), "it took {:?}", started.elapsed());
    family.daemon();
}

// ---- Paths

/// The directories of a user, in which there is a link to a directory of root's.
fn linked(family: &Family, owner: u32) -> (PathBuf, PathBuf) {
    let (home, roots) = (family.path("home"), family.path("roots"));
    fs::create_dir(&home).expect("a directory");
    fs::create_dir(&roots).expect("a directory");
    chown(&home, Some(NOBODY), Some(NOBODY)).expect("its owner");
    fs::set_permissions(&roots, Permissions::from_mode(0o700)).expect("its mode");
    fs::write(roots.join("there"), "root's").expect("a file");
    let link = home.join("logs");
    symlink(&roots, &link).expect("a link");
    lchown(&link, Some(owner), Some(owner)).expect("its owner");
    (link, roots)
}

#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn links_on_the_way() {
    for (name, option) in
        [("new", "stderr"), ("there", "stdout"), ("there", "pid_file"), ("new", "pid_file"), ("there", "stdin")]
    {
        for user in [Some("nobody"), None] {
            let family = Family::new();
            let (link, roots) = linked(&family, NOBODY);
            let launch = family.launch(READY).env(format!("DAEMON_{}", option.to_uppercase()), link.join(name));
            let launch = user.into_iter().fold(launch, |launch, user| launch.env("DAEMON_USER", user));
            let end = launch.run();
            end.assert_code(73).assert_one_line().assert_says(&["a symbolic link on the way is not root's"]);
            let names: Vec<_> = fs::read_dir(&roots).expect("it is there").flatten().map(|it| it.file_name()).collect();
            assert_eq!(names, [OsStr::new("there")], "{option} {name}");
            let there = fs::metadata(roots.join("there")).expect("the file");
            assert_eq!((there.len(), there.uid(), there.mode() & 0o777), (6, 0, 0o644), "{option} {name}");
            family.assert_gone();
        }
    }
}

/// Such as /var/run.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: only Linux looks at a link and follows it in one")]
fn links_of_root_are_followed() {
    let family = Family::new();
    let (link, roots) = linked(&family, 0);
    let launch = family.launch(READY).env("DAEMON_STDERR", link.join("log")).env("DAEMON_PID_FILE", link.join("pid"));
    launch.run().assert_code(0);
    let daemon = family.daemon();
    assert_eq!(daemon.fds[&2], roots.join("log"));
    assert_eq!(Instance::at(link.join("pid")).pid().expect("a pid file"), Some(daemon.pid.unsigned_abs()));
    Instance::at(link.join("pid")).stop(DEADLINE).expect("it stops");
    family.assert_nothing_left(&roots.join("pid"));
}

#[test]
fn pid_file_that_is_a_log_too() {
    for (stream, code) in [("stdout", 64), ("stderr", 64), ("stdin", 64)] {
        for exists in [true, false] {
            let family = Family::new();
            let file = family.path("file");
            if exists || stream == "stdin" {
                fs::write(&file, "precious").expect("a file");
            }
            let launch = family.launch(READY).env("DAEMON_PID_FILE", family.path("./file"));
            let end = launch.env(format!("DAEMON_{}", stream.to_uppercase()), &file).run();
            end.assert_code(code)
                .assert_one_line()
                .assert_says(&["cannot use pid_file = ", " too; give each a file of its own"]);
            let left = fs::read_to_string(&file).ok();
            let expected = (exists || stream == "stdin").then(|| "precious".to_owned());
            assert_eq!(left, expected, "{stream}, exists: {exists}");
        }
    }
}

/// In the foreground it is the log of an earlier start in the background that would be emptied.
#[test]
fn pid_file_that_is_a_log_too_in_the_foreground() {
    for stream in ["stdout", "stderr", "stdin"] {
        let family = Family::new();
        let file = family.path("file");
        fs::write(&file, "precious").expect("a file");
        let launch = family.launch(READY).env("DAEMON_FOREGROUND", "1").env("DAEMON_PID_FILE", family.path("./file"));
        let end = launch.env(format!("DAEMON_{}", stream.to_uppercase()), &file).args(["notify", "exit=0"]).run();
        end.assert_code(64).assert_one_line().assert_says(&[&format!("it is {stream} too")]);
        assert_eq!(fs::read_to_string(&file).expect("it is left"), "precious", "{stream}");
    }
}

/// Where a number of 32 bits ends, the log goes on.
#[test]
fn log_larger_than_2_gib() {
    for length in [(2 << 30) - 5, 3 << 30] {
        let family = Family::new();
        let log = family.path("log");
        fs::File::create(&log).and_then(|file| file.set_len(length)).expect("a sparse file");
        let launch = family.launch(READY).env("DAEMON_STDERR", &log);
        launch.args(["notify", "eprint=0123456789", "touch=body", "pause"]).run().assert_code(0);
        family.daemon();
        assert_eq!(fs::metadata(&log).expect("the log").len(), length + 11, "{length}");
    }
}

// ---- The environment

#[cfg(linux_alone)]
#[test]
fn cleared_variables_are_overwritten() {
    let family = Family::new();
    let launch = family.launch(READY).env("SECRET", "swordfish").env("KEPT", "kept");
    launch.env("DAEMON_KEEP_ENV", "KEPT,DAEMON_TEST_FAMILY").run().assert_code(0);
    let environ = fs::read(format!("/proc/{}/environ", family.daemon().pid)).expect("it runs");
    let environ = String::from_utf8_lossy(&environ);
    assert!(!environ.contains("swordfish"), "{environ:?}");
    assert!(environ.contains("KEPT=kept"), "{environ:?}");
}

// ---- Signals that come early

fn with_log<'a>(family: &'a Family, log: &Path) -> Launch<'a> {
    let launch = family.launch(READY).env("DAEMON_STDERR", log).env("DAEMON_REOPEN_ON_SIGHUP", "");
    launch.env("DAEMON_PID_FILE", family.path("pid"))
}

/// It is remembered, and the log is reopened as soon as the daemon is ready.
#[test]
fn sighup_before_it_is_ready() {
    let family = Family::new();
    let log = family.path("log");
    let words = ["touch=body", "wait=go", "notify", "eprint=late", "touch=end", "pause"];
    let launcher = with_log(&family, &log).args(words).start();
    let daemon = family.daemon();
    fs::rename(&log, family.path("log.1")).expect("the log can be moved");
    send(Signal::SIGHUP, daemon.pid);
    mark(&family, "go");
    launcher.end().assert_code(0);
    family.at("end");
    assert_eq!(fs::read_to_string(&log).expect("a new log"), "late\n");
    assert_eq!(fs::read_to_string(family.path("log.1")).expect("the old log"), "");
}

/// Many signals, in several threads: the last rotation is never missed.
#[test]
fn many_sighups_in_many_threads() {
    let family = Family::new();
    let log = family.path("log");
    with_log(&family, &log).args(["notify", "spin", "spin", "spin", "touch=body", "pause"]).run().assert_code(0);
    let daemon = family.daemon();
    for number in 0..100 {
        fs::rename(&log, family.path(format!("log.{number}"))).expect("the log can be moved");
        for _ in 0..5 {
            send(Signal::SIGHUP, daemon.pid);
        }
        #[cfg(linux_alone)]
        until("the new log", || (Proc::of(daemon.pid)?.fds[&2] == log).then_some(()));
        #[cfg(not(linux_alone))]
        until("the new log", || log.exists().then_some(()));
    }
}

// ---- Streams that stay

#[test]
fn inherited_streams_stay() {
    let family = Family::new();
    let launch = family.launch(READY).env("DAEMON_STDOUT", "INHERIT");
    let launcher = launch.args(["notify", "print=from the daemon", "touch=body", "exit=0"]).start();
    until("the daemon's words", || (launcher.stdout() == "from the daemon\n").then_some(()));
    family.assert_gone();
}
