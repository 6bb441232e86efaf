//! What people read about the natives beside what the catalog says: how they fail, and an example that runs as a test.

/// How a native fails, and how it is used.
#[derive(Clone, Copy, Debug)]
pub struct NativePage {
    /// Module and function, joined by a point.
    pub name: &'static str,
    /// The codes that it fails with, besides `type` and the limits.
    pub errors: &'static [&'static str],
    /// An expression that uses it, on a circle of nine guardians where alice is a consumer with 100 TFT in escrow and
    /// `batch` holds her IOU over 5 TFT to the farmer bob; `script` runs an action that is for the circle.
    pub example: &'static str,
    /// What it gives, as a body writes it, or `error` and the code that it fails with.
    pub result: &'static str,
}

const fn page(
    name: &'static str,
    errors: &'static [&'static str],
    example: &'static str,
    result: &'static str,
) -> NativePage {
    NativePage {
        name,
        errors,
        example,
        result,
    }
}

const PAGES: &[NativePage] = &[
    page(
        "ledger.balance",
        &["asset.unknown"],
        "ledger.balance(\"escrow:alice\", \"TFT\")",
        "amount(\"100 TFT\")",
    ),
    page(
        "ledger.transfer",
        &[
            "ledger.amount",
            "ledger.book",
            "ledger.insufficient",
            "ledger.overflow",
        ],
        "ledger.transfer(\"escrow:alice\", \"fees\", amount(\"200 TFT\"))",
        "error ledger.insufficient",
    ),
    page(
        "iou.admit",
        &["iou.malformed"],
        "iou.admit(batch, #{})",
        "#{ accepted: 1, rejected: [] }",
    ),
    page(
        "iou.consumers",
        &["iou.malformed"],
        "iou.consumers(batch)",
        "[account(\"alice\")]",
    ),
    page("iou.ids", &["iou.malformed"], "iou.ids(batch).len()", "1"),
    page(
        "iou.find",
        &["iou.id"],
        "iou.find(bytes(\"0000000000000000000000000000000000000000000000000000000000000000\"))",
        "()",
    ),
    page(
        "iou.hold",
        &["iou.id", "iou.unknown", "iou.state"],
        "iou.hold(bytes(\"0000000000000000000000000000000000000000000000000000000000000000\"))",
        "error iou.unknown",
    ),
    page(
        "iou.release",
        &["iou.id", "iou.unknown", "iou.state"],
        "iou.release(bytes(\"0000000000000000000000000000000000000000000000000000000000000000\"))",
        "error iou.unknown",
    ),
    page(
        "iou.cancel",
        &["iou.id", "iou.unknown", "iou.state"],
        "iou.cancel(bytes(\"0000000000000000000000000000000000000000000000000000000000000000\"))",
        "error iou.unknown",
    ),
    page(
        "iou.unpaid",
        &["account.unknown", "asset.unknown"],
        "iou.unpaid(\"alice\", \"TFT\")",
        "#{ held: amount(\"0 TFT\"), open: amount(\"0 TFT\") }",
    ),
    page(
        "iou.oldest_of",
        &["account.unknown"],
        "iou.oldest_of(\"alice\")",
        "()",
    ),
    page(
        "iou.oldest",
        &["account.unknown", "iou.page"],
        "iou.oldest(\"\", 10)",
        "[]",
    ),
    page(
        "iou.debtors",
        &["account.unknown", "iou.page"],
        "iou.debtors(block.time, \"\", 10)",
        "[]",
    ),
    page(
        "iou.pay",
        &["account.unknown"],
        "iou.pay(\"alice\", block.time, amount(\"5 TFT\"))",
        "[]",
    ),
    page(
        "iou.collect",
        &["account.unknown"],
        "iou.collect(block.time, \"\", 10).ious",
        "0",
    ),
    page(
        "iou.owed",
        &["account.unknown", "iou.page"],
        "iou.owed(\"\", 10)",
        "[]",
    ),
    page(
        "treasury.plan",
        &[
            "payout.asset",
            "payout.line",
            "wallet.unknown",
            "wallet.no_key",
            "ledger.insufficient",
        ],
        "treasury.plan(\"main\", [#{ account: \"bob\", amount: amount(\"5 TFT\") }])",
        "error wallet.no_key",
    ),
    page(
        "treasury.ready",
        &["asset.unknown"],
        "treasury.ready(\"main\", \"TFT\")",
        "\"wallet.no_key\"",
    ),
    page("circle.guardians", &[], "circle.guardians()", "9"),
    page(
        "circle.offers",
        &[],
        "circle.offers(\"pricing.current\")",
        "false",
    ),
    page(
        "circle.has_role",
        &[],
        "circle.has_role(\"alice\", \"consumer\")",
        "true",
    ),
    page("circle.enact", &[], "circle.enact(script).ok", "true"),
    page(
        "circle.key",
        &["account.unknown"],
        "circle.key(\"carol\")",
        "error account.unknown",
    ),
    page(
        "credential.check",
        &[
            "credential.size",
            "credential.form",
            "credential.json",
            "credential.algorithm",
            "credential.critical",
            "credential.key",
            "credential.signature",
        ],
        "credential.check(\"no token\", circle.key(\"alice\"))",
        "error credential.form",
    ),
    page(
        "credential.did",
        &["credential.key"],
        "credential.did(circle.key(\"alice\")).sub(0, 12)",
        "\"did:key:z6Mk\"",
    ),
    page(
        "circle.ask",
        &["action.unknown"],
        "circle.ask(\"nobody.answer\", #{})",
        "error action.unknown",
    ),
    page("circle.simulate", &[], "circle.simulate(script).ok", "true"),
];

/// The page of a native, if there is one.
pub fn native_page(module: &str, function: &str) -> Option<&'static NativePage> {
    PAGES
        .iter()
        .find(|page| page.name.split_once('.') == Some((module, function)))
}
