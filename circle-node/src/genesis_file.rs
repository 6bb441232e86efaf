//! The genesis as a file: readable by people, and exact.
//!
//! A JSON document whose field `genesis` holds the canonical bytes in base64, and whose other fields say the same for
//! people. A file whose readable part does not follow from the bytes is refused, so that nobody agrees to something else
//! than what they read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use circle::genesis::{Genesis, Home};
use circle::member::Members;
use serde_json::{Value, json};

use crate::problem::Problem;

/// The document of a genesis. `addresses` says where the members' nodes are; it binds nobody.
pub fn render(genesis: &Genesis, addresses: &BTreeMap<String, Vec<SocketAddr>>) -> String {
    let mut document = document(genesis);
    document["addresses"] = json!(addresses);
    let mut text = serde_json::to_string_pretty(&document).expect("a JSON value has a text");
    text.push('\n');
    text
}

fn document(genesis: &Genesis) -> Value {
    let members: Vec<Value> = genesis
        .members
        .iter()
        .map(|member| json!({ "name": member.name, "key": member.key.to_string() }))
        .collect();
    let assets: serde_json::Map<String, Value> = genesis
        .assets
        .iter()
        .map(|(code, asset)| {
            let homes: Vec<Value> = asset.homes.iter().map(home).collect();
            (
                code.to_string(),
                json!({ "decimals": asset.decimals, "homes": homes }),
            )
        })
        .collect();
    json!({
        "circle": genesis.circle.to_string(),
        "name": genesis.name,
        "time_ms": genesis.time_ms,
        "digest": hex::encode(genesis.digest()),
        "members": members,
        "assets": assets,
        "policies": genesis.policies,
        "genesis": BASE64.encode(borsh::to_vec(genesis).expect("writing to memory does not fail")),
    })
}

/// Where an asset lives, for people.
fn home(home: &Home) -> Value {
    match home {
        Home::Stellar { issuer } => {
            let issuer = issuer.map(|key| treasury_protocol::stellar::address(&key.0));
            json!({ "chain": "stellar", "issuer": issuer })
        }
        Home::Ethereum {
            chain_id,
            token,
            decimals,
        } => {
            let token = token.map(|token| token.to_string());
            json!({ "chain": "ethereum", "chain_id": chain_id, "token": token, "decimals": decimals })
        }
    }
}

/// Reads a genesis file.
pub fn read(path: &Path) -> Result<Genesis, Problem> {
    let text = std::fs::read_to_string(path).map_err(|error| Problem::file("read", path, error))?;
    parse(&text).map_err(|reason| {
        let mend = "take the file that the founders agreed on, and compare its digest with them";
        Problem::new("genesis", format!("{}: {reason}", path.display()), mend)
    })
}

/// Where the members' nodes are, as far as a genesis file says so.
pub fn addresses(text: &str) -> BTreeMap<String, Vec<SocketAddr>> {
    let found: Option<Value> = serde_json::from_str(text).ok();
    found
        .and_then(|mut found| serde_json::from_value(found["addresses"].take()).ok())
        .unwrap_or_default()
}

/// Reads the text of a genesis file. Errors: what is wrong with it.
pub fn parse(text: &str) -> Result<Genesis, String> {
    let found: Value =
        serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))?;
    let encoded = found["genesis"]
        .as_str()
        .ok_or("there is no field `genesis`")?;
    let bytes = BASE64
        .decode(encoded)
        .map_err(|error| format!("the field `genesis` is not base64: {error}"))?;
    let genesis: Genesis = borsh::from_slice(&bytes)
        .map_err(|error| format!("the field `genesis` holds no genesis: {error}"))?;
    // Reading bytes does not check what making a membership does.
    Members::new(genesis.members.iter().cloned().collect())
        .map_err(|rejection| rejection.message)?;
    let expected = document(&genesis);
    let differing = expected
        .as_object()
        .into_iter()
        .flatten()
        .find(|(key, value)| found.get(*key) != Some(value));
    match differing {
        Some((key, _)) => Err(format!(
            "the readable field `{key}` does not say what the bytes in `genesis` say"
        )),
        None => Ok(genesis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::{Founding, MemberFile, found};
    use circle::ids::Key;

    fn genesis() -> Genesis {
        let member = |index: u8| {
            let key = Key::of(&ed25519_zebra::SigningKey::from([index; 32])).to_string();
            MemberFile {
                name: format!("g{index}"),
                key,
                addresses: Vec::new(),
            }
        };
        let members: Vec<MemberFile> = (1..=9).map(member).collect();
        let issuer = Key::of(&ed25519_zebra::SigningKey::from([99; 32]));
        found(&Founding {
            name: "test",
            circle: None,
            members: &members,
            tft_issuer: issuer,
            tft_on_ethereum: None,
            time_ms: 1_700_000_000_000,
        })
        .unwrap()
    }

    #[test]
    fn a_genesis_file_is_read_as_it_was_written_and_its_two_halves_agree() {
        let genesis = genesis();
        let addresses = BTreeMap::from([("g1".to_owned(), vec!["[::1]:9700".parse().unwrap()])]);
        let text = render(&genesis, &addresses);
        assert_eq!(parse(&text).unwrap(), genesis);
        assert_eq!(super::addresses(&text), addresses);
        let changed = text.replace("\"name\": \"g3\"", "\"name\": \"eve\"");
        assert_ne!(changed, text);
        assert!(parse(&changed).unwrap_err().contains("`members`"));
        assert!(
            parse(&text.replace("\"test\"", "\"other\""))
                .unwrap_err()
                .contains("`name`")
        );
        for (broken, says) in [
            ("", "no JSON"),
            ("{}", "no field `genesis`"),
            (r#"{"genesis":"AAAA"}"#, "no genesis"),
            (r#"{"genesis":"*"}"#, "base64"),
        ] {
            assert!(parse(broken).unwrap_err().contains(says), "{broken}");
        }
    }
}
