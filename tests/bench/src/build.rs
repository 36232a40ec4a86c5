//! What building a program with the crate costs.

use std::error::Error;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::contender::Contender;
use crate::harness::processor_time;
use crate::table::{Table, Unit, median};

/// After that no other round of builds begins.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn measure(contenders: &[Contender], builds: usize, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let mut debug = vec![Vec::new(); contenders.len()];
    let (mut debug_processor, mut release) = (debug.clone(), debug.clone());
    let mut crates = vec![None; contenders.len()];
    // The first build reads from the disk what the others find in memory.
    if let Some(binary) = contenders.iter().filter(|contender| contender.is_ours()).find_map(|one| one.binary) {
        cold(binary, "dev")?;
    }
    let (begin, mut done) = (Instant::now(), 0);
    while done < builds && (done == 0 || begin.elapsed() < PATIENCE) {
        done += 1;
        eprintln!("build {done} of {builds}");
        for (at, contender) in contenders.iter().enumerate() {
            let Some(binary) = contender.binary else { continue };
            let build = cold(binary, "dev")?;
            debug[at].push(build.time);
            debug_processor[at].push(build.processor);
            crates[at] = Some(build.crates);
            release[at].push(cold(binary, "release")?.time);
        }
    }
    let sizes = contenders.iter().map(|contender| {
        contender.binary.map(|_| fs::metadata(&contender.command[0]).map(|file| file.len() as f64)).transpose()
    });
    let sizes = sizes.collect::<Result<_, _>>()?;
    table.rounds.push(format!("{done} of each build"));
    table.times("cold debug build", debug.clone());
    table.difference("cold debug build", Unit::Seconds, debug.into_iter().map(median).collect());
    table.times("cold debug build, processor time", debug_processor);
    table.times("cold release build", release);
    table.row("crates built besides its own", Unit::Number, crates);
    table.row_and_difference("stripped program", Unit::Bytes, sizes);
    Ok(())
}

struct Build {
    time: f64,
    processor: f64,
    /// How many crates were compiled for it.
    crates: f64,
}

/// Builds into an empty directory.
fn cold((package, binary): (&str, &str), profile: &str) -> Result<Build, Box<dyn Error>> {
    let directory = "target/cold";
    let _ = fs::remove_dir_all(directory);
    let mut cargo = Command::new("cargo");
    // As Cargo builds what comes from a registry. This crate is a path here, and so its every change is expected.
    cargo.env("CARGO_INCREMENTAL", "0");
    cargo.args(["build", "--offline", "--locked", "--package", package, "--bin", binary, "--profile", profile]);
    let (before, began) = (processor_time()?, Instant::now());
    let output = cargo.args(["--target-dir", directory]).stdout(Stdio::null()).output()?;
    let (time, processor) = (began.elapsed().as_secs_f64(), (processor_time()? - before).as_secs_f64());
    let said = String::from_utf8_lossy(&output.stderr);
    fs::remove_dir_all(directory)?;
    if !output.status.success() {
        return Err(format!("{binary} does not build: {said}").into());
    }
    let crates = said.lines().filter(|line| line.trim().starts_with("Compiling ")).count() as f64 - 1.0;
    Ok(Build { time, processor, crates })
}
