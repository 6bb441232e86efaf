//! How whole numbers, durations, times, sizes and percentages are written. Each has one rendering.

use super::{Decimal, ValueError};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Reads `42`, `-7`. Errors: [`ValueError::Malformed`], [`ValueError::Overflow`].
pub fn parse_int(text: &str) -> Result<i64, ValueError> {
    let number = whole(text, "an int", "write digits only, as in 42")?;
    i64::try_from(number).map_err(|_| too_large(text))
}

/// Reads `7`. Errors: [`ValueError::Malformed`], [`ValueError::Overflow`].
pub fn parse_id(text: &str) -> Result<u64, ValueError> {
    const MEND: &str = "write digits only, as in 7";
    let number = whole(text, "an id", MEND)?;
    if number < 0 {
        return Err(ValueError::malformed("an id", text, MEND));
    }
    u64::try_from(number).map_err(|_| too_large(text))
}

/// Reads `7d`, `24h`, `30m`, `15s` as seconds. Errors: [`ValueError::Malformed`], [`ValueError::Overflow`].
pub fn parse_duration(text: &str) -> Result<i64, ValueError> {
    const MEND: &str = "write a whole number and one unit out of d, h, m, s, as in 24h";
    let unit = match text.as_bytes().last() {
        Some(b'd') => DAY,
        Some(b'h') => HOUR,
        Some(b'm') => MINUTE,
        Some(b's') => 1,
        _ => return Err(ValueError::malformed("a duration", text, MEND)),
    };
    // The last byte is an ASCII letter, so this is a character boundary.
    let number = whole_of(&text[..text.len() - 1], text, "a duration", MEND)?;
    number
        .checked_mul(i128::from(unit))
        .and_then(|seconds| i64::try_from(seconds).ok())
        .ok_or_else(|| too_large(text))
}

/// The duration in the largest unit that divides it: `36h`, `7d`, `0s`.
pub fn render_duration(seconds: i64) -> String {
    match seconds {
        0 => "0s".to_owned(),
        _ if seconds % DAY == 0 => format!("{}d", seconds / DAY),
        _ if seconds % HOUR == 0 => format!("{}h", seconds / HOUR),
        _ if seconds % MINUTE == 0 => format!("{}m", seconds / MINUTE),
        _ => format!("{seconds}s"),
    }
}

/// Reads `4GB`, `512MB`, `100` as bytes, base 1024. Errors: [`ValueError::Malformed`], [`ValueError::Overflow`].
pub fn parse_size(text: &str) -> Result<i64, ValueError> {
    const MEND: &str = "write a whole number and one unit out of B, KB, MB, GB, TB, PB, as in 4GB";
    let digits = text
        .find(|character: char| character.is_ascii_uppercase())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let power = match unit {
        "" | "B" => 0,
        "KB" => 1,
        "MB" => 2,
        "GB" => 3,
        "TB" => 4,
        "PB" => 5,
        _ => return Err(ValueError::malformed("a size", text, MEND)),
    };
    let number = whole_of(number, text, "a size", MEND)?;
    if number < 0 {
        return Err(ValueError::malformed("a size", text, MEND));
    }
    number
        .checked_mul(1024i128.pow(power))
        .and_then(|bytes| i64::try_from(bytes).ok())
        .ok_or_else(|| too_large(text))
}

/// The size in the largest unit that divides it: `4GB`, `1500B`. Negative numbers of bytes have no meaning, but a form.
pub fn render_size(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["B", "KB", "MB", "GB", "TB", "PB"];
    let mut number = bytes;
    let mut unit = 0;
    while number != 0 && number % 1024 == 0 && unit + 1 < UNITS.len() {
        number /= 1024;
        unit += 1;
    }
    format!("{number}{}", UNITS[unit])
}

/// Reads `35%`, `12.5%`; the number is the one before the sign. Errors: [`ValueError::Malformed`], [`ValueError::Overflow`].
pub fn parse_percent(text: &str) -> Result<Decimal, ValueError> {
    const MEND: &str = "write a number and a percent sign, as in 12.5%";
    let number = text
        .strip_suffix('%')
        .ok_or_else(|| ValueError::malformed("a percentage", text, MEND))?;
    match Decimal::parse(number) {
        Err(ValueError::Malformed { mend, .. }) => {
            Err(ValueError::malformed("a percentage", text, mend))
        }
        other => other,
    }
}

