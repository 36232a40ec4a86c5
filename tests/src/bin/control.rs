//! Controls a daemon for another user: `control PID_FILE pid`, or `stop`.

use std::process::ExitCode;
use std::time::Duration;

use daemon_runtime::{Error, Instance};

fn control() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().expect("a pid file, and pid or stop");
    let daemon = Instance::at(word());
    match word().as_str() {
        "pid" => println!("{:?}", daemon.pid()?),
        "stop" => daemon.stop(Duration::from_secs(20))?,
        word => panic!("no such word: {word}"),
    }
    Ok(())
}

fn main() -> ExitCode {
    match control() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            error.exit_code().into()
        }
    }
}
