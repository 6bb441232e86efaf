//! `circle act`: a text of actions is checked, shown, signed, sent, and its receipt awaited.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use circle::envelope::{Body, Envelope};
use circle::genesis::Genesis;
use circle::ids::Key;
use ed25519_zebra::SigningKey;
use serde_json::{Value, json};
use threescript::action::{self, Action, Mark, Raw, Statement};
use threescript::value::{Assets, parse_duration};

use super::output;
use super::target::{Target, block_on};
use crate::api::client::Client;
use crate::api::types::{Account, Submitted, Transaction};
use crate::keyring::Keyring;
use crate::problem::Problem;
use crate::setup::now_ms;

/// Check, show, sign and send a text of actions, and wait for what becomes of it.
///
/// The node says what may be done and how it is written. What is signed is shown first, in its one canonical form.
///
///   circle act vote.md --key keys/ada.key
///
/// An action that needs the authority of the circle is signed by more than two thirds of the guardians, one after the other:
///
///   circle act bench.md --key keys/ada.key --expires 24h --out bench.tx
///   circle act --cosign bench.tx --key keys/bob.key
///   circle act --send bench.tx
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The text of actions; `-` reads it from stdin.
    #[arg(required_unless_present_any = ["cosign", "send"])]
    pub file: Option<PathBuf>,
    /// Say what the text means by itself, without asking a node and without sending anything.
    #[arg(long, conflicts_with_all = ["cosign", "send", "key", "out"])]
    pub parse_only: bool,
    /// Check the text by what the circle declares and show what would be signed; sign and send nothing.
    #[arg(long, conflicts_with_all = ["cosign", "send", "out"])]
    pub dry_run: bool,
    /// The key file to sign with, as `circle init` and `circle iou make` make them.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Write the signed transaction to a file instead of sending it.
    #[arg(long, value_name = "FILE", conflicts_with = "send")]
    pub out: Option<PathBuf>,
    /// Add a signature to the transaction in this file, or to a copy of it with --out.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "send"])]
    pub cosign: Option<PathBuf>,
    /// Send the transaction in this file.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub send: Option<PathBuf>,
    /// For how long the transaction may take effect.
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub expires: String,
    /// How long to wait for the circle to certify what became of it, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,
    #[command(flatten)]
    pub target: Target,
    /// Print one JSON document instead of text for people.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), Problem> {
    if args.parse_only {
        let file = args.file.as_deref().unwrap_or(Path::new("-"));
        return parse_only(&read(file)?, args.json);
    }
    let client = args.target.client()?;
    block_on(async {
        let circle = Circle {
            genesis: client.genesis().await?,
            client,
        };
        match (&args.cosign, &args.send, &args.file) {
            (Some(path), _, _) => circle.cosign(&args, path),
            (_, Some(path), _) => circle.send(&args, &read_envelope(path)?).await,
            (_, _, file) => {
                circle
                    .act(&args, file.as_deref().unwrap_or(Path::new("-")))
                    .await
            }
        }
    })
}

/// The circle that is acted in.
struct Circle {
    genesis: Genesis,
    client: Client,
}

