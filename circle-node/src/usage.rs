//! Usage records: a CSV file with one row for each contract and window of time.
//!
//! The file is read line by line, so that a stray quote spoils its own line only, and so that every problem is named by
//! line, column and field.

use std::fmt;
use std::io::{self, BufRead, Read};

use circle::check_name;
use serde::Serialize;
use threescript::value::{Decimal, ValueError, parse_time};

/// The columns of a usage file. Their order in the file is free; each is there exactly once.
pub const COLUMNS: [&str; 11] = [
    "farmer",
    "consumer",
    "contract",
    "from",
    "to",
    "cru",
    "mru_gib",
    "sru_gib",
    "hru_gib",
    "ipv4",
    "nru_bytes",
];

/// The longest line, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// The longest name of a contract, in bytes, as the circle takes it.
const CONTRACT_BYTES_MAX: usize = 64;

/// What one contract used in one window of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// The line of the file, from 1.
    pub line: u64,
    /// The account that offered the capacity.
    pub farmer: String,
    /// The account that used it.
    pub consumer: String,
    /// The contract, 1 to 64 bytes.
    pub contract: String,
    /// Start of the window, Unix seconds, included.
    pub from: i64,
    /// End of the window, Unix seconds, excluded; after `from`.
    pub to: i64,
    /// Virtual cores.
    pub cru: Decimal,
    /// Memory in GiB (2^30 bytes).
    pub mru_gib: Decimal,
    /// Fast storage in GiB.
    pub sru_gib: Decimal,
    /// Slow storage in GiB.
    pub hru_gib: Decimal,
    /// Public IPv4 addresses.
    pub ipv4: i64,
    /// Public traffic in the window, in bytes.
    pub nru_bytes: i64,
}

/// What is wrong with a usage file, where, and how to mend it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The line, from 1.
    pub line: u64,
    /// The character in the line at which the field starts, from 1.
    pub column: u64,
    /// The field; empty if the line as a whole is meant.
    pub field: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub mend: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            field,
            reason,
            mend,
        } = self;
        write!(formatter, "{line}:{column}: ")?;
        if !field.is_empty() {
            write!(formatter, "{field}: ")?;
        }
        write!(formatter, "{reason}; {mend}")
    }
}

/// Why a usage file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The first line does not name the columns.
    #[error("{0}")]
    Header(Problem),
    /// The file itself cannot be read.
    #[error("the usage records cannot be read: {0}; check the file and its permissions")]
    Unreadable(#[from] io::Error),
}

/// Reads usage rows one by one.
#[derive(Debug)]
pub struct UsageReader<R> {
    input: R,
    line: u64,
    bytes_read: u64,
    // For each field of the file, its position in COLUMNS.
    order: Vec<usize>,
}

/// One line of the file: a row, or everything that is wrong with it.
pub type Line = Result<UsageRow, Vec<Problem>>;

impl<R: BufRead> UsageReader<R> {
    /// Reads the header. Errors: [`UsageError`].
    pub fn new(input: R) -> Result<Self, UsageError> {
        let mut reader = Self {
            input,
            line: 0,
            bytes_read: 0,
            order: Vec::new(),
        };
        let line = match reader.next_line()? {
            Some(Ok(line)) => line,
            Some(Err(problem)) => return Err(UsageError::Header(problem)),
            None => {
                return Err(UsageError::Header(reader.problem(
                    1,
                    "",
                    "the file is empty",
                    header_mend(),
                )));
            }
        };
        let line = line.strip_prefix('\u{feff}').unwrap_or(&line);
        let fields = split(line).map_err(|fault| UsageError::Header(reader.placed(fault)))?;
        reader.order = reader.header(&fields).map_err(UsageError::Header)?;
        Ok(reader)
    }

    /// How much of the file was read, in bytes.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next row, `None` at the end of the file. Errors: the file cannot be read.
    pub fn next_row(&mut self) -> Result<Option<Line>, UsageError> {
        let line = match self.next_line()? {
            None => return Ok(None),
            Some(Err(problem)) => return Ok(Some(Err(vec![problem]))),
            Some(Ok(line)) => line,
        };
        let fields = match split(&line) {
            Ok(fields) => fields,
            Err(fault) => return Ok(Some(Err(vec![self.placed(fault)]))),
        };
        Ok(Some(self.row(&line, &fields)))
    }

