//! `circle act`: a text of actions is checked, shown, signed, sent, and its receipt awaited.

use std::io::Read;
use std::path::{Path, PathBuf};

use circle::envelope::Envelope;
use circle::ids::Key;
use serde_json::{Value, json};
use threescript::action::{self, Action, Mark, Param, Raw, Signature, Statement, Type};

use super::acting::{self, Circle};
use super::output;
use super::target::{Target, block_on};
use crate::problem::Problem;
use crate::setup::now_ms;

/// Check, show, sign and send a text of actions, and wait for what becomes of it.
///
/// The node says what may be done and how it is written. What is signed is shown first, in its one canonical form.
///
///   circle act vote.md --key keys/ada.key
///   echo '!!iou.submit' | circle act - --file batch=day.bin --key keys/farmer.key
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
    /// Take the value of a parameter that the text leaves out from a file: bytes, a text, or the actions of a script.
    #[arg(long = "file", value_name = "PARAMETER=FILE", requires = "file")]
    pub from_file: Vec<FromFile>,
    /// The key file to sign with, as `circle init` and `circle iou make` make them. Without: that of the guardian whose home
    /// is named.
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
    block_on(async {
        let acting = Acting {
            args: &args,
            circle: Circle::at(&args.target).await?,
        };
        match (&args.cosign, &args.send, &args.file) {
            (Some(path), _, _) => acting.cosign(path),
            (_, Some(path), _) => acting.send(&read_envelope(path)?).await,
            (_, _, file) => acting.act(file.as_deref().unwrap_or(Path::new("-"))).await,
        }
    })
}

/// A circle, and what this verb was asked to do in it.
struct Acting<'a> {
    args: &'a Args,
    circle: Circle,
}

impl Acting<'_> {
    async fn act(&self, file: &Path) -> Result<(), Problem> {
        let args = self.args;
        let text = read(file)?;
        let text = std::str::from_utf8(&text).map_err(|_| {
            Problem::new(
                "act.utf8",
                format!("{} is not UTF-8", file.display()),
                "save the text as UTF-8",
            )
        })?;
        let declared = self.circle.client.signatures().await?;
        let mut statements = action::parse(text)?;
        for given in &args.from_file {
            given.fill(&mut statements, &declared)?;
        }
        let assets = self.circle.assets()?;
        let typed = |statement: &Statement| {
            let signature = action::find_signature(statement, &declared)?;
            action::type_check(statement, &signature, &declared, &assets)
        };
        let actions = statements
            .iter()
            .map(typed)
            .collect::<Result<Vec<_>, _>>()?;
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
        let canonical = self.show(&actions)?;
        if args.dry_run {
            if args.json {
                output::print_json(&json!({ "canonical": canonical }));
            }
            return Ok(());
        }
        let key = acting::key(args.key.as_deref(), &args.target)?;
        let envelope = self.circle.sign(actions, &key, &args.expires).await?;
        match &args.out {
            Some(path) => self.write(path, &envelope),
            None => self.send(&envelope).await,
        }
    }

    fn cosign(&self, path: &Path) -> Result<(), Problem> {
        let mut envelope = read_envelope(path)?;
        self.show(&envelope.body.actions)?;
        envelope.verify(self.circle.genesis.circle, now_ms())?;
        let key = acting::key(self.args.key.as_deref(), &self.args.target)?;
        envelope.cosign(&key);
        self.write(self.args.out.as_deref().unwrap_or(path), &envelope)
    }

    async fn send(&self, envelope: &Envelope) -> Result<(), Problem> {
        let transaction = self.circle.send(envelope, self.args.wait).await?;
        if self.args.json {
            output::print_json(&transaction);
            return Ok(());
        }
        output::print(format!(
            "done at height {}, certified (transaction {})",
            transaction.height.unwrap_or_default(),
            transaction.id
        ));
        for event in transaction.receipt.iter().flat_map(|one| &one.events) {
            output::print(format!("  {} {}", event.name, event.data));
        }
        Ok(())
    }

    fn show(&self, actions: &[Action]) -> Result<String, Problem> {
        let canonical = action::render(actions, &self.circle.assets()?);
        match self.args.json {
            true => output::tell(canonical.trim_end()),
            false => output::print(canonical.trim_end()),
        }
        Ok(canonical)
    }

    fn write(&self, path: &Path, envelope: &Envelope) -> Result<(), Problem> {
        let text = hex::encode(envelope.encode()) + "\n";
        std::fs::write(path, text).map_err(|error| Problem::file("write", path, error))?;
        let signed: Vec<String> = envelope
            .signatures
            .iter()
            .map(|signed| self.name(&signed.key))
            .collect();
        let quorum = self.circle.quorum;
        if self.args.json {
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
        let key = key.to_string();
        self.circle.guardians.get(&key).cloned().unwrap_or(key)
    }
}

/// `PARAMETER=FILE`: a parameter whose value is what the file holds.
#[derive(Clone, Debug)]
pub struct FromFile {
    param: String,
    path: PathBuf,
}

impl std::str::FromStr for FromFile {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (param, path) = text
            .split_once('=')
            .filter(|(param, path)| action::is_name(param) && !path.is_empty())
            .ok_or("write PARAMETER=FILE, as in source=shelf.3script")?;
        Ok(Self {
            param: param.into(),
            path: path.into(),
        })
    }
}

impl FromFile {
    /// Gives the parameter to the one action in the text that declares it and is written without it.
    fn fill(&self, statements: &mut [Statement], declared: &[Signature]) -> Result<(), Problem> {
        let problem = |reason: String, mend: &str| Problem::new("act.file", reason, mend);
        let mut found = None;
        for statement in statements {
            let signature = action::find_signature(statement, declared)?;
            let param = signature.params.iter().find(|one| one.name == self.param);
            let given = statement.params.iter().any(|one| one.key == self.param);
            let Some(param) = param.filter(|_| !given) else {
                continue;
            };
            if found.is_some() {
                let reason = format!(
                    "more than one action in the text is written without a {}",
                    self.param
                );
                return Err(problem(reason, "send them one after the other"));
            }
            found = Some((statement, param.ty.clone()));
        }
        let (statement, ty) = found.ok_or_else(|| {
            let reason = format!("no action in the text lacks a {}", self.param);
            problem(
                reason,
                "name a parameter that the action declares, and leave it out of the text",
            )
        })?;
        let bytes = read(&self.path)?;
        let text = || {
            String::from_utf8(bytes.clone()).map_err(|_| {
                problem(
                    format!("{} is not UTF-8", self.path.display()),
                    "save the text as UTF-8",
                )
            })
        };
        let value = match ty {
            Type::Bytes => hex::encode(&bytes),
            Type::Text => text()?,
            // As an action's text holds them: each line behind `> `.
            Type::Script => text()?
                .lines()
                .map(|line| format!("> {line}"))
                .collect::<Vec<_>>()
                .join("\n"),
            other => {
                let reason = format!(
                    "{} is {}, which no file holds",
                    self.param,
                    other.described()
                );
                return Err(problem(reason, "files hold texts, bytes and scripts"));
            }
        };
        statement.params.push(Param {
            key: self.param.clone(),
            value: Raw::One(value),
            position: statement.position,
            value_positions: vec![statement.position],
        });
        Ok(())
    }
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
