//! A page of documentation that is run as it stands: its files are written, its commands run in one shell, and what they print is
//! compared with what the page shows.
//!
//! A fenced block of a page is one of these; all others are for reading only.
//!
//! - ` ```3script shelf/policy.3script `, any language with a path behind it: a file that is written.
//! - ` ```console `: lines behind `$ ` are commands, lines behind `> ` go on with one, the lines below are what it prints. A line
//!   of `...` stands for any lines. Every command succeeds; in a block ` ```console fails ` every one fails.
//! - ` ```console stays `: one command that goes on in a terminal of its own, until the page ends. Going on with the page
//!   begins when it has printed the last line that is shown.
//!
//! Hashes, heights and times differ from run to run and are not compared. With `UPDATE_EXPECT=1` what was printed takes the
//! place of what the page shows.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Longer than any command of a page may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Behind what a command printed: its exit status.
const MARK: &str = "\u{1}status ";

/// Runs a page of the repository in a new directory, with `circle` as the command of that name.
pub fn run(page: &Path, circle: &Path) {
    let text = std::fs::read_to_string(page).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut shell = Shell::start(directory.path(), circle);
    let mut stay = Vec::new();
    let mut differences = Vec::new();
    let mut printed_page = String::new();
    for part in parts(&text) {
        match part {
            Part::Prose(lines) => printed_page.push_str(lines),
            Part::File { path, lines, whole } => {
                let path = shell.directory().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, lines).unwrap();
                printed_page.push_str(whole);
            }
            Part::Console {
                head,
                fails,
                stays: true,
                commands,
            } => {
                assert!(!fails && commands.len() == 1, "{head}: one command stays");
                let (command, expected) = &commands[0];
                let directory = shell.directory();
                let (staying, printed) = Staying::start(command, expected, &directory, circle);
                stay.push(staying);
                compare(command, expected, &printed, &mut differences);
                let printed = kept(expected, &printed);
                printed_page.push_str(&format!("{head}\n{}{printed}```\n", shown(command)));
            }
            Part::Console {
                head,
                fails,
                commands,
                ..
            } => {
                printed_page.push_str(&head);
                printed_page.push('\n');
                for (command, expected) in &commands {
                    let (status, printed) = shell.run(command);
                    assert_eq!(
                        status != 0,
                        fails,
                        "`{command}` ended with {status}:\n{printed}"
                    );
                    compare(command, expected, &printed, &mut differences);
                    printed_page.push_str(&shown(command));
                    printed_page.push_str(&kept(expected, &printed));
                }
                printed_page.push_str("```\n");
            }
        }
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(page, printed_page).unwrap();
    } else {
        let all = differences.join("\n");
        assert!(
            differences.is_empty(),
            "{} shows otherwise:\n{all}",
            page.display()
        );
    }
}

enum Part<'a> {
    Prose(&'a str),
    File {
        path: &'a str,
        lines: &'a str,
        whole: &'a str,
    },
    Console {
        head: String,
        fails: bool,
        stays: bool,
        /// Each with what it prints.
        commands: Vec<(String, String)>,
    },
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = fence(rest) {
        let (prose, from_fence) = rest.split_at(start);
        let head_end = from_fence.find('\n').expect("a fence has a line") + 1;
        let body_end = head_end
            + fence(&from_fence[head_end..]).unwrap_or_else(|| panic!("unclosed: {from_fence}"));
        let end = body_end + from_fence[body_end..].find('\n').map_or(3, |at| at + 1);
        let (head, body) = (
            &from_fence[..head_end].trim_end(),
            &from_fence[head_end..body_end],
        );
        let whole = &from_fence[..end];
        let words: Vec<&str> = head[3..].split_whitespace().collect();
        parts.push(Part::Prose(prose));
        parts.push(match words.as_slice() {
            ["console", how @ ..] => Part::Console {
                head: (*head).to_owned(),
                fails: how == ["fails"],
                stays: how == ["stays"],
                commands: commands(body),
            },
            [_, path] => Part::File {
                path,
                lines: body,
                whole,
            },
            _ => Part::Prose(whole),
        });
        rest = &from_fence[end..];
    }
    parts.push(Part::Prose(rest));
    parts
}

