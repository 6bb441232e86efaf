//! A comparison for people.

use std::fmt::Write as _;

use super::compare::{Count, Moved, Outcome, Report};

/// Differing outcomes that are shown one by one.
const OUTCOMES_SHOWN: usize = 20;

/// The report as a person reads it: first who gets more or less, then why.
pub fn screen(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        let _ = writeln!(text, "{line}");
    };
    let (candidate, instead_of) = (&report.candidate, &report.instead_of);
    line(format!(
        "{} version {} ({:.12}) in the place of version {} ({:.12}), heights {} to {}, {} transactions",
        candidate.name,
        candidate.version,
        candidate.hash,
        instead_of.version,
        instead_of.hash,
        report.from,
        report.to,
        report.transactions
    ));
    line(match report.verified {
        true => "What happened was executed again and came to what the node concluded.".into(),
        false => "What happened was executed again; the node does not say what it concluded there."
            .into(),
    });
    line("People are taken to act as they did, and guardians to attest when they did.".into());
    line(String::new());
    money(
        &mut line,
        "Planned payouts",
        &report.paid,
        &payouts(&report.payouts),
    );
    line(String::new());
    money(&mut line, "Books at the end", &report.books, "");
    line(String::new());
    if report.outcomes.is_empty() {
        line("Outcomes: nothing is accepted or refused otherwise".into());
    } else {
        line(format!("Outcomes that differ: {}", report.outcomes.len()));
        for one in report.outcomes.iter().take(OUTCOMES_SHOWN) {
            let sender = one
                .sender
                .as_deref()
                .map_or_else(String::new, |name| format!(" of {name}"));
            line(format!(
                "  height {}, {}{sender}",
                one.height,
                one.actions.join(", ")
            ));
            line(format!("    happened: {}", outcome(&one.recorded)));
            line(format!("    would:    {}", outcome(&one.tried)));
        }
        if report.outcomes.len() > OUTCOMES_SHOWN {
            let more = report.outcomes.len() - OUTCOMES_SHOWN;
            line(format!("  and {more} more; --json has all of them"));
        }
    }
    for (what, counts) in [
        ("Events", &report.events),
        ("Effects", &report.effects),
        ("Schedules", &report.schedules),
    ] {
        if !counts.is_empty() {
            line(String::new());
            line(format!("{what} whose numbers differ"));
            for count in counts {
                line(format!(
                    "  {}: {} -> {}",
                    count.name, count.recorded, count.tried
                ));
            }
        }
    }
    if report.not_compared > 0 {
        line(String::new());
        line(format!(
            "Not compared: {} transactions that sign payouts or attest checkpoints of what happened",
            report.not_compared
        ));
    }
    text.truncate(text.trim_end().len());
    text
}

fn payouts(count: &Count) -> String {
    match count.recorded == count.tried {
        true => String::new(),
        false => format!(" ({} payouts -> {})", count.recorded, count.tried),
    }
}

fn money(line: &mut impl FnMut(String), title: &str, moved: &[Moved], more: &str) {
    if moved.is_empty() {
        return line(format!("{title}: no difference{more}"));
    }
    line(format!("{title}{more}"));
    let width = |of: fn(&Moved) -> &str| moved.iter().map(|one| of(one).len()).max().unwrap_or(0);
    let (whose, recorded, tried, difference) = (
        width(|one| &one.whose),
        width(|one| &one.recorded),
        width(|one| &one.tried),
        width(|one| &one.difference),
    );
    for one in moved {
        line(format!(
            "  {:whose$}  {:>recorded$} -> {:>tried$}  {:>difference$}",
            one.whose, one.recorded, one.tried, one.difference
        ));
    }
}

fn outcome(outcome: &Outcome) -> String {
    if outcome.code == circle::receipt::OK {
        return "accepted".into();
    }
    let place = outcome
        .place
        .as_deref()
        .map_or_else(String::new, |place| format!("{place}: "));
    format!("refused, {place}{} [{}]", outcome.reason, outcome.code)
}
