//! The servers of a Stellar network that verbs speak to by themselves.

use treasury_chains::endpoints::Timeouts;
use treasury_chains::stellar::{Horizon, HorizonError};
use treasury_protocol::stellar::{Asset, address};

use crate::cli::target::Target;
use crate::config::ChainConfig;
use crate::problem::Problem;

/// Options that name servers.
#[derive(Debug, clap::Args)]
pub struct Servers {
    /// The address of a Horizon, as in https://horizon.stellar.org. May be given several times. Without: those that circle.toml in
    /// the home names for the network.
    #[arg(long, value_name = "URL")]
    horizon: Vec<String>,
}

impl Servers {
    /// A client of them.
    pub fn of(&self, target: &Target, network: &str) -> Result<Horizon, Problem> {
        let mut endpoints = self.horizon.clone();
        if let (true, Some(home)) = (endpoints.is_empty(), target.home_on_this_machine()) {
            for chain in home.read_config()?.chains {
                match chain {
                    ChainConfig::Stellar {
                        network: known,
                        endpoints: named,
                        ..
                    } if known == network => endpoints.extend(named),
                    _ => {}
                }
            }
        }
        if endpoints.is_empty() {
            let reason = format!("no server of the Stellar network '{network}' is known here");
            let mend = "name one with --horizon URL, or a home whose circle.toml names some with --home DIR";
            return Err(Problem::new("horizon.unknown", reason, mend));
        }
        Horizon::new(&endpoints, network, Timeouts::default()).map_err(problem)
    }
}

/// What an account holds of the network's coin, in stroops. Errors: `horizon.account` if there is no such account.
pub async fn held_stroops(horizon: &Horizon, key: &[u8; 32]) -> Result<i64, Problem> {
    let account = horizon.account(key).await.map_err(problem)?;
    let account = account.ok_or_else(|| {
        let reason = format!("there is no account {} on this network", address(key));
        let mend = "send some XLM to it first, or name the key of another one";
        Problem::new("horizon.account", reason, mend)
    })?;
    Ok(account
        .balance(&Asset::Native)
        .map_or(0, |balance| balance.units))
}

/// What a person is told when servers do not answer.
pub fn problem(error: HorizonError) -> Problem {
    Problem::of("horizon", error)
}
