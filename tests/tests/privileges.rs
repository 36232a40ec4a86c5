//! Started as root, run as somebody else: seen from outside, against starts that leave more than they should.
#![cfg(linux_alone)] // Capabilities, and a database of users in a mount namespace.

use std::fs;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::mount::{MsFlags, mount};
use tests::accounts::{
    ALICE, AS_ALICE, FAN_GROUPS, NONE, Who, crowded_family, family, launch, launch_as_ordinary, own_mounts,
    within_reach,
};
use tests::{Expected, Family, Proc, hostile, until, with};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const WITHOUT_READY: &str = env!("CARGO_BIN_EXE_without_ready");
const OPENS_IN_SETUP: &str = env!("CARGO_BIN_EXE_opens_in_setup");
const PAUSING: &str = env!("CARGO_BIN_EXE_pausing");

/// Starts that leave groups, ids, capabilities and flags which a naive change of the user does not clear.
const HOSTILE: &[&[&str]] = &[
    &[],
    &["setpriv", "--groups", "0,4,20,27,4101,4102,60000"],
    // As a set-user-ID program starts.
    &["setpriv", "--ruid", "4002"],
    &["setpriv", "--rgid", "4002", "--keep-groups"],
    &["setpriv", "--egid", "4002", "--groups", "4002"],
    &["setpriv", "--inh-caps", ALL, "--ambient-caps", ALL],
    &["setpriv", "--inh-caps", ALL, "--ambient-caps", ALL, "--securebits", "+no_setuid_fixup"],
    &["setpriv", "--inh-caps", ALL, "--ambient-caps", ALL, "--securebits", "+no_setuid_fixup,+no_setuid_fixup_locked"],
    &["setpriv", "--inh-caps", ALL, "--ambient-caps", ALL, "--securebits", "+noroot,+no_setuid_fixup"],
    &["setpriv", "--inh-caps", ALL, "--ambient-caps", ALL, "--securebits", "+noroot,+noroot_locked"],
    &["setpriv", "--no-new-privs"],
    &["setpriv", "--groups", "0,1,2", "--inh-caps", ALL, "--ambient-caps", ALL, "--securebits", "+no_setuid_fixup"],
];

/// What is needed for the change itself, and some that must not outlive it.
const ALL: &str = "+setuid,+setgid,+setpcap,+chown,+fowner,+dac_override,+dac_read_search,+kill,+sys_chroot,+net_bind_service,\
                   +sys_ptrace,+sys_admin";

#[track_caller]
fn becomes(options: &[(&str, &str)], who: &Who) {
    for (index, before) in HOSTILE.iter().enumerate() {
        let family = family();
        let program = [READY, WITHOUT_READY, OPENS_IN_SETUP][index % 3];
        let end = with(launch(&family, before, program), options).run();
        assert_eq!(end.status.code(), Some(0), "{options:?} after {before:?}: {end:#?}");
        let daemon = family.daemon();
        Expected::default().assert(&daemon);
        who.assert(&daemon);
    }
}

#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: it has capabilities")]
fn user_by_name() {
    becomes(&[("user", "alice")], &Who::alice());
}

#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: it has capabilities")]
fn user_by_number() {
    becomes(&[("user", "4001")], &Who::alice());
}

#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: it has capabilities")]
fn user_and_group() {
    becomes(&[("user", "alice"), ("group", "web")], &Who::new(ALICE, 4100, &[4100, 4101]));
    becomes(&[("user", "alice"), ("group", "video")], &Who::new(ALICE, 4102, &[4100, 4101, 4102]));
}

#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: it has capabilities")]
fn numbers_without_an_entry() {
    becomes(&[("user", "9001"), ("group", "9002")], &Who::new(9001, 9002, &[9002]));
    becomes(&[("user", "4294967294"), ("group", "4294967294")], &Who::new(u32::MAX - 1, u32::MAX - 1, &[u32::MAX - 1]));
    becomes(&[("user", "9001"), ("group", "web")], &Who::new(9001, 4100, &[4100]));
    becomes(&[("user", "alice"), ("group", "9002")], &Who::new(ALICE, 9002, &[4100, 4101, 9002]));
}

