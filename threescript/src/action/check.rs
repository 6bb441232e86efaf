//! Decoded actions against their declarations, where no text is involved.

use super::{Action, Declarations, Fault, Signature, Type, writable};
use crate::value::{Assets, MAX_DEPTH, Value};

/// Checks a decoded action against its declaration: the same parameters in the same order, each a value that a text of
/// its type could give. So whatever executes can also be shown.
///
/// `declarations` are for the actions inside of scripts. Errors: `wrong_action`, `wrong_parameters`, `wrong_type`,
/// `unknown_action`, `too_deep`, and what the text of a value may not hold.
pub fn check_action<D: Declarations + ?Sized>(
    action: &Action,
    signature: &Signature,
    declarations: &D,
    assets: &Assets,
) -> Result<(), Fault> {
    check_at(action, signature, declarations, assets, 1)
}

fn check_at<D: Declarations + ?Sized>(
    action: &Action,
    signature: &Signature,
    declarations: &D,
    assets: &Assets,
    depth: usize,
) -> Result<(), Fault> {
    let title = signature.title();
    if (action.mark, &action.actor, &action.name)
        != (signature.mark, &signature.actor, &signature.name)
    {
        let given = format!("{}{}.{}", action.mark.as_str(), action.actor, action.name);
        let reason = format!("`{given}` where `{title}` is declared");
        return Err(Fault::new(
            "wrong_action",
            reason,
            "use the declaration of the action",
        ));
    }
    let given = action.params.iter().map(|(key, _)| key);
    if !given.eq(signature.params.iter().map(|declared| &declared.name)) {
        let reason =
            format!("the parameters of `{title}` are not the declared ones in the declared order");
        let mend = "make the action from a text, by the declaration that is active now";
        return Err(Fault::new("wrong_parameters", reason, mend));
    }
    for (declared, (name, value)) in signature.params.iter().zip(&action.params) {
        let within = |fault: Fault| Fault {
            reason: format!("`{name}` of `{title}`: {}", fault.reason),
            ..fault
        };
        if value.check_depth_at(depth).is_err() {
            let reason = format!("lists and scripts nested deeper than {MAX_DEPTH} levels");
            return Err(within(Fault::new("too_deep", reason, "flatten them")));
        }
        writable::value(&declared.ty, value, assets).map_err(within)?;
        if let (Type::Script, Value::Script(actions)) = (&declared.ty, value) {
            for inner in actions {
                let known = declarations
                    .signature(inner.mark, &inner.actor, &inner.name)
                    .ok_or_else(|| {
                        let reason = format!(
                            "nobody declares `{}{}.{}`",
                            inner.mark.as_str(),
                            inner.actor,
                            inner.name
                        );
                        within(Fault::new(
                            "unknown_action",
                            reason,
                            "use an action that an active policy declares",
                        ))
                    })?;
                check_at(inner, &known, declarations, assets, depth + 1).map_err(within)?;
            }
        }
    }
    Ok(())
}
