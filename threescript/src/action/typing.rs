//! From statements to actions: each value is read by the type that its declaration gives it.

use super::parser::{parse, parse_script};
use super::{
    Action, ActionError, Declarations, Mark, Param, ParamDecl, Position, Raw, Signature, Statement,
    Type,
};
use super::{suggest, writable};
use crate::value::{
    Assets, MAX_DEPTH, Value, ValueError, is_account, parse_duration, parse_id, parse_int,
    parse_percent, parse_size, parse_time,
};

/// Reads a text of actions by their declarations: [`parse`], then [`type_check`] of each.
///
/// ```
/// use threescript::action::{Mark, ParamDecl, Signature, Type, read, render};
/// use threescript::value::Assets;
///
/// let param = |name: &str, ty| ParamDecl { name: name.into(), ty, default: None, doc: String::new() };
/// let params = vec![param("to", Type::Account), param("amount", Type::Amount)];
/// let declared = vec![Signature { mark: Mark::Act, actor: "treasury".into(), name: "pay".into(), params }];
/// let assets = Assets::standard();
///
/// let actions = read("!!treasury.pay amount:0.50TFT to:bob", &declared, &assets)?;
/// assert_eq!(render(&actions, &assets), "!!treasury.pay to:bob amount:'0.5 TFT'\n");
///
/// let error = read("!!treasury.pay amount:0.5 to:bob", &declared, &assets).unwrap_err();
/// assert_eq!((error.line, error.column, error.code), (1, 23, "malformed_value"));
/// # Ok::<(), threescript::action::ActionError>(())
/// ```
pub fn read<D: Declarations + ?Sized>(
    text: &str,
    declarations: &D,
    assets: &Assets,
) -> Result<Vec<Action>, ActionError> {
    let types = Types {
        declarations,
        assets,
    };
    parse(text)?
        .iter()
        .map(|statement| types.declared_action(statement, 1))
        .collect()
}

/// Types a statement by its declaration. Defaults are filled in, and parameters put in declared order.
///
/// `declarations` are for the actions inside of scripts. Errors: see the table in the [module](super).
pub fn type_check<D: Declarations + ?Sized>(
    statement: &Statement,
    signature: &Signature,
    declarations: &D,
    assets: &Assets,
) -> Result<Action, ActionError> {
    Types {
        declarations,
        assets,
    }
    .action(statement, signature, 1)
}

/// The declaration of an action. Errors: `unknown_action`, with the nearest known one.
pub fn find_signature<D: Declarations + ?Sized>(
    statement: &Statement,
    declarations: &D,
) -> Result<Signature, ActionError> {
    let Statement {
        mark, actor, name, ..
    } = statement;
    declarations.signature(*mark, actor, name).ok_or_else(|| {
        let title =
            |mark: Mark, actor: &str, name: &str| format!("{}{actor}.{name}", mark.as_str());
        let asked = title(*mark, actor, name);
        let known: Vec<String> = declarations
            .known()
            .iter()
            .map(|(mark, actor, name)| title(*mark, actor, name))
            .collect();
        let mend = match suggest::nearest(&asked, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "use an action that an active policy declares".to_owned(),
        };
        ActionError::at(
            statement.position,
            "unknown_action",
            format!("nobody declares `{asked}`"),
            mend,
        )
    })
}

struct Types<'a, D: ?Sized> {
    declarations: &'a D,
    assets: &'a Assets,
}

