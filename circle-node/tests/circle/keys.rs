//! A guardian's keys: how they came to be, and how they are kept.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::{Devnet, circle, json, run};

/// The ceremony of the wallet of a development circle, as its guardians and programs see it.
pub fn ceremonies(devnet: &Devnet) {
    let home = devnet.home("g4");
    let found = json(&["treasury", "ceremonies", "--home", &home, "--json"], 0);
    let ceremony = &found["ceremonies"][0];
    assert_eq!(
        (
            &ceremony["phase"],
            &ceremony["threshold"],
            &ceremony["wallets"][0]
        ),
        (&"done".into(), &7.into(), &"main".into()),
        "{found}"
    );
    let members = ceremony["members"].as_array().unwrap();
    assert_eq!(members.len(), 9);
    assert!(
        members
            .iter()
            .all(|member| member["verifying_share"].is_string())
    );
    assert_eq!(
        (&ceremony["waiting_for"], &ceremony["blamed"]),
        (&Value::Array(vec![]), &Value::Null)
    );
    let (_, text, _) = run(&["treasury", "ceremonies", "--home", &home], "");
    assert!(
        text.starts_with("ceremony 1 of wallet main: done; 7 of 9 members sign\n  public key "),
        "{text}"
    );
}

/// A new guardian's home, and files beside it.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("pass"), "correct horse battery\n").unwrap();
        std::fs::write(directory.path().join("wrong"), "incorrect horse battery\n").unwrap();
        Self { directory }
    }

    fn at(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn init(&self, options: &[&str], status: i32) -> Value {
        let home = self.at("home");
        let arguments = ["init", "--home", &home, "--guardian", "ada", "--json"];
        let address = ["--address", "127.0.0.1:9700"];
        json(&[&arguments[..], &address, options].concat(), status)
    }

    fn protect(&self, options: &[&str], status: i32) -> Value {
        let home = self.at("home");
        let arguments = ["treasury", "protect", "--home", &home, "--json", "--with"];
        json(&[&arguments[..], options].concat(), status)
    }

    fn files(&self) -> Vec<String> {
        let mut names = Vec::new();
        for directory in ["home/keys", "home/secrets"] {
            let Ok(entries) = std::fs::read_dir(self.at(directory)) else {
                continue;
            };
            let name = |entry: std::io::Result<std::fs::DirEntry>| {
                entry.unwrap().file_name().into_string().unwrap()
            };
            names.extend(entries.map(name));
        }
        names.sort();
        names
    }

    fn key(&self) -> PathBuf {
        Path::new(&self.at("home")).join("keys/ada.key")
    }
}

#[test]
fn a_new_home_is_encrypted_by_a_passphrase_that_can_be_changed() {
    let place = Place::new();
    let (pass, wrong) = (place.at("pass"), place.at("wrong"));
    let made = place.init(&["--protect", "passphrase", "--passphrase-file", &pass], 0);
    assert_eq!(place.files(), ["ada.key.age", "identity.age"]);
    let again = place.init(&["--passphrase-file", &pass], 0);
    assert_eq!(again["member"]["key"], made["member"]["key"]);

    let refused = |options: &[&str], code: &str, says: &str| {
        let error = &place.init(options, 1)["error"];
        assert_eq!(error["code"], code, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert_ne!(error["mend"], "", "{error}");
    };
    refused(
        &["--passphrase-file", &wrong],
        "secrets.passphrase",
        "identity.age",
    );
    refused(
        &["--passphrase-file", "/nowhere"],
        "secrets.passphrase_file",
        "/nowhere",
    );
    refused(&[], "secrets.passphrase_needed", "CIRCLE_PASSPHRASE_FILE");
    refused(&["--protect", "none"], "init.protect", "protect");
    let credentials = place.at("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::copy(&pass, Path::new(&credentials).join("circle-passphrase")).unwrap();
    for (variable, value) in [
        ("CIRCLE_PASSPHRASE_FILE", &pass),
        ("CREDENTIALS_DIRECTORY", &credentials),
    ] {
        let home = place.at("home");
        let arguments = [
            "init",
            "--home",
            &home,
            "--guardian",
            "ada",
            "--address",
            "[::1]:1",
        ];
        let status = circle(&arguments)
            .env(variable, value)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "{variable}");
    }

    let changed = place.protect(
        &[
            "passphrase",
            "--passphrase-file",
            &pass,
            "--new-passphrase-file",
            &wrong,
        ],
        0,
    );
    assert_eq!(
        (
            &changed["before"],
            &changed["protection"],
            &changed["secrets"]
        ),
        (&"passphrase".into(), &"passphrase".into(), &1.into())
    );
    refused(
        &["--passphrase-file", &pass],
        "secrets.passphrase",
        "identity.age",
    );
    place.protect(&["none", "--passphrase-file", &wrong], 0);
    assert_eq!(place.files(), ["ada.key"]);
    let text = std::fs::read_to_string(place.key()).unwrap();
    assert!(
        text.contains(made["member"]["key"].as_str().unwrap()),
        "the same key"
    );
}

#[test]
fn a_killed_change_of_protection_leaves_every_secret_readable() {
    let place = Place::new();
    place.init(&["--protect", "none"], 0);
    let key = std::fs::read(place.key()).unwrap();
    let secrets = PathBuf::from(place.at("home/secrets"));
    std::fs::create_dir_all(&secrets).unwrap();
    let shares: Vec<PathBuf> = (0..20)
        .map(|number| secrets.join(format!("share-{number:02}")))
        .collect();
    for share in &shares {
        std::fs::write(share, share.to_str().unwrap()).unwrap();
    }
    let (home, identities) = (place.at("home"), [place.at("one"), place.at("two")]);
    let (mut killed, mut ended) = (0, 0);
    // The kills come sooner after one that was too late, and later after one that was too early.
    let mut after_us = 2_000;
    for number in 0..40 {
        let with = match number % 3 {
            2 => vec!["none"],
            other => vec!["identity", "--identity", &identities[other]],
        };
        let mut arguments = vec!["treasury", "protect", "--home", &home, "--with"];
        arguments.extend(with);
        let mut child = circle(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(after_us));
        child.kill().unwrap();
        match child.wait().unwrap().code() {
            None => {
                killed += 1;
                after_us += after_us / 2;
            }
            Some(code) => {
                assert_eq!(code, 0, "change {number}");
                ended += 1;
                after_us /= 3;
            }
        }
    }
    assert!(killed > 5 && ended > 0, "{killed} killed, {ended} ended");
    place.protect(&["none"], 0);
    assert_eq!(std::fs::read(place.key()).unwrap(), key);
    for share in &shares {
        assert_eq!(
            std::fs::read(share).unwrap(),
            share.to_str().unwrap().as_bytes()
        );
    }
    assert_eq!(place.files().len(), 21, "{:?}", place.files());
}
