//! Which lines of a policy ran, and which ways it went.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use threescript::engine::{Moment, Step};
use threescript::policy::{Branching, BranchingKind, Place, Points, Policy};

/// Counts what of one policy runs.
#[derive(Debug)]
pub struct Coverage {
    hash: [u8; 32],
    branchings: Vec<Branching>,
    by_place: BTreeMap<Place, usize>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    statements: BTreeSet<Place>,
    /// For each branching, whether its body was entered, and whether it was passed by.
    ways: Vec<(bool, bool)>,
    runs: Vec<RunCounts>,
}

/// One run that is going on.
#[derive(Debug)]
struct RunCounts {
    is_counted: bool,
    /// Branchings that began and whose way is not known yet, with the depth of functions they are at.
    open: Vec<(usize, usize)>,
}

impl Coverage {
    /// Nothing has run yet.
    pub fn new(policy: &Policy) -> Self {
        let branchings = policy.points().branchings;
        let places = branchings.iter().enumerate();
        let by_place = places.map(|(index, one)| (one.place, index)).collect();
        let counts = Counts {
            ways: vec![(false, false); branchings.len()],
            ..Counts::default()
        };
        Self {
            hash: policy.hash(),
            branchings,
            by_place,
            counts: Mutex::new(counts),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins.
    pub fn begun(&self, policy: &Policy) {
        let is_counted = policy.hash() == self.hash;
        let open = Vec::new();
        self.counts().runs.push(RunCounts { is_counted, open });
    }

    /// The run that began last has ended. What a failed run was about to decide stays undecided.
    pub fn ended(&self, ok: bool) {
        let mut counts = self.counts();
        if let Some(run) = counts.runs.pop().filter(|_| ok) {
            for (_, index) in run.open {
                counts.ways[index].1 = true;
            }
        }
    }

    /// A step of the run that began last.
    pub fn step(&self, step: &Step) {
        let Moment::Statement = step.moment else {
            return;
        };
        let mut counts = self.counts();
        let Counts {
            statements,
            ways,
            runs,
        } = &mut *counts;
        let Some(run) = runs.last_mut().filter(|run| run.is_counted) else {
            return;
        };
        // A statement at the same depth or further out says which way the branchings before it went.
        while let Some((depth, index)) = run.open.last().copied() {
            if depth < step.depth {
                break;
            }
            run.open.pop();
            if depth == step.depth && self.branchings[index].body == step.place {
                ways[index].0 = true;
                break;
            }
            ways[index].1 = true;
        }
        statements.insert(step.place);
        if let Some(index) = self.by_place.get(&step.place) {
            run.open.push((step.depth, *index));
        }
    }

    /// Adds what another one saw of the same policy.
    pub fn merge(&self, other: &Self) {
        if std::ptr::eq(self, other) || self.hash != other.hash {
            return;
        }
        let other = other.counts();
        let mut counts = self.counts();
        counts.statements.extend(&other.statements);
        for (ways, others) in counts.ways.iter_mut().zip(&other.ways) {
            ways.0 |= others.0;
            ways.1 |= others.1;
        }
    }

    /// What was covered of a policy.
    pub fn report(&self, file: &str, policy: &Policy) -> Covered {
        let counts = self.counts();
        let text = |line: u32| {
            let line = policy.source().lines().nth(line.saturating_sub(1) as usize);
            line.unwrap_or_default().trim().to_owned()
        };
        let Points { statements, .. } = policy.points();
        let lines: BTreeSet<u32> = statements.iter().map(|place| place.line).collect();
        let ran: BTreeSet<u32> = counts.statements.iter().map(|place| place.line).collect();
        let missed_lines = lines.difference(&ran).map(|line| MissedLine {
            line: *line,
            text: text(*line),
        });
        let missed_lines: Vec<MissedLine> = missed_lines.collect();
        let mut missed_branches = Vec::new();
        for (branching, (entered, passed)) in self.branchings.iter().zip(&counts.ways) {
            let never = match branching.kind {
                BranchingKind::If => ["true", "false"],
                BranchingKind::Loop => ["entered", "skipped"],
            };
            for (never, seen) in never.into_iter().zip([entered, passed]) {
                if !seen {
                    missed_branches.push(MissedBranch {
                        line: branching.place.line,
                        column: branching.place.column,
                        never,
                        text: text(branching.place.line),
                    });
                }
            }
        }
        Covered {
            file: file.to_owned(),
            policy: policy.name().to_owned(),
            lines: Share::new(lines.len() - missed_lines.len(), lines.len()),
            branches: Share::new(
                2 * self.branchings.len() - missed_branches.len(),
                2 * self.branchings.len(),
            ),
            missed_lines,
            missed_branches,
        }
    }
}

/// What tests covered of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// The policy file.
    pub file: String,
    /// The policy.
    pub policy: String,
    /// Lines on which statements begin: those that ran.
    pub lines: Share,
    /// Ways that `if`, `for` and `while` can go: those that were gone.
    pub branches: Share,
    /// The other lines.
    pub missed_lines: Vec<MissedLine>,
    /// The other ways.
    pub missed_branches: Vec<MissedBranch>,
}

/// Some of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// How many.
    pub covered: usize,
    /// Out of how many.
    pub total: usize,
    /// In percent, rounded down, so that 100 means all.
    pub percent: usize,
}

impl Share {
    fn new(covered: usize, total: usize) -> Self {
        let percent = (covered * 100).checked_div(total).unwrap_or(100);
        Self {
            covered,
            total,
            percent,
        }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            covered,
            total,
            percent,
        } = self;
        formatter.pad(&format!("{percent}% ({covered} of {total})"))
    }
}

/// A line that did not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissedLine {
    /// The line, from 1.
    pub line: u32,
    /// Its text, without the indentation.
    pub text: String,
}

/// A way that was not gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissedBranch {
    /// The line of the `if`, `for` or `while`.
    pub line: u32,
    /// Its column.
    pub column: u32,
    /// What never happened: `true` or `false` of an `if`, `entered` or `skipped` of a loop.
    pub never: &'static str,
    /// The text of the line, without the indentation.
    pub text: String,
}
