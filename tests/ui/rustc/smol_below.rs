// It wants a main without parameters. Call `smol::block_on` in a function that is not `async`.
use daemon_runtime::{Ready, daemon};
use macro_rules_attribute::apply;
use smol_macros::main;

#[daemon(setup = 3, foreground = true)]
#[apply(main!)]
async fn main(number: u8, ready: Ready) {
    assert_eq!(async { number }.await, 3);
    ready.notify();
}
