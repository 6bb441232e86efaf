//! `a.b.c(…)[d]`: parts of values, methods, and what is written there.

use super::Inference;
use super::calls::{Arg, with_article};
use super::expressions::arguments;
use super::kind::{Kind, MapTy, Ty, Words};
use crate::engine::library::signature;
use crate::policy::diagnostic::{shorten, suggest};
use rhai::{ASTFlags, BinaryExpr, Expr, FnCallExpr, OpAssignment, Position};
use std::rc::Rc;

/// One step of a chain.
enum Link<'e> {
    Part(&'e Expr),
    Place(&'e Expr),
}

/// Where something is written within a value.
#[derive(Clone, Debug)]
enum Step {
    Name(String),
    Item,
    Unknown,
}

impl<'a> Inference<'a> {
    /// What a chain gives.
    pub(super) fn chain(&mut self, expression: &Expr) -> Ty {
        let Some((root, links)) = links(expression) else {
            return Ty::Any;
        };
        let ty = self.expression(root);
        self.follow(ty, root, &links).0
    }

    /// Walks along the links; gives the value at the end, and the value before the last link.
    fn follow(&mut self, ty: Ty, root: &Expr, links: &[(Link, bool)]) -> (Ty, Ty) {
        let (mut value, mut before) = (ty, Ty::Any);
        for (at, (link, is_optional)) in links.iter().enumerate() {
            before = value.clone();
            // `x?.y` is nothing where x is.
            let is_nothing = *is_optional && value.may(|kind| *kind == Kind::Nothing);
            if is_nothing && value == Ty::nothing() {
                continue;
            }
            value = match link {
                Link::Part(Expr::Property(property, position)) => {
                    self.property(&value, &property.2, *position)
                }
                Link::Part(Expr::MethodCall(call, position)) => {
                    let result = self.method(&value, call, *position);
                    if signature::function(&call.name, call.args.len() + 1)
                        .is_some_and(|signature| signature.native.changes)
                    {
                        let types: Vec<Ty> =
                            call.args.iter().map(|arg| self.quietly(arg)).collect();
                        let steps: Vec<Step> = links[..at]
                            .iter()
                            .map(|(link, _)| self.step(link))
                            .collect();
                        self.changed_at(&call.name, root, steps, &types);
                    }
                    result
                }
                Link::Part(_) => Ty::Any,
                Link::Place(index) => self.index(&value, index),
            };
            if is_nothing {
                value = value.join(Ty::nothing());
            }
        }
        (value, before)
    }

    /// The type of an expression that was looked at already.
    pub(super) fn quietly(&mut self, expression: &Expr) -> Ty {
        let reports = std::mem::replace(&mut self.reports, false);
        let ty = self.expression(expression);
        self.reports = reports;
        ty
    }

    fn property(&mut self, value: &Ty, name: &str, position: Position) -> Ty {
        let Some(kinds) = value.kinds() else {
            return Ty::Any;
        };
        let mut result: Option<Ty> = None;
        for kind in kinds {
            let found = match kind {
                Kind::Map(map) => entry(map, name),
                // The first check has looked at these.
                Kind::Block | Kind::Caller | Kind::Table(_) | Kind::Module(_) => {
                    Some(self.property_of(kind, name).unwrap_or(Ty::Any))
                }
                kind => self.property_of(kind, name),
            };
            if let Some(found) = found {
                result = Some(result.unwrap_or(Ty::NEVER).join(found));
            }
        }
        match result {
            Some(result) => result,
            None if kinds.is_empty() => Ty::NEVER,
            None => {
                self.unknown_part(kinds, name, position);
                Ty::NEVER
            }
        }
    }

    fn unknown_part(&mut self, kinds: &[Kind], name: &str, position: Position) {
        let things: Vec<Kind> = kinds
            .iter()
            .filter(|kind| **kind != Kind::Nothing)
            .cloned()
            .collect();
        let subject = match things.as_slice() {
            [Kind::Map(map)] => match &map.table {
                Some(table) => format!("a row of `{table}`"),
                None => "this map".to_owned(),
            },
            _ => with_article(&Ty::Of(kinds.to_vec()).describe()),
        };
        let known: Vec<String> = kinds
            .iter()
            .flat_map(|kind| self.properties_of(kind))
            .collect();
        let is_method = |kind: &Kind| {
            let signature = signature::function(name, 1);
            signature.is_some_and(|signature| self.takes_receiver(signature, kind))
        };
        let mend = if kinds.iter().any(is_method) {
            format!("call it: {name}()")
        } else if *kinds == [Kind::Nothing] {
            "there is nothing here".to_owned()
        } else {
            suggest(name, known.iter().map(String::as_str))
        };
        self.fault(
            position,
            "unknown_field",
            format!("{subject} has no `{name}`"),
            mend,
        );
    }

    fn method(&mut self, value: &Ty, call: &FnCallExpr, position: Position) -> Ty {
        let types: Vec<Ty> = call.args.iter().map(|arg| self.expression(arg)).collect();
        let args = arguments(&types, &call.args);
        let name = call.name.as_str();
        if let Some([Kind::Module(module)]) = value.kinds() {
            let catalog = self.program.catalog;
            return match catalog.function(module, name) {
                Some(native) if native.params.len() == args.len() => {
                    self.native(module, native, &args)
                }
                _ => Ty::Any,
            };
        }
        let is_native = self
            .program
            .catalog
            .modules()
            .any(|(_, functions)| functions.iter().any(|native| native.name == name));
        if is_native && value.may(|kind| matches!(kind, Kind::Module(_))) {
            return Ty::Any;
        }
        let Some(signature) = signature::function(name, args.len() + 1) else {
            return Ty::Any;
        };
        let receiver = Arg {
            ty: value,
            position,
            expression: None,
        };
        let args: Vec<Arg> = std::iter::once(receiver).chain(args).collect();
        self.library(signature, &args, position)
    }

    fn index(&mut self, value: &Ty, index: &Expr) -> Ty {
        let at = self.expression(index);
        let (Some(kinds), Some(places)) = (value.kinds(), at.kinds()) else {
            return Ty::Any;
        };
        if kinds.is_empty() || places.is_empty() {
            return Ty::NEVER;
        }
        let mut result: Option<Ty> = None;
        for kind in kinds {
            for place in places {
                let found = match (kind, place) {
                    (Kind::List(item), Kind::Int) => Some(Ty::clone(item)),
                    (Kind::Map(map), Kind::Text(Words::Literal(name))) => entry(map, name),
                    (Kind::Map(_), Kind::Text(_)) => Some(Ty::Any),
                    (Kind::Text(_), Kind::Int | Kind::Range) => Some(Ty::text()),
                    (Kind::Int, Kind::Int) => Some(Ty::bool()),
                    (Kind::Int, Kind::Range) => Some(Ty::int()),
                    _ => None,
                };
                if let Some(found) = found {
                    result = Some(result.unwrap_or(Ty::NEVER).join(found));
                }
            }
        }
        if let Some(result) = result {
            return result;
        }
        match (kinds, at.literal()) {
            ([Kind::Map(map)], Some(name)) => {
                let position = index.start_position();
                self.unknown_part(&[Kind::Map(map.clone())], &shorten(name), position);
            }
            _ => {
                let reason = format!(
                    "{} has no place that {} names",
                    with_article(&value.describe()),
                    with_article(&at.describe())
                );
                let mend = match kinds {
                    [Kind::List(_)] => "a place of a list is an int, from 0",
                    [Kind::Table(_)] => "get a row first: table.get(key)",
                    [Kind::Query(_)] => "get the rows first: rows()",
                    _ => "",
                };
                self.fault(index.start_position(), "type", reason, mend);
            }
        }
        Ty::NEVER
    }

    /// `x = y`, `x.part = y`, `x += y`.
    pub(super) fn assignment(&mut self, assigned: &OpAssignment, target: &Expr, value: &Expr) {
        let mut ty = self.expression(value);
        if let Some((.., operator)) = assigned.get_op_assignment_info() {
            let old = match target {
                // Only to change a variable is not to use it.
                Expr::Variable(variable, ..) => self.variable_type(&variable.1),
                target => self.expression(target),
            };
            let arg = |ty, expression: &'_ Expr| Arg {
                ty,
                position: expression.start_position(),
                expression: None,
            };
            let right = Arg {
                expression: Some(value),
                ..arg(&ty, value)
            };
            ty = self.binary(operator, arg(&old, target), right, assigned.position());
        } else if let Some((root, links)) = links(target)
            && links.len() > 1
        {
            // What is on the way to the last part must be there.
            let before = &links[..links.len() - 1];
            let root_type = self.expression(root);
            self.follow(root_type, root, before);
        }
        match target {
            Expr::Variable(variable, ..) => {
                if let Some(variable) = self.find(&variable.1) {
                    self.grow(variable, ty);
                }
            }
            target => {
                let Some((root, links)) = links(target) else {
                    return;
                };
                let steps: Vec<Step> = links.iter().map(|(link, _)| self.step(link)).collect();
                self.write(root, steps, ty);
            }
        }
    }

    fn variable_type(&mut self, name: &str) -> Ty {
        match self.find(name) {
            Some(variable) => self.types.get(&variable).cloned().unwrap_or(Ty::NEVER),
            None => Ty::Any,
        }
    }

    fn step(&mut self, link: &Link) -> Step {
        match link {
            Link::Part(Expr::Property(property, _)) => Step::Name(property.2.to_string()),
            Link::Part(_) => Step::Unknown,
            Link::Place(index) => {
                let ty = self.quietly(index);
                match (ty.literal(), ty.kinds()) {
                    (Some(name), _) => Step::Name(name.to_owned()),
                    (None, Some([Kind::Int])) => Step::Item,
                    _ => Step::Unknown,
                }
            }
        }
    }

    /// A library function has changed its first argument.
    pub(super) fn changed_in_place(&mut self, name: &str, target: &Expr, args: &[Ty]) {
        match target {
            Expr::Variable(..) => self.changed_at(name, target, Vec::new(), args),
            target => {
                if let Some((root, links)) = links(target) {
                    let steps = links.iter().map(|(link, _)| self.step(link)).collect();
                    self.changed_at(name, root, steps, args);
                }
            }
        }
    }

    fn changed_at(&mut self, name: &str, root: &Expr, mut steps: Vec<Step>, args: &[Ty]) {
        // What is taken out was there before; what is put in is the last argument.
        if matches!(name, "pop" | "remove") {
            return;
        }
        steps.push(Step::Item);
        let added = args.last().cloned().unwrap_or(Ty::Any);
        self.write(root, steps, added);
    }

    fn write(&mut self, root: &Expr, steps: Vec<Step>, new: Ty) {
        let Expr::Variable(variable, ..) = root else {
            return;
        };
        if let Some(variable) = self.find(&variable.1) {
            let old = self.types.get(&variable).cloned().unwrap_or(Ty::NEVER);
            let written = written(&old, &steps, new);
            self.grow(variable, written);
        }
    }
}

