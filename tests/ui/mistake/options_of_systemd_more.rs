use daemon_runtime::daemon;

#[daemon(RuntimeDirectory = "app", DynamicUser = true, EnvironmentFile = "/etc/default/app", AmbientCapabilities = "x")]
fn main() {}
