//! From a policy file to a policy that can run.

use super::bodies::Compiler;
use super::declaration::{
    ConstDecl, EntryDecl, EntryKind, FormulaDecl, Header, TableDecl, UseDecl,
};
use super::diagnostic::{Diagnostic, Fault, Place, Severity, is_hidden};
use super::header;
use super::param::PolicyParam;
use super::{actors, usage};
use crate::action::{Mark, Signature};
use crate::engine::observe::ExpressionStatements;
use crate::engine::profile::{self, BLOCK, CALLER, Globals};
use crate::engine::rows;
use crate::engine::values::{BlockHandle, CallerHandle, ModuleHandle, TableHandle, from_value};
use crate::engine::{Catalog, Entry, Limits, library};
use crate::formula::{self, Formula};
use crate::value::Value;
use rhai::{AST, ASTNode, Dynamic, Engine, Expr, Module, Stmt};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// A policy: checked, and ready to run. Cheap to clone and safe to share between threads.
#[derive(Clone)]
pub struct Policy {
    pub(super) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub file: String,
    source: String,
    hash: [u8; 32],
    pub header: Header,
    pub actor: Arc<str>,
    pub tables: Arc<[TableDecl]>,
    pub params: Arc<[PolicyParam]>,
    pub formulas: Arc<[Formula]>,
    signatures: Vec<Signature>,
    pub catalog: Arc<Catalog>,
    pub limits: Limits,
    pub globals: Arc<Globals>,
    pub module: Arc<Module>,
    /// The compiled bodies, in the order of the declared entries.
    pub bodies: Vec<AST>,
    warnings: Vec<Diagnostic>,
    /// For observers; found when the first one comes.
    pub expression_statements: OnceLock<Arc<ExpressionStatements>>,
}

/// A row as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// The name of its table.
    pub table: String,
    /// The values of its key columns.
    pub key: Vec<Value>,
    /// All columns by name, a map.
    pub columns: Value,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Policy({} version {}, {})",
            self.name(),
            self.version(),
            hex::encode(self.hash())
        )
    }
}

impl Policy {
    /// Its name, which is the actor of its actions.
    pub fn name(&self) -> &str {
        &self.inner.header.name
    }

    /// Its version, from 1.
    pub fn version(&self) -> u32 {
        self.inner.header.version
    }

    /// The doc lines above its title.
    pub fn doc(&self) -> &str {
        &self.inner.header.doc
    }

    /// SHA-256 over `threescript/v1/policy`, a zero byte and the borsh encoding of the source text.
    pub fn hash(&self) -> [u8; 32] {
        self.inner.hash
    }

    /// What is probably not meant so in it, though it works: all of [`Severity::Warning`], in the order of their places.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.inner.warnings
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// The file as it was named at compilation; errors name it.
    pub fn file(&self) -> &str {
        &self.inner.file
    }

    /// Its actions, questions, schedules, reactions and invariants in the declared order, with docs, parameters and
    /// callers.
    pub fn entries(&self) -> &[EntryDecl] {
        &self.inner.header.entries
    }

    /// One of them.
    pub fn entry(&self, entry: Entry) -> Option<&EntryDecl> {
        self.inner
            .find(entry)
            .map(|index| &self.inner.header.entries[index])
    }

    /// Its schedules: name and seconds between two runs.
    pub fn schedules(&self) -> impl Iterator<Item = (&str, i64)> {
        self.entries()
            .iter()
            .filter_map(|entry| Some((entry.name.as_str(), entry.period_seconds?)))
    }

    /// Its tables in the declared order.
    pub fn tables(&self) -> &[TableDecl] {
        &self.inner.tables
    }

    /// Its constants in the declared order, and behind them those that it uses of other policies.
    pub fn consts(&self) -> &[ConstDecl] {
        &self.inner.header.consts
    }

    /// The policies whose constants it uses, in the declared order.
    pub fn uses(&self) -> &[UseDecl] {
        &self.inner.header.uses
    }

    /// The values that the circle may change by decision, in the declared order.
    pub fn params(&self) -> &[PolicyParam] {
        &self.inner.params
    }

    /// One of them.
    pub fn param(&self, name: &str) -> Option<&PolicyParam> {
        self.params().iter().find(|param| param.name == name)
    }

