//! Signed credentials: JSON Web Tokens with EdDSA signatures (RFC 7515, 7519, 8037), as Verifiable Credentials travel in.
//!
//! Execution is consensus, so a token has one reading or none: no floats, no numbers beyond 64 bits, no name twice in an object,
//! no other algorithm, bounded size and depth. The reader is our own, because a general one changes what it accepts with its
//! features and versions.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_zebra::{Signature, VerificationKey};
use threescript::value::Value;

use crate::json;
use crate::rejection::{Rejection, require};

/// The longest token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// What a token says, once its signature was found to be right.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The header: a map.
    pub header: Value,
    /// The claims: a map.
    pub claims: Value,
}

/// Reads a compact token and checks its signature with `key`, an ed25519 public key of 32 bytes.
///
/// Says nothing of times, issuers or revocation: those are for policies to judge. Errors: `credential.size`, `credential.form`,
/// `credential.json`, `credential.algorithm`, `credential.critical`, `credential.key`, `credential.signature`.
pub fn check(token: &str, key: &[u8]) -> Result<Checked, Rejection> {
    require(token.len() <= MAX_TOKEN_BYTES, "credential.size", || {
        format!("a token has at most {MAX_TOKEN_BYTES} bytes")
    })?;
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return Err(form("it is not three parts with points between them"));
    };
    let signed = &token[..header.len() + 1 + claims.len()];
    let header = object(header, "header")?;
    let Value::Map(entries) = &header else {
        return Err(form("its header is no object"));
    };
    let eddsa = entries.get("alg") == Some(&Value::Text("EdDSA".into()));
    require(eddsa, "credential.algorithm", || {
        "tokens are signed with EdDSA here, and say so as \"alg\" in their header".into()
    })?;
    require(!entries.contains_key("crit"), "credential.critical", || {
        "this token demands extensions (\"crit\") that are not known here".into()
    })?;
    let claims = object(claims, "claims")?;
    let key = <[u8; 32]>::try_from(key)
        .ok()
        .and_then(|bytes| VerificationKey::try_from(bytes).ok());
    let key = key.ok_or_else(|| {
        Rejection::new(
            "credential.key",
            "the issuer's key is not an ed25519 key of 32 bytes",
        )
    })?;
    let signature = bytes(signature, "signature")?;
    let signature = <[u8; 64]>::try_from(signature.as_slice())
        .map_err(|_| form("its signature does not have 64 bytes"))?;
    let signature = Signature::from_bytes(&signature);
    let right = key.verify(&signature, signed.as_bytes()).is_ok();
    require(right, "credential.signature", || {
        "the signature is not the issuer's over this token".into()
    })?;
    Ok(Checked { header, claims })
}

/// The name of an ed25519 key as a decentralized identifier: `did:key:z6Mk…`.
pub fn did(key: &[u8; 32]) -> String {
    // 0xed01 says "ed25519 public key" in multicodec; `z` says base58btc.
    let mut digits: Vec<u8> = Vec::with_capacity(48);
    for byte in [0xed, 0x01].into_iter().chain(*key) {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let name: String = digits
        .iter()
        .rev()
        .map(|digit| char::from(ALPHABET[usize::from(*digit)]))
        .collect();
    format!("did:key:z{name}")
}

fn form(reason: &str) -> Rejection {
    Rejection::new("credential.form", format!("this is no token: {reason}"))
}

/// Base64url without padding, canonical.
fn bytes(text: &str, what: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| form(&format!("its {what} is not base64url without padding")))
}

fn object(text: &str, what: &str) -> Result<Value, Rejection> {
    let text = String::from_utf8(bytes(text, what)?)
        .map_err(|_| form(&format!("its {what} is not UTF-8")))?;
    match json::read(&text) {
        Ok(value @ Value::Map(_)) => Ok(value),
        Ok(_) => Err(form(&format!("its {what} is no object"))),
        Err(error) => Err(Rejection::new(
            "credential.json",
            format!("the {what} cannot be read: {error}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A: the key pair of A.1 and A.2, and the signature of A.4 over a payload that is no JSON.
    const RFC_KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn key() -> Vec<u8> {
        hex::decode(RFC_KEY).unwrap()
    }

    fn code(token: &str, key: &[u8]) -> String {
        match check(token, key) {
            Ok(_) => "ok".into(),
            Err(rejection) => rejection.code.into_owned(),
        }
    }

    /// Signs with the secret of RFC 8037, A.1.
    fn signed(header: &str, claims: &str) -> String {
        let secret =
            hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let secret = ed25519_zebra::SigningKey::from_bytes(&secret.unwrap().try_into().unwrap());
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = secret.sign(message.as_bytes()).to_bytes();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn the_signature_of_rfc_8037_is_right_and_its_payload_is_no_object() {
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(code(token, &key()), "credential.json");
        // Ours is the same over the same bytes.
        assert_eq!(
            signed(r#"{"alg":"EdDSA"}"#, "Example of Ed25519 signing"),
            token
        );
    }

    #[test]
    fn a_token_of_another_implementation_is_read() {
        // Made by PyJWT 2.10 with the key of RFC 8037; tests/peers/credentials.py makes it again.
        let token = include_str!("../testdata/pyjwt.token").trim();
        let checked = check(token, &key()).unwrap();
        expect_test::expect_file!["../testdata/pyjwt.claims"].assert_debug_eq(&checked);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let good = r#"{"alg":"EdDSA","typ":"JWT"}"#;
        assert_eq!(code(&signed(good, r#"{"iss":"a"}"#), &key()), "ok");
        let cases = [
            (r#"{"alg":"none"}"#, "{}", "credential.algorithm"),
            (r#"{"alg":"HS256"}"#, "{}", "credential.algorithm"),
            (r#"{"alg":["EdDSA"]}"#, "{}", "credential.algorithm"),
            ("{}", "{}", "credential.algorithm"),
            (
                r#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#,
                "{}",
                "credential.critical",
            ),
            (r#"{"alg":"EdDSA","alg":"EdDSA"}"#, "{}", "credential.json"),
            ("[]", "{}", "credential.form"),
            (good, "[]", "credential.form"),
            (good, "", "credential.json"),
            (good, r#"{"a":1,"a":1}"#, "credential.json"),
            (good, r#"{"exp":1.5}"#, "credential.json"),
            (good, r#"{"exp":1e3}"#, "credential.json"),
        ];
        for (header, claims, expected) in cases {
            assert_eq!(
                code(&signed(header, claims), &key()),
                expected,
                "{header} {claims}"
            );
        }
    }

    #[test]
    fn any_change_of_a_token_is_found() {
        let token = signed(r#"{"alg":"EdDSA"}"#, r#"{"sub":"alice","exp":1}"#);
        assert_eq!(code(&token, &[0; 31]), "credential.key");
        assert_eq!(code(&token, &[9; 32]), "credential.signature");
        assert_eq!(code(&format!("{token}."), &key()), "credential.form");
        assert_eq!(code(&token.replace('.', ""), &key()), "credential.form");
        assert_eq!(code(&format!("{token}="), &key()), "credential.form");
        assert_eq!(code(&token[..token.len() - 1], &key()), "credential.form");
        assert_eq!(
            code(&"a".repeat(MAX_TOKEN_BYTES + 1), &key()),
            "credential.size"
        );
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_ne!(code(&changed, &key()), "ok", "byte {at}");
        }
    }

    #[test]
    fn keys_have_the_names_of_the_did_key_method() {
        // The example of the did:key specification.
        let key = "2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6";
        let key = hex::decode(key).unwrap().try_into().unwrap();
        assert_eq!(
            did(&key),
            "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
        );
    }
}
