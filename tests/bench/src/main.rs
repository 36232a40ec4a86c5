//! What a daemon costs: started, running and built, with this crate and with the others.
//!
//! `cargo run --release` measures everything, in less than ten minutes on two processors, writes `results.md` and `profile.md`, and
//! draws `results.svg` of what a reader asks first.
//! `cargo run --release -- profile` writes `profile.md` alone: what each step of a launch costs.
//! `cargo run --release -- 20 launch` is a quick look, written to `target/`: first the rounds of a launch, then which of
//! `profile`, `launch`, `calls`, `running` and `build` to measure. As root all descriptor limits can be tried; a start under 1,000,000
//! descriptors needs the right to raise the limit.

mod build;
mod calls;
mod contender;
mod harness;
mod launch;
mod machine;
mod picture;
mod profile;
mod promises;
mod running;
mod steps;
mod table;

use std::error::Error;

use contender::{Contender, PROFILED};
use harness::Harness;
use table::Table;

/// Fewer rounds are a quick look: their medians are not worth keeping.
const ROUNDS: usize = 300;

fn main() -> Result<(), Box<dyn Error>> {
    let (numbers, sections): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|word| word.parse::<usize>().is_ok());
    let rounds = numbers.first().map_or(Ok(ROUNDS), |rounds| rounds.parse())?;
    let measured = |section: &str| sections.is_empty() || sections.iter().any(|one| one == section);
    let thorough = rounds >= ROUNDS;
    let profile_alone = sections == ["profile"];

    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR"))?;
    let harness = Harness::new()?;
    let contenders = contender::all(&harness, |contender| !profile_alone || contender.name == PROFILED);
    let machine = machine::describe();
    let place = if thorough && (sections.is_empty() || profile_alone) { "" } else { "target/" };
    if measured("profile") {
        match profile(&harness, &contenders, rounds, place, &machine) {
            // Where ptrace(2) is forbidden, as in some containers, the rest can be measured.
            Err(why) if !profile_alone => eprintln!("without the profile: {why}"),
            done => done?,
        }
        harness.end_all()?;
    }
    if profile_alone {
        return Ok(());
    }

    let mut table = Table::new(&contenders);
    if measured("launch") {
        launch::measure(&harness, &contenders, rounds, &mut table)?;
    }
    if measured("calls") {
        calls::measure(&harness, &contenders, &mut table)?;
    }
    if measured("running") {
        running::measure(&harness, &contenders, if thorough { 30 } else { 5 }, &mut table)?;
    }
    if measured("build") {
        build::measure(&contenders, if thorough { 3 } else { 1 }, &mut table)?;
    }
    let notes = [&machine[..], &machine::notes(&table.rounds)].concat().join("\n");
    let promises = promises::markdown(&contenders, &table);
    let text = format!("# What a daemon costs\n\n{notes}\n{promises}\n{}", table.markdown());
    println!("{text}");
    std::fs::write(format!("{place}results.md"), text)?;
    Ok(std::fs::write(format!("{place}results.svg"), picture::draw(&table, &machine))?)
}

fn profile(
    harness: &Harness,
    contenders: &[Contender],
    rounds: usize,
    place: &str,
    machine: &[String],
) -> Result<(), Box<dyn Error>> {
    let profiled = contenders.iter().find(|contender| contender.name == PROFILED).ok_or("it makes no daemon")?;
    let profile = profile::measure(harness, profiled, rounds)?;
    let text = format!("# What each step of a launch costs\n\n{}\n\n{profile}", machine.join("\n"));
    println!("{text}");
    Ok(std::fs::write(format!("{place}profile.md"), text)?)
}