    /// Its reactions in the declared order. The name of each is the actor and the event, joined by a point.
    pub fn reactions(&self) -> impl Iterator<Item = &EntryDecl> {
        self.of_kind(EntryKind::On)
    }

    /// Its invariants in the declared order.
    pub fn invariants(&self) -> impl Iterator<Item = &EntryDecl> {
        self.of_kind(EntryKind::Invariant)
    }

    fn of_kind(&self, kind: EntryKind) -> impl Iterator<Item = &EntryDecl> {
        let entries = self.entries().iter();
        entries.filter(move |entry| entry.kind == kind)
    }

    /// Whether a body, or a function of the policy that may be called from it, calls `function`.
    pub(super) fn calls(&self, entry: Entry, function: &str) -> bool {
        let Some(body) = self
            .inner
            .find(entry)
            .map(|index| &self.inner.bodies[index])
        else {
            return false;
        };
        let mut calls = false;
        body.walk(&mut |path| {
            let name = match path.last() {
                Some(
                    ASTNode::Stmt(Stmt::FnCall(call, _))
                    | ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _)),
                ) => call.name.as_str(),
                _ => return true,
            };
            calls |= name == function;
            true
        });
        calls
    }

    /// Its formulas in the declared order.
    pub fn formulas(&self) -> &[FormulaDecl] {
        &self.inner.header.formulas
    }

    /// Reads a row that the policy stored under a key of its own space. Nothing if the key is not that of a row, or if the
    /// row does not fit the declaration of its table.
    pub fn stored_row(&self, key: &[u8], value: &[u8]) -> Option<StoredRow> {
        let table = rows::table_of_row(self.tables(), key)?;
        let row = rows::decode_row(table, value).ok()?;
        Some(StoredRow {
            table: table.name.clone(),
            key: table
                .key
                .iter()
                .map(|column| row[*column].clone())
                .collect(),
            columns: rows::row_to_map(table, row),
        })
    }

    /// The declarations of its actions (`!!`) and questions (`!`), for reading and showing texts.
    pub fn signatures(&self) -> Vec<Signature> {
        self.inner.signatures.clone()
    }

    /// One of them.
    pub fn signature(&self, mark: Mark, name: &str) -> Option<&Signature> {
        let signatures = self.inner.signatures.iter();
        signatures
            .into_iter()
            .find(|one| one.mark == mark && one.name == name)
    }
}

impl Inner {
    pub fn find(&self, entry: Entry) -> Option<usize> {
        let (kind, name) = match entry {
            Entry::Action(name) => (EntryKind::Action, name),
            Entry::Ask(name) => (EntryKind::Ask, name),
            Entry::Every(name) => (EntryKind::Every, name),
            Entry::On(name) => (EntryKind::On, name),
            Entry::Invariant(name) => (EntryKind::Invariant, name),
        };
        self.header
            .entries
            .iter()
            .position(|entry| entry.kind == kind && entry.name == name)
    }
}

/// What people can write of an entry; what the circle runs by itself has no text.
fn signature(actor: &str, entry: &EntryDecl) -> Option<Signature> {
    let mark = match entry.kind {
        EntryKind::Action => Mark::Act,
        EntryKind::Ask => Mark::Ask,
        EntryKind::Every | EntryKind::On | EntryKind::Invariant => return None,
    };
    let (actor, name) = (actor.to_owned(), entry.name.clone());
    Some(Signature {
        mark,
        actor,
        name,
        params: entry.params.clone(),
    })
}

/// Reads and checks a policy file.
///
/// `file` is what errors call it. `catalog` says which native modules and assets there are, `limits` what a run may use;
/// both must be the same on every node. Expressions may be nested as deep as `limits.expression_depth`, which the
/// default stack of a thread holds.
///
/// A policy that uses constants of another one needs [`compile_with`].
///
/// Errors: all faults that were found, in the order of their places.
pub fn compile(
    source: &str,
    file: &str,
    catalog: &Catalog,
    limits: &Limits,
) -> Result<Policy, Vec<Diagnostic>> {
    compile_with(source, file, catalog, limits, &|_| None)
}

