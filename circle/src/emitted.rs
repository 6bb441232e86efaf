//! What a transaction or schedule makes known while it runs; thrown away with its writes if it fails.

use crate::digest::Hash;
use crate::receipt::{Effect, Event};

/// Events, effects and policies, each in order.
#[derive(Debug, Default)]
pub struct Emitted {
    /// What is to be done outside.
    pub effects: Vec<Effect>,
    /// The hashes of the policies that ran.
    pub policies: Vec<Hash>,
    events: Vec<Event>,
    /// The places of the events that no policy had the chance to react to yet.
    unheard: Vec<usize>,
}

/// How much was emitted at some moment.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    events: usize,
    effects: usize,
    policies: usize,
}

impl Emitted {
    /// Records an event, for policies to react to when the action or schedule that emitted it is done.
    pub fn event(&mut self, event: Event) {
        self.unheard.push(self.events.len());
        self.events.push(event);
    }

    /// What happened.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Names a policy that was only looked at beside what runs: questions, invariants, simulations. Once is enough.
    pub(crate) fn ran_aside(&mut self, policy: Hash) {
        if !self.policies.contains(&policy) {
            self.policies.push(policy);
        }
    }

    /// Events, effects and policies, for a receipt.
    pub fn into_parts(self) -> (Vec<Event>, Vec<Effect>, Vec<Hash>) {
        (self.events, self.effects, self.policies)
    }

    /// The places of the events behind `mark` that nobody reacted to yet. They count as reacted to.
    pub(crate) fn take_unheard(&mut self, mark: usize) -> Vec<usize> {
        let first = self.unheard.partition_point(|index| *index < mark);
        self.unheard.split_off(first)
    }

    /// How much is there now.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            events: self.events.len(),
            effects: self.effects.len(),
            policies: self.policies.len(),
        }
    }

    /// Forgets what was emitted since.
    pub(crate) fn undo(&mut self, mark: Mark) {
        self.events.truncate(mark.events);
        self.effects.truncate(mark.effects);
        self.policies.truncate(mark.policies);
        self.unheard.retain(|index| *index < mark.events);
    }
}
