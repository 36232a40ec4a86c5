//! What a daemon costs: started, running and built, with this crate and with the others.
//!
//! `cargo run --release` measures everything and draws `results.svg`. `cargo run --release -- 20 launch` is a quick
//! look, drawn in `target/`: first the rounds of a launch, then which of `launch`, `calls`, `running` and `build` to measure.
//! As root all descriptor limits can be tried; a start under 1,000,000 descriptors needs the right to raise the limit.

mod build;
mod calls;
mod contender;
mod harness;
mod launch;
mod machine;
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
    let asked = |section: &str| sections.is_empty() || sections.iter().any(|asked| asked == section);
    let thorough = rounds >= ROUNDS;

    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR"))?;
    let harness = Harness::new()?;
    let contenders = contender::all(&harness);
    let mut table = Table::new(&contenders);
    if asked("launch") {
        launch::measure(&harness, &contenders, rounds, &mut table)?;
    }
    if asked("calls") {
        calls::measure(&harness, &contenders, &mut table)?;
    }
    if asked("running") {
        running::measure(&harness, &contenders, if thorough { 60 } else { 5 }, &mut table)?;
    }
    if asked("build") {
        build::measure(&contenders, if thorough { 3 } else { 1 }, &mut table)?;
    }

    let notes = machine::notes(&contenders, rounds);
    println!("{}\n\n{}", notes.join("\n"), table.text());
    let file = if thorough && sections.is_empty() { "results.svg" } else { "target/results.svg" };
    Ok(std::fs::write(file, table.svg(&notes))?)
}
