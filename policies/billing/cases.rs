//! The numbers of the published billing examples, asked of the policy itself.

use threescript::value::Value;

use super::{Ask, amount_tft, decimal};

const SOURCE: &str = include_str!("policy.3script");
