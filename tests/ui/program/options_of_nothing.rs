use daemon_runtime::daemon;

mod bare {
    #[super::daemon]
    pub fn main() {}
}

mod with_parentheses {
    #[daemon_runtime::daemon()]
    pub fn main() {}
}

fn main() {
    let _ = (bare::main, with_parentheses::main);
}
