//! Writes numbered lines as fast as it can: `out 1`, `out 2` and so on to stdout, `err 1` and so on to stderr. At least
//! 10,000 of each, and until the mark `enough` is there. `DAEMON_THREADS` asks for a thread for each.

use std::io::{self, Write};
use std::thread;

use daemon_runtime::daemon;
use nix::unistd::alarm;
use tests::fixture::{begin, flag, is_marked, text, touch};

fn write(number: u32, out: bool, err: bool) -> io::Result<()> {
    // As one call each: `eprintln!` writes a line in pieces.
    if out {
        io::stdout().write_all(format!("out {number}\n").as_bytes())?;
    }
    if err {
        io::stderr().write_all(format!("err {number}\n").as_bytes())?;
    }
    Ok(())
}

fn series(out: bool, err: bool) -> io::Result<()> {
    for number in 1.. {
        write(number, out, err)?;
        if number >= 10_000 && is_marked("enough") {
            break;
        }
    }
    Ok(())
}

#[daemon(
    umask = {
        begin();
        0o022
    },
    pid_file = text("pid_file"),
    stdout = text("stdout"),
    stderr = text("stderr"),
    reopen_on_sighup = flag("reopen_on_sighup"),
)]
fn main() -> io::Result<()> {
    // A test that is killed gives no mark, and must not fill the disk.
    alarm::set(120);
    touch("body")?;
    if flag("threads") {
        let out = thread::spawn(|| series(true, false));
        series(false, true)?;
        out.join().expect("no panic")?;
    } else {
        series(true, true)?;
    }
    touch("finished")
}
