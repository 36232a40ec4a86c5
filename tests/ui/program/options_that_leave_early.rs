//! An option that can end main, or looks as if; and what main returns then, by whatever name.
#![deny(warnings)]

use std::error::Error;
use std::process::{ExitCode, Termination};

use daemon_runtime::{Ready, daemon};

type Fallible<T = ()> = Result<T, Box<dyn Error>>;

fn load() -> Fallible<String> {
    Ok("3".into())
}

mod inferred {
    use super::*;

    #[daemon(setup = load()?.parse()?)]
    pub(super) fn main(number: u8) -> Fallible {
        assert_eq!(number, 3);
        Ok(())
    }
}

mod on_a_runtime {
    use super::*;

    #[daemon(setup = load()?.parse()?, foreground = number == 3)]
    #[tokio::main(flavor = "current_thread")]
    pub(super) async fn main(number: u8, ready: Ready) -> Fallible<ExitCode> {
        ready.notify();
        Ok(ExitCode::from(number))
    }
}

mod in_a_closure {
    use super::*;

    #[daemon(setup = (|| Some(load().ok()?.len()))(), foreground = true)]
    pub(super) fn main(_: Option<usize>) {}
}

mod with_a_code {
    use super::*;

    #[daemon(setup = (|| Some(load().ok()?.len()))(), foreground = true)]
    pub(super) fn main(length: Option<usize>) -> ExitCode {
        length.map_or(ExitCode::FAILURE, |_| ExitCode::SUCCESS)
    }
}

mod without_end {
    use super::*;

    #[daemon(setup = (|| Some(load().ok()?.len()))(), foreground = true)]
    pub(super) fn main(_: Option<usize>) -> ! {
        std::process::exit(3)
    }
}

mod of_a_struct {
    use super::*;

    pub(super) struct Code;

    impl Termination for Code {
        fn report(self) -> ExitCode {
            ExitCode::SUCCESS
        }
    }

    #[daemon(setup = if load().is_err() { return Code }, foreground = true)]
    pub(super) fn main(_: ()) -> Code {
        Code
    }
}

#[allow(unused)]
#[daemon(
    setup = match load()?.parse::<u8>() {
        Ok(_) => &load()?,
        Err(_) => return Err("no number".into()),
    },
    foreground = true,
)]
pub(crate) fn main(text: &str, ready: Ready) -> Fallible {
    #![allow(unreachable_code)]
    assert_eq!(text, "3");
    if text.is_empty() {
        inferred::main()?;
        let _: ExitCode = on_a_runtime::main()?;
        in_a_closure::main();
        with_a_code::main();
        of_a_struct::main();
        without_end::main();
        return main();
    }
    ready.notify();
    Ok(())
}
