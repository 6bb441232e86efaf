use super::*;
use expect_test::expect;

#[test]
fn marks_and_names() {
    check(
        "!!!!a.b",
        expect![
            "[malformed_mark] line 1, column 1: a mark of 4 exclamation marks; write ! to ask, !! to act in the circle, !!! to act on the world"
        ],
    );
    check(
        "!! a.b",
        expect![
            "[malformed_name] line 1, column 3: `` does not name an action; write actor.action directly after the mark, each of a-z, 0-9 and _, as in vote.cast"
        ],
    );
    check(
        "!important",
        expect![
            "[malformed_name] line 1, column 2: `important` does not name an action; write actor.action directly after the mark, each of a-z, 0-9 and _, as in vote.cast"
        ],
    );
    check(
        "!!a.b.c",
        expect![
            "[malformed_name] line 1, column 3: `a.b.c` does not name an action; write actor.action directly after the mark, each of a-z, 0-9 and _, as in vote.cast"
        ],
    );
    check(
        "!!a.",
        expect![
            "[malformed_name] line 1, column 3: `a.` does not name an action; write actor.action directly after the mark, each of a-z, 0-9 and _, as in vote.cast"
        ],
    );
    check(
        "!!.b",
        expect![
            "[malformed_name] line 1, column 3: `.b` does not name an action; write actor.action directly after the mark, each of a-z, 0-9 and _, as in vote.cast"
        ],
    );
    check(
        "!!Vote.cast",
        expect![
            "[malformed_name] line 1, column 3: `Vote.cast` does not name an action; write it in lower case: vote.cast"
        ],
    );
    check(
        "!!vote-x.cast",
        expect![
            "[malformed_name] line 1, column 3: `vote-x.cast` does not name an action; write actor.action directly after the mark, each of a-z, 0-9 and _, as in vote.cast"
        ],
    );
    check(
        "!!1a.b",
        expect![
            "[malformed_name] line 1, column 3: `1a.b` does not name an action; write actor.action directly after the mark, each of a-z, 0-9 and _, as in vote.cast"
        ],
    );
    check(
        "!!a.b:1",
        expect![
            "[malformed_name] line 1, column 3: `a.b:1` does not name an action; write actor.action directly after the mark, each of a-z, 0-9 and _, as in vote.cast"
        ],
    );
    check(
        "!!vöte.cast",
        expect![
            "[malformed_name] line 1, column 3: `vöte.cast` does not name an action; write actor.action directly after the mark, each of a-z, 0-9 and _, as in vote.cast"
        ],
    );
    check(
        "!!a.b Key:1",
        expect![
            "[malformed_name] line 1, column 7: `Key` is no name; write it in lower case: key:"
        ],
    );
    check(
        "!!a.b Urgent",
        expect![
            "[malformed_name] line 1, column 7: `Urgent` is no name; write it in lower case: urgent"
        ],
    );
    check(
        "!!a.b k-y:1",
        expect![
            "[malformed_name] line 1, column 7: `k-y` is no name; begin with a letter a-z and use a-z, 0-9 and _; quote a value that has spaces"
        ],
    );
    check(
        "!!a.b 5",
        expect![
            "[malformed_name] line 1, column 7: `5` is no name; begin with a letter a-z and use a-z, 0-9 and _; quote a value that has spaces"
        ],
    );
    check(
        "!!a.b :1",
        expect![
            "[malformed_name] line 1, column 7: a colon without a name; write the colon directly after the name"
        ],
    );
    check(
        "!!a.b key :1",
        expect![
            "[malformed_name] line 1, column 11: a colon without a name; write the colon directly after the name"
        ],
    );
    check(
        "!!a.b 'quoted flag'",
        expect![[
            r#"[stray_quote] line 1, column 7: a quote where a parameter should begin; write key:'value'; inside quotes, a quote is written \'"#
        ]],
    );
}

