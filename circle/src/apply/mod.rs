//! The kernel's own commands: what must work when every policy is broken. One file per actor.

mod arguments;
mod ceremony;
mod circle;
mod policy;
mod treasury;

use std::sync::OnceLock;

use threescript::action::{Action, Mark, ParamDecl, Signature, Type, check_action};
use threescript::value::Value;

use crate::authority::Authority;
use crate::policies::KERNEL_ACTORS;
use crate::rejection::Rejection;
use crate::session::{Declared, Session, Stop};
use arguments::Arguments;

/// Runs `action` if it is one of the kernel's. Where a policy adds to an actor of the kernel, the kernel comes first.
pub(crate) fn kernel(
    session: &mut Session,
    authority: &Authority,
    action: &Action,
) -> Option<Result<(), Stop>> {
    let actor = action.actor.as_str();
    if !KERNEL_ACTORS.contains(&actor) {
        return None;
    }
    let Some(signature) = signature(Mark::Act, actor, &action.name) else {
        if session.context.policies.contains_key(actor) {
            return None;
        }
        let message = format!("the kernel has no action {actor}.{}", action.name);
        return Some(Err(Rejection::new("action.unknown", message).into()));
    };
    Some(run(session, authority, action, signature))
}

fn run(
    session: &mut Session,
    authority: &Authority,
    action: &Action,
    signature: &Signature,
) -> Result<(), Stop> {
    let declared = Declared {
        policies: &session.context.policies,
    };
    check_action(action, signature, &declared, &session.context.assets)
        .map_err(|fault| Rejection::new(fault.code, format!("{}; {}", fault.reason, fault.mend)))?;
    let arguments = Arguments::new(action);
    match action.actor.as_str() {
        "circle" => circle::apply(session, authority, &action.name, &arguments),
        "policy" => policy::apply(session, authority, &action.name, &arguments),
        "ceremony" => ceremony::apply(session, authority, &action.name, &arguments),
        _ => treasury::apply(session, authority, &action.name, &arguments),
    }
}

/// The declaration of one kernel command.
pub(crate) fn signature(mark: Mark, actor: &str, name: &str) -> Option<&'static Signature> {
    declared()
        .iter()
        .find(|one| (one.mark, one.actor.as_str(), one.name.as_str()) == (mark, actor, name))
}

/// Built once: every action asks for them.
fn declared() -> &'static [Signature] {
    static DECLARED: OnceLock<Vec<Signature>> = OnceLock::new();
    DECLARED.get_or_init(declare_all)
}

/// The declarations of all kernel commands, as policies declare theirs.
pub fn signatures() -> Vec<Signature> {
    declared().to_vec()
}

