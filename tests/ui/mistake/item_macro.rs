use daemon_runtime::daemon;

macro_rules! program {
    () => {
        fn main() {}
    };
}

#[daemon]
program!();
