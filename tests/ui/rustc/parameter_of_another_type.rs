use daemon_runtime::daemon;

struct Config;

#[daemon]
fn main(config: Config) {
    let Config = config;
}
