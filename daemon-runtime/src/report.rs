//! What the crate prints on standard error: one line at a time, with the program's name before it.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::platform::journal_priority;

/// Prints one line about this program on standard error, in one write so that lines of several processes do not mix.
pub(crate) fn report(line: &dyn Display) {
    let line = format!("{}{}: {line}\n", journal_priority(), program_name());
    // Where stderr itself is broken there is no other place to say so; the exit code still tells.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// The program's name as messages give it: the last component of `argv[0]`.
pub(crate) fn program_name() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    match Path::new(&path).file_name() {
        Some(name) => escape_control(&name.to_string_lossy()),
        None => "daemon".into(),
    }
}

/// Escapes control characters. A name may hold any character; in a message it must not look like another line, to
/// systemd for one, nor send commands to the terminal.
pub(crate) fn escape_control(text: &str) -> String {
    let escape = |it: char| if it.is_control() { it.escape_debug().to_string() } else { it.to_string() };
    text.chars().map(escape).collect()
}

/// Writes a time as people do: `90 s`, `1.5 s`; rounded to the millisecond. Not as a float, whose printing is 20 KiB of code.
pub(crate) fn seconds(time: Duration) -> String {
    let time = time.saturating_add(Duration::from_micros(500));
    let text = format!("{}.{:03}", time.as_secs(), time.subsec_millis());
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}