impl<D: Declarations + ?Sized> Types<'_, D> {
    fn declared_action(&self, statement: &Statement, depth: usize) -> Result<Action, ActionError> {
        self.action(
            statement,
            &find_signature(statement, self.declarations)?,
            depth,
        )
    }

    /// `depth` is that of the values, counted from 1.
    fn action(
        &self,
        statement: &Statement,
        signature: &Signature,
        depth: usize,
    ) -> Result<Action, ActionError> {
        refuse_unknown(statement, signature)?;
        if depth > MAX_DEPTH && !signature.params.is_empty() {
            return Err(too_deep(statement.position));
        }
        let mut params = Vec::with_capacity(signature.params.len());
        for declared in &signature.params {
            let given = statement
                .params
                .iter()
                .find(|param| param.key == declared.name);
            let flagged = statement
                .flags
                .iter()
                .any(|flag| flag.name == declared.name);
            let value = match (given, flagged, &declared.default, &declared.ty) {
                (Some(param), ..) => self.param(param, &declared.ty, depth)?,
                (None, true, ..) => Value::Bool(true),
                (None, false, Some(default), _) if default.check_depth_at(depth).is_err() => {
                    return Err(too_deep(statement.position));
                }
                (None, false, Some(default), _) => default.clone(),
                (None, false, None, Type::Bool) => Value::Bool(false),
                (None, false, None, _) => return Err(missing(statement, declared)),
            };
            params.push((declared.name.clone(), value));
        }
        Ok(Action {
            mark: signature.mark,
            actor: signature.actor.clone(),
            name: signature.name.clone(),
            params,
        })
    }

    fn param(&self, param: &Param, ty: &Type, depth: usize) -> Result<Value, ActionError> {
        match (ty, &param.value) {
            (Type::List(item), Raw::One(text)) => self.list_of_one(item, text, param, depth),
            (Type::List(item), Raw::Many(items)) => self.list(item, items, param, depth),
            (Type::Any, Raw::Many(items)) => self.list(&Type::Text, items, param, depth),
            (Type::Script, Raw::One(text)) => self.script(text, param.value_position(), depth),
            (_, Raw::One(text)) => self.scalar(ty, text, param.value_position()),
            (_, Raw::Many(_)) => {
                let reason = format!("a list for `{}`, which takes {}", param.key, ty.described());
                let mend = format!(
                    "give one value, and quote a comma inside it, as in {}:'a, b'",
                    param.key
                );
                Err(ActionError::at(
                    param.value_position(),
                    "unexpected_list",
                    reason,
                    mend,
                ))
            }
        }
    }

    fn list_of_one(
        &self,
        item: &Type,
        text: &str,
        param: &Param,
        depth: usize,
    ) -> Result<Value, ActionError> {
        if text.is_empty() {
            return Ok(Value::List(Vec::new()));
        }
        writable::only_item(text)
            .and_then(|()| writable::list_item(text))
            .map_err(|fault| fault.at(param.value_position()))?;
        self.list(item, std::slice::from_ref(&text.to_owned()), param, depth)
    }

    fn list(
        &self,
        item: &Type,
        items: &[String],
        param: &Param,
        depth: usize,
    ) -> Result<Value, ActionError> {
        if depth == MAX_DEPTH {
            return Err(too_deep(param.value_position()));
        }
        let typed = items.iter().zip(&param.value_positions);
        let values = typed.map(|(text, position)| self.scalar(item, text, *position));
        Ok(Value::List(values.collect::<Result<_, _>>()?))
    }

    /// Reads the actions of a script: one of them as it is, or lines that each stand behind `> `.
    fn script(&self, text: &str, position: Position, depth: usize) -> Result<Value, ActionError> {
        let quoted = !text.starts_with('!');
        let mut lines = Vec::new();
        for (index, line) in text.split('\n').enumerate() {
            let inner = if quoted {
                line.strip_prefix("> ").or_else(|| line.strip_prefix('>'))
            } else {
                Some(line)
            };
            match inner {
                Some(inner) => lines.push(inner),
                None if line.is_empty() => lines.push(""),
                None => {
                    let place = Position {
                        line: position.line + index as u32,
                        column: position.column,
                    };
                    let mend = "write each line of a script behind `> `, as in > !!vote.cast proposal:7 choice:yes";
                    return Err(ActionError::at(
                        place,
                        "malformed_script",
                        "a line of a script without `>`",
                        mend,
                    ));
                }
            }
        }
        let outer = |error: ActionError| ActionError {
            line: error.line + position.line - 1,
            column: error.column + position.column - 1 + if quoted { 2 } else { 0 },
            ..error
        };
        let statements = parse_script(&lines.join("\n")).map_err(outer)?;
        let actions = statements
            .iter()
            .map(|statement| self.declared_action(statement, depth + 1));
        Ok(Value::Script(
            actions.collect::<Result<_, _>>().map_err(outer)?,
        ))
    }

    fn scalar(&self, ty: &Type, text: &str, position: Position) -> Result<Value, ActionError> {
        let wrong = |mend: String| {
            let reason = format!(
                "`{}` is not {}",
                crate::value::shorten(text),
                ty.described()
            );
            ActionError::at(position, "malformed_value", reason, mend)
        };
        let value = |result: Result<Value, ValueError>| {
            result.map_err(|error| {
                let (reason, mend) = error.reason_and_mend();
                ActionError::at(position, error.code(), reason, mend)
            })
        };
        match ty {
            Type::Bool => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(wrong("write true or false, or only the name for true".to_owned())),
            },
            Type::Int => value(parse_int(text).map(Value::Int)),
            Type::Decimal => value(crate::value::Decimal::parse(text).map(Value::Decimal)),
            Type::Amount => value(self.assets.parse_amount(text).map(Value::Amount)),
            Type::Percent => value(parse_percent(text).map(Value::Percent)),
            Type::Duration => value(parse_duration(text).map(Value::Duration)),
            Type::Time => value(parse_time(text).map(Value::Time)),
            Type::Size => value(parse_size(text).map(Value::Int)),
            Type::Id => value(parse_id(text).map(Value::Id)),
            Type::Text | Type::Any => Ok(Value::Text(text.to_owned())),
            Type::Bytes => match hex::decode(text) {
                Ok(bytes) => Ok(Value::Bytes(bytes)),
                Err(_) => Err(wrong("write two hexadecimal digits per byte, as in 00ff".to_owned())),
            },
            Type::Account if is_account(text) => Ok(Value::Account(text.to_owned())),
            Type::Account => Err(wrong(
                "write a name of A-Z, a-z, 0-9, `_`, `-` and `.`, or a key of 64 hexadecimal digits in lower case".to_owned(),
            )),
            Type::OneOf(options) if options.iter().any(|option| option == text) => Ok(Value::Text(text.to_owned())),
            Type::OneOf(options) => Err(wrong(match suggest::nearest(text, options.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write one of: {}", options.join(", ")),
            })),
            Type::List(_) | Type::Map | Type::Script => {
                let reason = format!("a {ty} has no text here");
                Err(ActionError::at(position, "type_without_text", reason, "declare the parameter with another type"))
            }
        }
    }
}