/// Like [`compile`], for a policy that may use constants of others: `installed` gives the source of the policy with a hash,
/// see [`source_hash`], if there is one.
pub fn compile_with(
    source: &str,
    file: &str,
    catalog: &Catalog,
    limits: &Limits,
    installed: &dyn Fn(&[u8; 32]) -> Option<String>,
) -> Result<Policy, Vec<Diagnostic>> {
    check_source(source, limits).map_err(|fault| report(vec![fault], file, source))?;
    let (mut header, mut faults) = header::parse(source, catalog.assets());
    if header.name.is_empty() || header.version == 0 {
        return Err(report(faults, file, source));
    }
    faults.extend(check_counts(&header, limits));
    usage::resolve(&mut header, catalog.assets(), installed, &mut faults);
    actors::check(&header, catalog, &mut faults);
    build(source, file, header, faults, catalog, limits)
}

/// All faults in the order of their places.
pub(super) fn report(mut faults: Vec<Fault>, file: &str, source: &str) -> Vec<Diagnostic> {
    faults.sort_by_key(|fault| fault.place);
    // What the checker knows better than the parser is not said twice.
    let places: BTreeSet<Place> = faults
        .iter()
        .filter(|fault| fault.code != "syntax")
        .map(|fault| fault.place)
        .collect();
    faults.retain(|fault| fault.code != "syntax" || !places.contains(&fault.place));
    faults.dedup_by(|fault, before| {
        (fault.place, fault.code, &fault.reason) == (before.place, before.code, &before.reason)
    });
    faults
        .into_iter()
        .map(|fault| fault.in_file(file, source))
        .collect()
}

/// Compiles the bodies of a file whose declarations are read.
pub(super) fn build(
    source: &str,
    file: &str,
    header: Header,
    mut faults: Vec<Fault>,
    catalog: &Catalog,
    limits: &Limits,
) -> Result<Policy, Vec<Diagnostic>> {
    let engine = profile::engine(limits);
    check_names(&header, catalog, &engine, &mut faults);
    let formulas: Arc<[Formula]> = formula::compile_all(&header, &mut faults).into();
    let mut globals = globals(&header, catalog);
    let compiler = Compiler {
        source,
        header: &header,
        catalog,
        engine: &engine,
        globals: &globals,
    };
    let (bodies, copied) = compiler.bodies(&mut faults);
    let is_error = |fault: &Fault| fault.severity == Severity::Error;
    if faults.iter().any(is_error) {
        // What is not used is not known before the rest is right.
        faults.retain(is_error);
        return Err(report(faults, file, source));
    }
    let warnings = report(faults, file, source);
    globals.set_copied(copied);
    let tables = header.tables.clone().into();
    let module = Arc::new(library::policy_module(catalog, &header.tables, &formulas));
    let inner = Inner {
        file: file.to_owned(),
        source: source.to_owned(),
        hash: source_hash(source),
        actor: header.name.as_str().into(),
        tables,
        params: header.params.clone().into(),
        formulas,
        signatures: header
            .entries
            .iter()
            .filter_map(|entry| signature(&header.name, entry))
            .collect(),
        catalog: Arc::new(catalog.clone()),
        limits: limits.clone(),
        globals: Arc::new(globals),
        module,
        bodies,
        warnings,
        expression_statements: OnceLock::new(),
        header,
    };
    Ok(Policy {
        inner: Arc::new(inner),
    })
}

