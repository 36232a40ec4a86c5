//! No daemon: the floor of every measure. It stays only if a fourth argument says so, to be compared with a daemon that
//! runs.
#[path = "../../body.rs"]
mod body;

fn main() {
    body::load();
    match std::env::args().nth(4) {
        Some(_) => body::run(body::now()),
        None => body::report(body::now()),
    }
}
