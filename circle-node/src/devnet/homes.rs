//! The homes of a development circle: one directory with everything of every guardian.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use circle::ids::{CircleId, Key};
use ed25519_zebra::SigningKey;
use rand::Rng;

use super::ethereum::Ethereum;
use super::stellar::PASSPHRASE;
use crate::config::{ChainConfig, Home, Ordering, Protection, SecretsConfig};
use crate::genesis_file;
use crate::keyring::Keyring;
use crate::problem::Problem;
use crate::setup::{self, Founding, Joining};
use crate::vault::{self, Source};

/// The name of every development circle; its id follows from the name, so that IOUs can be made before it exists.
pub const CIRCLE: &str = "devnet";
/// The name of the key that issues TFT on the circle's own ledger.
const ISSUER: &str = "issuer";
/// Below the ports that systems give to outgoing connections, of which the links make thousands.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// One guardian of a development circle.
pub struct Seat {
    /// The name.
    pub name: String,
    /// The home of its node.
    pub home: Home,
    /// Where its API listens.
    pub api: SocketAddr,
    /// Its key.
    pub key: SigningKey,
}

/// Everything that a development circle has on the disk.
pub struct Place {
    /// Its guardians.
    pub seats: Vec<Seat>,
    /// Where its Stellar ledger listens.
    pub ledger: SocketAddr,
    /// The file that its ledger is kept in.
    pub kept: PathBuf,
    /// Who issues TFT there.
    pub issuer: SigningKey,
}

/// The name of guardian `number`, from 1.
pub fn guardian(number: usize) -> String {
    format!("g{number}")
}

/// Makes the homes of `count` guardians in `directory`, or finds them there.
pub fn prepare(
    directory: &Path,
    count: usize,
    ethereum: Option<&Ethereum>,
) -> Result<Place, Problem> {
    let genesis_path = directory.join("genesis.json");
    let names: Vec<String> = (1..=count).map(guardian).collect();
    let home = |name: &String| Home::new(directory.join(name));
    let issuer = *Keyring::new(directory.join(ISSUER))
        .key(ISSUER)
        .map_err(|error| Problem::of("devnet.issuer", error))?;
    if genesis_path.exists() {
        if ethereum.is_some() {
            let reason = format!(
                "{} holds a circle whose Ethereum chain ended with the program that made it",
                directory.display()
            );
            let mend = "name a new directory with --dir";
            return Err(Problem::new("devnet.dir", reason, mend));
        }
        let found = genesis_file::read(&genesis_path)?.members.count();
        if found != count {
            let reason = format!(
                "{} holds a circle of {found} guardians, not of {count}",
                directory.display()
            );
            return Err(Problem::new(
                "devnet.dir",
                reason,
                "name another directory with --dir, or the number that it has",
            ));
        }
    } else {
        let ports = free_ports(2 * count + 1)?;
        let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let addresses: BTreeMap<String, Vec<SocketAddr>> = names
            .iter()
            .zip(&ports)
            .map(|(name, port)| (name.clone(), vec![at(*port)]))
            .collect();
        let member = |name: &String| {
            let home = home(name);
            std::fs::create_dir_all(home.path())
                .map_err(|error| Problem::file("create", home.path(), error))?;
            let lock = vault::establish(&home, &secrets(name), &Source::Nowhere)?;
            setup::member(&home, &lock, name, addresses[name].clone())
        };
        let members = names.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        let genesis = setup::found(&Founding {
            name: CIRCLE,
            circle: Some(CircleId::of_name(CIRCLE)),
            members: &members,
            tft_issuer: Key::of(&issuer),
            tft_on_ethereum: ethereum.map(Ethereum::home),
            time_ms: setup::now_ms(),
        })?;
        let text = genesis_file::render(&genesis, &addresses);
        for (index, name) in names.iter().enumerate() {
            let joining = Joining {
                guardian: name,
                genesis: &text,
                listen: addresses[name].clone(),
                api: at(ports[count + index]),
                members: addresses.clone(),
                ordering: Ordering::default(),
                secrets: secrets(name),
                chains: std::iter::once(ChainConfig::Stellar {
                    network: PASSPHRASE.into(),
                    endpoints: vec![format!("http://{}", at(ports[2 * count]))],
                    poll_ms: Some(poll_ms(count)),
                })
                .chain(ethereum.map(|chain| chain.config(2 * poll_ms(count))))
                .collect(),
            };
            setup::join(&home(name), joining)?;
        }
        // Last: its presence says that all homes are complete.
        std::fs::write(&genesis_path, text)
            .map_err(|error| Problem::file("write", &genesis_path, error))?;
    }
    let seat = |name: &String| {
        let home = home(name);
        let config = home.read_config()?;
        let api = config.api;
        let lock = vault::unlock(&home, &config.secrets, &Source::find(None))?;
        let key = *Keyring::locked(home.keys(), lock)
            .existing(name)
            .map_err(|error| Problem::of("home.key", error))?;
        Ok(Seat {
            name: name.clone(),
            home,
            api,
            key,
        })
    };
    let seats = names
        .iter()
        .map(seat)
        .collect::<Result<Vec<_>, Problem>>()?;
    let ledger = ledger(&seats[0].home)?;
    Ok(Place {
        seats,
        ledger,
        kept: directory.join("stellar.ledger"),
        issuer,
    })
}

/// How often nodes look at the ledger, in milliseconds: the more there are, the less often.
fn poll_ms(count: usize) -> u64 {
    (20 * count as u64).max(250)
}

/// Where the ledger listens, as a home says.
fn ledger(home: &Home) -> Result<SocketAddr, Problem> {
    let config = home.read_config()?;
    let address = config.chains.iter().find_map(|chain| {
        let ChainConfig::Stellar { endpoints, .. } = chain else {
            return None;
        };
        endpoints.first()?.strip_prefix("http://")?.parse().ok()
    });
    address.ok_or_else(|| {
        let reason = format!(
            "{} names no ledger on this machine",
            home.config().display()
        );
        Problem::new("devnet.dir", reason, "name another directory with --dir")
    })
}

/// Real encryption, but to an identity file for each home beside the homes: ninety-nine passphrases would take minutes.
fn secrets(name: &str) -> SecretsConfig {
    SecretsConfig {
        protection: Protection::Identity,
        identity: Some(format!("../identities/{name}.txt").into()),
    }
}

/// That many free ports in a row.
fn free_ports(count: usize) -> Result<Vec<u16>, Problem> {
    for _ in 0..100 {
        let first = rand::thread_rng().gen_range(PORTS.start..PORTS.end - count as u16);
        let ports: Vec<u16> = (first..).take(count).collect();
        // All are held until all are had.
        let held: Vec<TcpListener> = ports
            .iter()
            .map_while(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).ok())
            .collect();
        if held.len() == count {
            return Ok(ports);
        }
    }
    Err(Problem::new(
        "devnet.ports",
        format!("no {count} free ports in a row on 127.0.0.1"),
        "stop other programs that listen there",
    ))
}
