//! `circle iou`: IOUs before they reach a circle.

use std::path::PathBuf;

use circle::ids::CircleId;
use clap::Subcommand;
use threescript::value::AssetCode;

use super::output::{self, Progress};
use crate::iou_make::{self, Made, MakeError, Request};
use crate::problem::Problem;
use crate::usage::{Problem as RowProblem, UsageError};

/// The name that the default circle id is derived from: the id of every development circle.
const DEVELOPMENT_CIRCLE: &str = "devnet";
/// How many problems of a usage file are shown.
const SHOWN: usize = 50;
/// How many names of new keys are shown.
const KEYS_SHOWN: usize = 20;

/// Make batches of IOUs.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Make(MakeArgs),
}

/// Make signed IOUs of usage records: one IOU per row, priced by the shipped billing policy, signed by both parties.
///
/// The usage file is CSV with a header and the columns farmer, consumer, contract, from, to, cru, mru_gib, sru_gib, hru_gib, ipv4
/// and nru_bytes, in any order. Times are RFC 3339 in UTC (2026-01-01T00:00:00Z), sizes are GiB and may have decimals,
/// nru_bytes is the public traffic of the window.
///
/// The batch is a JSON file that you can read. Without --circle it is for development circles (`circle devnet`) and worth
/// nothing elsewhere.
#[derive(Debug, clap::Args)]
struct MakeArgs {
    /// The usage records.
    #[arg(long, value_name = "CSV")]
    usage: PathBuf,
    /// The price of one TFT, in mUSD (thousandths of a US dollar).
    #[arg(long, value_name = "MUSD", allow_negative_numbers = true)]
    price_musd: i64,
    /// The directory of keys, one file NAME.key for each farmer and consumer; missing ones are made, none is ever replaced.
    #[arg(long, value_name = "DIRECTORY")]
    keys: PathBuf,
    /// The batch to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The id of the circle that may collect the IOUs, 64 hexadecimal digits as `circle status` shows it.
    #[arg(long, value_name = "ID", value_parser = circle_id)]
    circle: Option<CircleId>,
    /// The asset that is owed. It has 7 decimals, and the price is the price of one whole of it.
    #[arg(long, default_value = "TFT", value_parser = asset)]
    asset: AssetCode,
    /// The sequence of the first IOU of each pair of farmer and consumer. It has to be above the last one that the circle has.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    sequence_start: u64,
    /// Leave malformed rows out, and say which, instead of making nothing.
    #[arg(long)]
    skip_bad: bool,
    /// Print one JSON document instead of text for people.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Whether the result is to be a JSON document.
    pub fn json(&self) -> bool {
        let Command::Make(args) = &self.command;
        args.json
    }
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    let Command::Make(args) = args.command;
    make(args)
}

fn make(args: MakeArgs) -> Result<(), Problem> {
    let usage = args.usage.display().to_string();
    let request = Request {
        usage: args.usage,
        price_musd: args.price_musd,
        keys: args.keys,
        out: args.out,
        circle: args
            .circle
            .unwrap_or_else(|| CircleId::of_name(DEVELOPMENT_CIRCLE)),
        asset: args.asset,
        sequence_start: args.sequence_start,
        skip_bad: args.skip_bad,
    };
    let progress = Progress::new();
    let watch = |doing: &str, done: u64, all: u64| {
        let percent = (done * 100).checked_div(all).unwrap_or(100);
        progress.update(format!("{doing} {percent} %"));
    };
    let made = iou_make::make(&request, &watch);
    progress.update("");
    let made = made.map_err(|error| explain(error, &usage))?;
    tell_problems(&usage, &made.skipped);
    for overlap in made.overlapping.iter().take(SHOWN) {
        output::tell(format!(
            "{usage}:{}: the window overlaps that of line {}, both of contract {}; a circle takes the first of the two only",
            overlap.line, overlap.with_line, overlap.contract
        ));
    }
    if made.overlapping.len() > SHOWN {
        output::tell(format!(
            "{usage}: and {} more windows overlap",
            made.overlapping.len() - SHOWN
        ));
    }
    if args.json {
        output::print_json(&made);
    } else {
        output::print(summary(&made));
    }
    Ok(())
}

fn summary(made: &Made) -> String {
    let mut text = format!(
        "{} IOUs of {} consumers to {} farmers over {} {} are in {}",
        made.ious,
        made.consumers,
        made.farmers,
        made.total,
        made.asset,
        made.out.display()
    );
    if !made.keys_made.is_empty() {
        let shown = made.keys_made[..made.keys_made.len().min(KEYS_SHOWN)].join(", ");
        let more = match made.keys_made.len().saturating_sub(KEYS_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        text += &format!("\n{} keys were made: {shown}{more}", made.keys_made.len());
    }
    if !made.skipped.is_empty() {
        text += "\nmalformed rows were left out, see above";
    }
    text
}

/// Shows what is wrong with rows, one line each.
fn tell_problems(usage: &str, problems: &[RowProblem]) {
    for problem in problems.iter().take(SHOWN) {
        output::tell(format!("{usage}:{problem}"));
    }
    if problems.len() > SHOWN {
        output::tell(format!("{usage}: and {} more", problems.len() - SHOWN));
    }
}

/// What the person is told. A malformed file is named with its first place, and all other places on stderr.
fn explain(error: MakeError, usage: &str) -> Problem {
    match error {
        MakeError::Rows { rows, problems } => {
            tell_problems(usage, &problems);
            let bad = iou_make::bad_rows(&problems);
            // A refusal has at least one problem.
            let first = problems.into_iter().next().unwrap_or_default();
            let reason = format!(
                "{usage}: {}: {} ({bad} of {rows} rows are malformed, nothing was made)",
                field(&first),
                first.reason
            );
            placed(
                Problem::new(
                    "usage.row",
                    reason,
                    format!("{}; --skip-bad leaves malformed rows out", first.mend),
                ),
                &first,
            )
        }
        MakeError::Empty { ref problems, .. } => {
            tell_problems(usage, problems);
            Problem::of("usage.empty", error)
        }
        MakeError::Usage(UsageError::Header(problem)) => placed(
            Problem::new(
                "usage.header",
                format!("{usage}: {}", problem.reason),
                problem.mend.clone(),
            ),
            &problem,
        ),
        MakeError::Price(_) => Problem::of("price", error),
        MakeError::Sequence => Problem::of("sequence", error),
        MakeError::Key(_) => Problem::of("key", error),
        MakeError::Open { .. } | MakeError::Usage(_) | MakeError::File(_) => {
            Problem::of("file", error)
        }
        MakeError::Thread(_) => Problem::of("system", error),
    }
}

fn field(problem: &RowProblem) -> &str {
    if problem.field.is_empty() {
        "the row"
    } else {
        &problem.field
    }
}

fn placed(problem: Problem, at: &RowProblem) -> Problem {
    problem.at(
        u32::try_from(at.line).unwrap_or(u32::MAX),
        u32::try_from(at.column).unwrap_or(u32::MAX),
    )
}

fn circle_id(text: &str) -> Result<CircleId, String> {
    text.parse()
        .map_err(|_| "a circle's id has 64 hexadecimal digits".into())
}

fn asset(text: &str) -> Result<AssetCode, String> {
    AssetCode::new(text).map_err(|error| error.to_string())
}
