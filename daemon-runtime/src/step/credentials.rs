//! Who the daemon is: user, groups and capabilities, credentials(7). They are dropped permanently, and it is tested that
//! they cannot be regained.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{
    Gid, Group, Uid, User, fchown, getegid, geteuid, getgroups, getresgid, getresuid, getuid, setgroups, setresgid,
    setresuid,
};

use crate::error::{Error, ErrorKind, Result, Step};
use crate::step::file::FilePath;
use crate::sys::{self, retry};
use crate::{Id, procfs};

/// Numbers of capabilities(7).
const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;
pub(crate) const CAP_SYS_CHROOT: u32 = 18;

/// Who the daemon will be; what is `None` stays as it is.
#[derive(Default)]
pub(crate) struct Credentials {
    pub(crate) user: Option<Account>,
    group: Option<Gid>,
    group_is_requested: bool,
    groups: Vec<Gid>,
}

pub(crate) struct Account {
    pub(crate) uid: Uid,
    /// A number need not have an entry in the user database.
    pub(crate) name: Option<String>,
    pub(crate) home: PathBuf,
    pub(crate) shell: PathBuf,
}

impl Credentials {
    /// Looks up user and group, while the user database can still be reached.
    pub(crate) fn look_up(user: Option<&Id>, group: Option<&Id>) -> Result<Self> {
        if user.is_none() && group.is_none() {
            return Ok(Credentials::default());
        }
        let entry = user.map(find_user).transpose()?;
        let group = group.map(find_group).transpose()?;
        let group_is_requested = group.is_some();
        let credentials = match (entry, group) {
            (None, group) => Credentials { user: None, group, group_is_requested, groups: Vec::new() },
            (Some(Found::Entry(user)), group) => {
                let gid = group.unwrap_or(user.gid);
                let groups = supplementary(&user, gid)?;
                // passwd(5) allows both to be empty.
                let or = |path: PathBuf, default: &str| if path.as_os_str().is_empty() { default.into() } else { path };
                let (name, home, shell) = (Some(user.name), or(user.dir, "/"), or(user.shell, "/bin/sh"));
                let account = Account { uid: user.uid, name, home, shell };
                Credentials { user: Some(account), group: Some(gid), group_is_requested, groups }
            }
            (Some(Found::Number(uid)), Some(gid)) => {
                let account = Account { uid, name: None, home: "/".into(), shell: "/bin/sh".into() };
                Credentials { user: Some(account), group: Some(gid), group_is_requested, groups: Vec::new() }
            }
            (Some(Found::Number(uid)), None) => {
                let why = "it has no entry in the user database, and so no primary group";
                return Err(no_such_account(format!("run as user {uid}"), why).advise("give `group` too"));
            }
        };
        if !credentials.are_already_so()? && !credentials.may_be_assumed() {
            return Err(not_permitted("change the user or the group"));
        }
        Ok(credentials)
    }

    /// Whether the process has these credentials, and no group beyond.
    fn are_already_so(&self) -> Result<bool> {
        let failed = |errno| Error::system(Step::Privileges, "look at the user and the groups", errno);
        let (uid, gid) = (retry(getresuid).map_err(failed)?, retry(getresgid).map_err(failed)?);
        let is_user = |user: &Account| [uid.real, uid.effective, uid.saved] == [user.uid; 3];
        let is_group = |group: Gid| [gid.real, gid.effective, gid.saved] == [group; 3];
        Ok(self.user.as_ref().is_none_or(is_user)
            && self.group.is_none_or(is_group)
            && self.has_no_group_beyond().map_err(failed)?)
    }

    fn has_no_group_beyond(&self) -> nix::Result<bool> {
        let is_wanted = |gid: &Gid| self.groups.contains(gid) || self.group == Some(*gid);
        Ok(retry(getgroups)?.iter().all(is_wanted))
    }