/// Root stays root, but loses its groups. The list has the group itself: an empty one is root's on some systems.
#[test]
#[ignore = "needs root"]
fn group_alone() {
    for (group, gid) in [("web", 4100), ("9002", 9002), ("crowd", 4200)] {
        for before in [&[][..], &["setpriv", "--groups", "0,4,20"], &["setpriv", "--rgid", "4002", "--keep-groups"]] {
            let family = crowded_family();
            with(launch(&family, before, READY), &[("group", group)]).run().assert_code(0);
            Who::new(0, gid, &[gid]).assert(&family.daemon());
        }
    }
}

#[test]
#[ignore = "needs root"]
fn root_by_name() {
    becomes(&[("user", "root")], &Who::new(0, 0, &[0]));
}

/// A name comes before a number that looks the same.
#[test]
#[ignore = "needs root"]
fn name_of_digits() {
    let family = family();
    with(launch(&family, &[], READY), &[("user", "5005")]).run().assert_code(0);
    Who::new(4005, 4005, &[4005]).assert(&family.daemon());
}

#[cfg(not(target_env = "musl"))] // It finds 32 at most.
#[test]
#[ignore = "needs root"]
fn thousands_of_groups() {
    let family = crowded_family();
    with(launch(&family, &["setpriv", "--groups", "1,2,3"], READY), &[("user", "fan")]).run().assert_code(0);
    let groups: Vec<u32> = [4006].into_iter().chain(10_000..10_000 + FAN_GROUPS).collect();
    Who::new(4006, 4006, &groups).assert(&family.daemon());
}

/// Not asked for, nothing changes: no group, no capability.
#[test]
#[ignore = "needs root"]
fn without_options_nothing_changes() {
    let family = family();
    let before = ["setpriv", "--groups", "7,9"];
    launch(&family, &before, READY).run().assert_code(0);
    let daemon = family.daemon();
    Who::new(0, 0, &[7, 9]).assert(&daemon);
    let own = Proc::of(std::process::id() as i32).expect("this process lives");
    assert_eq!(daemon.capabilities, own.capabilities);
}

/// What is left to the programs that it starts.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: it has capabilities")]
fn programs_started_later() {
    for before in HOSTILE {
        let family = family();
        let (pausing, condition) = within_reach(&family, PAUSING);
        let launch = with(launch(&family, before, READY).under(condition), &[("user", "alice")]);
        launch.args(["notify", &format!("exec={}", pausing.display())]).run().assert_code(0);
        Who::alice().assert(&family.named("pausing"));
    }
}

// ---- Who does not exist

#[test]
#[ignore = "needs root"]
fn no_such_user_or_group() {
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[("user", "mallory")], "mallory"),
        (&[("group", "mallory")], "mallory"),
        (&[("user", "alice"), ("group", "mallory")], "mallory"),
        (&[("user", "mallory"), ("group", "web")], "mallory"),
        // No entry, and so no primary group.
        (&[("user", "9001")], "9001"),
        // -1 as the system calls take it, which is "no change".
        (&[("user", "4294967295"), ("group", "web")], "4294967295"),
        (&[("user", "alice"), ("group", "-1")], "-1"),
        (&[("user", "+0"), ("group", "web")], "+0"),
        (&[("user", "4294967296"), ("group", "web")], "4294967296"),
    ];
    for (options, says) in cases {
        let family = family();
        let pid_file = family.path("pid");
        let launch = with(launch(&family, &[], READY), options).env("DAEMON_PID_FILE", &pid_file);
        launch.run().assert_code(67).assert_one_line().assert_says(&[says]);
        family.assert_nothing_left(&pid_file);
    }
}

/// As in a container with nothing but the program: numbers need no database.
#[test]
#[ignore = "needs root"]
fn no_user_database() {
    let no_etc: fn() -> io::Result<()> = || {
        own_mounts()?;
        Ok(mount(NONE, "/etc", Some("tmpfs"), MsFlags::empty(), NONE)?)
    };
    let launch = |family| Family::launch(family, READY).under(Box::new(no_etc));
    let family = family();
    with(launch(&family), &[("user", "9001"), ("group", "9002")]).run().assert_code(0).assert_stderr("");
    Who::new(9001, 9002, &[9002]).assert(&family.daemon());
    for options in [[("user", "alice")], [("group", "web")], [("user", "9001")]] {
        with(launch(&family), &options).run().assert_code(67).assert_one_line();
    }
}

