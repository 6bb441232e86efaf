mod accepted;
mod binary;
mod properties;
mod rejected;
mod typed;

use super::*;
use expect_test::Expect;

/// What a text says, one line per action, or why it is refused.
fn said(text: &str) -> String {
    shown(parse(text))
}

fn shown(result: Result<Vec<Statement>, ActionError>) -> String {
    match result {
        Ok(statements) => statements
            .iter()
            .map(line_of)
            .collect::<Vec<_>>()
            .join("\n"),
        Err(error) => format!("[{}] {error}", error.code),
    }
}

fn line_of(statement: &Statement) -> String {
    let Statement {
        mark,
        actor,
        name,
        params,
        flags,
        position,
    } = statement;
    let mut line = format!(
        "{}:{} {}{actor}.{name}",
        position.line,
        position.column,
        mark.as_str()
    );
    for Param { key, value, .. } in params {
        line += &match value {
            Raw::One(value) => format!(" {key}={value:?}"),
            Raw::Many(items) => format!(" {key}={items:?}"),
        };
    }
    for flag in flags {
        line += &format!(" +{}", flag.name);
    }
    line
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&said(text));
}
