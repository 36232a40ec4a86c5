//! The `#[daemon]` attribute of `daemon-runtime`; see there.
use proc_macro::TokenStream;

/// Placeholder of the first commit.
#[proc_macro_attribute]
pub fn daemon(_options: TokenStream, item: TokenStream) -> TokenStream {
    item
}
