//! Users and groups that the tests may become: a database of their own, which only the launched program sees.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

use crate::hostile::Condition;
use crate::{Family, Launch, Proc};

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
alice:x:4001:4001:Alice:/home/alice:/bin/zsh
bob:x:4002:4002::/:/bin/sh
5005:x:4005:4005::/nonexistent:/usr/sbin/nologin
fan:x:4006:4006::/:/bin/sh
bare:x:4007:4007:::
";

const GROUP: &str = "\
root:x:0:
alice:x:4001:
bob:x:4002:
web:x:4100:alice
audio:x:4101:alice,bob
video:x:4102:bob
";

/// The user and group `alice`.
pub const ALICE: u32 = 4001;

/// For setpriv(1): as `alice`, and in no other group.
pub const AS_ALICE: [&str; 5] = ["--reuid", "4001", "--regid", "4001", "--clear-groups"];

/// For setpriv(1): as the machine's own `nobody`, and in no other group.
pub const AS_NOBODY: [&str; 5] = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];

/// How many groups `fan` is in.
pub const FAN_GROUPS: u32 = 2000;

/// Mounts the database in `directory` where only this program and its children see it.
pub fn in_database(directory: &Path) -> Condition {
    let directory = directory.to_path_buf();
    Box::new(move || {
        own_mounts()?;
        for name in ["passwd", "group", "nsswitch.conf"] {
            let place = Path::new("/etc").join(name);
            if place.exists() {
                mount(Some(&directory.join(name)), &place, NONE, MsFlags::MS_BIND, NONE)?;
            }
        }
        Ok(())
    })
}

/// From now on mounts are this process's and its children's.
pub fn own_mounts() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_PRIVATE | MsFlags::MS_REC, NONE)
}

/// For what mount(2) ignores.
pub const NONE: Option<&str> = None;

/// A family whose directory anybody may write to, with a user database.
pub fn family() -> Family {
    with_groups("")
}

/// The same with `fan`, who is in very many groups, and `crowd`, a group that has very many members.
pub fn crowded_family() -> Family {
    let fan: String = (0..FAN_GROUPS).map(|number| format!("f{number}:x:{}:fan\n", 10_000 + number)).collect();
    let crowd: String = (0..20_000).map(|number| format!("member{number},")).collect();
    with_groups(&format!("{fan}crowd:x:4200:{crowd}bob\n"))
}

fn with_groups(more: &str) -> Family {
    let family = Family::new();
    let group = format!("{GROUP}{more}");
    for (name, content) in [("passwd", PASSWD), ("group", &group), ("nsswitch.conf", "passwd: files\ngroup: files\n")] {
        fs::write(family.path(name), content).expect("a file in the directory");
    }
    fs::set_permissions(family.directory(), fs::Permissions::from_mode(0o777)).expect("the directory's owner may");
    family
}

/// `program` as root, with the family's user database, started by way of `before`.
pub fn launch<'a>(family: &'a Family, before: &[&str], program: &str) -> Launch<'a> {
    family.through(before, program).under(in_database(family.directory()))
}

/// Shows `program` in the family's directory, where other users can reach it. It is not copied: a program cannot be
/// executed while any process has it open to write.
pub fn within_reach(family: &Family, program: &str) -> (PathBuf, Condition) {
    // A build under umask 077 keeps its programs to itself.
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("who runs the tests has built them");
    let place = family.path(Path::new(program).file_name().expect("a path of a program"));
    fs::write(&place, "").expect("a file in the directory");
    let (shown, program) = (place.clone(), program.to_owned());
    let condition = move || {
        own_mounts()?;
        Ok(mount(Some(&*program), &shown, NONE, MsFlags::MS_BIND, NONE)?)
    };
    (place, Box::new(condition))
}

/// `program` as an ordinary user.
pub fn launch_as_ordinary<'a>(family: &'a Family, program: &str) -> Launch<'a> {
    if !geteuid().is_root() {
        return family.launch(program);
    }
    launch_as(family, &AS_ALICE, program)
}

/// `program` as somebody else, by words for setpriv(1). Needs root, and a directory that this user may look into.
pub fn launch_as<'a>(family: &'a Family, who: &[&str], program: &str) -> Launch<'a> {
    let (place, condition) = within_reach(family, program);
    family.through(&[&["setpriv"], who].concat(), place).under(condition)
}

/// Who a daemon is to be.
#[derive(Clone, Debug)]
pub struct Who {
    /// All four user ids.
    pub uid: u32,
    /// All four group ids.
    pub gid: u32,
    /// Supplementary groups, in ascending order.
    pub groups: Vec<u32>,
}

impl Who {
    /// Somebody by numbers.
    pub fn new(uid: u32, gid: u32, groups: &[u32]) -> Who {
        Who { uid, gid, groups: groups.to_vec() }
    }

    /// The user `alice` of the database.
    pub fn alice() -> Who {
        Who::new(ALICE, ALICE, &[ALICE, 4100, 4101])
    }

    /// What is wrong with `daemon`: it is somebody else, or has a capability without being root.
    pub fn differences(&self, daemon: &Proc) -> Vec<String> {
        let mut wrong = Vec::new();
        if (daemon.uids, daemon.gids) != ([self.uid; 4], [self.gid; 4]) {
            wrong.push(format!("it is user {:?} and group {:?}", daemon.uids, daemon.gids));
        }
        let mut groups = daemon.groups.clone();
        groups.sort_unstable();
        if groups != self.groups {
            wrong.push(format!("its groups are {groups:?}"));
        }
        // The bounding set is for programs that it may start; without the others it gives nothing.
        let sets = ["CapInh", "CapPrm", "CapEff", "CapAmb"].into_iter().filter(|set| daemon.capabilities[*set] != 0);
        wrong.extend(sets.filter(|_| self.uid != 0).map(|set| format!("{set} is {:x}", daemon.capabilities[set])));
        wrong
    }

    /// Fails if something is wrong with `daemon`.
    #[track_caller]
    pub fn assert(&self, daemon: &Proc) {
        let wrong = self.differences(daemon);
        assert!(wrong.is_empty(), "{}, and not as {self:?} says\n{daemon:#?}", wrong.join(", "));
    }
}