impl Circle {
    async fn act(&self, args: &Args, file: &Path) -> Result<(), Problem> {
        let text = read(file)?;
        let text = std::str::from_utf8(&text).map_err(|_| {
            Problem::new(
                "act.utf8",
                format!("{} is not UTF-8", file.display()),
                "save the text as UTF-8",
            )
        })?;
        let assets = self.assets()?;
        let actions = action::read(text, &self.client.signatures().await?, &assets)?;
        if actions.is_empty() {
            return Err(Problem::new(
                "act.empty",
                "there is no action in the text",
                "an action begins a line, as in !!vote.cast proposal:7",
            ));
        }
        if let Some(other) = actions.iter().find(|action| action.mark != Mark::Act) {
            let called = format!(
                "{}{}.{} cannot be sent",
                other.mark.as_str(),
                other.actor,
                other.name
            );
            let mend = match other.mark {
                Mark::Ask => "ask questions with `circle ask`",
                _ => "only the circle acts on the world; send the action (!!) that makes it",
            };
            return Err(Problem::new("act.mark", called, mend));
        }
        let canonical = self.show(&actions, args.json)?;
        if args.dry_run {
            if args.json {
                output::print_json(&json!({ "canonical": canonical }));
            }
            return Ok(());
        }
        let key = key(args)?;
        let lifetime_s = parse_duration(&args.expires)
            .ok()
            .filter(|seconds| *seconds > 0)
            .ok_or_else(|| {
                Problem::new(
                    "act.expires",
                    format!("{:?} is no duration", args.expires),
                    "write it as 10m, 24h or 7d",
                )
            })?;
        let account: Account = self
            .client
            .get(&format!("/v1/accounts/{}", Key::of(&key)))
            .await?;
        let body = Body {
            circle: self.genesis.circle,
            sender: Key::of(&key),
            account_nonce: account.next_nonce,
            expires_at_ms: now_ms().saturating_add(lifetime_s.unsigned_abs().saturating_mul(1000)),
            actions,
        };
        let envelope = Envelope::sign(body, &key);
        match &args.out {
            Some(path) => self.write(args, path, &envelope),
            None => self.send(args, &envelope).await,
        }
    }

    fn cosign(&self, args: &Args, path: &Path) -> Result<(), Problem> {
        let mut envelope = read_envelope(path)?;
        self.show(&envelope.body.actions, args.json)?;
        envelope.verify(self.genesis.circle, now_ms())?;
        envelope.cosign(&key(args)?);
        self.write(args, args.out.as_deref().unwrap_or(path), &envelope)
    }

    async fn send(&self, args: &Args, envelope: &Envelope) -> Result<(), Problem> {
        let sent: Submitted = self
            .client
            .post("/v1/transactions", envelope.encode())
            .await?;
        let transaction = wait_for(&self.client, &sent.id, Duration::from_secs(args.wait)).await?;
        let Some(receipt) = &transaction.receipt else {
            let reason = format!(
                "transaction {} was not ordered within {} s",
                sent.id, args.wait
            );
            return Err(Problem::new(
                "act.waiting",
                reason,
                "it may still be: send the same transaction again, or look at `circle status`",
            ));
        };
        let height = transaction.height.unwrap_or_default();
        if receipt.code != circle::receipt::OK {
            let place = receipt
                .place
                .as_ref()
                .map_or_else(String::new, |place| format!(" ({place})"));
            let mut problem =
                Problem::of(receipt.code.clone(), format!("{}{place}", receipt.message));
            problem.reason = format!("refused at height {height}: {}", problem.reason);
            return Err(problem);
        }
        if transaction.state != "certified" {
            let reason = format!(
                "done at height {height}, but not certified within {} s; the circle waits for {}",
                args.wait,
                transaction.waiting_for.join(", ")
            );
            return Err(Problem::new(
                "act.uncertified",
                reason,
                format!("ask again for transaction {}", sent.id),
            ));
        }
        if args.json {
            output::print_json(&transaction);
        } else {
            output::print(format!(
                "done at height {height}, certified (transaction {})",
                sent.id
            ));
            for event in &receipt.events {
                output::print(format!("  {} {}", event.name, event.data));
            }
        }
        Ok(())
    }

    fn show(&self, actions: &[Action], json: bool) -> Result<String, Problem> {
        let canonical = action::render(actions, &self.assets()?);
        match json {
            true => output::tell(canonical.trim_end()),
            false => output::print(canonical.trim_end()),
        }
        Ok(canonical)
    }