/// The root of a chain and its links, each with whether it stands behind `?`.
fn links(expression: &Expr) -> Option<(&Expr, Vec<(Link<'_>, bool)>)> {
    let (root, mut rest) = match expression {
        Expr::Dot(parts, flags, _) => (&parts.lhs, Some((&**parts, *flags, true))),
        Expr::Index(parts, flags, _) => (&parts.lhs, Some((&**parts, *flags, false))),
        _ => return None,
    };
    let mut found = Vec::new();
    while let Some((parts, flags, is_dot)) = rest {
        let next: &Expr = &parts.rhs;
        let goes_on = is_dot || !flags.contains(ASTFlags::BREAK);
        let (here, more): (&Expr, Option<(&BinaryExpr, ASTFlags, bool)>) = match next {
            Expr::Dot(parts, flags, _) if goes_on => (&parts.lhs, Some((&**parts, *flags, true))),
            Expr::Index(parts, flags, _) if goes_on => {
                (&parts.lhs, Some((&**parts, *flags, false)))
            }
            next => (next, None),
        };
        let link = if is_dot {
            Link::Part(here)
        } else {
            Link::Place(here)
        };
        found.push((link, flags.contains(ASTFlags::NEGATED)));
        rest = more;
    }
    Some((root, found))
}

fn entry(map: &MapTy, name: &str) -> Option<Ty> {
    match map.entries.get(name) {
        Some(ty) if map.open => Some(ty.clone().join(Ty::Any)),
        Some(ty) => Some(ty.clone()),
        None => map.open.then_some(Ty::Any),
    }
}

/// A value after something was written at a place within it; the old value may still be there.
fn written(old: &Ty, steps: &[Step], new: Ty) -> Ty {
    let Some((step, rest)) = steps.split_first() else {
        return old.clone().join(new);
    };
    let Some(kinds) = old.kinds() else {
        return Ty::Any;
    };
    kinds.iter().fold(Ty::NEVER, |ty, kind| {
        ty.join(match (kind, step) {
            (Kind::List(item), Step::Item | Step::Unknown) => {
                Ty::list(written(item, rest, new.clone()))
            }
            (Kind::Map(map), Step::Name(name)) => {
                let mut map = MapTy::clone(map);
                let before = map.entries.get(name).cloned().unwrap_or(Ty::NEVER);
                let after = match map.open && before.is_never() {
                    true => Ty::Any,
                    false => written(&before, rest, new.clone()),
                };
                map.entries.insert(name.clone(), after);
                Ty::one(Kind::Map(Rc::new(map)))
            }
            (Kind::Map(_), _) => Ty::open_map(),
            (kind, _) => Ty::one(kind.clone()),
        })
    })
}
