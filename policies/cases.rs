//! The cases of the standard policies, played in a simulated circle: what is asked and done is written as people write it.

#[path = "iou/cases.rs"]
mod iou;
#[path = "vote/cases.rs"]
mod vote;

use circle::natives;
use circle::policies::{Language, compile};
use circle::receipt::Receipt;
use guardian_tests::Simulation;
use threescript::action::{Action, Signature, read};
use threescript::engine::Limits;
use threescript::value::{Assets, Value, render_time};

/// The actions that a text means in a circle.
fn actions(circle: &Simulation, text: &str) -> Vec<Action> {
    let assets = circle.genesis.decimals().unwrap();
    let language = Language {
        catalog: natives::catalog(&assets),
        limits: Limits::default(),
    };
    let mut declared: Vec<Signature> = circle::kernel_signatures();
    for source in &circle.genesis.policies {
        declared.extend(compile(source, &language).unwrap().signatures());
    }
    read(text, &declared, &assets).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What became of a text of actions that a guardian sent: the code of a refusal, or its events.
fn act(circle: &mut Simulation, guardian: usize, text: &str) -> String {
    let actions = actions(circle, text);
    outcome(&circle.act(guardian, actions))
}

/// What the schedules did in a block after some hours.
fn after_hours(circle: &mut Simulation, hours: u64) -> Vec<String> {
    circle.wait(hours * 3_600_000);
    circle.block(Vec::new());
    let receipts = circle.receipts.last().unwrap().clone();
    circle.settle();
    receipts
        .iter()
        .map(outcome)
        .filter(|outcome| !outcome.is_empty())
        .collect()
}

fn outcome(receipt: &Receipt) -> String {
    if !receipt.is_ok() {
        return receipt.code.clone();
    }
    let events = receipt
        .events
        .iter()
        .map(|event| format!("{} {}", event.name, show(&event.data)));
    events.collect::<Vec<_>>().join("; ")
}

/// The answer to a question.
fn ask(circle: &mut Simulation, text: &str) -> String {
    let [question] = <[Action; 1]>::try_from(actions(circle, text)).unwrap();
    let params = question
        .params
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    match circle.ask(&question.actor, &question.name, params) {
        Ok(value) => show(&value),
        Err(error) => error,
    }
}

/// A value on one line. Amounts are in minor units, scripts only counted.
fn show(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Id(number) => format!("#{number}"),
        Value::Decimal(number) => number.to_string(),
        Value::Percent(number) => format!("{number}%"),
        Value::Amount(amount) => format!("{} {}", amount.units, amount.asset),
        Value::Duration(seconds) => format!("{seconds}s"),
        Value::Time(seconds) => render_time(*seconds).unwrap(),
        Value::Text(text) | Value::Account(text) => text.clone(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Script(script) => format!("{} actions", script.len()),
        Value::Unit => "nothing".into(),
        Value::List(items) => format!(
            "[{}]",
            items.iter().map(show).collect::<Vec<_>>().join(", ")
        ),
        Value::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(name, value)| format!("{name}: {}", show(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Every standard policy can be installed in a running circle.
#[test]
fn the_standard_policies_can_be_installed() {
    let mut circle = Simulation::new(9, 1, None);
    let sources = [
        include_str!("billing/policy.3script"),
        include_str!("iou/policy.3script"),
        include_str!("vote/policy.3script"),
    ];
    for source in sources {
        let install = guardian_tests::act(
            "policy",
            "install",
            vec![("source", Value::Bytes(source.into()))],
        );
        let receipt = circle.act_as_circle(vec![install]);
        assert!(receipt.is_ok(), "{receipt:?}");
    }
}

#[test]
fn the_actions_and_questions_of_the_pages_are_what_the_circle_understands() {
    let circle = Simulation::new(9, 1, None);
    for (page, least) in [
        (include_str!("iou/README.md"), 4),
        (include_str!("vote/README.md"), 6),
    ] {
        let blocks = page.split("```").skip(1).step_by(2).flat_map(str::lines);
        let lines =
            blocks
                .filter(|line| !line.contains('…'))
                .map(|line| match line.split_once("  #") {
                    Some((text, _)) => text.trim_end(),
                    None => line,
                });
        let text = lines.collect::<Vec<_>>().join("\n");
        assert!(actions(&circle, &text).len() >= least, "{text}");
    }
}

/// The standard assets are those of a simulated circle, as far as these cases use them.
#[test]
fn the_simulated_circle_knows_tft_as_everybody_does() {
    let circle = Simulation::new(9, 1, None);
    let tft = guardian_tests::tft();
    assert_eq!(
        circle.genesis.decimals().unwrap().decimals(&tft),
        Assets::standard().decimals(&tft)
    );
}
