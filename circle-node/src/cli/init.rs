//! `circle init`: a guardian's home, and the genesis of a circle.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use circle::genesis::Genesis;
use circle::ids::Key;
use serde_json::json;
use threescript::action::{Action, Mark, render};
use threescript::value::Value;

use super::output;
use super::protecting::Protect;
use super::target::DEFAULT_HOME;
use crate::config::{Config, Home, Ordering};
use crate::genesis_file;
use crate::problem::Problem;
use crate::setup::{self, Founding, Joining, MemberFile};
use crate::vault;

/// The issuer of TFT on Stellar's public network.
const TFT_ISSUER: &str = "GBOVQKJYHXRR3DX6NOX2RRYFRCUMSADGDESTDNBDS6CDVLGVESRTAC47";

/// Found a circle, in three steps.
///
/// 1. Every guardian makes a home with a key, and gives the member file to the founder:
///
///    circle init --home my-home --guardian ada --address 203.0.113.7:9700
///
///    Its secrets are encrypted by a passphrase that is asked for, or as --protect says.
///
/// 2. The founder makes the genesis of 9 to 99 member files, and gives it to all:
///
///    circle init --circle 'Our circle' --members ada.member.json bob.member.json … --out genesis.json
///
/// 3. Every guardian compares its digest with the others, puts it into the home, and starts:
///
///    circle init --home my-home --guardian ada --genesis genesis.json && circle start --home my-home
///
/// Who joins later does steps 1 and 3 with the genesis of the circle, and gets a file with what the circle has to decide. The node
/// may be started before: it follows once the circle has admitted it.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The home directory of the guardian's node.
    #[arg(long, value_name = "DIR", env = "CIRCLE_HOME", default_value = DEFAULT_HOME)]
    pub home: PathBuf,
    /// The guardian's name: letters, digits, '.', '_' and '-'.
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "circle",
        conflicts_with = "circle"
    )]
    pub guardian: Option<String>,
    /// Where the other guardians reach this node: IPv4 or [IPv6], and port. May be given several times.
    #[arg(long, value_name = "IP:PORT")]
    pub address: Vec<SocketAddr>,
    /// The genesis to put into the home.
    #[arg(long, value_name = "FILE", conflicts_with = "circle")]
    pub genesis: Option<PathBuf>,
    /// Where the API of this node listens; leave it on loopback.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9800")]
    pub api: SocketAddr,
    #[command(flatten)]
    protection: Protect,
    /// The name of a new circle.
    #[arg(long, value_name = "NAME", requires = "members", requires = "out")]
    pub circle: Option<String>,
    /// The member files of all its guardians, 9 to 99.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "circle")]
    pub members: Vec<PathBuf>,
    /// Where the genesis is written.
    #[arg(long, value_name = "FILE", requires = "circle")]
    pub out: Option<PathBuf>,
    /// The Stellar account that issues TFT.
    #[arg(long, value_name = "G…", default_value = TFT_ISSUER)]
    pub tft_issuer: String,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    match (&args.circle, &args.out, &args.guardian) {
        (Some(circle), Some(out), _) => found(&args, circle, out),
        (_, _, Some(guardian)) => home(&args, guardian),
        _ => Err(Problem::new(
            "init",
            "neither a guardian nor a circle is named",
            "see `circle init --help` for the three steps",
        )),
    }
}

fn found(args: &Args, circle: &str, out: &Path) -> Result<(), Problem> {
    let members = args
        .members
        .iter()
        .map(|path| setup::read_json::<MemberFile>(path, "member file"))
        .collect::<Result<Vec<_>, _>>()?;
    let issuer = treasury_protocol::stellar::key_of_address(&args.tft_issuer)
        .map_err(|error| Problem::of(error.code(), error))?;
    let founding = Founding {
        name: circle,
        circle: None,
        members: &members,
        tft_issuer: Key(issuer),
        time_ms: setup::now_ms(),
        tft_on_ethereum: None,
    };
    let genesis = setup::found(&founding)?;
    let text = genesis_file::render(&genesis, &addresses(&members));
    if out.exists() {
        let reason = format!("{} exists already", out.display());
        return Err(Problem::new(
            "file",
            reason,
            "name another file with --out: a genesis is never overwritten",
        ));
    }
    std::fs::write(out, text).map_err(|error| Problem::file("write", out, error))?;
    let digest = hex::encode(genesis.digest());
    if args.json {
        output::print_json(
            &json!({ "genesis": out, "circle": genesis.circle.to_string(), "digest": digest, "guardians": members.len() }),
        );
    } else {
        output::print(format!(
            "{} has the genesis of {circle} with {} guardians.\nIts digest is {digest}.",
            out.display(),
            members.len()
        ));
        output::print(
            "Give it to every guardian; all compare the digest, then run\n  circle init --guardian NAME --genesis FILE",
        );
    }
    Ok(())
}

