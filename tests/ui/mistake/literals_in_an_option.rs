use daemon_runtime::daemon;

#[daemon(pid_file = Some("~/app.pid"), stderr = ("/var/log/%n.log"), stdout = &"|logger")]
fn home() {}

#[daemon(umask = 'mask: { break 'mask 22 }, start_timeout = Some(0), chdir = Some("srv"))]
fn numbers() {}

fn main() {}
