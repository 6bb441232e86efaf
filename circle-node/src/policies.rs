//! The standard policies, as they are shipped.

/// What capacity costs.
pub const BILLING: &str = include_str!("../../policies/billing/policy.3script");
/// IOUs: submission, roll-up, what is owed.
pub const IOU: &str = include_str!("../../policies/iou/policy.3script");
/// Votes on scripts.
pub const VOTE: &str = include_str!("../../policies/vote/policy.3script");

/// The sources of all standard policies, each with the path it has in the repository.
pub const STANDARD: [(&str, &str); 3] = [
    ("policies/billing/policy.3script", BILLING),
    ("policies/iou/policy.3script", IOU),
    ("policies/vote/policy.3script", VOTE),
];

#[cfg(test)]
mod tests {
    use threescript::action::read;
    use threescript::engine::{Catalog, Entry, Limits};
    use threescript::policy::compile;
    use threescript::value::{Assets, Value};

    use super::*;
    use crate::quote::{Stateless, with_stack};

    /// An answer as the cases write it.
    fn show(value: &Value) -> String {
        match value {
            Value::Int(number) => number.to_string(),
            Value::Decimal(number) => number.to_string(),
            Value::Percent(number) => format!("{number}%"),
            Value::Amount(amount) => Assets::standard().render_amount(amount).unwrap(),
            Value::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", show(value)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
            other => panic!("no case has a {}", other.kind()),
        }
    }

    #[test]
    fn billing_answers_as_its_cases_say() {
        let policy = compile(
            BILLING,
            STANDARD[0].0,
            &Catalog::default(),
            &Limits::default(),
        );
        let policy = policy.unwrap_or_else(|faults| {
            panic!(
                "{}",
                faults
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n")
            )
        });
        let cases = include_str!("../../policies/billing/billing.cases");
        let mut differences = Vec::new();
        let mut asked = 0;
        for line in cases
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (question, expected) = line.split_once(" => ").expect("a question, =>, an answer");
            let actions = read(question, &policy.signatures(), &Assets::standard())
                .unwrap_or_else(|error| panic!("{question}: {error}"));
            let [action] = <[_; 1]>::try_from(actions).unwrap();
            let answer = with_stack(|| {
                policy
                    .run(Entry::Ask(&action.name), action.params, Stateless)
                    .1
            })
            .unwrap();
            let answer = answer.map_or_else(
                |error| format!("error {}", error.code),
                |execution| show(&execution.value),
            );
            if answer != expected.trim() {
                differences.push(format!("{question} => {answer}, not {expected}"));
            }
            asked += 1;
        }
        assert!(
            differences.is_empty() && asked > 50,
            "{}",
            differences.join("\n")
        );
    }
}
