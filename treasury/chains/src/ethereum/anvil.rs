//! A real Ethereum node for development: `anvil`, which npm installs together with the published contracts of Safe.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The node. Pinned, so that what works once works always.
const ANVIL: &str = "@foundry-rs/anvil@1.7.1";
/// The contracts of Safe 1.5.0 as they were published, compiled.
const SAFE: &str = "@safe-global/safe-smart-account@1.5.0";
/// The folder of these very versions, in which nobody but this module keeps anything.
const VERSIONS: &str = "anvil-1.7.1-safe-1.5.0";

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub enum AnvilError {
    /// There is no folder to install to.
    #[error("no folder for what is installed: neither XDG_CACHE_HOME nor HOME is set; set one")]
    Folder,
    /// npm is missing.
    #[error(
        "npm cannot be run ({reason}); it installs {ANVIL} and {SAFE}, so install Node.js 20 with npm first"
    )]
    Npm {
        /// What the system said.
        reason: String,
    },
    /// npm failed.
    #[error("npm could not install {ANVIL} and {SAFE} in {}: {said}", folder.display())]
    Install {
        /// Where.
        folder: PathBuf,
        /// What npm said last.
        said: String,
    },
    /// npm has no such node for this machine.
    #[error("npm installed {ANVIL}, but no anvil for this machine is in {}", folder.display())]
    Machine {
        /// Where.
        folder: PathBuf,
    },
    /// It does not start.
    #[error("{} does not start: {reason}", program.display())]
    Start {
        /// What was started.
        program: PathBuf,
        /// What happened.
        reason: String,
    },
}

/// What npm installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// The program.
    pub anvil: PathBuf,
    /// The folder with one JSON file for each contract of Safe.
    pub artifacts: PathBuf,
}

/// Where the tools of a user are: in the folder for what can be fetched again.
pub fn folder() -> Result<PathBuf, AnvilError> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = set("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")));
    let cache = cache.ok_or(AnvilError::Folder)?;
    Ok(cache.join("guardian-circle").join("ethereum"))
}

/// The tools of the right versions in this folder, if all are there.
pub fn find(folder: &Path) -> Option<Tools> {
    installed(&folder.join(VERSIONS))
}

fn installed(folder: &Path) -> Option<Tools> {
    let modules = folder.join("node_modules");
    let machine = format!("anvil-{}-{}", system(), processor());
    let program = format!("anvil{}", std::env::consts::EXE_SUFFIX);
    let tools = Tools {
        anvil: modules
            .join("@foundry-rs")
            .join(machine)
            .join("bin")
            .join(program),
        artifacts: modules.join("@safe-global/safe-smart-account/build/artifacts/contracts"),
    };
    (tools.anvil.is_file() && tools.artifacts.is_dir()).then_some(tools)
}

/// The tools in this folder; they are installed if they are not there, which takes a minute and is told to `say`.
///
/// Errors: npm is missing or fails.
pub async fn find_or_install(
    folder: &Path,
    mut say: impl FnMut(&str),
) -> Result<Tools, AnvilError> {
    // Within one process one installs, and the others find it: they would do it in the same place.
    static INSTALLING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _alone = INSTALLING.lock().await;
    if let Some(tools) = find(folder) {
        return Ok(tools);
    }
    say(&format!(
        "installing {ANVIL} and {SAFE} with npm in {}",
        folder.display()
    ));
    let failed = |said: String| AnvilError::Install {
        folder: folder.to_owned(),
        said,
    };
    let io = |error: std::io::Error| failed(error.to_string());
    // Whole or not at all, also when it is cut off or when two do it at once.
    let finished = folder.join(VERSIONS);
    let unfinished = folder.join(format!(".installing-{}", std::process::id()));
    std::fs::create_dir_all(&unfinished).map_err(io)?;
    let npm = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
        .args(["--loglevel", "error", "--prefix"])
        .arg(&unfinished)
        .args([ANVIL, SAFE])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let result = match npm {
        Err(error) => Err(AnvilError::Npm {
            reason: error.to_string(),
        }),
        Ok(npm) if !npm.status.success() => {
            let said = String::from_utf8_lossy(&npm.stderr);
            Err(failed(said.trim().to_owned()))
        }
        Ok(_) if installed(&unfinished).is_none() => Err(AnvilError::Machine {
            folder: folder.to_owned(),
        }),
        Ok(_) => Ok(()),
    };
    if result.is_ok() && find(folder).is_none() {
        // Something in it was lost.
        if finished.exists() {
            std::fs::remove_dir_all(&finished).map_err(io)?;
        }
        // Somebody else may have been faster by a moment, which is as good.
        let _ = std::fs::rename(&unfinished, &finished);
    }
    // What is left of it is of no use to anybody, and in nobody's way.
    let _ = std::fs::remove_dir_all(&unfinished);
    result?;
    say("installed");
    find(folder).ok_or_else(|| AnvilError::Machine {
        folder: folder.to_owned(),
    })
}

/// When a node makes blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mining {
    /// One for each transaction, at once.
    AtOnce,
    /// One every so many seconds.
    EverySeconds(u64),
}

/// A running node, on a port of its own of this machine alone. It ends with this value.
#[derive(Debug)]
pub struct Anvil {
    /// Where it answers.
    pub url: String,
    child: Child,
}

impl Anvil {
    /// The number of its process.
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }
}

/// Starts a node with an empty chain of this id. It is there when this returns.
pub async fn start(tools: &Tools, chain_id: u64, mining: Mining) -> Result<Anvil, AnvilError> {
    let failed = |reason: String| AnvilError::Start {
        program: tools.anvil.clone(),
        reason,
    };
    let mut command = Command::new(&tools.anvil);
    command
        .args(["--host", "127.0.0.1", "--port", "0"])
        .args(["--chain-id", &chain_id.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if let Mining::EverySeconds(seconds) = mining {
        command.args(["--block-time", &seconds.to_string()]);
    }
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let stdout = child.stdout.take();
    let mut lines = BufReader::new(stdout.ok_or_else(|| failed("no output".into()))?).lines();
    while let Some(line) = lines
        .next_line()
        .await
        .map_err(|error| failed(error.to_string()))?
    {
        let Some(address) = line.strip_prefix("Listening on ") else {
            continue;
        };
        let url = format!("http://{}", address.trim());
        // It goes on to say what it does; a full pipe would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        return Ok(Anvil { url, child });
    }
    Err(failed("it ended before it listened".to_owned()))
}

/// npm's name for this system.
fn system() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    }
}

/// npm's name for this processor.
fn processor() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
