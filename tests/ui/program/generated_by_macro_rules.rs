#![deny(warnings)]

/// Every kind of fragment, also where the user's names and the macro's are alike.
macro_rules! program {
    (
        $(#[$attribute:meta])* $visibility:vis fn $name:ident($pattern:pat_param, $ready:ident: $type:ty) -> $returns:ty
        $body:block, $($option:tt)*
    ) => {
        #[daemon_runtime::daemon($($option)*)]
        $(#[$attribute])*
        $visibility fn $name($pattern: (u8, u8), $ready: $type) -> $returns $body
    };
}

program! {
    /// Docs.
    #[allow(unused)]
    pub fn main((a, b), ready: daemon_runtime::Ready) -> Result<(), String> {
        assert_eq!((a, b), (1, 2));
        ready.notify();
        Ok(())
    },
    setup = (1, 2), foreground = a < b
}

macro_rules! values {
    ($umask:literal $chdir:expr, $setup:expr, $foreground:expr, $runtime:path, $number:ident) => {
        mod values {
            #[daemon_runtime::daemon(
                umask = $umask,
                chdir = $chdir,
                setup = $setup,
                foreground = $foreground,
                crate = $runtime
            )]
            pub fn main($number: u8) {
                let _ = $number;
            }
        }
    };
}

values!(0o022 "/", 3 + 4, number == 7, ::daemon_runtime, number);

macro_rules! item {
    ($item:item) => {
        mod item {
            #[daemon_runtime::daemon(foreground = true)]
            $item
        }
    };
}

item!(pub fn main() -> u8 { 3 });

macro_rules! hygiene {
    ($body:block) => {
        mod hygiene {
            use daemon_runtime::Ready;

            // `args` and `ready` are the macro's own, and the body has its own.
            #[daemon_runtime::daemon(setup = 3, foreground = args == 3)]
            pub fn main(args: u8, ready: Ready) -> u8 {
                let value = $body;
                ready.notify();
                value + args
            }
        }
    };
}

hygiene!({
    let args = 4;
    let ready = 5;
    args + ready
});

const _: fn(u8) = |_| {
    values::main();
    assert_eq!(item::main() + hygiene::main(), 15);
};
