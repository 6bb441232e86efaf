//! Actions: what people write, sign and read.

mod canonical;
mod declaration;
mod writable;

pub use canonical::{Action, Mark, is_name};
pub use declaration::{DeclarationError, Declarations, ParamDecl, Signature, Type};
pub use writable::Fault;