/// Where the next line that begins with a fence is.
fn fence(text: &str) -> Option<usize> {
    if text.starts_with("```") {
        return Some(0);
    }
    text.find("\n```").map(|at| at + 1)
}

fn commands(body: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut printed = false;
    for line in body.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), String::new()));
            printed = false;
            continue;
        }
        let last = commands
            .last_mut()
            .expect("a console begins with a command");
        match line.strip_prefix("> ") {
            Some(more) if !printed => {
                last.0.push('\n');
                last.0.push_str(more);
            }
            _ => {
                printed = true;
                last.1.push_str(line);
                last.1.push('\n');
            }
        }
    }
    commands
}

/// A command as the page shows it.
fn shown(command: &str) -> String {
    format!("$ {}\n", command.replace('\n', "\n> "))
}

/// What the page shows from now on: what was printed, unless the page leaves something out.
fn kept(expected: &str, printed: &str) -> String {
    let elided = expected.lines().any(|line| line == "...");
    match elided || masked(expected) == masked(printed) {
        true => expected.to_owned(),
        false => printed.to_owned(),
    }
}

fn compare(command: &str, expected: &str, printed: &str, differences: &mut Vec<String>) {
    let (wanted, got) = (masked(expected), masked(printed));
    if !matches(&wanted, &got) {
        differences.push(format!(
            "$ {command}\n--- the page\n{wanted}\n--- printed\n{got}"
        ));
    }
}

/// Whether lines are as wanted, where a line of `...` stands for any number of them.
fn matches(wanted: &str, got: &str) -> bool {
    fn from(wanted: &[&str], got: &[&str]) -> bool {
        match wanted.split_first() {
            None => got.is_empty(),
            Some((&"...", rest)) => (0..=got.len()).any(|skip| from(rest, &got[skip..])),
            Some((line, rest)) => got.first() == Some(line) && from(rest, &got[1..]),
        }
    }
    let (wanted, got): (Vec<_>, Vec<_>) = (wanted.lines().collect(), got.lines().collect());
    from(&wanted, &got)
}

/// The text without what differs from run to run: hashes, addresses, heights, ledgers, dates and times of day.
fn masked(text: &str) -> String {
    text.lines()
        .map(|line| mask(line.trim_end()) + "\n")
        .collect()
}

fn mask(line: &str) -> String {
    let line = replace(&replace(line, "dddd-dd-dd", "<date>"), "dd:dd:dd", "<time>");
    let mut out = String::new();
    let mut word = String::new();
    for character in line.chars().chain(['\n']) {
        if character.is_ascii_alphanumeric() {
            word.push(character);
            continue;
        }
        let number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_height = [
            "height ",
            "heights ",
            "heights <n> to ",
            "\"height\":",
            "block ",
            "ledger ",
        ];
        if number && is_height.iter().any(|before| out.ends_with(before)) {
            out.push_str("<n>");
        } else if word.len() >= 12 && word.bytes().all(hexadecimal) {
            out.push_str("<hash>");
        } else if word.len() == 56 && word.starts_with('G') {
            out.push_str("<address>");
        } else {
            out.push_str(&word);
        }
        word.clear();
        out.push(character);
    }
    out.pop();
    // How many transactions a stretch of blocks holds depends on when the guardians attested.
    let words: Vec<&str> = out.split(' ').collect();
    let counts = |at: usize| {
        let next = words.get(at + 1);
        next.is_some_and(|next| next.starts_with("transactions"))
            && words[at].bytes().all(|byte| byte.is_ascii_digit())
    };
    let masked = (0..words.len()).map(|at| if counts(at) { "<n>" } else { words[at] });
    masked.collect::<Vec<_>>().join(" ")
}

