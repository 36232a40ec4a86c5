//! An async service, axum on tokio: ready once it listens, its log by tracing, every request answered before it ends.

mod page;

use std::time::Instant;
use std::{env, io, process};

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use daemon_runtime::{Ready, daemon};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

// tokio's attribute comes second: its runtime has threads, and so must not start before the daemon has forked.
#[daemon(setup = Options::from_args(), stderr = options.log, reopen_on_sighup)]
#[tokio::main]
async fn main(options: Options, ready: Ready) -> io::Result<()> {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
    let started = Instant::now();
    let app = Router::new().route("/", get(async move || Html(page::html(started.elapsed()))));

    let listener = TcpListener::bind(&options.address).await?;
    let mut stop = signal(SignalKind::terminate())?;
    println!("see http://{}/; stop it with: kill {}", listener.local_addr()?, process::id());
    ready.notify();

    info!("serving");
    axum::serve(listener, app)
        // It waits for a request that has only begun for as long as that takes: `stop_or_kill` and systemd set a limit.
        .with_graceful_shutdown(async move {
            stop.recv().await;
        })
        .await?;
    info!("stopped");
    Ok(())
}

/// `http-server [ADDRESS [LOG]]`
struct Options {
    address: String,
    log: Option<String>,
}

impl Options {
    fn from_args() -> Options {
        let mut words = env::args().skip(1);
        Options { address: words.next().unwrap_or("127.0.0.1:8080".into()), log: words.next() }
    }
}
