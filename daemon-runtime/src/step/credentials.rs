//! Who the daemon is: user, groups and capabilities, credentials(7). They are dropped permanently, and it is tested that
//! they cannot be regained.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, fchown, geteuid, getuid, setegid, seteuid};

use crate::Id;
use crate::error::{Error, ErrorKind, OrFail, Result, Step};
use crate::step::path::For;
use crate::sys::{self, Right, retry};

/// Who the daemon will be; what is `None` stays as it is.
#[derive(Default)]
pub(crate) struct Credentials {
    pub(crate) user: Option<Account>,
    group: Option<Gid>,
    /// By the option `group`.
    requested_group: Option<Gid>,
    groups: Vec<Gid>,
}

pub(crate) struct Account {
    uid: Uid,
    /// A number need not have an entry in the user database, and then neither this nor a name.
    gid: Option<Gid>,
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
        let user = user.map(Account::find).transpose()?;
        let requested_group = group.map(find_group).transpose()?;
        let group = match &user {
            Some(user) => Some(requested_group.map_or_else(|| user.primary_group(), Ok)?),
            None => requested_group,
        };
        let groups = match (&user, group) {
            (Some(Account { name: Some(name), .. }), Some(group)) => groups_of(name, group)?,
            _ => Vec::new(),
        };
        let credentials = Credentials { user, group, requested_group, groups };
        if !credentials.are_already_so()? && !credentials.may_be_assumed() {
            return Err(not_permitted("change the user or the group"));
        }
        Ok(credentials)
    }

    /// Whether the process has these credentials, and no group beyond.
    fn are_already_so(&self) -> Result<bool> {
        let look = || Ok((sys::user_ids()?, sys::group_ids()?, self.has_no_group_beyond()?));
        let (users, groups, is_in_no_other) =
            look().map_err(|errno: Errno| Error::system(Step::Privileges, "look at the user and the groups", errno))?;
        Ok(self.user.as_ref().is_none_or(|user| users == [user.uid; 3])
            && self.group.is_none_or(|group| groups == [group; 3])
            && is_in_no_other)
    }

    fn has_no_group_beyond(&self) -> nix::Result<bool> {
        let is_wanted = |gid: &Gid| self.groups.contains(gid) || self.group == Some(*gid);
        Ok(sys::groups()?.iter().all(is_wanted))
    }

    /// Whether the kernel will allow it: by root's right, or because a set-user-ID or set-group-ID program has been started, which
    /// may choose among its ids.
    fn may_be_assumed(&self) -> bool {
        let has_uid = |uid| sys::user_ids().is_ok_and(|ids| ids.contains(&uid));
        let has_gid = |gid| sys::group_ids().is_ok_and(|ids| ids.contains(&gid));
        let may = sys::has_right;
        self.user.as_ref().is_none_or(|user| may(Right::SetUid) || has_uid(user.uid))
            && self.group.is_none_or(|group| may(Right::SetGid) || has_gid(group))
            && (may(Right::SetGid) || self.has_no_group_beyond().unwrap_or(false))
    }

    /// Whether the daemon is another user than the process that starts it.
    pub(crate) fn change_user(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.uid != getuid())
    }

    pub(crate) fn is_unchanged(&self) -> bool {
        self.user.is_none() && self.group.is_none()
    }

    /// For whom files are opened.
    pub(crate) fn who(&self) -> For {
        if self.is_unchanged() { For::Oneself } else { For::Another }
    }

    /// The daemon's user.
    pub(crate) fn owner(&self) -> Uid {
        self.user.as_ref().map_or(geteuid(), |user| user.uid)
    }

    /// Makes a file the daemon's: fchown(2). Its group changes only by `group`.
    pub(crate) fn give_file(&self, file: &OwnedFd) -> nix::Result<()> {
        let owner = self.owner();
        // A filter, such as `SystemCallFilter=~@privileged` of systemd.exec(5), may kill for a call that changes nothing.
        if self.requested_group.is_none() && sys::file_status(file.as_raw_fd())?.owner == owner.as_raw() {
            return Ok(());
        }
        match fchown(file, Some(owner), self.requested_group) {
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
        // Who certainly is that user, and may not become another one, makes none of these calls: a filter, such as
        // `SystemCallFilter=~@privileged` of systemd.exec(5), may kill for them.
        let may_change = [Right::SetUid, Right::SetGid].into_iter().any(sys::has_right);
        let changes = may_change || !sys::TELLS_SAVED_IDS || !self.are_already_so()?;
        if changes {
            self.change()?;
        }
        if self.user.as_ref().is_some_and(|user| !user.uid.is_root()) {
            let are_dropped = sys::drop_capabilities().or_fail(Step::Privileges, "drop capabilities")?;
            ensure(are_dropped, "the capabilities are not empty")?;
            if changes {
                self.verify_no_way_back()?;
            }
        }
        ensure(self.are_already_so()?, "the user or the groups are not what was requested")
    }

    /// Groups first, because without root there is no right to change them.
    fn change(&self) -> Result<()> {
        if let Some(gid) = self.group {
            self.set_groups(gid).map_err(|errno| not_set("set the supplementary groups", errno))?;
            sys::set_group(gid).map_err(|errno| not_set("set the group", errno))?;
        }
        let Some(user) = &self.user else { return Ok(()) };
        if self.change_user() {
            // Before the user changes: a new keyring counts against the quota of its owner, which is 200 keys for a
            // user.
            sys::leave_session_keyring().or_fail(Step::Privileges, "leave the session keyring")?;
        }
        sys::set_user(user.uid).map_err(|errno| not_set("set the user", errno))
    }

    /// Sets the supplementary groups, where that is allowed. The group itself comes first: on some systems the first one of the
    /// list is the effective group, and an empty list is root's.
    fn set_groups(&self, gid: Gid) -> nix::Result<()> {
        let others = self.groups.iter().copied().filter(|other| *other != gid);
        let groups: Vec<Gid> = [gid].into_iter().chain(others).collect();
        match sys::set_groups(&groups) {
            // A user namespace denies setgroups(2), also to root; groups that are right already need not be set.
            Err(Errno::EPERM) if self.has_no_group_beyond()? => Ok(()),
            set => set,
        }
    }

    /// Tries to become root again in each way. That must fail, and with EPERM.
    fn verify_no_way_back(&self) -> Result<()> {
        let (root, wheel) = (Uid::from_raw(0), Gid::from_raw(0));
        // EINVAL: in this user namespace there is no root.
        let denied = |regained: nix::Result<()>| matches!(regained, Err(Errno::EPERM | Errno::EINVAL));
        let groups = denied(sys::set_groups(&[wheel]));
        let group = self.group == Some(wheel) || denied(sys::set_group(wheel)) && denied(setegid(wheel));
        let user = denied(sys::set_user(root)) && denied(seteuid(root));
        ensure(groups && group && user, "they could be regained")
    }
}