    /// Whether setresuid(2) and setresgid(2) will allow it: by a capability, or because a set-user-ID or set-group-ID
    /// program has been started, which may choose among its ids.
    fn may_be_assumed(&self) -> bool {
        let has_uid = |uid| getresuid().is_ok_and(|ids| [ids.real, ids.effective, ids.saved].contains(&uid));
        let has_gid = |gid| getresgid().is_ok_and(|ids| [ids.real, ids.effective, ids.saved].contains(&gid));
        let may = sys::has_effective_capability;
        self.user.as_ref().is_none_or(|user| may(CAP_SETUID) || has_uid(user.uid))
            && self.group.is_none_or(|group| may(CAP_SETGID) || has_gid(group))
            && (may(CAP_SETGID) || self.has_no_group_beyond().unwrap_or(false))
    }

    /// Whether the daemon is another user than the process that starts it.
    pub(crate) fn change_user(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.uid != getuid())
    }

    pub(crate) fn is_unchanged(&self) -> bool {
        self.user.is_none() && self.group.is_none()
    }

    /// Makes a file, which has just been created at this path, the daemon's: fchown(2).
    ///
    /// Where the directory has given it its own group, that stays, unless `group` asks for another.
    pub(crate) fn give_file(&self, file: &OwnedFd, path: &FilePath) -> nix::Result<()> {
        if self.is_unchanged() {
            return Ok(());
        }
        let status = sys::file_status(file.as_raw_fd())?;
        // That of the directory may be the same by chance: inode(7), and the options of ext4(5) and xfs(5).
        let is_ours = status.group == getegid().as_raw()
            && !path.is_in_setgid_directory()
            && !procfs::is_mounted_with(&["grpid", "bsdgroups"], status.id.device);
        let group = self.group.filter(|_| self.group_is_requested || is_ours);
        match retry(|| fchown(file, self.user.as_ref().map(|user| user.uid), group)) {
            // File systems without owners refuse it to everybody, which is no reason not to start.
            Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOSYS) => Ok(()),
            changed => changed,
        }
    }

    /// Changes the process's credentials: daemon(7), step 13.
    pub(crate) fn drop_privileges(&self) -> Result<()> {
        if self.is_unchanged() {
            return Ok(());
        }
        let call = |errno| Error::system(Step::Privileges, "test that privileges are dropped", errno);
        // Who already is that user, and may not become another one, makes none of these calls: a filter, such as
        // `SystemCallFilter=~@privileged` of systemd.exec(5), may kill for them.
        let may_change = [CAP_SETUID, CAP_SETGID].into_iter().any(sys::has_effective_capability);
        let changes = may_change || !self.are_already_so()?;
        if changes {
            self.change()?;
        }
        if self.user.as_ref().is_some_and(|user| !user.uid.is_root()) {
            if sys::has_capabilities().map_err(call)? {
                // The kernel clears only what is effective and permitted, and not even that under every securebits(7).
                sys::drop_capabilities()
                    .map_err(|errno| Error::system(Step::Privileges, "drop capabilities", errno))?;
            }
            ensure(!sys::has_capabilities().map_err(call)?, "the capabilities are not empty")?;
            if changes {
                self.verify_no_way_back()?;
            }
        }
        ensure(self.are_already_so()?, "the user or the groups are not what was requested")
    }

    /// Groups first, because without root there is no right to change them.
    fn change(&self) -> Result<()> {
        let failed = |what: &'static str, errno| match errno {
            Errno::EINVAL => {
                Error::new(Step::Privileges, ErrorKind::System, what, "it does not exist in this user namespace")
                    .advise("map the id into the namespace, or name another one")
            }
            errno => Error::system(Step::Privileges, what, errno),
        };
        if let Some(gid) = self.group {
            // A user namespace denies setgroups(2), so that groups which are right already are not set again.
            let groups =
                || self.has_no_group_beyond().and_then(|right| if right { Ok(()) } else { setgroups(&self.groups) });
            retry(|| match sys::has_effective_capability(CAP_SETGID) {
                true => setgroups(&self.groups).or_else(|_| groups()),
                false => groups(),
            })
            .map_err(|errno| failed("set the supplementary groups", errno))?;
            retry(|| setresgid(gid, gid, gid)).map_err(|errno| failed("set the group", errno))?;
        }
        let Some(Account { uid, .. }) = self.user else { return Ok(()) };
        if self.change_user() {
            // Before the user changes: a new keyring counts against the quota of its owner, which is 200 keys for a
            // user.
            sys::join_new_session_keyring().map_err(|errno| failed("leave the session keyring", errno))?;
        }
        retry(|| setresuid(uid, uid, uid)).map_err(|errno| failed("set the user", errno))
    }

    /// Tries to become root again in each way. That must fail, and with EPERM.
    fn verify_no_way_back(&self) -> Result<()> {
        let (root, wheel) = (Uid::from_raw(0), Gid::from_raw(0));
        // EINVAL: in this user namespace there is no root.
        let denied = |regained: nix::Result<()>| matches!(regained, Err(Errno::EPERM | Errno::EINVAL));
        let groups = denied(retry(|| setgroups(&[wheel])));
        let group = self.group == Some(wheel) || denied(retry(|| setresgid(wheel, wheel, wheel)));
        let user = denied(retry(|| setresuid(root, root, root)));
        ensure(groups && group && user, "they could be regained")
    }
}

