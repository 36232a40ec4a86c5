//! The `#[daemon]` attribute of `daemon-runtime`, whose documentation is the place to read about it.
//!
//! Tokens in, tokens out: [`options`] reads what stands in the brackets, [`function`] reads `fn main`, and [`expand`]
//! puts both together. Each of them notes all the mistakes that it sees and goes on, so that one compilation shows them
//! all and what is right still compiles.

mod expand;
mod function;
mod options;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Turns a program into a daemon before the body of its `main` runs. See the documentation of `daemon-runtime`.
#[proc_macro_attribute]
pub fn daemon(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::daemon(options.into(), item.into()).into()
}