fn declare_all() -> Vec<Signature> {
    let text_list = || Type::List(Box::new(Type::Text));
    vec![
        declare(
            "circle",
            "register",
            &[
                ("name", Type::Text, "the account's name"),
                ("key", Type::Bytes, "its ed25519 key"),
                ("roles", text_list(), "its roles"),
            ],
        ),
        declare(
            "circle",
            "bench",
            &[(
                "guardian",
                Type::Account,
                "who is taken out of the active set",
            )],
        ),
        declare(
            "circle",
            "admit",
            &[
                ("name", Type::Text, "the name of the new guardian"),
                ("key", Type::Bytes, "its ed25519 key"),
                (
                    "addresses",
                    text_list(),
                    "where its node is reached, as address:port",
                ),
            ],
        ),
        declare(
            "circle",
            "remove",
            &[("guardian", Type::Account, "who is a guardian no longer")],
        ),
        declare(
            "circle",
            "confirm",
            &[
                ("epoch", Type::Int, "the epoch that the change leads to"),
                (
                    "change",
                    Type::Bytes,
                    "the change, as the state holds it; nodes send this by themselves",
                ),
            ],
        ),
        declare(
            "circle",
            "attest",
            &[
                ("height", Type::Int, "the height"),
                ("checkpoint", Type::Bytes, "the checkpoint's digest"),
                ("signature", Type::Bytes, "the guardian's signature over it"),
            ],
        ),
        declare(
            "circle",
            "testify",
            &[(
                "testimony",
                Type::Bytes,
                "checkpoints and outcomes of this guardian",
            )],
        ),
        declare(
            "policy",
            "install",
            &[("source", Type::Bytes, "the policy file, UTF-8")],
        ),
        declare(
            "policy",
            "activate",
            &[
                ("hash", Type::Bytes, "the hash of an installed policy"),
                (
                    "height",
                    Type::Int,
                    "from which height on; 0 for as soon as it is certified",
                ),
            ],
        ),
        declare(
            "policy",
            "set",
            &[
                ("policy", Type::Text, "an active policy"),
                ("param", Type::Text, "one of its params"),
                ("value", Type::Text, "its new value, within the bounds"),
            ],
        ),
        declare(
            "ceremony",
            "start",
            &[
                ("wallet", Type::Text, "the wallet that the key is for"),
                ("network", Type::Text, "the Stellar network passphrase"),
                (
                    "sequence",
                    Type::Int,
                    "the account's sequence number on the chain; -1 to let the guardians look",
                ),
                (
                    "threshold",
                    Type::Int,
                    "how many have to sign; 0 for the quorum",
                ),
            ],
        ),
        declare(
            "ceremony",
            "keygen",
            &[
                ("ceremony", Type::Id, "the ceremony"),
                ("message", Type::Bytes, "this guardian's message"),
            ],
        ),
        declare(
            "ceremony",
            "sign",
            &[(
                "messages",
                Type::Bytes,
                "this guardian's messages, by payout",
            )],
        ),
        declare(
            "treasury",
            "deposit",
            &[
                ("wallet", Type::Text, "where it arrived"),
                ("account", Type::Account, "for whose escrow"),
                ("amount", Type::Amount, "how much"),
                (
                    "reference",
                    Type::Text,
                    "the chain's name for the transaction, once",
                ),
            ],
        ),
        declare(
            "treasury",
            "observe",
            &[(
                "observations",
                Type::Bytes,
                "what this guardian's node saw on the chains",
            )],
        ),
        declare(
            "treasury",
            "receive_at",
            &[
                ("account", Type::Account, "who is paid"),
                (
                    "chain",
                    Type::Text,
                    "the kind of chain: stellar or ethereum",
                ),
                ("address", Type::Text, "where on that chain"),
                (
                    "memo",
                    Type::Text,
                    "what has to come along; empty for nothing",
                ),
            ],
        ),
        declare(
            "treasury",
            "pays_from",
            &[(
                "signature",
                Type::Bytes,
                "of an Ethereum address over the message that names this account",
            )],
        ),
        declare(
            "treasury",
            "safe",
            &[
                ("wallet", Type::Text, "the wallet, which is a Safe"),
                ("chain_id", Type::Int, "the number of its chain"),
                (
                    "contracts",
                    Type::Bytes,
                    "what it is made of; nothing for the contracts of public chains",
                ),
                (
                    "threshold",
                    Type::Int,
                    "how many have to sign; 0 for the quorum",
                ),
                (
                    "address",
                    Type::Text,
                    "a Safe that the guardians own already; empty for a new one",
                ),
                (
                    "from_block",
                    Type::Int,
                    "from which block on payments to a Safe that was there already count",
                ),
            ],
        ),
        declare(
            "treasury",
            "rotate",
            &[
                (
                    "wallet",
                    Type::Text,
                    "the wallet that gets a new key, or other owners",
                ),
                (
                    "threshold",
                    Type::Int,
                    "how many guardians have to sign from then on; 0 for the quorum",
                ),
            ],
        ),
        declare(
            "treasury",
            "own",
            &[
                (
                    "key",
                    Type::Bytes,
                    "this guardian's key on Stellar; nothing for its key on Ethereum",
                ),
                (
                    "signature",
                    Type::Bytes,
                    "of the key by which it is to own wallets there",
                ),
            ],
        ),
        declare(
            "treasury",
            "multisig",
            &[
                (
                    "wallet",
                    Type::Text,
                    "the wallet, an account on Stellar that each guardian owns",
                ),
                ("network", Type::Text, "the passphrase of its network"),
                (
                    "threshold",
                    Type::Int,
                    "how many have to sign; 0 for the quorum",
                ),
            ],
        ),
        declare(
            "treasury",
            "account",
            &[
                (
                    "wallet",
                    Type::Text,
                    "the wallet that waits for its account",
                ),
                ("address", Type::Text, "where somebody made it, G…"),
            ],
        ),
        declare(
            "treasury",
            "sign",
            &[(
                "signatures",
                Type::Bytes,
                "this guardian's signatures, by payout",
            )],
        ),
        declare(
            "treasury",
            "checks",
            &[
                ("wallet", Type::Text, "whose payouts people check"),
                (
                    "from",
                    Type::List(Box::new(Type::Amount)),
                    "the smallest line of each asset that is checked",
                ),
                ("confirmations", Type::Int, "how many have to confirm"),
            ],
        ),
        declare(
            "treasury",
            "confirmer",
            &[
                ("guardian", Type::Account, "for whom"),
                (
                    "account",
                    Type::Account,
                    "the account of the person's own key",
                ),
            ],
        ),
        declare(
            "treasury",
            "confirm",
            &[
                ("payout", Type::Id, "the payout"),
                ("transaction", Type::Bytes, "the hash of its transaction"),
            ],
        ),
        declare(
            "treasury",
            "pause",
            &[
                ("wallet", Type::Text, "what is stopped"),
                ("reason", Type::Text, "why, for everybody"),
            ],
        ),
        declare(
            "treasury",
            "resume",
            &[("wallet", Type::Text, "what goes on")],
        ),
        declare(
            "treasury",
            "retry",
            &[("payout", Type::Id, "a payout that failed on its chain")],
        ),
        declare(
            "treasury",
            "cancel",
            &[("payout", Type::Id, "a payout that is to be taken back")],
        ),
    ]
}

fn declare(actor: &str, name: &str, params: &[(&str, Type, &str)]) -> Signature {
    // What the circle would choose by itself.
    let default = |param: &str| match (actor, name, param) {
        ("ceremony" | "treasury", _, "threshold" | "from_block") | ("policy", _, "height") => {
            Some(Value::Int(0))
        }
        ("ceremony", _, "sequence") => Some(Value::Int(-1)),
        ("treasury", _, "memo") | ("treasury", "safe", "address") => {
            Some(Value::Text(String::new()))
        }
        ("treasury", _, "contracts" | "key") => Some(Value::Bytes(Vec::new())),
        ("circle", _, "addresses") => Some(Value::List(Vec::new())),
        _ => None,
    };
    let params = params
        .iter()
        .map(|(name, ty, doc)| ParamDecl {
            name: (*name).into(),
            ty: ty.clone(),
            default: default(name),
            doc: (*doc).into(),
        })
        .collect();
    Signature {
        mark: Mark::Act,
        actor: actor.into(),
        name: name.into(),
        params,
    }
}
