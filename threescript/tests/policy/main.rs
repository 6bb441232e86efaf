//! Policies as their developers and a circle meet them: compiled from text, run against a host in memory.

mod bonds;
mod documentation;
mod faults;
mod formulas;
mod language;
mod observing;
mod running;
mod support;
mod tables;
mod typing;
mod vote;
