#![deny(warnings)]

/// A framework that has the attribute and the runtime at another place.
mod framework {
    pub mod inner {
        pub use daemon_runtime as runtime;
    }
    pub use daemon_runtime::daemon as background;
}

#[framework::background(foreground = true, crate = framework::inner::runtime)]
fn main(ready: framework::inner::runtime::Ready) {
    ready.notify();
    by_use::main();
    by_macro::main();
}

mod by_use {
    use daemon_runtime as renamed;

    #[renamed::daemon(setup = 3, foreground = true, crate = renamed)]
    #[tokio::main(flavor = "current_thread")]
    pub async fn main(number: u8) {
        assert_eq!(number, 3);
    }
}

macro_rules! framework_main {
    () => {
        #[$crate::framework::background(foreground = true, crate = $crate::framework::inner::runtime)]
        pub fn main() {}
    };
}

mod by_macro {
    framework_main!();
}