#[test]
fn what_others_would_take_from_outside() {
    check(
        "!!include file.md",
        expect![
            "[include] line 1, column 3: an include; paste the text itself; nothing outside the text may change its meaning"
        ],
    );
    check(
        "!!play.include path:x",
        expect![
            "[include] line 1, column 3: an include; paste the text itself; nothing outside the text may change its meaning"
        ],
    );
    check(
        "!!a.b x:$HOME",
        expect![
            "[substitution] line 1, column 9: `$` before a name, which other readers of 3Script replace by something from outside; write out what is meant; nothing outside the text may change its meaning"
        ],
    );
    check(
        "!!a.b x:'pay ${amount} now'",
        expect![
            "[substitution] line 1, column 10: `$` before a name, which other readers of 3Script replace by something from outside; write out what is meant; nothing outside the text may change its meaning"
        ],
    );
    check(
        "!!a.b x:@file",
        expect![
            "[substitution] line 1, column 9: `@` before a name, which other readers of 3Script replace by something from outside; write out what is meant; nothing outside the text may change its meaning"
        ],
    );
    check(
        "!!a.b x:ok, '@other'",
        expect![
            "[substitution] line 1, column 14: `@` before a name, which other readers of 3Script replace by something from outside; write out what is meant; nothing outside the text may change its meaning"
        ],
    );
    check(
        "!!a.b x:'\n  one\n  two $three\n  '",
        expect![
            "[substitution] line 3, column 7: `$` before a name, which other readers of 3Script replace by something from outside; write out what is meant; nothing outside the text may change its meaning"
        ],
    );
    check(
        "!!a.b id:7",
        expect![
            "[reserved_name] line 1, column 7: `id:`, which other readers of 3Script drop as a sequence number; name what it identifies, as in proposal:7"
        ],
    );
}

#[test]
fn values_that_others_read_otherwise() {
    check(
        "!!a.b url:https://x",
        expect![
            "[unquoted_slashes] line 1, column 17: `//` in a value without quotes, where other readers of 3Script begin a comment; quote the value: 'https://x'"
        ],
    );
    check(
        "!!a.b x:1 // note",
        expect![
            "[comment_in_action] line 1, column 11: a comment inside an action; put the comment on a line of its own before the action, at the first column"
        ],
    );
    check(
        "!!a.b x:1\n  // note\n  y:2",
        expect![
            "[comment_in_action] line 2, column 3: a comment inside an action; put the comment on a line of its own before the action, at the first column"
        ],
    );
    check(
        "!!a.b a: b:1",
        expect![
            "[ambiguous_value] line 1, column 10: `b:1` after a space, which is the value to some readers and a parameter to others; write a:'' for an empty value, or quote the value: 'b:1'"
        ],
    );
    check(
        "!!a.b a: x, b:1",
        expect![
            "[ambiguous_value] line 1, column 13: `b:1` after a space, which is the value to some readers and a parameter to others; write a:'' for an empty value, or quote the value: 'b:1'"
        ],
    );
    check(
        "!!a.b a:\n  b:1",
        expect![
            "[missing_value] line 1, column 9: `a:` without a value on its line; write a:'' for an empty value"
        ],
    );
    check(
        "!!a.b a:",
        expect![
            "[missing_value] line 1, column 9: `a:` without a value on its line; write a:'' for an empty value"
        ],
    );
    check(
        r"!!a.b a:'one\\ntwo'",
        expect![[
            r#"[line_break_escape] line 1, column 10: `\\n`, which other readers of 3Script take for a line break; write the value in several lines"#
        ]],
    );
    check(
        "!!a.b a:'one<BR>two'",
        expect![
            "[line_break_escape] line 1, column 10: `<BR>`, which other readers of 3Script take for a line break; write the value in several lines"
        ],
    );
}

#[test]
fn what_is_given_twice() {
    check(
        "!!a.b x:1 x:1",
        expect!["[duplicate_parameter] line 1, column 11: `x` is given twice; keep one of the two"],
    );
    check(
        "!!a.b x:1\n  y:2 x:3",
        expect!["[duplicate_parameter] line 2, column 7: `x` is given twice; keep one of the two"],
    );
    check(
        "!!a.b urgent urgent",
        expect![
            "[duplicate_parameter] line 1, column 14: `urgent` is given twice; keep one of the two"
        ],
    );
    check(
        "!!a.b urgent urgent:true",
        expect![
            "[duplicate_parameter] line 1, column 14: `urgent` is given twice; keep one of the two"
        ],
    );
}

