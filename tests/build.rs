//! Says where the tests run: `cfg(linux_alone)` is for those that look at processes, or change what these are started in, by what
//! Linux alone has. All others run on every Unix, and with `--features portable` they are what runs on Linux too.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(linux_alone)");
    let is_linux = std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux");
    if is_linux && std::env::var_os("CARGO_FEATURE_PORTABLE").is_none() {
        println!("cargo::rustc-cfg=linux_alone");
    }
}
