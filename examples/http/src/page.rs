//! The page: the daemon's row of the process table.

use std::fs;
use std::time::Duration;

pub(crate) fn html(uptime: Duration) -> String {
    let rows: String = table().iter().map(|(name, value)| format!("<tr><th>{name}<td>{value}\n")).collect();
    format!(
        "<!doctype html>
<html lang=en>
<meta charset=utf-8>
<meta name=viewport content=\"width=device-width\">
<title>A daemon</title>
<style>body {{ font: 1.1rem sans-serif; margin: 2rem }} th {{ text-align: left; padding-right: 2rem }}</style>
<h1>A daemon</h1>
<table>
{rows}</table>
<p>Up for {} s.
",
        uptime.as_secs()
    )
}

/// What ps(1) shows, from proc_pid_stat(5).
fn table() -> [(&'static str, String); 6] {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the program's name, which may hold anything: state, ppid, pgrp, session, tty_nr.
    let after = stat.rsplit(") ").next().unwrap_or_default();
    let field = |index| after.split(' ').nth(index).unwrap_or("?").to_owned();
    let pid = std::process::id().to_string();
    let leader = if field(3) == pid { "yes" } else { "no" };
    let terminal = if field(4) == "0" { "none" } else { "yes" };
    [
        ("process", pid),
        ("parent", field(1)),
        ("process group", field(2)),
        ("session", field(3)),
        ("session leader", leader.into()),
        ("terminal", terminal.into()),
    ]
}
