//! One system call: its name, and how it may fail.

use std::borrow::Cow;
use std::fmt;

use nix::errno::Errno;
use nix::libc::*;

use super::{Fault, Role};

/// A system call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who makes it.
    pub role: Role,
    /// Its process id.
    pub pid: i32,
    /// How many calls that process has made before: the launcher in `main`, the others since they were forked.
    pub nth: usize,
    /// Its number, `SYS_…`.
    pub number: i64,
    /// Its arguments.
    pub arguments: [u64; 6],
    /// What it returned, if it did.
    pub result: Option<i64>,
    /// Whether it closes a directory.
    pub closes_directory: bool,
}

impl Call {
    /// Whether it is the fixture's mark `pid`.
    pub(super) fn is_mark(&self, pid: i32) -> bool {
        self.number == SYS_getsid && self.arguments[0] as i32 == pid
    }

    /// Its name.
    pub fn name(&self) -> Cow<'static, str> {
        name(self.number)
    }

    /// How it may plausibly fail, if it can.
    pub fn failure(&self) -> Option<Fault> {
        match row(self.number).map(|row| row.2) {
            // It reports a failure by returning the old break; 0 is below any that was asked for.
            _ if self.number == SYS_brk => Some(Fault::Return(0)),
            // std ends a program that gets no memory, and musl's fork looks at no error of the signal mask.
            _ if cfg!(target_env = "musl") && [SYS_mmap, SYS_rt_sigprocmask].contains(&self.number) => None,
            // The only failure there is: what was written before is lost. Nobody writes to a directory.
            _ if self.closes_directory => None,
            Some(Fails::With(error)) if self.number == SYS_close => Some(Fault::FailAfter(error)),
            Some(Fails::With(error)) => Some(Fault::Fail(error)),
            Some(Fails::Never) => None,
            // As under a filter of system calls.
            None => Some(Fault::Fail(Errno::EPERM)),
        }
    }

    /// Its interruption by a signal, if its manual page lists EINTR.
    pub fn interruption(&self) -> Option<Fault> {
        // fcntl(2) lists it for the commands about locks. These look or set something at once.
        let at_once = [F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFL];
        if self.number == SYS_fcntl && at_once.contains(&(self.arguments[1] as c_int)) {
            return None;
        }
        // An interrupted close has closed, on Linux.
        let fault = if self.number == SYS_close { Fault::FailAfter } else { Fault::Fail };
        row(self.number).filter(|row| row.3).map(|_| fault(Errno::EINTR))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, ..] = self.arguments;
        write!(f, "{:?} call {}, {}({first:#x}, {second:#x}, {third:#x})", self.role, self.nth, self.name())
    }
}

/// The name of a system call.
pub(super) fn name(number: i64) -> Cow<'static, str> {
    match row(number) {
        Some(row) => row.1["SYS_".len()..].into(),
        None => format!("system call {number}").into(),
    }
}

#[derive(Clone, Copy)]
enum Fails {
    With(Errno),
    Never,
}

type Row = (i64, &'static str, Fails, bool);

fn row(number: i64) -> Option<&'static Row> {
    CALLS.iter().find(|row| row.0 == number)
}

macro_rules! calls {
    ($($name:ident $fails:tt $($interrupted:ident)?;)*) => {
        /// Number, name, failure, whether its manual page lists EINTR.
        const CALLS: &[Row] = &[$(($name, stringify!($name), calls!($fails), calls!(? $($interrupted)?)),)*];
    };
    (-) => { Fails::Never };
    ($error:ident) => { Fails::With(Errno::$error) };
    (?) => { false };
    (? EINTR) => { true };
}

