use daemon_runtime::{Ready, daemon};

#[daemon]
fn serve(number: u8, ready: &mut Ready) {
    println!("{number}");
    ready.notify();
}

#[daemon(setup = 3)]
fn main(number: u8, ready: Option<Ready>) {
    serve(number);
    ready.unwrap().notify();
}
