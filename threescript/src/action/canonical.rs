//! Actions as they are signed, hashed and executed.

use crate::value::{Value, ValueError, read_list, read_value, refuse};
use borsh::{BorshDeserialize, BorshSerialize};
use std::io::{Read, Result};

/// What an action does, from its mark in the text.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Mark {
    /// `!` asks: reads certified state.
    Ask,
    /// `!!` acts inside the circle.
    Act,
    /// `!!!` acts on the world; only the circle emits it.
    World,
}

impl Mark {
    /// The mark as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "!",
            Self::Act => "!!",
            Self::World => "!!!",
        }
    }
}

/// An action with its typed parameters: what is signed, in borsh.
///
/// Parameters stand in the order of the declaration and are complete: defaults are filled in when a text is typed, so
/// that a later change of a default changes no signed action.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Action {
    /// What it does.
    pub mark: Mark,
    /// Who does it: a policy or a part of the kernel.
    pub actor: String,
    /// What is done.
    pub name: String,
    /// The parameters in declared order.
    pub params: Vec<(String, Value)>,
}

impl Action {
    /// The value of a parameter.
    pub fn param(&self, name: &str) -> Option<&Value> {
        self.params
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// Whether the action can be read back from its bytes. Errors: [`ValueError::TooDeep`].
    pub fn check_depth(&self) -> std::result::Result<(), ValueError> {
        self.params
            .iter()
            .try_for_each(|(_, value)| value.check_depth_at(1))
    }

    /// Reads an action whose values begin at a depth.
    pub(crate) fn read<R: Read>(reader: &mut R, depth: usize) -> Result<Self> {
        let mark = Mark::deserialize_reader(reader)?;
        let actor = read_name(reader)?;
        let name = read_name(reader)?;
        let params = read_list(reader, |reader| {
            Ok((read_name(reader)?, read_value(reader, depth)?))
        })?;
        let action = Self {
            mark,
            actor,
            name,
            params,
        };
        let mut keys: Vec<&str> = action.params.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(refuse("an action that gives a parameter twice"));
        }
        Ok(action)
    }
}

impl BorshDeserialize for Action {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        Self::read(reader, 1)
    }
}

/// Whether a text may name an actor, an action, a parameter or a flag: `[a-z][a-z0-9_]*`.
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_')
}

fn read_name<R: Read>(reader: &mut R) -> Result<String> {
    let name = String::deserialize_reader(reader)?;
    if is_name(&name) {
        Ok(name)
    } else {
        Err(refuse("a name with other characters than a-z, 0-9 and _"))
    }
}
