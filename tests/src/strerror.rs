//! What an error says: glibc and musl have words of their own.

use std::io;

use nix::errno::Errno;

/// The C library's words for an error: strerror(3).
pub fn strerror(errno: Errno) -> String {
    let said = io::Error::from(errno).to_string();
    said.split(" (os error").next().expect("the first part of a text").to_owned()
}