/// The hash of a policy by its source, see [`Policy::hash`].
pub fn source_hash(source: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"threescript/v1/policy\0");
    // Borsh of a text: its length as a little-endian u32, then its bytes. Sources are shorter than that allows.
    hasher.update(
        u32::try_from(source.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    hasher.update(source.as_bytes());
    hasher.finalize().into()
}

/// A file must show what it says: no control characters, nothing that reorders text on the screen.
pub(super) fn check_source(source: &str, limits: &Limits) -> Result<(), Fault> {
    if source.len() > limits.source_bytes as usize {
        let reason = format!(
            "the file has {} bytes, the limit is {}",
            source.len(),
            limits.source_bytes
        );
        return Err(Fault::new(
            Place::START,
            "limit.source",
            reason,
            "split the policy in two",
        ));
    }
    let mut place = Place::START;
    for character in source.chars() {
        if is_hidden(character) {
            let reason = format!(
                "the character {} cannot be seen",
                character.escape_unicode()
            );
            return Err(Fault::new(
                place,
                "character",
                reason,
                "remove it; lines end with a line feed only",
            ));
        }
        match character {
            '\n' => {
                place = Place {
                    line: place.line + 1,
                    column: 1,
                }
            }
            _ => place.column += 1,
        }
    }
    Ok(())
}

/// The most actions, questions, schedules, reactions and invariants, the most tables, and the most params of a policy.
const MAX_ENTRIES: usize = 128;
const MAX_TABLES: usize = 64;
const MAX_PARAMS: usize = 64;
const MAX_FORMULAS: usize = 128;

fn check_counts(header: &Header, limits: &Limits) -> Option<Fault> {
    let functions = limits.functions as usize;
    let too_many = |what: &str, limit: usize, place: Place| {
        Some(Fault::new(
            place,
            "limit.declarations",
            format!("there are more than {limit} {what}"),
            "split the policy in two",
        ))
    };
    if let Some(function) = header.functions.get(functions) {
        return too_many("functions", functions, function.place);
    }
    if let Some(entry) = header.entries.get(MAX_ENTRIES) {
        let what = "actions, questions, schedules, reactions and invariants";
        return too_many(what, MAX_ENTRIES, entry.place);
    }
    if let Some(param) = header.params.get(MAX_PARAMS) {
        return too_many("params", MAX_PARAMS, param.place);
    }
    if let Some(formula) = header.formulas.get(MAX_FORMULAS) {
        return too_many("formulas", MAX_FORMULAS, formula.place);
    }
    header
        .tables
        .get(MAX_TABLES)
        .and_then(|table| too_many("tables", MAX_TABLES, table.place))
}

/// Declared names must not hide what bodies need, and must be words that Rhai takes for variables.
fn check_names(header: &Header, catalog: &Catalog, engine: &Engine, faults: &mut Vec<Fault>) {
    let consts = header.consts.iter().map(|item| (&item.name, item.place));
    let tables = header.tables.iter().map(|item| (&item.name, item.place));
    let functions = header.functions.iter().map(|item| (&item.name, item.place));
    let settings = header.params.iter().map(|item| (&item.name, item.place));
    let params = header
        .entries
        .iter()
        .flat_map(|entry| entry.params.iter().map(|param| (&param.name, entry.place)));
    let formulas = header.formulas.iter().map(|item| (&item.name, item.place));
    let called: Vec<_> = functions.chain(formulas).collect();
    let shared = consts.chain(settings).chain(tables);
    let shared = shared.chain(called.iter().copied());
    for (name, place) in shared.chain(params) {
        let taken = if name == BLOCK || name == CALLER {
            Some("is there in every body")
        } else if catalog.modules().any(|(module, _)| module == name) {
            Some("is a module of the circle")
        } else if engine.compile(format!("let {name} = 1;")).is_err() {
            Some("is a word of the language")
        } else {
            None
        };
        if let Some(why) = taken {
            faults.push(Fault::new(
                place,
                "reserved_name",
                format!("`{name}` {why}"),
                "take another name",
            ));
        }
    }
    for (name, place) in called {
        let is_native = library::natives().any(|native| native.name() == name && !native.property);
        let is_word = catalog.word(name).is_some();
        if is_native || is_word || formula::FUNCTIONS.contains(&name.as_str()) {
            let reason = format!("`{name}` is a function of the library");
            faults.push(Fault::new(
                place,
                "reserved_name",
                reason,
                "take another name",
            ));
        }
    }
    for entry in &header.entries {
        if let Some(Err(error)) =
            signature(&header.name, entry).map(|signature| signature.check(catalog.assets()))
        {
            let text = error.to_string();
            let (reason, mend) = text.split_once("; ").unwrap_or((&text, ""));
            faults.push(Fault::new(entry.place, error.code(), reason, mend));
        }
    }
}

fn globals(header: &Header, catalog: &Catalog) -> Globals {
    let consts = header
        .consts
        .iter()
        .map(|item| (item.name.clone(), from_value(item.value.clone()).0));
    let tables = header.tables.iter().enumerate();
    let tables =
        tables.map(|(index, table)| (table.name.clone(), Dynamic::from(TableHandle(index))));
    let modules = catalog
        .modules()
        .map(|(name, _)| (name.to_owned(), Dynamic::from(ModuleHandle(name.into()))));
    let handles = [
        (BLOCK.to_owned(), Dynamic::from(BlockHandle)),
        (CALLER.to_owned(), Dynamic::from(CallerHandle)),
    ];
    let params = header.params.iter().map(|item| item.name.clone());
    Globals::new(consts.chain(tables).chain(modules).chain(handles), params)
}
