//! Declarations over the API, so that a client can type what a person wrote by what the circle declares now.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use threescript::action::{Mark, ParamDecl, Signature, Type};
use threescript::value::Value;

/// A declared action or question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Declaration {
    /// `!`, `!!` or `!!!`.
    pub mark: String,
    /// Who does it.
    pub actor: String,
    /// What is done.
    pub name: String,
    /// The parameters in the order of the canonical form.
    pub params: Vec<Parameter>,
}

/// A declared parameter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parameter {
    /// The name.
    pub name: String,
    /// The type as policies write it.
    #[serde(rename = "type")]
    pub ty: String,
    /// The options of a `one_of`, also of one in a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// The default, as base64 of its canonical bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// One line for people.
    pub doc: String,
}

/// For the API.
pub fn write(signature: &Signature) -> Declaration {
    let parameter = |param: &ParamDecl| Parameter {
        name: param.name.clone(),
        ty: name(&param.ty),
        options: options(&param.ty),
        default: param.default.as_ref().map(|value| {
            BASE64.encode(borsh::to_vec(value).expect("writing to memory does not fail"))
        }),
        doc: param.doc.clone(),
    };
    Declaration {
        mark: signature.mark.as_str().into(),
        actor: signature.actor.clone(),
        name: signature.name.clone(),
        params: signature.params.iter().map(parameter).collect(),
    }
}

/// From the API; `None` if this version does not know what it says.
pub fn read(declaration: &Declaration) -> Option<Signature> {
    let parameter = |param: &Parameter| {
        let default = match &param.default {
            Some(text) => Some(borsh::from_slice::<Value>(&BASE64.decode(text).ok()?).ok()?),
            None => None,
        };
        Some(ParamDecl {
            name: param.name.clone(),
            ty: parse(&param.ty, &param.options)?,
            default,
            doc: param.doc.clone(),
        })
    };
    Some(Signature {
        mark: [Mark::Ask, Mark::Act, Mark::World]
            .into_iter()
            .find(|mark| mark.as_str() == declaration.mark)?,
        actor: declaration.actor.clone(),
        name: declaration.name.clone(),
        params: declaration
            .params
            .iter()
            .map(parameter)
            .collect::<Option<_>>()?,
    })
}

fn name(ty: &Type) -> String {
    match ty {
        Type::OneOf(_) => "one_of".into(),
        Type::List(item) => format!("list of {}", name(item)),
        simple => simple.to_string(),
    }
}

fn options(ty: &Type) -> Vec<String> {
    match ty {
        Type::OneOf(options) => options.clone(),
        Type::List(item) => options(item),
        _ => Vec::new(),
    }
}

const SIMPLE: [Type; 15] = [
    Type::Bool,
    Type::Int,
    Type::Decimal,
    Type::Amount,
    Type::Percent,
    Type::Duration,
    Type::Time,
    Type::Size,
    Type::Text,
    Type::Bytes,
    Type::Account,
    Type::Id,
    Type::Map,
    Type::Script,
    Type::Any,
];

fn parse(text: &str, options: &[String]) -> Option<Type> {
    if let Some(item) = text.strip_prefix("list of ") {
        return Some(Type::List(Box::new(parse(item, options)?)));
    }
    if text == "one_of" {
        return Some(Type::OneOf(options.to_vec()));
    }
    SIMPLE.iter().find(|ty| ty.to_string() == text).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_comes_through_unchanged() {
        let one_of = Type::OneOf(vec!["yes".into(), "a, b".into()]);
        let mut types = SIMPLE.to_vec();
        types.extend([
            one_of.clone(),
            Type::List(Box::new(one_of)),
            Type::List(Box::new(Type::Account)),
        ]);
        let params = types.into_iter().enumerate().map(|(index, ty)| ParamDecl {
            name: format!("p{index}"),
            ty,
            default: (index % 2 == 0).then(|| Value::Text(format!("default {index}"))),
            doc: "says something".into(),
        });
        let signature = Signature {
            mark: Mark::Act,
            actor: "vote".into(),
            name: "cast".into(),
            params: params.collect(),
        };
        let text = serde_json::to_string(&write(&signature)).unwrap();
        assert_eq!(read(&serde_json::from_str(&text).unwrap()), Some(signature));
    }
}