calls! {
    SYS_accept4 EMFILE EINTR;
    SYS_access EACCES;
    SYS_brk ENOMEM;
    SYS_capget EPERM;
    SYS_capset EPERM;
    SYS_chdir EACCES;
    SYS_chroot EPERM;
    SYS_clock_nanosleep EINVAL EINTR;
    SYS_clone EAGAIN;
    SYS_clone3 EAGAIN;
    SYS_close EIO EINTR;
    SYS_close_range ENOSYS;
    SYS_connect ECONNREFUSED EINTR;
    SYS_dup EMFILE;
    SYS_dup2 EBUSY EINTR;
    SYS_dup3 EBUSY EINTR;
    SYS_epoll_create1 EMFILE;
    SYS_epoll_ctl ENOMEM;
    SYS_epoll_wait EINVAL EINTR;
    SYS_exit -;
    SYS_exit_group -;
    SYS_fchdir EACCES;
    SYS_fchmod EPERM;
    SYS_fchown EPERM;
    SYS_fcntl EMFILE EINTR;
    SYS_flock ENOLCK EINTR;
    SYS_fork EAGAIN;
    SYS_fstat ENOMEM;
    SYS_fsync EIO EINTR;
    SYS_ftruncate EIO EINTR;
    SYS_futex EAGAIN EINTR;
    SYS_getcwd ENOENT;
    SYS_getdents64 EIO;
    SYS_getegid -;
    SYS_geteuid -;
    SYS_getgid -;
    SYS_getgroups EINVAL;
    SYS_getpgid EPERM;
    SYS_getpgrp -;
    SYS_getpid -;
    SYS_getppid -;
    SYS_getrandom ENOSYS EINTR;
    SYS_getresgid -;
    SYS_getresuid -;
    SYS_getrlimit EINVAL;
    SYS_getsid EPERM;
    SYS_gettid -;
    SYS_getuid -;
    SYS_ioctl ENOTTY;
    SYS_kill EPERM;
    SYS_lseek ESPIPE;
    SYS_lstat EACCES;
    SYS_madvise EINVAL;
    SYS_mkdir EACCES;
    SYS_mmap ENOMEM;
    SYS_mprotect ENOMEM;
    SYS_munmap ENOMEM;
    SYS_nanosleep EINVAL EINTR;
    SYS_newfstatat EACCES;
    SYS_open EACCES EINTR;
    SYS_openat EACCES EINTR;
    SYS_pause - EINTR;
    SYS_pidfd_open EMFILE;
    SYS_pidfd_send_signal EPERM;
    SYS_pipe2 EMFILE;
    SYS_poll ENOMEM EINTR;
    SYS_ppoll ENOMEM EINTR;
    SYS_prctl EINVAL;
    SYS_pread64 EIO EINTR;
    SYS_prlimit64 EPERM;
    SYS_pwrite64 ENOSPC EINTR;
    SYS_read EIO EINTR;
    SYS_readlink EACCES;
    SYS_readlinkat EACCES;
    SYS_recvfrom ENOMEM EINTR;
    SYS_recvmsg ENOMEM EINTR;
    SYS_rename EACCES;
    SYS_rt_sigaction EINVAL;
    SYS_rt_sigprocmask EINVAL;
    SYS_rt_sigreturn -;
    SYS_rt_sigtimedwait EINVAL EINTR;
    SYS_rseq EPERM;
    SYS_sched_yield -;
    SYS_sendmsg EPIPE EINTR;
    SYS_sendto EPIPE EINTR;
    SYS_set_robust_list -;
    SYS_set_tid_address -;
    SYS_setgid EPERM;
    SYS_setgroups EPERM;
    SYS_setitimer EINVAL;
    SYS_setregid EPERM;
    SYS_setresgid EPERM;
    SYS_setresuid EPERM;
    SYS_setreuid EPERM;
    SYS_setrlimit EPERM;
    SYS_setsid EPERM;
    SYS_setsockopt ENOMEM;
    SYS_setuid EPERM;
    SYS_shutdown ENOTCONN;
    SYS_sigaltstack ENOMEM;
    SYS_signalfd4 EMFILE;
    SYS_socket EMFILE;
    SYS_socketpair EMFILE;
    SYS_stat EACCES;
    SYS_statx EACCES;
    SYS_symlink EACCES;
    SYS_tgkill EPERM;
    SYS_timerfd_create EMFILE;
    SYS_timerfd_settime EINVAL;
    SYS_umask -;
    SYS_uname -;
    SYS_unlink EACCES;
    SYS_unlinkat EACCES;
    SYS_vfork EAGAIN;
    SYS_wait4 ECHILD EINTR;
    SYS_waitid ECHILD EINTR;
    SYS_write EIO EINTR;
    SYS_writev EIO EINTR;
}
