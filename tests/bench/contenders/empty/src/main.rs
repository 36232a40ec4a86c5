//! No daemon: the floor of every measure. It stays only when asked to, to be compared with a daemon that runs.
#[path = "../../body.rs"]
mod body;

fn main() {
    body::load();
    match std::env::args().nth(3) {
        Some(_) => body::run(body::now()),
        None => body::report(body::now()),
    }
}