/// Refuses what the declaration does not name, and flags of parameters that take a value.
fn refuse_unknown(statement: &Statement, signature: &Signature) -> Result<(), ActionError> {
    let params = statement
        .params
        .iter()
        .map(|param| (param.key.as_str(), param.position, false));
    let flags = statement
        .flags
        .iter()
        .map(|flag| (flag.name.as_str(), flag.position, true));
    for (name, position, flag) in params.chain(flags) {
        match signature
            .params
            .iter()
            .find(|declared| declared.name == name)
        {
            Some(declared) if flag && declared.ty != Type::Bool => {
                let reason = format!(
                    "`{name}` without a value; it takes {}",
                    declared.ty.described()
                );
                let mend = format!("write {name}:{}", declared.ty.example());
                return Err(ActionError::at(position, "flag_for_value", reason, mend));
            }
            Some(_) => {}
            None => {
                let reason = format!("`{}` has no parameter `{name}`", signature.title());
                let mut known = signature
                    .params
                    .iter()
                    .map(|declared| declared.name.as_str());
                let mend = match suggest::nearest(name, known.clone()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if signature.params.is_empty() => {
                        "remove it; the action takes none".to_owned()
                    }
                    None => {
                        let first = known.next().unwrap_or_default().to_owned();
                        format!(
                            "use one of: {}",
                            known.fold(first, |list, name| list + ", " + name)
                        )
                    }
                };
                return Err(ActionError::at(position, "unknown_parameter", reason, mend));
            }
        }
    }
    Ok(())
}

fn missing(statement: &Statement, declared: &ParamDecl) -> ActionError {
    let Statement {
        mark, actor, name, ..
    } = statement;
    let reason = format!(
        "`{}{actor}.{name}` needs `{}`, which is {}",
        mark.as_str(),
        declared.name,
        declared.ty.described()
    );
    let mend = format!("add {}:{}", declared.name, declared.ty.example());
    ActionError::at(statement.position, "missing_parameter", reason, mend)
}

fn too_deep(position: Position) -> ActionError {
    let reason = format!("lists and scripts nested deeper than {MAX_DEPTH} levels");
    ActionError::at(position, "too_deep", reason, "flatten them")
}
