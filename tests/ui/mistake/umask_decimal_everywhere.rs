use daemon_runtime::daemon;

fn arg() -> Option<u32> {
    None
}

#[daemon(umask = arg().unwrap_or(22))]
fn in_method() {}

#[daemon(umask = match arg() { Some(1 | 22) => 0o22, Some(10) if true => (27), _ => 77 })]
fn in_match() {}

#[daemon(umask = { let mask = 022; mask })]
fn in_block() {}

#[daemon(umask = u32::from(27u8) | arg().map_or(22, |mask| mask + 10) | arg().unwrap_or_else(|| 18))]
fn in_closure() {}

#[daemon(umask = 0o777 & !22 as u32)]
fn in_sum() {}

#[daemon(umask = 'mask: { let mask = 22; if mask > 3 { break 'mask 27 } mask })]
fn in_label() {}

#[daemon(umask = Box::new(22))]
fn in_box() {}

// Numbers that are no masks.
#[daemon(umask = if std::env::args().count() > 10 { 0o22 } else { [0o27, 0o77][arg().map_or(0, |mask| mask as usize % 10)] })]
fn right() {}

#[daemon(umask = if let Some(10) = arg() { 0o22 } else if arg() == Some(22) { 7 } else { u32::from_str_radix("22", 8)? })]
fn right_too() -> Result<(), std::num::ParseIntError> {
    Ok(())
}

fn main() {
    let _ = (in_method, in_match, in_block, in_closure, in_sum, in_label, in_box, right, right_too);
}