fn ensure(holds: bool, otherwise: &str) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::new(Step::Privileges, ErrorKind::System, "drop privileges", otherwise)
        .advise("look for a security module or user namespace that interferes"))
}

enum Found {
    Entry(User),
    Number(Uid),
}

fn find_user(id: &Id) -> Result<Found> {
    let failed = |errno| Error::system(Step::Accounts, format!("look up user {id}"), errno);
    if let Id::Name(name) = id {
        if let Some(user) = found(retry(|| User::from_name(name))).map_err(failed)? {
            return Ok(Found::Entry(user));
        }
    }
    let Some(uid) = number(id).map(Uid::from_raw) else {
        return Err(no_such_account(format!("find user {id}"), "there is no such user"));
    };
    Ok(found(retry(|| User::from_uid(uid))).map_err(failed)?.map_or(Found::Number(uid), Found::Entry))
}

fn find_group(id: &Id) -> Result<Gid> {
    let failed = |errno| Error::system(Step::Accounts, format!("look up group {id}"), errno);
    if let Id::Name(name) = id {
        if let Some(group) = found(retry(|| Group::from_name(name))).map_err(failed)? {
            return Ok(group.gid);
        }
    }
    let number = number(id).map(Gid::from_raw);
    number.ok_or_else(|| no_such_account(format!("find group {id}"), "there is no such group"))
}

/// The number that an id is, or that a name without an entry spells.
fn number(id: &Id) -> Option<u32> {
    match id {
        Id::Number(number) => Some(*number),
        // Not "+0", which parses.
        Id::Name(name) => name.parse().ok().filter(|_| name.bytes().all(|digit| digit.is_ascii_digit())),
    }
    .filter(|number| *number != u32::MAX)
}

/// getpwnam(3) and its like: that there is no database is also an answer.
fn found<T>(entry: nix::Result<Option<T>>) -> nix::Result<Option<T>> {
    match entry {
        Err(Errno::ENOENT | Errno::ESRCH) => Ok(None),
        entry => entry,
    }
}

fn supplementary(user: &User, gid: Gid) -> Result<Vec<Gid>> {
    let failed = |errno| Error::system(Step::Accounts, format!("find the groups of user {}", user.name), errno);
    let name = CString::new(user.name.as_str()).map_err(|_| failed(Errno::EINVAL))?;
    retry(|| sys::groups_of_user(&name, gid)).map_err(failed)
}

/// What only root, or who has the capability, may do: said before anything is forked.
pub(crate) fn not_permitted(what: &str) -> Error {
    let why = if geteuid().is_root() { "this root lacks the capability" } else { "only root may" };
    Error::new(Step::Privileges, ErrorKind::NotPermitted, what, why).advise("start as root, or leave the option out")
}

fn no_such_account(what: String, why: &str) -> Error {
    Error::new(Step::Accounts, ErrorKind::NoSuchAccount, what, why).advise("correct the name, or create it")
}
