//! The verbs of `circle policy` as their users see them: what they print, and how they end.

mod honesty;
mod lsp;
mod page;
mod policies;
mod support;
mod testing;
mod trying;
