//! Runs a command as on Linux 4.18, without the newer system calls: `linux_4_18 COMMAND…`. `.ci/foreign` runs the suite by it.

tests::linux_alone! {
    use std::os::unix::process::CommandExt;
    use std::process::Command;
    use std::{env, io};

    use nix::libc;

    fn main() -> io::Result<()> {
        tests::hostile::missing_from(libc::SYS_pidfd_send_signal)()?;
        let mut words = env::args_os().skip(1);
        let program = words.next().ok_or(io::ErrorKind::InvalidInput)?;
        Err(Command::new(program).args(words).exec())
    }
}
