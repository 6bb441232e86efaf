use expect_test::{Expect, expect};

use super::*;

const HEADER: &str = "farmer,consumer,contract,from,to,cru,mru_gib,sru_gib,hru_gib,ipv4,nru_bytes";
const GOOD: &str =
    "freefarm,alice,node-1,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,2,4.5,15,0,1,1000000000";

fn read(text: &[u8]) -> Vec<Line> {
    let mut reader = UsageReader::new(text).unwrap();
    let lines = std::iter::from_fn(|| reader.next_row().unwrap()).collect();
    assert_eq!(reader.bytes_read(), text.len() as u64);
    lines
}

/// Reads a header and one row, and shows what was found.
fn check(row: &str, expected: Expect) {
    let lines = read(format!("{HEADER}\n{row}\n").as_bytes());
    let [line] = &lines[..] else {
        panic!("{} rows", lines.len())
    };
    expected.assert_eq(&match line {
        Ok(row) => format!("{row:?}"),
        Err(problems) => problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n"),
    });
}

/// The good row with one field replaced.
fn with(field: &str, value: &str) -> String {
    let position = COLUMNS.iter().position(|column| *column == field).unwrap();
    let mut fields: Vec<&str> = GOOD.split(',').collect();
    fields[position] = value;
    fields.join(",")
}

#[test]
fn a_row_is_read_exactly() {
    let lines = read(format!("{HEADER}\n{GOOD}").as_bytes());
    let expected = UsageRow {
        line: 2,
        farmer: "freefarm".into(),
        consumer: "alice".into(),
        contract: "node-1".into(),
        from: 1_767_225_600,
        to: 1_767_312_000,
        cru: Decimal::from(2),
        mru_gib: Decimal::parse("4.5").unwrap(),
        sru_gib: Decimal::from(15),
        hru_gib: Decimal::ZERO,
        ipv4: 1,
        nru_bytes: 1_000_000_000,
    };
    assert_eq!(lines, [Ok(expected)]);
}

#[test]
fn the_order_of_columns_quotes_line_ends_and_blank_lines_do_not_matter() {
    let plain = read(format!("{HEADER}\n{GOOD}\n").as_bytes());
    let mut columns: Vec<&str> = HEADER.split(',').collect();
    let mut fields: Vec<&str> = GOOD.split(',').collect();
    columns.reverse();
    fields.reverse();
    let quoted: Vec<String> = fields.iter().map(|field| format!("\"{field}\"")).collect();
    let turned = format!(
        "\u{feff}{}\r\n\r\n\n{}\r\n\n",
        columns.join(","),
        quoted.join(",")
    );
    let [Ok(mut row)] = <[Line; 1]>::try_from(read(turned.as_bytes())).unwrap() else {
        panic!("a good row")
    };
    assert_eq!(row.line, 4);
    row.line = 2;
    assert_eq!(vec![Ok(row)], plain);
}