    /// The next line that is not blank, without its end.
    fn next_line(&mut self) -> Result<Option<Result<String, Problem>>, UsageError> {
        loop {
            let mut bytes = Vec::new();
            let read = (&mut self.input)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut bytes)? as u64;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            self.bytes_read += read;
            if read == LINE_BYTES_MAX && bytes.last() != Some(&b'\n') && self.skip_line()? > 0 {
                let reason = format!("the line is longer than {LINE_BYTES_MAX} bytes");
                return Ok(Some(Err(self.problem(
                    1,
                    "",
                    &reason,
                    "write one row per line",
                ))));
            }
            while bytes
                .last()
                .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
            {
                bytes.pop();
            }
            if bytes.is_empty() {
                continue;
            }
            return Ok(Some(String::from_utf8(bytes).map_err(|error| {
                let valid = error.utf8_error().valid_up_to();
                let column = String::from_utf8_lossy(&error.as_bytes()[..valid])
                    .chars()
                    .count() as u64
                    + 1;
                self.problem(column, "", "this is not UTF-8", "save the file as UTF-8")
            })));
        }
    }

    /// Skips the rest of an overlong line. Returns how many bytes.
    fn skip_line(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let mut bytes = Vec::new();
            let read = (&mut self.input)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut bytes)? as u64;
            skipped += read;
            self.bytes_read += read;
            if read == 0 || bytes.last() == Some(&b'\n') {
                return Ok(skipped);
            }
        }
    }

    fn header(&self, fields: &[Field]) -> Result<Vec<usize>, Problem> {
        let mut order = Vec::with_capacity(COLUMNS.len());
        for field in fields {
            let position = COLUMNS.iter().position(|column| *column == field.text);
            match position {
                Some(position) if order.contains(&position) => {
                    let reason = "the column is named twice";
                    return Err(self.problem(
                        field.column,
                        COLUMNS[position],
                        reason,
                        "take one of the two away",
                    ));
                }
                Some(position) => order.push(position),
                None => {
                    let reason = format!("there is no column {:?}", shorten(&field.text));
                    return Err(self.problem(field.column, "", &reason, header_mend()));
                }
            }
        }
        let missing: Vec<&str> = (0..COLUMNS.len())
            .filter(|column| !order.contains(column))
            .map(|column| COLUMNS[column])
            .collect();
        match missing.is_empty() {
            true => Ok(order),
            false => {
                let reason = format!("the header lacks {}", missing.join(", "));
                Err(self.problem(1, "", &reason, header_mend()))
            }
        }
    }

    fn row(&self, line: &str, fields: &[Field]) -> Line {
        if fields.len() != self.order.len() {
            let column = fields
                .get(self.order.len())
                .map_or(line.chars().count() as u64 + 1, |field| field.column);
            let reason = format!(
                "the row has {} fields, the header {}",
                fields.len(),
                self.order.len()
            );
            return Err(vec![self.problem(
                column,
                "",
                &reason,
                "give every row one value per column",
            )]);
        }
        let mut sorted = [const { None }; COLUMNS.len()];
        for (field, position) in fields.iter().zip(&self.order) {
            sorted[*position] = Some(field);
        }
        let mut cells = Cells {
            line: self.line,
            fields: sorted,
            problems: Vec::new(),
        };
        let row = UsageRow {
            line: self.line,
            farmer: cells.read(0, name).unwrap_or_default(),
            consumer: cells.read(1, name).unwrap_or_default(),
            contract: cells.read(2, contract).unwrap_or_default(),
            from: cells.read(3, utc).unwrap_or(i64::MIN),
            to: cells.read(4, utc).unwrap_or(i64::MAX),
            cru: cells.read(5, size).unwrap_or(Decimal::ZERO),
            mru_gib: cells.read(6, size).unwrap_or(Decimal::ZERO),
            sru_gib: cells.read(7, size).unwrap_or(Decimal::ZERO),
            hru_gib: cells.read(8, size).unwrap_or(Decimal::ZERO),
            ipv4: cells.read(9, whole).unwrap_or(0),
            nru_bytes: cells.read(10, whole).unwrap_or(0),
        };
        if row.from >= row.to {
            cells.fault(
                4,
                Fault::new(
                    "the window does not end after it starts",
                    "let `to` be later than `from`",
                ),
            );
        }
        let mut problems = cells.problems;
        problems.sort_by_key(|problem| problem.column);
        if problems.is_empty() {
            Ok(row)
        } else {
            Err(problems)
        }
    }

    fn placed(&self, (column, fault): (u64, Fault)) -> Problem {
        self.problem(column, "", &fault.reason, &fault.mend)
    }

    fn problem(&self, column: u64, field: &str, reason: &str, mend: &str) -> Problem {
        let line = self.line.max(1);
        Problem {
            line,
            column,
            field: field.into(),
            reason: reason.into(),
            mend: mend.into(),
        }
    }
}

/// The fields of one row by their position in [`COLUMNS`], and what is wrong with them.
struct Cells<'a> {
    line: u64,
    fields: [Option<&'a Field>; COLUMNS.len()],
    problems: Vec<Problem>,
}

impl Cells<'_> {
    fn read<T>(&mut self, position: usize, read: impl Fn(&str) -> Result<T, Fault>) -> Option<T> {
        let text = self.fields[position].map_or("", |field| field.text.as_str());
        match read(text) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault(position, fault);
                None
            }
        }
    }

    fn fault(&mut self, position: usize, Fault { reason, mend }: Fault) {
        let column = self.fields[position].map_or(1, |field| field.column);
        let field = COLUMNS[position].to_owned();
        self.problems.push(Problem {
            line: self.line,
            column,
            field,
            reason,
            mend,
        });
    }
}

struct Field {
    text: String,
    column: u64,
}