fn not_set(what: &str, errno: Errno) -> Error {
    match errno {
        Errno::EINVAL => {
            Error::new(Step::Privileges, ErrorKind::System, what, "it does not exist in this user namespace")
                .advise("map the id into the namespace, or name another one")
        }
        errno => Error::system(Step::Privileges, what, errno),
    }
}

fn ensure(holds: bool, otherwise: &str) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::new(Step::Privileges, ErrorKind::System, "drop privileges", otherwise)
        .advise("look for a security module or user namespace that interferes"))
}

impl Account {
    fn find(id: &Id) -> Result<Self> {
        let found = |user| found(user).or_fail(Step::Accounts, format_args!("look up user {id}"));
        let (by_name, number) = match id {
            Id::Name(name) => (found(retry(|| User::from_name(name)))?, number(id)),
            Id::Number(_) => (None, number(id)),
        };
        let entry = match (by_name, number) {
            (None, Some(uid)) => found(retry(|| User::from_uid(uid.into())))?,
            (entry, _) => entry,
        };
        // passwd(5) allows both to be empty.
        let or = |path: PathBuf, default: &str| if path.as_os_str().is_empty() { default.into() } else { path };
        match (entry, number) {
            (Some(User { uid, gid, name, dir, shell, .. }), _) => {
                let (home, shell) = (or(dir, "/"), or(shell, "/bin/sh"));
                Ok(Account { uid, gid: Some(gid), name: Some(name), home, shell })
            }
            (None, Some(uid)) => {
                Ok(Account { uid: uid.into(), gid: None, name: None, home: "/".into(), shell: "/bin/sh".into() })
            }
            (None, None) => Err(no_such_account(format_args!("find user {id}"), "there is no such user")),
        }
    }

    fn primary_group(&self) -> Result<Gid> {
        let why = "it has no entry in the user database, and so no primary group";
        let error = || no_such_account(format_args!("run as user {}", self.uid), why).advise("give a group too");
        self.gid.ok_or_else(error)
    }
}

fn find_group(id: &Id) -> Result<Gid> {
    if let Id::Name(name) = id {
        let group = found(retry(|| Group::from_name(name)));
        if let Some(group) = group.or_fail(Step::Accounts, format_args!("look up group {id}"))? {
            return Ok(group.gid);
        }
    }
    let number = number(id).map(Gid::from_raw);
    number.ok_or_else(|| no_such_account(format_args!("find group {id}"), "there is no such group"))
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

fn groups_of(user: &str, gid: Gid) -> Result<Vec<Gid>> {
    let name = CString::new(user).map_err(|_| Errno::EINVAL);
    let groups = name.and_then(|name| retry(|| sys::groups_of_user(&name, gid)));
    groups.or_fail(Step::Accounts, format_args!("find the groups of user {user}"))
}

/// What only root, or who has the capability, may do: said before anything is forked.
pub(crate) fn not_permitted(what: &str) -> Error {
    let why = if geteuid().is_root() { "this root lacks the capability" } else { "only root may" };
    Error::new(Step::Privileges, ErrorKind::NotPermitted, what, why).advise("start it as root")
}

fn no_such_account(what: impl std::fmt::Display, why: &str) -> Error {
    Error::new(Step::Accounts, ErrorKind::NoSuchAccount, what, why).advise("correct the name, or create it")
}