// ---- What goes with it

/// Who owns a file, and its mode.
fn owner(path: &Path) -> (u32, u32, u32) {
    let of = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (of.uid(), of.gid(), of.mode() & 0o7777)
}

/// Whatever the umask of the shell is.
#[test]
#[ignore = "needs root"]
fn files_belong_to_the_user() {
    for umask in [0, 0o77, 0o777] {
        for (options, uid, gid) in [
            // The group is given by `group` alone.
            (&[("user", "alice")][..], ALICE, 0),
            (&[("user", "alice"), ("group", "web")], ALICE, 4100),
            (&[("group", "web")], 0, 4100),
            (&[("user", "9001"), ("group", "9002")], 9001, 9002),
            (&[], 0, 0),
        ] {
            let family = family();
            let [pid_file, out, err] = ["pid", "out", "err"].map(|name| family.path(name));
            // One that is there belongs to whom it belongs to.
            fs::write(&err, "").expect("a file in the directory");
            fs::set_permissions(&err, fs::Permissions::from_mode(0o604)).expect("its owner may");
            let launch = with(launch(&family, &[], READY).under(hostile::umask(umask)), options);
            let launch = launch.env("DAEMON_PID_FILE", &pid_file).env("DAEMON_STDOUT", &out).env("DAEMON_STDERR", &err);
            launch.run().assert_code(0);
            assert_eq!(owner(&pid_file), (uid, gid, 0o644));
            assert_eq!(owner(&out), (uid, gid, 0o640));
            assert_eq!(owner(&err), (0, 0, 0o604));
            assert_eq!(fs::read_to_string(&pid_file).expect("a pid file"), format!("{}\n", family.daemon().pid));
        }
    }
}

/// The variables of environ(7) that name the user, in a program that the daemon becomes.
#[test]
#[ignore = "needs root"]
fn variables_name_the_user() {
    const NAMING: [&str; 4] = ["USER", "LOGNAME", "HOME", "SHELL"];
    let roots = ["USER=root", "LOGNAME=root", "HOME=/root", "SHELL=/bin/sh"].map(Some);
    let alices = ["USER=alice", "LOGNAME=alice", "HOME=/home/alice", "SHELL=/bin/zsh"].map(Some);
    let bares = ["USER=bare", "LOGNAME=bare", "HOME=/", "SHELL=/bin/sh"].map(Some);
    let nobodys = [None, None, Some("HOME=/"), Some("SHELL=/bin/sh")];
    for (options, expected) in [
        (&[("user", "alice")][..], alices),
        (&[("user", "4001"), ("group", "web")], alices),
        (&[("user", "bare")], bares),
        // Also where all else is cleared, and whatever the list says.
        (&[("user", "alice"), ("keep_env", "DAEMON_TEST_FAMILY")], alices),
        (&[("user", "alice"), ("keep_env", "DAEMON_TEST_FAMILY,HOME,USER")], alices),
        (&[("user", "9001"), ("group", "9002")], nobodys),
        // No user, no change.
        (&[("group", "web")], roots),
        (&[], roots),
    ] {
        let family = family();
        let (pausing, condition) = within_reach(&family, PAUSING);
        let launch = with(launch(&family, &[], READY).under(condition), options);
        let launch = roots.iter().flatten().fold(launch, |launch, variable| {
            let (name, value) = variable.split_once('=').expect("a variable");
            launch.env(name, value)
        });
        launch.args(["notify", &format!("exec={}", pausing.display())]).run().assert_code(0);
        let environ = Proc::environ(family.named("pausing").pid);
        let variable = |name: &str| {
            let begins = format!("{name}=");
            let found = environ.iter().find(|variable| variable.starts_with(begins.as_bytes()));
            found.map(|variable| String::from_utf8_lossy(variable).into_owned())
        };
        assert_eq!(NAMING.map(variable), expected.map(|variable| variable.map(str::to_owned)), "{options:?}");
    }
}