struct Fault {
    reason: String,
    mend: String,
}

impl Fault {
    fn new(reason: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            mend: mend.into(),
        }
    }

    fn value(error: &ValueError) -> Self {
        let (reason, mend) = error.reason_and_mend();
        Self::new(reason, mend)
    }
}

fn header_mend() -> &'static str {
    "begin the file with: farmer,consumer,contract,from,to,cru,mru_gib,sru_gib,hru_gib,ipv4,nru_bytes"
}

/// The fields of a line and where they start.
fn split(line: &str) -> Result<Vec<Field>, (u64, Fault)> {
    let starts = starts(line)?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(line.len().max(1))
        .from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    let read = reader
        .read_record(&mut record)
        .map_err(|error| (1, unreadable(&error.to_string())))?;
    if !read || record.len() != starts.len() {
        return Err((1, unreadable("its quotes are ambiguous")));
    }
    Ok(record
        .iter()
        .zip(starts)
        .map(|(text, column)| Field {
            text: text.to_owned(),
            column,
        })
        .collect())
}

fn unreadable(why: &str) -> Fault {
    Fault::new(
        format!("this line is not CSV: {why}"),
        "quote a field as a whole, as in \"a, b\"",
    )
}

/// The columns, from 1, at which the fields of a line start.
fn starts(line: &str) -> Result<Vec<u64>, (u64, Fault)> {
    let mut starts = vec![1];
    let mut open_quote = None;
    for (column, character) in (1..).zip(line.chars()) {
        match character {
            '"' if open_quote.is_some() => open_quote = None,
            '"' => open_quote = Some(column),
            ',' if open_quote.is_none() => starts.push(column + 1),
            _ => {}
        }
    }
    match open_quote {
        None => Ok(starts),
        Some(column) => Err((
            column,
            Fault::new(
                "the quote that opens here is not closed",
                "close it on the same line",
            ),
        )),
    }
}

fn name(text: &str) -> Result<String, Fault> {
    let malformed = |_| {
        let mend = "use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit";
        Fault::new(
            format!("{:?} cannot be an account's name", shorten(text)),
            mend,
        )
    };
    check_name(text)
        .map(|()| text.to_owned())
        .map_err(malformed)
}

fn contract(text: &str) -> Result<String, Fault> {
    let mend = "use 1 to 64 characters without control characters";
    if text.is_empty() || text.len() > CONTRACT_BYTES_MAX {
        return Err(Fault::new(
            format!("a contract of {} bytes", text.len()),
            mend,
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::new(
            format!("{text:?} holds a control character"),
            mend,
        ));
    }
    Ok(text.to_owned())
}

fn size(text: &str) -> Result<Decimal, Fault> {
    let number = Decimal::parse(text).map_err(|error| Fault::value(&error))?;
    if number < Decimal::ZERO {
        return Err(Fault::new(
            format!("{number} is negative"),
            "write 0 or more",
        ));
    }
    Ok(number)
}

fn whole(text: &str) -> Result<i64, Fault> {
    let number = size(text)?;
    let units = number.units(0).ok_or_else(|| {
        Fault::new(
            format!("{number} is not a whole number"),
            "write a whole number",
        )
    })?;
    i64::try_from(units).map_err(|_| {
        Fault::new(
            format!("{number} is too large"),
            format!("write at most {}", i64::MAX),
        )
    })
}

/// Reads an RFC 3339 time in UTC with whole seconds, as Unix seconds.
///
/// Errors: the reason and the mend.
pub fn parse_utc(text: &str) -> Result<i64, (String, String)> {
    utc(text).map_err(|Fault { reason, mend }| (reason, mend))
}

/// Writes Unix seconds as RFC 3339 in UTC; `None` outside the years 0001 to 9999.
pub fn render_utc(seconds: i64) -> Option<String> {
    threescript::value::render_time(seconds).map(|text| text.replace(' ', "T") + "Z")
}

fn utc(text: &str) -> Result<i64, Fault> {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    const MEND: &str = "write RFC 3339 in UTC, as in 2026-01-01T00:00:00Z";
    let fits = |(byte, wanted): (&u8, &u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        wanted => byte.eq_ignore_ascii_case(wanted),
    };
    let shaped = text.len() > SHAPE.len()
        && text
            .bytes()
            .zip(SHAPE)
            .all(|(byte, wanted)| fits((&byte, wanted)));
    if !shaped {
        return Err(Fault::new(format!("{:?} is no time", shorten(text)), MEND));
    }
    let (time, zone) = text.split_at(SHAPE.len());
    if zone.starts_with('.') {
        return Err(Fault::new(
            format!("{:?} has a fraction of a second", shorten(text)),
            "round it to whole seconds",
        ));
    }
    if !matches!(zone, "Z" | "z" | "+00:00") {
        return Err(Fault::new(
            format!("{:?} is not in UTC", shorten(text)),
            MEND,
        ));
    }
    // The shape is right, so what can be wrong is the calendar or the clock.
    parse_time(&format!("{} {}", &time[..10], &time[11..])).map_err(|error| Fault::value(&error))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests;
