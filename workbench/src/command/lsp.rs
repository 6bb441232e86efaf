//! `circle policy lsp`: what editors talk to.

use lsp_server::Connection;

use crate::console::Outcome;
use crate::lsp;
use crate::problem::Problem;

/// Runs the verb until the editor says that it is done.
pub fn run() -> Result<Outcome, Problem> {
    let (connection, threads) = Connection::stdio();
    lsp::serve(&connection)?;
    // The threads end when nobody can write to them any more.
    drop(connection);
    let ended = threads.join();
    ended.map_err(|error| Problem::new("lsp.io", error.to_string(), "start it from an editor"))?;
    Ok(Outcome::Passed)
}
