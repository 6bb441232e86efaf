//! Actions: what people write, sign and read.
//!
//! ```text
//! The mended node is back, so we take it in again. (This line is prose.)
//!
//! !!vote.propose title:'Bring node 12 back'
//!   script:'
//!     > !!treasury.pay to:bob amount:'100 TFT' memo:'for the repair'
//!     '
//!   closes:7d
//! ```
//!
//! A text goes through three steps, and what is signed comes out of the last:
//! [`parse`] says what the text says ([`Statement`]), [`type_check`] reads its values by the declaration of the action
//! ([`Action`]), and the borsh bytes of the actions are signed. [`render`] goes back from those bytes to the one text
//! that is shown to the signer. [`check_action`] holds a decoded action to the rules of a text, so that
//! `read(render(x)) == x` for everything that executes (as long as the text is not longer than [`MAX_TEXT`]).
//!
//! # Strictness
//!
//! The form is a strict subset of 3script. Its own reader is lenient; where it would read something else than a person,
//! the text is refused. Where the description of the subset leaves something open, it is decided so:
//!
//! - A line of an action is its own line or one behind two or more spaces directly below. A blank line ends the action.
//!   An indented line that belongs to no action is refused, because the original drops it or takes it for a parameter.
//! - Spaces at the end of a line mean nothing, except inside a value of several lines. Several spaces are one.
//! - Tabs are control characters. Lines end with LF or CR LF, which a value of several lines does not keep.
//! - `![` at the start of a line is an image in Markdown, therefore prose, as in the original.
//! - Flags stand anywhere among the parameters. A name is given once, as a parameter or as a flag.
//! - A comment inside of an action is refused; on a line of its own at the first column it is prose.
//! - A bare value keeps its case and may hold `:` or a backslash. After `key: ` it may not look like `name:…`.
//! - In quotes, `\'` and `\"` are quotes and any other backslash is itself. A quoted value ends with white space, a
//!   comma, or the line.
//! - A list is on one line, with the comma directly behind the item; its items are not empty. One item is written like
//!   one value, and no item as `''`. A lone quoted value with a comma is not taken for a list, because the original
//!   would split it.
//! - A value of several lines loses the indentation that its lines share, and has no line break at its end. The line
//!   that closes it holds only the quote that opened it. No line of it starts with `!` or holds only quotes.
//! - `$` before a name and `@` at the start of a value before a name are refused (substitution), as are `\\n` and `<BR>`,
//!   which the original turns into line breaks, and an action that is called `include`.
//! - Two liberties are taken: spaces at the ends of a quoted value and blank lines of a value of several lines are kept,
//!   which the original drops; and lines of a value may stand at the margin, where the original ends the action. The
//!   canonical rendering indents them.
//! - A script is a value whose lines stand behind `> `, or a single action in quotes. Because no line starts with `!` and
//!   no closing quote stands alone, scripts hold values of several lines and other scripts. Prose is refused there.
//! - A bool is a flag; `name:false` and `name:true` are understood too.
//!
//! # Codes of refusals
//!
//! | code | refused |
//! |---|---|
//! | `too_long`, `invalid_utf8` | more than 64 KiB; bytes that are not UTF-8 |
//! | `control_character`, `bidirectional_override`, `invisible_character`, `white_space` | characters that hide something |
//! | `malformed_mark`, `malformed_name`, `reserved_name`, `include` | what an action, parameter or flag may not be called |
//! | `stray_indent`, `indented_action`, `comment_in_action` | lines where the original reads something else |
//! | `duplicate_parameter` | a name that is given twice |
//! | `missing_value`, `ambiguous_value` | `a:` and `a: b:1` |
//! | `unquoted_slashes`, `stray_quote`, `after_quote`, `unterminated_quote` | quotes and what needs them |
//! | `malformed_list`, `empty_item`, `quoted_list`, `text_without_form` | lists |
//! | `mark_in_value`, `quote_in_value` | lines inside a value that end it for others |
//! | `substitution`, `line_break_escape` | what the original replaces |
//! | `malformed_script`, `prose_in_script` | lines of a script |
//! | `unknown_action`, `unknown_parameter`, `missing_parameter`, `flag_for_value`, `unexpected_list`, `type_without_text` | what the declaration does not allow |
//! | `malformed_value`, `overflow`, `unknown_asset`, `too_fine`, `out_of_range`, `too_deep` | values |
//! | `wrong_action`, `wrong_parameters`, `wrong_type` | binary actions that are not the declared ones |

mod canonical;
mod check;
mod declaration;
mod lines;
mod parser;
mod render;
mod scanner;
mod statement;
mod suggest;
#[cfg(test)]
mod tests;
mod typing;
mod writable;

pub use canonical::{Action, Mark, is_name};
pub use check::check_action;
pub use declaration::{DeclarationError, Declarations, ParamDecl, Signature, Type};
pub use lines::MAX_TEXT;
pub use parser::{parse, parse_bytes};
pub use render::{render, render_untyped};
pub use statement::{ActionError, Flag, Param, Position, Raw, Statement};
pub use typing::{find_signature, read, type_check};
pub use writable::Fault;
