use daemon_runtime::daemon;

#[daemon(stdout = "journal", stderr = "append:/var/log/app.log", stdin = "null")]
fn main() {}

#[daemon(stdout = "kmsg+console", stderr = "fd:log", stdin = "data")]
fn second() {}

#[daemon(stdout = "AUTO", stderr = "-", stdin = "truncate:log")]
fn third() {}
