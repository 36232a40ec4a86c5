//! What building a program with the crate costs.

use std::error::Error;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::contender::Contender;
use crate::launch::median;
use crate::table::{Table, Unit};

pub fn measure(contenders: &[Contender], builds: usize, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let mut debug = vec![Vec::new(); contenders.len()];
    let mut release = debug.clone();
    let mut crates = vec![None; contenders.len()];
    let mut sizes = crates.clone();
    for build in 1..=builds {
        eprintln!("build {build} of {builds}");
        for (at, contender) in contenders.iter().enumerate() {
            let Some(package) = contender.package else {
                sizes[at] =
                    (contender.name == "C").then(|| fs::metadata(&contender.command[0]).ok()).flatten().map(size);
                continue;
            };
            debug[at].push(cold(package, "dev")?.0);
            let (time, compiled) = cold(package, "release")?;
            release[at].push(time);
            crates[at] = Some(compiled);
            sizes[at] = Some(size(fs::metadata(&contender.command[0])?));
        }
    }
    let floor = contenders.iter().position(|contender| !contender.detaches()).and_then(|at| sizes[at]);
    let growth = sizes.iter().map(|size| Some((*size)? - floor?)).collect();
    table.row("cold debug build", Unit::Seconds, debug.into_iter().map(median).collect());
    table.row("cold release build", Unit::Seconds, release.into_iter().map(median).collect());
    table.row("crates built besides its own", Unit::Number, crates);
    table.row("stripped program", Unit::Bytes, sizes);
    table.row("stripped program over the empty one", Unit::Bytes, growth);
    Ok(())
}

fn size(file: fs::Metadata) -> f64 {
    file.len() as f64
}

/// Builds into an empty folder: the seconds that it takes, and the crates compiled for it.
fn cold(package: &str, profile: &str) -> Result<(f64, f64), Box<dyn Error>> {
    let folder = "target/cold";
    let _ = fs::remove_dir_all(folder);
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--offline", "--locked", "--package", package, "--profile", profile, "--target-dir", folder]);
    let start = Instant::now();
    let output = cargo.stdout(Stdio::null()).output()?;
    let seconds = start.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr);
    fs::remove_dir_all(folder)?;
    match output.status.success() {
        true => Ok((seconds, said.lines().filter(|line| line.trim().starts_with("Compiling ")).count() as f64 - 1.0)),
        false => Err(format!("{package} does not build: {said}").into()),
    }
}
