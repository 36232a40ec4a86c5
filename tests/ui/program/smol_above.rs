use daemon_runtime::daemon;
use macro_rules_attribute::apply;
use smol_macros::main;

#[apply(main!)]
#[daemon(foreground = true)]
async fn main() {
    assert_eq!(async { 3 }.await, 3);
}
