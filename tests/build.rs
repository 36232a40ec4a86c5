//! Says where the tests run: `cfg(linux_alone)` is for those that look at processes, or change what these are started in, by what
//! Linux alone has. All others run on every Unix; on Linux only they are left with `DAEMON_TESTS=every_unix` in the environment.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DAEMON_TESTS");
    println!("cargo::rustc-check-cfg=cfg(linux_alone)");
    let is_linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    let is_for_every_unix = env::var("DAEMON_TESTS").is_ok_and(|tests| tests == "every_unix");
    if is_linux && !is_for_every_unix {
        println!("cargo::rustc-cfg=linux_alone");
    }
}