/// Opened by `setup` as root, used as alice: a port that she may not bind, a file that she may not read.
#[test]
#[ignore = "needs root"]
fn setup_opens_what_the_user_may_not() {
    let family = family();
    let secret = family.path("secret");
    fs::write(&secret, "top secret").expect("a file in the directory");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("its owner may");
    let setup = format!("read={}", secret.display());
    let end = with(launch_as_ordinary(&family, OPENS_IN_SETUP), &[("setup", &setup)]).run();
    end.assert_code(1).assert_says(&["Permission denied"]);

    // An address of this test alone. That alice may not bind it is so where no container says otherwise.
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = SocketAddr::from(([127, 81, high, low], 81));
    let setup = format!("{setup}\nlisten={address}");
    let launch = with(launch(&family, &[], OPENS_IN_SETUP), &[("user", "alice"), ("setup", &setup)]);
    launch.run().assert_code(0).assert_stderr("");
    let daemon = family.only();
    Who::alice().assert(&daemon);
    let mut answer = String::new();
    TcpStream::connect(address).expect("a server").read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "4001 top secret");
}

// ---- What root leaves to the user

/// The session keyring of root's login, keyrings(7): who possesses it may use the keys, whoever he is.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root, and keyctl of keyutils")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: the session keyring")]
fn keys_of_roots_session() {
    const LOOK: &str =
        "#!/bin/sh\nkeyctl search @s user daemon-test-key; keyctl show @s; touch \"$DAEMON_TEST_FAMILY/end\"\n";
    for (who, finds) in [(&[][..], true), (&[("user", "alice")], false)] {
        let family = family();
        let script = family.path("look");
        // Not written by this process, whose children could still have it open when it is executed.
        let write = "printf %s \"$0\" > \"$1\" && chmod 755 \"$1\"";
        family.shell(write, [LOOK.as_ref(), script.as_os_str()]).run().assert_code(0);
        let out = family.path("out");
        let in_session = "keyctl add user daemon-test-key secret @s >/dev/null && exec \"$0\" \"$@\"";
        let launch = launch(&family, &["keyctl", "session", "-", "sh", "-c", in_session], READY);
        let launch = with(launch, who).env("DAEMON_STDOUT", &out);
        launch.args(["notify", &format!("exec={}", script.display())]).run().assert_code(0);
        until("the script's end", || family.path("end").exists().then_some(()));
        let found = fs::read_to_string(&out).expect("a log");
        assert_eq!(found.contains("daemon-test-key"), finds, "{found}");
        assert!(found.contains("Keyring"), "{found}");
    }
}

/// A filter may kill for keyctl(2), which is called only where the user changes.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: the session keyring")]
#[cfg(target_arch = "x86_64")]
fn keyring_is_left_only_where_the_user_changes() {
    for (options, code) in
        [(&[][..], 0), (&[("user", "root")], 0), (&[("group", "alice")], 0), (&[("user", "alice")], 159)]
    {
        let family = family();
        let launch = with(launch(&family, &[], READY), options).under(hostile::deadly(nix::libc::SYS_keyctl));
        let end = launch.args(["notify", "exit=0"]).run();
        assert_eq!(end.status.code(), Some(code), "{options:?}: {end:#?}");
    }
}

/// The daemon holds what root has had in memory: other processes of that user must not look at it. Seen by `environ`,
/// which is in there too: `mem` may be closed to all, ptrace(2), "ptrace_scope".
#[test]
#[ignore = "needs root"]
fn memory_of_the_daemon() {
    let family = family();
    with(launch(&family, &[], READY), &[("user", "alice")]).run().assert_code(0);
    let daemon = family.daemon();
    Who::alice().assert(&daemon);
    let read = |pid| {
        let environ = format!("/proc/{pid}/environ");
        family.launch("setpriv").args(AS_ALICE).args(["cat", &environ]).run()
    };
    read(daemon.pid).assert_code(1).assert_says(&["Permission denied"]);
    // The control: alice's own.
    let (pausing, condition) = within_reach(&family, PAUSING);
    let own = family.launch("setpriv").args(AS_ALICE).arg(pausing).under(condition).start();
    let own = until("a process of alice's", || Proc::of(own.pid()).filter(|proc| proc.name == "pausing"));
    read(own.pid).assert_code(0);
}