/// Replaces what looks like `pattern`, in which `d` is a digit.
fn replace(line: &str, pattern: &str, by: &str) -> String {
    let looks_so = |text: &str| {
        text.len() == pattern.len()
            && text
                .bytes()
                .zip(pattern.bytes())
                .all(|(byte, wanted)| match wanted {
                    b'd' => byte.is_ascii_digit(),
                    _ => byte == wanted,
                })
    };
    let mut out = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        match rest.get(..pattern.len()) {
            Some(text) if looks_so(text) => {
                out.push_str(by);
                rest = &rest[pattern.len()..];
            }
            _ => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// One shell, in which the commands of a page follow each other.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    fn start(directory: &Path, circle: &Path) -> Self {
        let mut child = command("bash", directory, circle)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "exec 2>&1").unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        Self {
            child,
            stdin,
            lines,
        }
    }

    /// Where the shell is now.
    fn directory(&mut self) -> PathBuf {
        let (_, printed) = self.run("pwd");
        printed.trim_end().into()
    }

    /// Runs a command; gives its exit status and what it printed on both outputs.
    fn run(&mut self, command: &str) -> (i32, String) {
        writeln!(self.stdin, "{command}\nprintf '\\001status %d\\n' $?").unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut printed = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => panic!("`{command}` takes too long:\n{printed}"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the shell ended at `{command}`:\n{printed}")
                }
            };
            match line.split_once(MARK) {
                Some((rest, status)) => {
                    printed.push_str(rest);
                    return (status.trim().parse().unwrap(), printed);
                }
                None => printed.push_str(&line),
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command in a terminal of its own. It is asked to end, as Ctrl-C does, when the page is over.
struct Staying(Child);

impl Staying {
    /// Starts it, and gives what it printed up to the last line that the page shows.
    fn start(line: &str, expected: &str, directory: &Path, circle: &Path) -> (Self, String) {
        // `exec`: the process that is ended later is the command, not a shell around it.
        let mut child = command("bash", directory, circle)
            .args(["-c", &format!("exec 2>&1; exec {line}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let staying = Self(child);
        let last = masked(expected.lines().last().unwrap_or_default());
        let deadline = Instant::now() + PATIENCE;
        let mut printed = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(next) = lines.recv_timeout(left) else {
                panic!("`{line}` did not print {last:?}:\n{printed}");
            };
            printed.push_str(&next);
            if masked(&next) == last {
                return (staying, printed);
            }
        }
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-INT", &self.0.id().to_string()])
            .status();
        let _ = self.0.wait();
    }
}

fn command(program: &str, directory: &Path, circle: &Path) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command
        .current_dir(directory)
        .env(
            "PATH",
            format!("{}:{path}", circle.parent().unwrap().display()),
        )
        .env_remove("CIRCLE_HOME")
        .env_remove("CIRCLE_NODE")
        .env_remove("CIRCLE_PASSPHRASE_FILE")
        .env_remove("CREDENTIALS_DIRECTORY")
        .env_remove("RUST_LOG");
    command
}

fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&line).into_owned();
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_masked_and_nothing_else() {
        for (line, expected) in [
            (
                "done at height 42, certified (transaction 00ffaa9911bb)",
                "done at height <n>, certified (transaction <hash>)",
            ),
            (
                "due 2026-01-02 03:04:05, 7 days",
                "due <date> <time>, 7 days",
            ),
            (
                "heights 3 to 47, 12 transactions",
                "heights <n> to <n>, <n> transactions",
            ),
            (
                "it deadbeefdeadbeef cost 12.5 TFT at 1-2",
                "it <hash> cost 12.5 TFT at 1-2",
            ),
            (
                "shelf.3script:4:21: no column",
                "shelf.3script:4:21: no column",
            ),
        ] {
            assert_eq!(mask(line), expected);
        }
    }

    #[test]
    fn three_dots_stand_for_any_lines() {
        assert!(matches("a\n...\nd\n", "a\nb\nc\nd\n"));
        assert!(matches("a\n...\n", "a\n"));
        assert!(!matches("a\n...\nd\n", "a\nb\n"));
        assert!(!matches("a\n", "a\nb\n"));
    }
}