    fn write(&self, args: &Args, path: &Path, envelope: &Envelope) -> Result<(), Problem> {
        let text = hex::encode(envelope.encode()) + "\n";
        std::fs::write(path, text).map_err(|error| Problem::file("write", path, error))?;
        let signed: Vec<String> = envelope
            .signatures
            .iter()
            .map(|signed| self.name(&signed.key))
            .collect();
        let quorum = self.genesis.members.quorum();
        if args.json {
            let id = hex::encode(envelope.body.id());
            output::print_json(
                &json!({ "id": id, "file": path, "signed_by": signed, "quorum": quorum }),
            );
        } else {
            output::print(format!(
                "{} is signed by {}; {quorum} guardians speak for the circle",
                path.display(),
                signed.join(", ")
            ));
        }
        Ok(())
    }

    fn name(&self, key: &Key) -> String {
        let member = self
            .genesis
            .members
            .iter()
            .find(|member| member.key == *key);
        member.map_or_else(|| key.to_string(), |member| member.name.clone())
    }

    fn assets(&self) -> Result<Assets, Problem> {
        self.genesis
            .decimals()
            .map_err(|error| Problem::of("genesis.assets", error))
    }
}

/// Waits until a transaction is certified, or for as long as `wait`.
pub async fn wait_for(client: &Client, id: &str, wait: Duration) -> Result<Transaction, Problem> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let step = left.min(Duration::from_secs(20));
        let path = format!("/v1/transactions/{id}?wait_s={}", step.as_secs());
        let transaction: Transaction = client.wait(&path, step).await?;
        if transaction.state == "certified"
            || tokio::time::Instant::now() + Duration::from_secs(1) >= deadline
        {
            return Ok(transaction);
        }
    }
}

fn key(args: &Args) -> Result<SigningKey, Problem> {
    let path = args.key.as_ref().ok_or_else(|| {
        Problem::new(
            "act.key",
            "no key is given to sign with",
            "name a key file with --key, or only look with --dry-run",
        )
    })?;
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.strip_suffix(".key"));
    let name = name.ok_or_else(|| {
        Problem::new(
            "act.key",
            format!("{} is no key file", path.display()),
            "key files are called NAME.key",
        )
    })?;
    let directory = path.parent().unwrap_or(Path::new(""));
    Keyring::new(directory)
        .existing(name)
        .copied()
        .map_err(|error| Problem::of("act.key", error))
}

fn read_envelope(path: &Path) -> Result<Envelope, Problem> {
    let text = read(path)?;
    let bytes = hex::decode(text.trim_ascii()).map_err(|error| {
        let reason = format!("{} is no transaction: {error}", path.display());
        Problem::new(
            "envelope.malformed",
            reason,
            "take the file that `circle act --out` wrote",
        )
    })?;
    Ok(Envelope::decode(&bytes)?)
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let result = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(path).map(|found| bytes = found)
    };
    result.map_err(|error| Problem::file("read", path, error))?;
    Ok(bytes)
}

fn parse_only(text: &[u8], json: bool) -> Result<(), Problem> {
    let statements = action::parse_bytes(text)?;
    let canonical = action::render_untyped(&statements);
    if json {
        let actions: Vec<Value> = statements.iter().map(statement).collect();
        output::print_json(&json!({ "actions": actions, "canonical": canonical }));
    } else {
        output::print(canonical.trim_end());
    }
    Ok(())
}

fn statement(statement: &Statement) -> Value {
    let value = |raw: &Raw| match raw {
        Raw::One(text) => json!(text),
        Raw::Many(items) => json!(items),
    };
    let params: serde_json::Map<String, Value> = statement
        .params
        .iter()
        .map(|param| (param.key.clone(), value(&param.value)))
        .collect();
    let flags: Vec<&str> = statement
        .flags
        .iter()
        .map(|flag| flag.name.as_str())
        .collect();
    json!({
        "mark": statement.mark.as_str(),
        "actor": statement.actor,
        "name": statement.name,
        "params": params,
        "flags": flags,
    })
}
