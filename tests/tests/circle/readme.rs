//! The README's first policy, taken from the page as it stands.

use guardian_tests::{Simulation, act};
use threescript::value::Value;

#[test]
fn the_first_policy_of_the_readme_does_what_the_page_says() {
    let page = include_str!("../../../README.md");
    let start = page
        .find("/// Remembers how guardians")
        .expect("the policy");
    let source = &page[start..start + page[start..].find("```").expect("its end")];
    let mut circle = Simulation::new(9, 1, None);
    let install = act(
        "policy",
        "install",
        vec![("source", Value::Bytes(source.into()))],
    );
    let receipt = circle.act(0, vec![install]);
    assert!(receipt.is_ok(), "{}", receipt.message);
    let Value::Map(installed) = &receipt.events[0].data else {
        panic!("{receipt:?}")
    };
    let params = vec![
        ("hash", installed["hash"].clone()),
        ("height", Value::Int(0)),
    ];
    assert!(
        circle
            .act_as_circle(vec![act("policy", "activate", params)])
            .is_ok()
    );
    circle.block(Vec::new());
    for (guardian, text) in [(2, "hello"), (2, "good morning")] {
        let say = act("greeting", "say", vec![("text", Value::Text(text.into()))]);
        assert!(circle.act(guardian, vec![say]).is_ok());
    }
    let answer = circle.ask("greeting", "all", vec![]).expect("an answer");
    let expected = [
        ("by", Value::Account("guardian3".into())),
        ("text", Value::Text("good morning".into())),
    ];
    let expected = expected
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    assert_eq!(answer, Value::List(vec![Value::Map(expected)]));
}
