//! What a daemon becomes, or starts, to show what other programs get from it: it does nothing until it is killed.

fn main() {
    loop {
        nix::unistd::pause();
    }
}
