//! Runs every attack of the corpus in a process of its own, and holds it to its ending, 256 MiB, and 2 s of processor time:
//! `hostile_policies [NAME]`.
//!
//! A checked build is slower by far, so it is held to the ending and the memory alone.

use std::process::{Command, ExitCode};

use guardian_tests::hostile::{Attack, corpus, run};

const MOST_KIB: u64 = 256 * 1024;
const LONGEST_MS: u64 = 2000;

fn main() -> ExitCode {
    let attacks = corpus();
    if let Some(name) = std::env::args().nth(1) {
        let attack = attacks
            .iter()
            .find(|attack| attack.name == name)
            .expect("an attack of the corpus");
        return alone(attack);
    }
    let mut faults = Vec::new();
    let (mut most_kib, mut longest_ms) = ((0, String::new()), (0, String::new()));
    for attack in &attacks {
        match judge(attack) {
            Ok((kib, ms)) => {
                most_kib = most_kib.max((kib, attack.name.clone()));
                longest_ms = longest_ms.max((ms, attack.name.clone()));
            }
            Err(fault) => faults.push(format!("{}: {fault}", attack.name)),
        }
        println!("{}: {}", attack.name, attack.ends);
    }
    for fault in &faults {
        println!("NOT HELD: {fault}");
    }
    eprintln!(
        "{} attacks; the most memory {} MiB ({}), the longest {} ms ({})",
        attacks.len(),
        most_kib.0 / 1024,
        most_kib.1,
        longest_ms.0,
        longest_ms.1
    );
    match faults.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// One attack in this process.
fn alone(attack: &Attack) -> ExitCode {
    let before = std::sync::atomic::AtomicU64::new(0);
    let ready = || before.store(processor_ms(), std::sync::atomic::Ordering::Relaxed);
    let ending = run(attack, ready);
    let used = processor_ms().saturating_sub(before.into_inner());
    println!("{ending}\t{used}\t{}", peak_kib());
    ExitCode::SUCCESS
}

/// Runs one attack in another process: the KiB and the milliseconds that it took.
fn judge(attack: &Attack) -> Result<(u64, u64), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .arg(&attack.name)
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("the process ended: {}\n{said}", output.status));
    }
    let fields: Vec<&str> = text.trim_end().split('\t').collect();
    let [ending, ms, kib] = fields[..] else {
        return Err(format!("it printed {text}"));
    };
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    let (ms, kib) = (number(ms)?, number(kib)?);
    if ending != attack.ends {
        return Err(format!("ends with {ending}, not with {}", attack.ends));
    }
    if kib > MOST_KIB {
        return Err(format!("took {kib} KiB"));
    }
    if ms > LONGEST_MS && !cfg!(debug_assertions) {
        return Err(format!("took {ms} ms of processor time"));
    }
    Ok((kib, ms))
}

/// The processor time of this process so far, from Linux; 0 elsewhere.
fn processor_ms() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold spaces: user and system time are the 12th and 13th, in hundredths of a second.
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| -> u64 {
        fields
            .get(at)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    };
    (ticks(11) + ticks(12)) * 10
}

/// The most memory that this process ever held, from Linux; 0 elsewhere.
fn peak_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
