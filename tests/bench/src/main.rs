//! What a daemon costs: started, running and built, with this crate and with the others.
//!
//! `cargo run --release` measures everything, in less than ten minutes on two processors, writes `results.md`, and draws
//! `results.svg` of what a reader asks first.
//! `cargo run --release -- 20 launch` is a quick look, written to `target/`: first the rounds of a launch, then which of
//! `launch`, `calls`, `running` and `build` to measure. As root all descriptor limits can be tried; a start under 1,000,000
//! descriptors needs the right to raise the limit.

mod build;
mod calls;
mod contender;
mod harness;
mod launch;
mod machine;
mod picture;
mod promises;
mod running;
mod table;

use std::error::Error;

use harness::Harness;
use table::Table;

/// Fewer rounds are a quick look: their medians are not worth keeping.
const ROUNDS: usize = 300;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(ROUNDS), |rounds| rounds.parse())?;
    let sections: Vec<String> = arguments.collect();
    let measured = |section: &str| sections.is_empty() || sections.iter().any(|one| one == section);
    let thorough = rounds >= ROUNDS;

    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR"))?;
    let harness = Harness::new()?;
    let contenders = contender::all(&harness);
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

    let (machine, notes) = (machine::describe(), machine::notes(&table.rounds));
    let promises = promises::markdown(&contenders, &table);
    let text = format!(
        "# What a daemon costs\n\n{}\n{promises}\n{}",
        [&machine[..], &notes].concat().join("\n"),
        table.markdown()
    );
    println!("{text}");
    let place = if thorough && sections.is_empty() { "" } else { "target/" };
    std::fs::write(format!("{place}results.md"), text)?;
    Ok(std::fs::write(format!("{place}results.svg"), picture::draw(&table, &machine))?)
}