fn home(args: &Args, guardian: &str) -> Result<(), Problem> {
    let home = Home::new(&args.home);
    let Some(genesis) = &args.genesis else {
        if args.address.is_empty() {
            return Err(Problem::new(
                "init.address",
                "no address is given",
                "say with --address where the other guardians reach this node",
            ));
        }
        let kept = args.protection.of_home(&home, guardian)?;
        let _held = vault::hold(&home)?;
        let member = setup::member(&home, &kept.lock, guardian, args.address.clone())?;
        // What the other guardians add to it comes with the genesis.
        if !home.config().exists() {
            home.write_config(&Config {
                guardian: guardian.into(),
                listen: listen(&args.address),
                api: args.api,
                members: BTreeMap::from([(guardian.to_owned(), args.address.clone())]),
                ordering: Ordering::default(),
                secrets: kept.secrets.clone(),
                chains: Vec::new(),
            })?;
        }
        kept.encrypt_what_is_there(&home)?;
        let path = home.path().join(format!("{guardian}.member.json"));
        let text = serde_json::to_string_pretty(&member).unwrap_or_default() + "\n";
        std::fs::write(&path, text).map_err(|error| Problem::file("write", &path, error))?;
        if args.json {
            output::print_json(
                &json!({ "home": home.path(), "member_file": path, "member": member }),
            );
        } else {
            output::print(format!(
                "{} is the home of {guardian}, with a new key or the one it had.",
                home.path().display()
            ));
            output::print(format!(
                "Give {} to whoever founds the circle; it holds nothing secret.",
                path.display()
            ));
        }
        return Ok(());
    };
    let text =
        std::fs::read_to_string(genesis).map_err(|error| Problem::file("read", genesis, error))?;
    let parsed = genesis_file::read(genesis)?;
    let members = genesis_file::addresses(&text);
    let own = if args.address.is_empty() {
        members.get(guardian).cloned().unwrap_or_default()
    } else {
        args.address.clone()
    };
    if own.is_empty() {
        let reason = format!("{} does not say where {guardian} is", genesis.display());
        return Err(Problem::new(
            "init.address",
            reason,
            "say with --address where the other guardians reach this node",
        ));
    }
    let listen = listen(&own);
    let kept = args.protection.of_home(&home, guardian)?;
    let _held = vault::hold(&home)?;
    let member = setup::member(&home, &kept.lock, guardian, own.clone())?;
    let mut founders = parsed.members.iter();
    let founder = founders.find(|one| one.name == guardian);
    if founder.is_some_and(|founder| founder.key.to_string() != member.key) {
        let reason = format!(
            "{} names {guardian} with another key than the one in {}",
            genesis.display(),
            home.keys().display()
        );
        return Err(Problem::new(
            "home.key",
            reason,
            "check the name and the home; the key is the one that the member file gave",
        ));
    }
    let members = members
        .into_iter()
        .chain([(guardian.to_owned(), own)])
        .collect();
    let joining = Joining {
        guardian,
        genesis: &text,
        listen,
        api: args.api,
        members,
        ordering: Ordering::default(),
        secrets: kept.secrets.clone(),
        chains: Vec::new(),
    };
    let admission = match founder {
        Some(_) => None,
        None => Some(admission(&member, &parsed)?),
    };
    setup::join(&home, joining)?;
    kept.encrypt_what_is_there(&home)?;
    let digest = hex::encode(parsed.digest());
    let admission_file = home.path().join(format!("{guardian}.admission.md"));
    if let Some(admission) = &admission {
        std::fs::write(&admission_file, format!("{admission}\n"))
            .map_err(|error| Problem::file("write", &admission_file, error))?;
    }
    if args.json {
        let file = admission.as_ref().map(|_| &admission_file);
        output::print_json(
            &json!({ "home": home.path(), "circle": parsed.circle.to_string(), "digest": digest, "admission": admission, "admission_file": file }),
        );
    } else {
        output::print(format!(
            "{} is ready for {} as {guardian}. The digest of its genesis is {digest}.",
            home.path().display(),
            parsed.name
        ));
        if let Some(admission) = admission {
            output::print(format!(
                "{guardian} is no founder. The circle has to decide, by a vote or with the signatures of more than two thirds:\n  {admission}\nThat is in {} for whoever proposes it; it holds nothing secret.",
                admission_file.display()
            ));
        }
        output::print(format!(
            "Start it with\n  circle start --home {}",
            home.path().display()
        ));
    }
    Ok(())
}

/// Where links are accepted, for a node that the others reach at `addresses`: on all interfaces, for each kind of address that
/// is among them. A socket for IPv6 takes no IPv4.
fn listen(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut listen: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let one = SocketAddr::new(any, address.port());
        if !listen.contains(&one) {
            listen.push(one);
        }
    }
    listen
}

/// What the circle has to decide before a newcomer is a guardian, as a script.
fn admission(member: &MemberFile, genesis: &Genesis) -> Result<String, Problem> {
    let key: Key = member
        .key
        .parse()
        .map_err(|error| Problem::of("members.key", error))?;
    let addresses = member.addresses.iter();
    let addresses = addresses.map(|address| Value::Text(address.to_string()));
    let params = [
        ("name", Value::Text(member.name.clone())),
        ("key", Value::Bytes(key.0.to_vec())),
        ("addresses", Value::List(addresses.collect())),
    ];
    let admit = Action {
        mark: Mark::Act,
        actor: "circle".into(),
        name: "admit".into(),
        params: params
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
    };
    let assets = genesis
        .decimals()
        .map_err(|error| Problem::of("genesis.assets", error))?;
    Ok(render(&[admit], &assets).trim_end().to_owned())
}

fn addresses(members: &[MemberFile]) -> BTreeMap<String, Vec<SocketAddr>> {
    members
        .iter()
        .map(|member| (member.name.clone(), member.addresses.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_shipped_issuer_is_an_account() {
        assert!(treasury_protocol::stellar::key_of_address(super::TFT_ISSUER).is_ok());
    }
}
