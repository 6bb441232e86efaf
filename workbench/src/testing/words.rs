//! The words of tests: what their bodies may call besides what policies may.

use threescript::action::Type;
use threescript::engine::{Catalog, Limits, NativeFunction, Word};

use crate::language;

type Params = &'static [(&'static str, Type)];

/// Name, parameters, how many of them have to be given, and what it does.
const WORDS: [(&str, Params, usize, &str); 26] = [
    (
        "account",
        &[
            ("name", Type::Text),
            ("role", Type::Any),
            ("second_role", Type::Text),
            ("third_role", Type::Text),
        ],
        2,
        "Registers an account with these roles; a list of roles may be empty.",
    ),
    (
        "at",
        &[("time", Type::Time)],
        1,
        "Moves the clock forward to a time and makes a block: schedules that are due run once.",
    ),
    (
        "wait",
        &[("duration", Type::Duration)],
        1,
        "Moves the clock forward and makes a block: schedules that are due run once.",
    ),
    (
        "pass",
        &[("duration", Type::Duration), ("step", Type::Duration)],
        2,
        "Lets time pass with a block after every step.",
    ),
    (
        "act",
        &[
            ("who", Type::Account),
            ("what", Type::Text),
            ("values", Type::Map),
        ],
        2,
        "Lets an account, or \"circle\" with its authority, submit actions: a text, or the title of one and its values. Gives what the last of them returned.",
    ),
    (
        "refused",
        &[
            ("who", Type::Account),
            ("what", Type::Text),
            ("values_or_code", Type::Any),
            ("code", Type::Text),
        ],
        3,
        "The same, and it must be refused with this code. Gives the reason.",
    ),
    (
        "ask",
        &[("question", Type::Text), ("values", Type::Map)],
        1,
        "Asks a policy: a text, or the title of a question and its values.",
    ),
    (
        "ask_refused",
        &[
            ("question", Type::Text),
            ("values_or_code", Type::Any),
            ("code", Type::Text),
        ],
        2,
        "The same, and it must be refused with this code. Gives the reason.",
    ),
    (
        "expect",
        &[
            ("actual", Type::Any),
            ("expected", Type::Any),
            ("why", Type::Text),
        ],
        2,
        "Fails the test unless the values are equal.",
    ),
    (
        "expect_event",
        &[("event", Type::Text), ("entries", Type::Map)],
        1,
        "Fails the test unless the last blocks had an event with at least these entries.",
    ),
    (
        "expect_no_event",
        &[("event", Type::Text), ("entries", Type::Map)],
        1,
        "Fails the test if the last blocks had an event with these entries.",
    ),
    (
        "expect_effect",
        &[("effect", Type::Text), ("entries", Type::Map)],
        1,
        "Fails the test unless the last blocks had an effect with at least these entries.",
    ),
    (
        "expect_no_effect",
        &[("effect", Type::Text), ("entries", Type::Map)],
        1,
        "Fails the test if the last blocks had an effect with these entries.",
    ),
    (
        "events",
        &[("event", Type::Text)],
        0,
        "The entries of all events of the last blocks with this name; of all, with their names, if none is given.",
    ),
    (
        "effects",
        &[("effect", Type::Text)],
        0,
        "The same for effects.",
    ),
    (
        "deposit",
        &[
            ("account", Type::Account),
            ("amount", Type::Amount),
            ("wallet", Type::Text),
        ],
        2,
        "Records that an amount arrived for the escrow of an account.",
    ),
    (
        "fund",
        &[("book", Type::Text), ("amount", Type::Amount)],
        2,
        "Records that an amount arrived for any book.",
    ),
    (
        "set",
        &[("param", Type::Text), ("value", Type::Any)],
        2,
        "Gives a param of a policy, `policy.param`, another value, as the circle does.",
    ),
    (
        "wallet",
        &[("name", Type::Text)],
        1,
        "Makes the key of a wallet, so that payouts can be planned from it.",
    ),
    (
        "payouts",
        &[],
        0,
        "The lines of all planned payouts: maps of id, wallet, account and amount.",
    ),
    (
        "ious",
        &[("batch", Type::Any)],
        1,
        "IOUs with both signatures, as bytes for iou.submit, from maps of farmer, consumer, from, to and amount.",
    ),
    (
        "balances",
        &[("asset", Type::Text)],
        0,
        "The books that hold something of an asset, TFT unless another is named: a map of amounts.",
    ),
    ("now", &[], 0, "The time of the clock."),
    (
        "key_of",
        &[("name", Type::Text)],
        1,
        "The public key that belongs to a name, of an account or of anybody else.",
    ),
    (
        "sign",
        &[("name", Type::Text), ("message", Type::Bytes)],
        2,
        "The ed25519 signature of that key over a message.",
    ),
    (
        "credential",
        &[("claims", Type::Map)],
        1,
        "The claims as a JWT with an EdDSA signature by the key of their `iss`; times become seconds.",
    ),
];

/// What bodies of tests are compiled against: what policies are, and the words.
pub fn catalog() -> Catalog {
    let catalog = language::standard().catalog;
    WORDS
        .iter()
        .fold(catalog, |catalog, (name, params, required, doc)| {
            let params = params
                .iter()
                .map(|(name, ty)| ((*name).to_owned(), ty.clone()));
            let function = NativeFunction {
                name: (*name).to_owned(),
                params: params.collect(),
                returns: Type::Any,
                doc: (*doc).to_owned(),
                cost: 0,
                ask_allowed: false,
            };
            let required = *required;
            catalog.with_word(Word { function, required })
        })
}

/// How much a test may use. It acts many times, each time within the limits of the circle, and looks at much.
pub fn limits() -> Limits {
    Limits {
        operations: 100_000_000,
        variables: 256,
        text_bytes: 1024 * 1024,
        list_items: 100_000,
        map_entries: 100_000,
        memory_bytes: 1024 * 1024 * 1024,
        writes: 1_000_000,
        source_bytes: 1024 * 1024,
        functions: 256,
        ..Limits::default()
    }
}