#[test]
fn quotes() {
    check(
        "!!a.b x:'open",
        expect![
            "[unterminated_quote] line 1, column 9: a quote that is not closed; close the quote on the same line; for several lines, end the line with x:'"
        ],
    );
    check(
        "!!a.b x:'open\n  closed'",
        expect![
            "[unterminated_quote] line 1, column 9: a quote that is not closed; close the quote on the same line; for several lines, end the line with x:'"
        ],
    );
    check(
        r"!!a.b x:'ends with \'",
        expect![
            "[unterminated_quote] line 1, column 9: a quote that is not closed; close the quote on the same line; for several lines, end the line with x:'"
        ],
    );
    check(
        "!!a.b x:it's",
        expect![[
            r#"[stray_quote] line 1, column 11: a quote inside a value without quotes; quote the whole value, and write a quote inside it as \'"#
        ]],
    );
    check(
        "!!a.b x:'a'b",
        expect![[
            r#"[after_quote] line 1, column 12: a character directly after a closing quote; put a space or a comma after the closing quote; inside quotes, a quote is written \'"#
        ]],
    );
    check(
        "!!a.b x:'it's'",
        expect![[
            r#"[after_quote] line 1, column 13: a character directly after a closing quote; put a space or a comma after the closing quote; inside quotes, a quote is written \'"#
        ]],
    );
    check(
        "!!a.b x:'''",
        expect![[
            r#"[after_quote] line 1, column 11: a character directly after a closing quote; put a space or a comma after the closing quote; inside quotes, a quote is written \'"#
        ]],
    );
    check(
        "!!a.b x:a, '",
        expect![
            "[unterminated_quote] line 1, column 12: a quote that is not closed; close the quote on the same line; for several lines, end the line with x:'"
        ],
    );
}

#[test]
fn lists() {
    check(
        "!!a.b x:a,",
        expect![
            "[empty_item] line 1, column 11: a comma without an item beside it; remove the comma, or write the item on the same line"
        ],
    );
    check(
        "!!a.b x:a,\n  b",
        expect![
            "[empty_item] line 1, column 11: a comma without an item beside it; remove the comma, or write the item on the same line"
        ],
    );
    check(
        "!!a.b x:,a",
        expect![
            "[empty_item] line 1, column 9: a comma without an item beside it; remove the comma, or write the item on the same line"
        ],
    );
    check(
        "!!a.b x:a,,b",
        expect![
            "[empty_item] line 1, column 11: a comma without an item beside it; remove the comma, or write the item on the same line"
        ],
    );
    check(
        "!!a.b x:a, '', b",
        expect![
            "[empty_item] line 1, column 13: an empty item in a list, which other readers of 3Script drop; remove the item"
        ],
    );
    check(
        "!!a.b x:a , b",
        expect![
            "[malformed_list] line 1, column 11: a comma behind a space; write the comma directly after the item, as in a, b, 'c d'"
        ],
    );
    check(
        r"!!a.b x:a\, b",
        expect![
            "[text_without_form] line 1, column 9: an item of a list that has several lines or ends with a backslash; change the item, or give it in a parameter of its own"
        ],
    );
    check(
        "!!a.b x, y",
        expect![
            "[malformed_list] line 1, column 7: a comma outside of a value; give the list to a parameter, as in names:a, b, 'c d'"
        ],
    );
}

#[test]
fn values_of_several_lines() {
    check(
        "!!a.b x:'\n  one\n  two",
        expect![
            "[unterminated_quote] line 1, column 9: the value of `x` is not closed; close it with a line that holds only '"
        ],
    );
    check(
        "!!a.b x:'\n  one\n!!c.d\n  '",
        expect![
            "[mark_in_value] line 3, column 1: a line starting with `!` inside a value, where other readers of 3Script begin an action; put `> ` before it, or move it away from the start of the line"
        ],
    );
    check(
        "!!a.b x:'\n  one\n    !!c.d\n  '",
        expect![
            "[mark_in_value] line 3, column 5: a line starting with `!` inside a value, where other readers of 3Script begin an action; put `> ` before it, or move it away from the start of the line"
        ],
    );
    check(
        "!!a.b x:'\n  one\n  \"\n  '",
        expect![
            "[quote_in_value] line 3, column 3: a line that holds only quotes inside a value, which other readers of 3Script take for its end; write something else on that line"
        ],
    );
    check(
        "!!a.b x:\"\n  one\n  '\n  \"",
        expect![
            "[quote_in_value] line 3, column 3: a line that holds only quotes inside a value, which other readers of 3Script take for its end; write something else on that line"
        ],
    );
    check(
        "!!a.b x:'\n  one\n  ' y:2",
        expect![
            "[unterminated_quote] line 1, column 9: the value of `x` is not closed; close it with a line that holds only '"
        ],
    );
}

