//! The standard policies, as they are shipped.

/// What capacity costs, who pays for it, and who gets what is paid.
pub const BILLING: &str = include_str!("../../policies/billing/policy.3script");
/// Farms and nodes, uptime, audits, violations.
pub const CAPACITY: &str = include_str!("../../policies/capacity/policy.3script");
/// Credentials of accounts.
pub const COMPLIANCE: &str = include_str!("../../policies/compliance/policy.3script");
/// Workloads of several owners.
pub const DEPLOY: &str = include_str!("../../policies/deploy/policy.3script");
/// What farmers earn for capacity that was there.
pub const FARMING: &str = include_str!("../../policies/farming/policy.3script");
/// IOUs: submission, roll-up, what is owed.
pub const IOU: &str = include_str!("../../policies/iou/policy.3script");
/// The price of a token, and price lists.
pub const PRICING: &str = include_str!("../../policies/pricing/policy.3script");
/// Scores of accounts, and what they may owe.
pub const REPUTATION: &str = include_str!("../../policies/reputation/policy.3script");
/// What the circle spends, and what holds it back.
pub const TREASURY: &str = include_str!("../../policies/treasury/policy.3script");
/// Members, stakes and revenue of a co-operative.
pub const COOP: &str = include_str!("../../policies/coop/policy.3script");
/// Votes on scripts.
pub const VOTE: &str = include_str!("../../policies/vote/policy.3script");

/// The sources of all standard policies, each with the path it has in the repository.
pub const STANDARD: [(&str, &str); 11] = [
    ("policies/billing/policy.3script", BILLING),
    ("policies/capacity/policy.3script", CAPACITY),
    ("policies/compliance/policy.3script", COMPLIANCE),
    ("policies/deploy/policy.3script", DEPLOY),
    ("policies/farming/policy.3script", FARMING),
    ("policies/iou/policy.3script", IOU),
    ("policies/pricing/policy.3script", PRICING),
    ("policies/vote/policy.3script", VOTE),
    ("policies/reputation/policy.3script", REPUTATION),
    ("policies/treasury/policy.3script", TREASURY),
    ("policies/coop/policy.3script", COOP),
];

#[cfg(test)]
mod tests {
    use circle::natives;
    use threescript::action::read;
    use threescript::engine::{Entry, Limits};
    use threescript::policy::{Policy, compile};
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

    /// What the billing policy answers to a question.
    fn ask(policy: &Policy, question: &str) -> String {
        let actions = read(question, &policy.signatures(), &Assets::standard());
        let actions = actions.unwrap_or_else(|error| panic!("{question}: {error}"));
        let [action] = <[_; 1]>::try_from(actions).unwrap();
        let answer = with_stack(|| {
            let (_, answer) = policy.run(Entry::Ask(&action.name), action.params, Stateless);
            answer
        });
        match answer.unwrap() {
            Ok(execution) => show(&execution.value),
            Err(error) => format!("error {}", error.code),
        }
    }

    fn billing() -> Policy {
        let policy = compile(
            BILLING,
            STANDARD[0].0,
            &natives::catalog(&Assets::standard()),
            &Limits::default(),
        );
        policy.unwrap_or_else(|faults| panic!("{}", faults[0]))
    }

    #[test]
    fn billing_answers_as_its_cases_say() {
        let policy = billing();
        let cases = include_str!("../../policies/billing/billing.cases");
        let cases = cases
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut differences = Vec::new();
        let mut asked = 0;
        for line in cases {
            let (question, expected) = line.split_once(" => ").expect("a question, =>, an answer");
            let answer = ask(&policy, question);
            if answer != expected.trim() {
                differences.push(format!("{question} => {answer}, not {expected}"));
            }
            asked += 1;
        }
        assert!(differences.is_empty(), "{}", differences.join("\n"));
        assert!(asked > 50, "the cases were not found");
    }

    #[test]
    fn the_questions_of_the_readme_are_answered_as_it_says() {
        let policy = billing();
        let readme = include_str!("../../policies/billing/README.md");
        // What follows is about contracts, which are state.
        let (pure, _) = readme
            .split_once("## Contracts")
            .expect("the page has that part");
        let mut compared = 0;
        for line in pure.lines().filter(|line| line.starts_with("!billing.")) {
            let (question, comment) = line.split_once("  #").unwrap_or((line, ""));
            let answer = ask(&policy, question.trim());
            assert!(!answer.starts_with("error"), "{line}: {answer}");
            if !comment.is_empty() {
                assert!(comment.contains(&answer), "{line}: {answer}");
                compared += 1;
            }
        }
        assert!(compared >= 7, "the questions were not found");
    }
}