/// Reads `2024-02-01 00:00:00` or `2024-02-01` (midnight), always UTC, as seconds since 1970; years 0001 to 9999.
///
/// Errors: [`ValueError::Malformed`].
pub fn parse_time(text: &str) -> Result<i64, ValueError> {
    const MEND: &str = "write the time in UTC, as in '2024-02-01 00:00:00'";
    let malformed = || ValueError::malformed("a time", text, MEND);
    let bytes = text.as_bytes();
    let shape: &[u8] = match bytes.len() {
        10 => b"0000-00-00",
        19 => b"0000-00-00 00:00:00",
        _ => return Err(malformed()),
    };
    let fits = |(byte, wanted): (&u8, &u8)| {
        if *wanted == b'0' {
            byte.is_ascii_digit()
        } else {
            byte == wanted
        }
    };
    if !bytes.iter().zip(shape).all(fits) {
        return Err(malformed());
    }
    let number = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .fold(0i64, |sum, byte| sum * 10 + i64::from(byte - b'0'))
    };
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = if bytes.len() == 19 {
        (number(11, 13), number(14, 16), number(17, 19))
    } else {
        (0, 0, 0)
    };
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return Err(ValueError::malformed(
            "a time",
            text,
            "write a day that the calendar has",
        ));
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(ValueError::malformed(
            "a time",
            text,
            "write a time of day from 00:00:00 to 23:59:59",
        ));
    }
    Ok(days_from_epoch(year, month, day) * DAY + hour * HOUR + minute * MINUTE + second)
}

/// The one way to write a time: `2024-02-01 00:00:00`. `None` outside the years 0001 to 9999.
pub fn render_time(seconds: i64) -> Option<String> {
    let days = seconds.div_euclid(DAY);
    let rest = seconds.rem_euclid(DAY);
    if !(days_from_epoch(1, 1, 1)..=days_from_epoch(9999, 12, 31)).contains(&days) {
        return None;
    }
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (rest / HOUR, rest % HOUR / MINUTE, rest % MINUTE);
    Some(format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
    ))
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 0001-01-01 to the first day of a year of the proleptic Gregorian calendar.
fn days_before_year(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past / 4 - past / 100 + past / 400
}

fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    const EPOCH: i64 = 719_162; // 0001-01-01 to 1970-01-01
    let before_month: i64 = (1..month).map(|earlier| days_in_month(year, earlier)).sum();
    days_before_year(year) + before_month + day - 1 - EPOCH
}

/// The date of a day within the years 0001 to 9999.
fn date_of(days_from_epoch_: i64) -> (i64, i64, i64) {
    // An estimate that is at most one year too low or too high, then corrected.
    let mut year = (1970 + days_from_epoch_ * 400 / 146_097).clamp(1, 9999);
    while days_from_epoch(year, 1, 1) > days_from_epoch_ {
        year -= 1;
    }
    while days_from_epoch(year + 1, 1, 1) <= days_from_epoch_ {
        year += 1;
    }
    let mut rest = days_from_epoch_ - days_from_epoch(year, 1, 1);
    let mut month = 1;
    while rest >= days_in_month(year, month) {
        rest -= days_in_month(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

fn whole(text: &str, expected: &'static str, mend: &str) -> Result<i128, ValueError> {
    whole_of(text, text, expected, mend)
}

/// A whole number without leading zeros or plus sign; `text` is the complete value, for the error.
fn whole_of(
    number: &str,
    text: &str,
    expected: &'static str,
    mend: &str,
) -> Result<i128, ValueError> {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (digits.len() > 1 && digits.starts_with('0')) || number == "-0" {
        return Err(ValueError::malformed(expected, text, mend));
    }
    number.parse().map_err(|_| too_large(text))
}

fn too_large(text: &str) -> ValueError {
    ValueError::overflow(format!("`{}`", super::error::shorten(text)))
}
