//! What is declared and never used.

use super::{Inference, Variable};
use crate::engine::place_of;
use crate::policy::diagnostic::Place;
use std::collections::BTreeSet;

const MEND: &str = "remove it, or begin its name with `_`";

impl<'a> Inference<'a> {
    pub(super) fn unused(&mut self) {
        let mut found: Vec<(Place, String, &str)> = Vec::new();
        for (variable, declared) in &self.declared {
            if !self.read.contains(variable)
                && !declared.name.starts_with('_')
                && let Some(place) = place_of(declared.position)
            {
                found.push((
                    place,
                    format!("the variable `{}` is never used", declared.name),
                    MEND,
                ));
            }
        }
        let header = self.program.header;
        // A file of tests sees what its policy declares, and need not use it.
        let is_policy = self.program.catalog.words().next().is_none();
        let read = self.read.clone();
        let is_read = |unit: usize, at: usize| read.contains(&Variable::Param(unit, at));
        for (index, entry) in header.entries.iter().enumerate().filter(|_| is_policy) {
            let unit = header.functions.len() + index;
            for (at, param) in entry.params.iter().enumerate() {
                let names_caller = entry.callers.iter().any(
                    |rule| matches!(rule, super::CallerRule::Account(name) if *name == param.name),
                );
                if !is_read(unit, at) && !names_caller {
                    let reason = format!(
                        "the parameter `{}` of `{}` is never used",
                        param.name, entry.name
                    );
                    found.push((entry.place, reason, "remove it"));
                }
            }
        }
        let formulas = header.formulas.iter();
        for name in formulas.flat_map(|formula| formula.body.names()) {
            self.globals.insert(name.to_owned());
        }
        for formula in &header.formulas {
            if !self.globals.contains(&formula.name) {
                let reason = format!("the formula `{}` is never used", formula.name);
                found.push((formula.place, reason, "remove it, or use it"));
            }
            let names = formula.body.names();
            for param in formula
                .params
                .iter()
                .filter(|param| !names.contains(&param.name.as_str()))
            {
                let reason = format!(
                    "the parameter `{}` of `{}` is never used",
                    param.name, formula.name
                );
                found.push((formula.place, reason, "remove it"));
            }
        }
        let reachable = self.reachable();
        for (unit, function) in header.functions.iter().enumerate() {
            if !reachable.contains(&unit) {
                let reason = format!("the function `{}` is never called", function.name);
                found.push((function.place, reason, "remove it, or call it"));
                continue;
            }
            for (at, param) in function.params.iter().enumerate() {
                if !is_read(unit, at) && !param.starts_with('_') {
                    let reason = format!(
                        "the parameter `{param}` of `{}` is never used",
                        function.name
                    );
                    found.push((function.place, reason, "remove it"));
                }
            }
        }
        for table in header.tables.iter().filter(|_| is_policy) {
            if !self.globals.contains(&table.name) {
                let reason = format!("the table `{}` is never used", table.name);
                found.push((table.place, reason, "remove it, or use it"));
            }
        }
        for item in header.params.iter().filter(|_| is_policy) {
            if !self.globals.contains(&item.name) {
                let reason = format!("the param `{}` is never used", item.name);
                found.push((item.place, reason, "remove it, or use it"));
            }
        }
        for item in header
            .consts
            .iter()
            .filter(|item| !self.globals.contains(&item.name))
        {
            let mut taken = header.uses.iter().flat_map(|used| &used.names);
            if taken.any(|name| name.name == item.name) {
                let reason = format!(
                    "the constant `{}` is taken from another policy and never used",
                    item.name
                );
                found.push((item.place, reason, "remove it"));
            } else if item.doc.is_empty() {
                // What is documented may be meant for other policies.
                let reason = format!("the constant `{}` is never used", item.name);
                let mend = "remove it, or document it if it is for other policies";
                found.push((item.place, reason, mend));
            }
        }
        for (place, reason, mend) in found {
            self.warn(place, "unused", reason, mend);
        }
    }

    /// The functions that some action, question or schedule comes to.
    fn reachable(&self) -> BTreeSet<usize> {
        let functions = self.program.header.functions.len();
        let mut reached = BTreeSet::new();
        let mut next: Vec<usize> = (0..self.program.header.entries.len())
            .map(|entry| functions + entry)
            .collect();
        while let Some(unit) = next.pop() {
            for (_, called) in self.calls.range((unit, 0)..(unit + 1, 0)) {
                if reached.insert(*called) {
                    next.push(*called);
                }
            }
        }
        reached
    }
}
