//! The native modules that an embedder offers to policies.

use crate::action::Type;
use crate::value::Assets;
use std::collections::BTreeMap;

/// A native function.
#[derive(Clone, Debug)]
pub struct NativeFunction {
    /// Its name.
    pub name: String,
    /// Names and types of its parameters, at most eight.
    pub params: Vec<(String, Type)>,
    /// What it returns; [`Type::Any`] for nothing or for what the other types cannot say.
    pub returns: Type,
    /// What it does, for people.
    pub doc: String,
    /// The operations that a call is charged before it is made.
    pub cost: u64,
    /// Whether a question may call it: it changes nothing.
    pub ask_allowed: bool,
}

/// Something that the embedder makes known by itself, which policies can react to.
#[derive(Clone, Debug)]
pub struct NativeEvent {
    /// Its name.
    pub name: String,
    /// Names and types of what it says.
    pub entries: Vec<(String, Type)>,
    /// When it is emitted, for people.
    pub doc: String,
}

/// An actor of the embedder itself: a name that policies cannot take.
#[derive(Clone, Debug)]
pub struct NativeActor {
    /// Its name.
    pub name: String,
    /// Its actions.
    pub actions: Vec<String>,
    /// Its events that policies can react to.
    pub events: Vec<NativeEvent>,
    /// Whether a policy may have this name after all: it adds actions, and takes none of the embedder's away.
    pub extendable: bool,
}

/// A function that bodies call by its name alone, `name(…)`. A circle has none; files of tests have.
#[derive(Clone, Debug)]
pub struct Word {
    /// What it is. The host is called with an empty name of a module, and with as many arguments as are given.
    pub function: NativeFunction,
    /// How many of its parameters have to be given; the others may be left out from the end.
    pub required: usize,
}

impl Word {
    /// The numbers of arguments that it takes.
    pub fn arities(&self) -> std::ops::RangeInclusive<usize> {
        self.required..=self.function.params.len()
    }
}

/// The native modules by name, the actors of the embedder, and the assets that literals may name.
#[derive(Clone, Debug)]
pub struct Catalog {
    assets: Assets,
    modules: BTreeMap<String, Vec<NativeFunction>>,
    actors: BTreeMap<String, NativeActor>,
    words: BTreeMap<String, Word>,
    roles: Option<Vec<String>>,
}

impl Catalog {
    /// The most parameters of a native function.
    pub const MAX_PARAMS: usize = 8;

    /// A catalog without modules.
    pub fn new(assets: Assets) -> Self {
        Self {
            assets,
            modules: BTreeMap::new(),
            actors: BTreeMap::new(),
            words: BTreeMap::new(),
            roles: None,
        }
    }

    /// Says which roles accounts can have, so that an action for a role that nobody has is found.
    #[must_use]
    pub fn with_roles(mut self, roles: &[&str]) -> Self {
        self.roles = Some(roles.iter().map(|role| (*role).to_owned()).collect());
        self
    }

    /// The roles that accounts can have, if the embedder has said so.
    pub fn roles(&self) -> Option<&[String]> {
        self.roles.as_deref()
    }

    /// Adds a function to a module; a later function of the same name takes the place of the earlier.
    ///
    /// Panics if the function has more than [`Catalog::MAX_PARAMS`] parameters: a catalog is part of the program.
    #[must_use]
    pub fn with(mut self, module: &str, function: NativeFunction) -> Self {
        assert!(
            function.params.len() <= Self::MAX_PARAMS,
            "{module}.{} has too many parameters",
            function.name
        );
        let functions = self.modules.entry(module.to_owned()).or_default();
        functions.retain(|other| other.name != function.name);
        functions.push(function);
        self
    }

    /// Adds an actor of the embedder; a later one of the same name takes the place of the earlier.
    #[must_use]
    pub fn with_actor(mut self, actor: NativeActor) -> Self {
        self.actors.insert(actor.name.clone(), actor);
        self
    }

    /// The actors of the embedder in the order of their names.
    pub fn actors(&self) -> impl Iterator<Item = &NativeActor> {
        self.actors.values()
    }

    /// One of them.
    pub fn actor(&self, name: &str) -> Option<&NativeActor> {
        self.actors.get(name)
    }

    /// An event of the embedder, by its actor and name.
    pub fn event(&self, actor: &str, name: &str) -> Option<&NativeEvent> {
        let events = &self.actors.get(actor)?.events;
        events.iter().find(|event| event.name == name)
    }

    /// Adds a function without a module. Where the library has one of the same name and number of arguments, that one is
    /// called.
    ///
    /// Panics if the function has more than [`Catalog::MAX_PARAMS`] parameters: a catalog is part of the program.
    #[must_use]
    pub fn with_word(mut self, word: Word) -> Self {
        let Word { function, required } = &word;
        assert!(
            function.params.len() <= Self::MAX_PARAMS && *required <= function.params.len(),
            "{} has too many parameters",
            function.name
        );
        self.words.insert(function.name.clone(), word);
        self
    }

    /// The functions without a module, in the order of their names.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        self.words.values()
    }

    /// One of them.
    pub fn word(&self, name: &str) -> Option<&Word> {
        self.words.get(name)
    }

    /// The assets that the circle knows.
    pub fn assets(&self) -> &Assets {
        &self.assets
    }

    /// The modules in the order of their names.
    pub fn modules(&self) -> impl Iterator<Item = (&str, &[NativeFunction])> {
        self.modules
            .iter()
            .map(|(name, functions)| (name.as_str(), functions.as_slice()))
    }

    /// A function by module and name.
    pub fn function(&self, module: &str, name: &str) -> Option<&NativeFunction> {
        self.modules
            .get(module)?
            .iter()
            .find(|function| function.name == name)
    }
}

impl Default for Catalog {
    /// The standard assets and no modules.
    fn default() -> Self {
        Self::new(Assets::standard())
    }
}