#[test]
fn what_is_wrong_with_a_field_is_named() {
    check(
        &with("farmer", "free farm"),
        expect![[
            r#"2:1: farmer: "free farm" cannot be an account's name; use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"#
        ]],
    );
    check(
        &with("consumer", ""),
        expect![[
            r#"2:10: consumer: "" cannot be an account's name; use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"#
        ]],
    );
    check(
        &with("consumer", " alice"),
        expect![[
            r#"2:10: consumer: " alice" cannot be an account's name; use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"#
        ]],
    );
    check(
        &with("consumer", "../alice"),
        expect![[
            r#"2:10: consumer: "../alice" cannot be an account's name; use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"#
        ]],
    );
    check(
        &with("contract", ""),
        expect![
            "2:16: contract: a contract of 0 bytes; use 1 to 64 characters without control characters"
        ],
    );
    check(
        &with("contract", &"x".repeat(65)),
        expect![
            "2:16: contract: a contract of 65 bytes; use 1 to 64 characters without control characters"
        ],
    );
    check(
        &with("contract", "a\0b"),
        expect![[
            r#"2:16: contract: "a\0b" holds a control character; use 1 to 64 characters without control characters"#
        ]],
    );
    check(
        &with("from", "2026-01-01"),
        expect![[
            r#"2:23: from: "2026-01-01" is no time; write RFC 3339 in UTC, as in 2026-01-01T00:00:00Z"#
        ]],
    );
    check(
        &with("from", "2026-01-01 00:00:00Z"),
        expect![[
            r#"2:23: from: "2026-01-01 00:00:00Z" is no time; write RFC 3339 in UTC, as in 2026-01-01T00:00:00Z"#
        ]],
    );
    check(
        &with("from", "2026-01-01T00:00:00"),
        expect![[
            r#"2:23: from: "2026-01-01T00:00:00" is no time; write RFC 3339 in UTC, as in 2026-01-01T00:00:00Z"#
        ]],
    );
    check(
        &with("from", "2026-01-01T00:00:00.5Z"),
        expect![[
            r#"2:23: from: "2026-01-01T00:00:00.5Z" has a fraction of a second; round it to whole seconds"#
        ]],
    );
    check(
        &with("from", "2026-01-01T00:00:00+02:00"),
        expect![[
            r#"2:23: from: "2026-01-01T00:00:00+02:00" is not in UTC; write RFC 3339 in UTC, as in 2026-01-01T00:00:00Z"#
        ]],
    );
    check(
        &with("from", "2025-02-29T00:00:00Z"),
        expect![
            "2:23: from: `2025-02-29 00:00:00` is not a time; write a day that the calendar has"
        ],
    );
    check(
        &with("from", "2026-01-01T24:00:00Z"),
        expect![
            "2:23: from: `2026-01-01 24:00:00` is not a time; write a time of day from 00:00:00 to 23:59:59"
        ],
    );
    check(
        &with("from", "éééé-01-01T00:00:00Z"),
        expect![[
            r#"2:23: from: "éééé-01-01T00:00:00Z" is no time; write RFC 3339 in UTC, as in 2026-01-01T00:00:00Z"#
        ]],
    );
    check(
        &with("to", "2026-01-01T00:00:00Z"),
        expect!["2:44: to: the window does not end after it starts; let `to` be later than `from`"],
    );
    check(
        &with("to", "2025-12-31T00:00:00Z"),
        expect!["2:44: to: the window does not end after it starts; let `to` be later than `from`"],
    );
    check(
        &with("cru", "two"),
        expect![
            "2:65: cru: `two` is not a decimal; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        &with("cru", "1e3"),
        expect![
            "2:65: cru: `1e3` is not a decimal; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        &with("cru", "-1"),
        expect!["2:65: cru: -1 is negative; write 0 or more"],
    );
    check(
        &with("cru", ""),
        expect!["2:65: cru: `` is not a decimal; write digits with at most one point, as in 12.50"],
    );
    check(
        &with("mru_gib", "0.0000000000000000001"),
        expect![
            "2:67: mru_gib: `0.0000000000000000001` is not a decimal; write at most 18 decimals"
        ],
    );
    check(
        &with("sru_gib", "NaN"),
        expect![
            "2:71: sru_gib: `NaN` is not a decimal; write digits with at most one point, as in 12.50"
        ],
    );
    check(
        &with("hru_gib", &"9".repeat(60)),
        expect![
            "2:74: hru_gib: `999999999999999999999999999999999999999999999999999999999999` does not fit into its type; use a smaller number"
        ],
    );
    check(
        &with("ipv4", "0.5"),
        expect!["2:76: ipv4: 0.5 is not a whole number; write a whole number"],
    );
    check(
        &with("nru_bytes", "9223372036854775808"),
        expect![
            "2:78: nru_bytes: 9223372036854775808 is too large; write at most 9223372036854775807"
        ],
    );
    check(
        &with("nru_bytes", "-5"),
        expect!["2:78: nru_bytes: -5 is negative; write 0 or more"],
    );
}

#[test]
fn what_is_wrong_with_a_line_is_named() {
    check(
        "a,b",
        expect!["2:4: the row has 2 fields, the header 11; give every row one value per column"],
    );
    check(
        &format!("{GOOD},more"),
        expect!["2:89: the row has 12 fields, the header 11; give every row one value per column"],
    );
    check(
        &format!("\"{GOOD}"),
        expect!["2:1: the quote that opens here is not closed; close it on the same line"],
    );
    check(
        "éa,,x,y,y,1,1,1,1,.5,1.5",
        expect![[r#"
        2:1: farmer: "éa" cannot be an account's name; use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit
        2:4: consumer: "" cannot be an account's name; use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit
        2:7: from: "y" is no time; write RFC 3339 in UTC, as in 2026-01-01T00:00:00Z
        2:9: to: "y" is no time; write RFC 3339 in UTC, as in 2026-01-01T00:00:00Z
        2:19: ipv4: `.5` is not a decimal; write digits with at most one point, as in 12.50
        2:22: nru_bytes: 1.5 is not a whole number; write a whole number"#]],
    );
    let bad_bytes = [
        HEADER.as_bytes(),
        b"\nfreefarm,\xff\xfe,x\n",
        GOOD.as_bytes(),
    ]
    .concat();
    let lines = read(&bad_bytes);
    assert_eq!(
        lines[0].as_ref().unwrap_err()[0].to_string(),
        "2:10: this is not UTF-8; save the file as UTF-8"
    );
    assert!(
        lines[1].is_ok(),
        "the next line is read as if nothing had happened"
    );
}

#[test]
fn a_bad_line_spoils_only_itself() {
    let long = "x".repeat(200_000);
    let text = format!("{HEADER}\n\"open\n{GOOD}\n{long}\n{GOOD}\na\"b\"c,\n{GOOD}\n");
    let lines = read(text.as_bytes());
    let shape: Vec<bool> = lines.iter().map(Result::is_ok).collect();
    assert_eq!(shape, [false, true, false, true, false, true]);
    assert_eq!(
        lines[2].as_ref().unwrap_err()[0].to_string(),
        "4:1: the line is longer than 65536 bytes; write one row per line"
    );
    assert_eq!(lines[5].as_ref().unwrap().line, 7);
}

#[test]
fn a_header_that_does_not_fit_is_refused() {
    let check = |text: &str, expected: Expect| {
        expected.assert_eq(&UsageReader::new(text.as_bytes()).unwrap_err().to_string())
    };
    check(
        "",
        expect![
            "1:1: the file is empty; begin the file with: farmer,consumer,contract,from,to,cru,mru_gib,sru_gib,hru_gib,ipv4,nru_bytes"
        ],
    );
    check(
        "farmer,consumer",
        expect![
            "1:1: the header lacks contract, from, to, cru, mru_gib, sru_gib, hru_gib, ipv4, nru_bytes; begin the file with: farmer,consumer,contract,from,to,cru,mru_gib,sru_gib,hru_gib,ipv4,nru_bytes"
        ],
    );
    check(
        GOOD,
        expect![[
            r#"1:1: there is no column "freefarm"; begin the file with: farmer,consumer,contract,from,to,cru,mru_gib,sru_gib,hru_gib,ipv4,nru_bytes"#
        ]],
    );
    check(
        &format!("{HEADER},cru"),
        expect!["1:77: cru: the column is named twice; take one of the two away"],
    );
    check(
        &format!("{HEADER},Price"),
        expect![[
            r#"1:77: there is no column "Price"; begin the file with: farmer,consumer,contract,from,to,cru,mru_gib,sru_gib,hru_gib,ipv4,nru_bytes"#
        ]],
    );
}

#[test]
fn times_are_written_as_they_are_read() {
    for text in [
        "2026-01-01T00:00:00Z",
        "2024-02-29T23:59:59Z",
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ] {
        assert_eq!(render_utc(parse_utc(text).unwrap()).unwrap(), text);
    }
    assert_eq!(
        parse_utc("2026-01-01t00:00:00z"),
        parse_utc("2026-01-01T00:00:00+00:00")
    );
    assert_eq!(parse_utc("1970-01-02T00:00:01Z"), Ok(86_401));
}
