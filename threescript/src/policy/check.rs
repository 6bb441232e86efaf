//! What can be known about a body before it runs: tables, columns, calls and numbers of arguments.

use super::declaration::{FormulaDecl, Header, TableDecl};
use super::diagnostic::{Fault, Place, suggest};
use crate::engine::library::signature::{self, Case, Shape};
use crate::engine::{Catalog, Word, place_of};
use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};
use std::collections::BTreeSet;

/// Methods that write, and functions that do.
const WRITING_METHODS: [&str; 8] = [
    "insert",
    "upsert",
    "update",
    "delete",
    "set",
    "update_all",
    "delete_all",
    "insert_all",
];
const WRITING_FUNCTIONS: [&str; 2] = ["emit", "effect"];

/// What a body is checked against.
pub(crate) struct Context<'a> {
    pub header: &'a Header,
    pub catalog: &'a Catalog,
    /// Names of tables, constants, modules, `block` and `caller`.
    pub globals: BTreeSet<&'a str>,
    /// A question, which must not write.
    pub read_only: bool,
}

/// Checks a body or a function that parses.
pub(crate) fn body(ast: &AST, context: &Context, faults: &mut Vec<Fault>) {
    let mut checker = Checker {
        context,
        faults,
        seen: BTreeSet::new(),
    };
    ast.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Stmt(statement)) => checker.statement(statement),
            Some(ASTNode::Expr(expression)) => checker.expression(expression),
            _ => {}
        }
        true
    });
}

/// The names of variables that a body declares.
pub(crate) fn local_names(ast: &AST) -> Vec<String> {
    let mut names = Vec::new();
    ast.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(definition, _, _))) => {
                names.push(definition.0.as_str().to_owned())
            }
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => names.push(parts.0.as_str().to_owned()),
            _ => {}
        }
        true
    });
    names
}

/// Adds the names of variables whose values may be copied to where they stay: into another variable, a list, a call.
///
/// A look at a part of a value, the list of a `for`, an assignment to it and what a function returns are no such copies.
pub(crate) fn find_copied(ast: &AST, header: &Header, copied: &mut BTreeSet<String>) {
    let is_own = |call: &FnCallExpr| {
        header
            .functions
            .iter()
            .any(|function| function.name == call.name.as_str())
    };
    ast.walk(&mut |path| {
        let Some((node, above)) = path.split_last() else {
            return true;
        };
        let ASTNode::Expr(Expr::Variable(variable, _, _)) = node else {
            return true;
        };
        // What is put into a list or map is copied where that one goes.
        let is_literal =
            |node: &&ASTNode| matches!(node, ASTNode::Expr(Expr::Array(..) | Expr::Map(..)));
        let literals = above.iter().rev().take_while(is_literal).count();
        let parent = above.iter().rev().nth(literals);
        let is_node = |expression: &Expr| *node == ASTNode::Expr(expression);
        let is_look = match parent {
            Some(ASTNode::Expr(Expr::Dot(parts, ..) | Expr::Index(parts, ..))) => {
                is_node(&parts.lhs)
            }
            // Natives keep nothing of their arguments that they are not charged for.
            Some(ASTNode::Expr(Expr::MethodCall(..))) => true,
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                !is_own(call)
            }
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => is_node(&parts.2.expr),
            Some(ASTNode::Stmt(Stmt::Assignment(parts))) => is_node(&parts.1.lhs),
            Some(ASTNode::Stmt(Stmt::Return(..))) => literals == 0,
            // A statement of its own at the end of a body is its result.
            Some(ASTNode::Stmt(Stmt::Expr(_))) => path.len() == 2,
            _ => false,
        };
        if !is_look {
            copied.insert(variable.1.to_string());
        }
        true
    });
}

struct Checker<'a, 'f> {
    context: &'a Context<'a>,
    faults: &'f mut Vec<Fault>,
    /// Method calls that were checked as part of a chain that begins with a table or a module.
    seen: BTreeSet<Place>,
}

