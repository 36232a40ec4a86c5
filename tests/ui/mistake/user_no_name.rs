use daemon_runtime::{Ready, daemon};

#[daemon(user = "*", group = "www data")]
fn many(_: Ready) {}

#[daemon(user = "-u", group = "www,adm")]
fn more(_: Ready) {}

#[daemon(user = "%i", group = Some("a$b"))]
fn others(_: Ready) {}

fn main() {
    many();
    more();
    others();
}
