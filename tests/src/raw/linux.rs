//! The unsafe code for what Linux alone has.

use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{ForkResult, Pid};

/// What comes of the system calls from `first` to `last` from now on: seccomp(2).
pub(crate) fn forbid(first: u32, last: u32, action: u32) -> io::Result<()> {
    const LOAD_NUMBER: u32 = 0; // The first member of seccomp_data.
    let statement = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, LOAD_NUMBER),
        statement(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 2, first),
        statement(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 1, 0, last),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, action),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, 0);
    nix::sys::prctl::set_no_new_privs()?;
    // SAFETY: the kernel copies the filter, which lives until the call returns.
    Errno::result(unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) })?;
    Ok(())
}

/// A child as container libraries make it, by clone(2) itself: no handler of pthread_atfork(3) runs in it.
fn clone() -> io::Result<ForkResult> {
    let (flags, none) = (libc::SIGCHLD as libc::c_long, 0 as libc::c_long);
    let [first, second] = if cfg!(target_arch = "s390x") { [none, flags] } else { [flags, none] };
    // SAFETY: with these flags it is a fork; the fixture has one thread.
    let child = Errno::result(unsafe { libc::syscall(libc::SYS_clone, first, second, none, none, none) })?;
    Ok(if child == 0 { ForkResult::Child } else { ForkResult::Parent { child: Pid::from_raw(child as i32) } })
}

/// As [`fork_holder`], made by clone(2). In a session of its own, as it is to stay when its parent is killed.
pub(crate) fn clone_holder() -> io::Result<()> {
    if let ForkResult::Child = clone()? {
        nix::unistd::setsid()?;
        loop {
            nix::unistd::pause();
        }
    }
    Ok(())
}

/// A thread that waits for input in C's stdin, and so holds its lock.
pub(crate) fn read_c_stdin_in_a_thread() {
    unsafe extern "C" {
        fn getchar() -> libc::c_int;
    }
    // SAFETY: stdio locks stdin itself.
    std::thread::spawn(|| unsafe { getchar() });
    // Until it waits there: a thread in read(2) sleeps.
    let is_waiting = || {
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let mut calls = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("syscall")).ok());
        calls.any(|call| call.starts_with(&format!("{} ", libc::SYS_read))).then_some(())
    };
    crate::until("the thread reads", is_waiting);
}