impl<'a> Checker<'a, '_> {
    fn fault(
        &mut self,
        position: Position,
        code: &'static str,
        reason: String,
        mend: impl Into<String>,
    ) {
        let place = place_of(position).unwrap_or(Place::START);
        self.faults.push(Fault::new(place, code, reason, mend));
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Var(definition, _, position) => self.variable(definition.0.as_str(), *position),
            Stmt::For(parts, _) => {
                self.variable(parts.0.as_str(), parts.0.pos);
                if let Some(counter) = &parts.1 {
                    self.variable(counter.as_str(), counter.pos);
                }
            }
            Stmt::FnCall(call, position) => self.call(call, *position),
            _ => {}
        }
    }

    /// A local name must not hide one that the whole file shares.
    fn variable(&mut self, name: &str, position: Position) {
        if self.context.globals.contains(name)
            || self.function(name).is_some()
            || self.formula(name).is_some()
        {
            let reason =
                format!("`{name}` is already the name of something in this file or of a module");
            self.fault(
                position,
                "reserved_name",
                reason,
                "take another name for the variable",
            );
        }
    }

    fn function(&self, name: &str) -> Option<&'a super::declaration::FunctionDecl> {
        self.context
            .header
            .functions
            .iter()
            .find(|function| function.name == name)
    }

    fn formula(&self, name: &str) -> Option<&'a FormulaDecl> {
        let mut formulas = self.context.header.formulas.iter();
        formulas.find(|formula| formula.name == name)
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::FnCall(call, position) => self.call(call, *position),
            Expr::MethodCall(call, position) => self.method(call, *position),
            Expr::Variable(variable, _, position) if self.function(&variable.1).is_some() => {
                let mend = format!("call it: {}(…)", variable.1);
                self.fault(
                    *position,
                    "function_value",
                    format!("the function `{}` is not a value", variable.1),
                    mend,
                );
            }
            Expr::Dot(parts, _, position) => {
                if self.is_uncharged(&parts.lhs) && has_index(&parts.rhs) {
                    let mend = "put it into a variable first: let x = …; x.part[i]";
                    let reason = "this value cannot be indexed where it is made";
                    self.fault(*position, "index_value", reason.to_owned(), mend);
                }
                if let Expr::Variable(variable, _, _) = &parts.lhs {
                    self.chain(&variable.1, &parts.rhs);
                }
            }
            Expr::Index(parts, _, position) => self.index(&parts.lhs, &parts.rhs, *position),
            _ => {}
        }
    }

    /// `name(…)`
    fn call(&mut self, call: &FnCallExpr, position: Position) {
        if call.is_operator_call() {
            return;
        }
        let (name, given) = (call.name.as_str(), call.args.len());
        if let Some(function) = self.function(name) {
            let wanted = function.params.len();
            if given != wanted {
                self.arguments(position, name, &[wanted], given);
            }
            return;
        }
        if let Some(formula) = self.formula(name) {
            let wanted = formula.params.len();
            if given != wanted {
                self.arguments(position, name, &[wanted], given);
            }
            return;
        }
        if self.context.read_only && WRITING_FUNCTIONS.contains(&name) {
            self.read_only(position, name);
        }
        let mut arities = arities(name);
        let word = self.context.catalog.word(name);
        arities.extend(word.into_iter().flat_map(Word::arities));
        if arities.is_empty() {
            let own = self
                .context
                .header
                .functions
                .iter()
                .map(|function| function.name.as_str());
            let formulas = self.context.header.formulas.iter();
            let own = own.chain(formulas.map(|formula| formula.name.as_str()));
            let words = self.context.catalog.words();
            let words = words.map(|word| word.function.name.as_str());
            let mend = suggest(name, own.chain(words).chain(signature::names()));
            self.fault(
                position,
                "unknown_function",
                format!("there is no function `{name}`"),
                mend,
            );
        } else if !arities.contains(&given) {
            self.arguments(position, name, &arities, given);
        }
    }

    /// `something.name(…)`
    fn method(&mut self, call: &FnCallExpr, position: Position) {
        let (name, given) = (call.name.as_str(), call.args.len());
        if place_of(position).is_some_and(|place| self.seen.contains(&place)) {
            return;
        }
        if self.function(name).is_some() {
            let mend = format!("write {name}(x) instead of x.{name}()");
            self.fault(
                position,
                "method_call",
                format!("`{name}` is a function and not a method"),
                mend,
            );
            return;
        }
        // The value itself is the first argument.
        let arities: Vec<usize> = arities(name)
            .into_iter()
            .filter_map(|arity| arity.checked_sub(1))
            .collect();
        let is_native = self
            .context
            .catalog
            .modules()
            .any(|(_, functions)| functions.iter().any(|native| native.name == name));
        if is_native {
            return;
        }
        if arities.is_empty() {
            let mend = suggest(name, signature::names());
            self.fault(
                position,
                "unknown_function",
                format!("there is no method `{name}`"),
                mend,
            );
        } else if !arities.contains(&given) {
            self.arguments(position, name, &arities, given);
        }
    }

    fn arguments(&mut self, position: Position, name: &str, wanted: &[usize], given: usize) {
        let list: Vec<String> = wanted.iter().map(usize::to_string).collect();
        let plural = if wanted == [1] { "" } else { "s" };
        let reason = format!(
            "`{name}` takes {} argument{plural}, {given} given",
            list.join(" or ")
        );
        self.fault(position, "arguments", reason, "");
    }

    fn read_only(&mut self, position: Position, what: &str) {
        self.fault(
            position,
            "read_only",
            format!("a question cannot `{what}`"),
            "make it an action",
        );
    }

    /// `root.rest` where the root is a name: a table and its queries, a module, `block`, `caller`.
    fn chain(&mut self, root: &str, rest: &Expr) {
        if let Some(table) = self
            .context
            .header
            .tables
            .iter()
            .find(|table| table.name == root)
        {
            self.table_chain(table, rest, true);
        } else if self
            .context
            .catalog
            .modules()
            .any(|(module, _)| module == root)
        {
            self.module_call(root, first_link(rest));
        } else if root == "block" || root == "caller" {
            let known: &[&str] = if root == "block" {
                &["time", "height"]
            } else {
                &["account", "roles"]
            };
            if let Expr::Property(property, position) = first_link(rest)
                && !known.contains(&property.2.as_str())
            {
                let mend = suggest(&property.2, known.iter().copied());
                self.fault(
                    *position,
                    "unknown_field",
                    format!("`{root}` has no `{}`", property.2),
                    mend,
                );
            }
        }
    }

    fn table_chain(&mut self, table: &TableDecl, rest: &Expr, is_table: bool) {
        let link = first_link(rest);
        let Expr::MethodCall(call, position) = link else {
            if let (true, Expr::Property(property, position)) = (is_table, link) {
                let reason = format!("a table has no `{}`", property.2);
                self.fault(
                    *position,
                    "unknown_field",
                    reason,
                    "get a row first: table.get(key)",
                );
            }
            return;
        };
        let (name, given) = (call.name.as_str(), call.args.len());
        let receiver = if is_table { Shape::Table } else { Shape::Query };
        let cases: Vec<&Case> = methods_of(name, &receiver).collect();
        if cases.is_empty() {
            if is_table {
                self.seen.extend(place_of(*position));
                let known = signature::names();
                let known = known.filter(|known| methods_of(known, &receiver).next().is_some());
                let mend = suggest(name, known);
                self.fault(
                    *position,
                    "unknown_function",
                    format!("a table has no `{name}`"),
                    mend,
                );
            }
            // Otherwise it is for what a query gave: a row, a list or a number.
            return;
        }
        self.seen.extend(place_of(*position));
        let Some(case) = cases.iter().find(|case| case.params.len() == given + 1) else {
            let wanted: Vec<usize> = cases.iter().map(|case| case.params.len() - 1).collect();
            self.arguments(*position, name, &wanted, given);
            return;
        };
        if self.context.read_only && WRITING_METHODS.contains(&name) {
            self.read_only(*position, name);
        }
        for (argument, shapes) in call.args.iter().zip(&case.params[1..]) {
            if let Expr::StringConstant(name, position) = argument
                && shapes.contains(&Shape::Column)
            {
                self.column(table, name, *position);
            }
        }
        let formula = match name {
            "total" => Some(0),
            "total_by" | "set" => Some(1),
            _ => None,
        };
        if let Some(at) = formula {
            self.computed(table, &call.args[at], call.args.get(at + 1));
        } else if WRITING_METHODS.contains(&name)
            && let Some(Expr::Map(entries, _)) = call.args.last()
        {
            for (name, _) in &entries.0 {
                self.column(table, name.as_str(), name.pos);
            }
        }
        if let Expr::Dot(parts, _, _) = rest
            && case.result.contains(&Shape::Query)
        {
            self.table_chain(table, &parts.rhs, false);
        }
    }

    /// A formula over rows: its name, and where its parameters come from.
    fn computed(&mut self, table: &TableDecl, name: &Expr, given: Option<&Expr>) {
        let Expr::StringConstant(name, position) = name else {
            return;
        };
        let Some(formula) = self.formula(name) else {
            let formulas = self.context.header.formulas.iter();
            let mend = suggest(name, formulas.map(|formula| formula.name.as_str()));
            let reason = format!("there is no formula `{name}`");
            self.fault(*position, "unknown_formula", reason, mend);
            return;
        };
        let given = match given {
            None => Vec::new(),
            Some(Expr::Map(entries, _)) => entries.0.iter().map(|(name, _)| name).collect(),
            Some(_) => return,
        };
        for entry in &given {
            if formula
                .params
                .iter()
                .all(|param| param.name != entry.as_str())
            {
                let known = formula.params.iter().map(|param| param.name.as_str());
                let mend = suggest(entry.as_str(), known);
                let reason = format!("the formula `{name}` has no parameter `{}`", entry.as_str());
                self.fault(entry.pos, "unknown_parameter", reason, mend);
            }
        }
        for param in &formula.params {
            if given.iter().any(|entry| entry.as_str() == param.name) {
                continue;
            }
            let column = table.column(&param.name);
            if let Err(raised) = crate::formula::check_source(&formula.name, param, table, column) {
                let code = if column.is_some() {
                    "type"
                } else {
                    "missing_parameter"
                };
                self.fault(*position, code, raised.message, raised.mend);
            }
        }
    }

    fn column(&mut self, table: &TableDecl, name: &str, position: Position) {
        if table.column(name).is_none() {
            let mend = suggest(
                name,
                table.columns.iter().map(|column| column.name.as_str()),
            );
            self.fault(
                position,
                "unknown_column",
                format!("the table `{}` has no column `{name}`", table.name),
                mend,
            );
        }
    }

    fn module_call(&mut self, module: &str, link: &Expr) {
        match link {
            Expr::MethodCall(call, position) => {
                self.seen.extend(place_of(*position));
                let (name, given) = (call.name.as_str(), call.args.len());
                match self.context.catalog.function(module, name) {
                    None => {
                        let functions = self
                            .context
                            .catalog
                            .modules()
                            .filter(|(other, _)| *other == module);
                        let known = functions
                            .flat_map(|(_, functions)| functions)
                            .map(|native| native.name.as_str());
                        let mend = suggest(name, known);
                        self.fault(
                            *position,
                            "unknown_function",
                            format!("there is no function `{module}.{name}`"),
                            mend,
                        );
                    }
                    Some(native) if native.params.len() != given => {
                        self.arguments(*position, name, &[native.params.len()], given);
                    }
                    Some(native) if self.context.read_only && !native.ask_allowed => {
                        self.read_only(*position, &format!("{module}.{name}"));
                    }
                    Some(_) => {}
                }
            }
            Expr::Property(property, position) => {
                let reason = format!("a module has no `{}`", property.2);
                self.fault(
                    *position,
                    "unknown_function",
                    reason,
                    "call a function: module.function(…)",
                );
            }
            _ => {}
        }
    }

    fn index(&mut self, indexed: &Expr, at: &Expr, position: Position) {
        let negative = match at {
            Expr::IntegerConstant(number, _) => *number < 0,
            Expr::Dot(parts, ..) | Expr::Index(parts, ..) => {
                matches!(parts.lhs, Expr::IntegerConstant(number, _) if number < 0)
            }
            _ => false,
        };
        if negative {
            let mend = "count from the start: list[list.len() - 1], or list.last()";
            self.fault(
                position,
                "negative_index",
                "an index cannot be negative".to_owned(),
                mend,
            );
        }
        // Walking through a text costs more than the steps that the interpreter counts for it, so what is indexed must
        // have been charged for: as a variable, or as what a native made.
        if self.is_uncharged(indexed) {
            let mend = "put it into a variable first: let x = …; x[i]";
            self.fault(
                position,
                "index_value",
                "this value cannot be indexed where it is made".to_owned(),
                mend,
            );
        }
    }

    fn is_uncharged(&self, root: &Expr) -> bool {
        match root {
            Expr::FnCall(call, _) => self.function(&call.name).is_some(),
            Expr::Variable(..)
            | Expr::MethodCall(..)
            | Expr::Property(..)
            | Expr::Dot(..)
            | Expr::Index(..) => false,
            // Bits of a number.
            Expr::IntegerConstant(..) => false,
            _ => true,
        }
    }
}

/// Whether a chain of points and brackets has a bracket.
fn has_index(rest: &Expr) -> bool {
    match rest {
        Expr::Index(..) => true,
        Expr::Dot(parts, ..) => has_index(&parts.rhs),
        _ => false,
    }
}

/// The first part of what follows a point.
fn first_link(rest: &Expr) -> &Expr {
    match rest {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => &parts.lhs,
        other => other,
    }
}

/// The ways to call a function as a method of a table or of a query.
fn methods_of<'s>(
    name: &str,
    receiver: &'s Shape,
) -> impl Iterator<Item = &'static Case> + use<'s> {
    let cases = signature::functions(name)
        .iter()
        .flat_map(|signature| &signature.cases);
    cases.filter(|case| case.params[0].contains(receiver))
}

fn arities(name: &str) -> Vec<usize> {
    let functions = signature::functions(name).iter();
    functions
        .map(|signature| signature.native.arity())
        .collect()
}