#[test]
fn indentation() {
    check(
        "!!a.b x:1\n y:2",
        expect![
            "[stray_indent] line 2, column 2: an indented line that belongs to no action; indent parameters by two spaces directly below their action, without a blank line; do not indent prose"
        ],
    );
    check(
        "!!a.b x:1\n\n  y:2",
        expect![
            "[stray_indent] line 3, column 3: an indented line that belongs to no action; indent parameters by two spaces directly below their action, without a blank line; do not indent prose"
        ],
    );
    check(
        "!!a.b x:1\nprose\n  y:2",
        expect![
            "[stray_indent] line 3, column 3: an indented line that belongs to no action; indent parameters by two spaces directly below their action, without a blank line; do not indent prose"
        ],
    );
    check(
        "prose\n  indented",
        expect![
            "[stray_indent] line 2, column 3: an indented line that belongs to no action; indent parameters by two spaces directly below their action, without a blank line; do not indent prose"
        ],
    );
    check(
        " !!a.b",
        expect![
            "[indented_action] line 1, column 2: an action behind spaces; begin it at the first column"
        ],
    );
    check(
        "!!a.b x:1\n  !!c.d",
        expect![
            "[indented_action] line 2, column 3: an action behind spaces; begin it at the first column"
        ],
    );
}

#[test]
fn characters_that_hide_something() {
    check(
        "!!a.b\tx:1",
        expect![
            "[control_character] line 1, column 6: a tab, which readers show with different widths; use spaces"
        ],
    );
    check(
        "!!a.b x:1\n\ty:2",
        expect![
            "[control_character] line 2, column 1: a tab, which readers show with different widths; use spaces"
        ],
    );
    check(
        "prose\0",
        expect!["[control_character] line 1, column 6: the control character U+0000; remove it"],
    );
    check(
        "!!a.b x:'\u{1b}[31m'",
        expect!["[control_character] line 1, column 10: the control character U+001B; remove it"],
    );
    check(
        "!!a.b x:1\ry:2",
        expect![
            "[control_character] line 1, column 10: a carriage return that does not end a line; end lines with LF or CR LF"
        ],
    );
    check(
        "!!a.b x:1\r",
        expect![
            "[control_character] line 1, column 10: a carriage return that does not end a line; end lines with LF or CR LF"
        ],
    );
    check(
        "!!a.b x:'\u{85}'",
        expect!["[control_character] line 1, column 10: the control character U+0085; remove it"],
    );
    check(
        "prose \u{202e}",
        expect![
            "[bidirectional_override] line 1, column 7: the character U+202E, which changes the order in which text is shown; remove it"
        ],
    );
    check(
        "!!a.b x:'\u{2066}a'",
        expect![
            "[bidirectional_override] line 1, column 10: the character U+2066, which changes the order in which text is shown; remove it"
        ],
    );
    check(
        "!!a.b x:'a\u{200f}'",
        expect![
            "[bidirectional_override] line 1, column 11: the character U+200F, which changes the order in which text is shown; remove it"
        ],
    );
    check(
        "!!a.b x:'a\u{200b}b'",
        expect![
            "[invisible_character] line 1, column 11: the invisible character U+200B; remove it"
        ],
    );
    check(
        "\u{feff}!!a.b",
        expect![
            "[invisible_character] line 1, column 1: the invisible character U+FEFF; remove it"
        ],
    );
    check(
        "!!a.b x:'a\u{2028}b'",
        expect![
            "[invisible_character] line 1, column 11: the invisible character U+2028; remove it"
        ],
    );
    check(
        "!!a.b x:a\u{a0}b",
        expect![
            "[white_space] line 1, column 10: white space other than a space; use a space, or quote the value"
        ],
    );
    check(
        "!!a.b\u{a0}x:1",
        expect![
            "[malformed_name] line 1, column 3: `a.b x:1` does not name an action; write actor.action directly after the mark, each of a-z, 0-9 and _, as in vote.cast"
        ],
    );
}

#[test]
fn bytes_that_are_no_text() {
    let check = |bytes: &[u8], expected: Expect| expected.assert_eq(&shown(parse_bytes(bytes)));
    check(b"!!a.b x:1", expect![[r#"1:1 !!a.b x="1""#]]);
    check(
        b"\xc3\xa9\n!!\xc3\xa9a.b \xff",
        expect![
            "[invalid_utf8] line 2, column 8: the byte 0xff, which is not UTF-8; save the text as UTF-8"
        ],
    );
    check(
        b"!!a.b x:\xc3",
        expect![
            "[invalid_utf8] line 1, column 9: the byte 0xc3, which is not UTF-8; save the text as UTF-8"
        ],
    );
    check(
        &[b'\n'; MAX_TEXT + 1],
        expect![
            "[too_long] line 65537, column 1: a text of 65537 bytes, more than 65536; split it into several texts"
        ],
    );
    check(
        &[0xff; MAX_TEXT + 1],
        expect![
            "[too_long] line 1, column 65537: a text of 65537 bytes, more than 65536; split it into several texts"
        ],
    );
}
