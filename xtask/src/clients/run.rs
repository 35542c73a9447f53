//! One run of a client: its output goes to a file, and only what matters to the screen.
//!
//! Invariant: a client that does not end in time is killed, and that is a failure.

use anyhow::{Context, bail};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Far more than any client needs; the most that CI waits for one that hangs.
const LONGEST: Duration = Duration::from_secs(8 * 60);
const PAUSE: Duration = Duration::from_millis(50);

/// A client, ready to run.
pub(super) struct Client {
    /// Also the name of its log.
    pub(super) name: String,
    pub(super) command: Command,
}

impl Client {
    pub(super) fn new(name: &str, command: Command) -> Self {
        Self {
            name: name.to_owned(),
            command,
        }
    }

    /// Runs it; prints what holds, or everything that it said when something does not.
    pub(super) fn run(mut self, logs: &Path) -> anyhow::Result<()> {
        let start = Instant::now();
        let path = logs.join(format!("{}.log", self.name));
        let log = File::create(&path);
        let log = log.with_context(|| format!("cannot write {}", path.display()))?;
        let both = log.try_clone().context("cannot share the log")?;
        let command = self.command.stdin(Stdio::null()).stdout(both).stderr(log);
        let child = command.spawn();
        let mut child = child.with_context(|| format!("cannot run {:?}", command.get_program()))?;
        let ended = wait(&mut child);
        let said = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()));
        let said = String::from_utf8_lossy(&said?).into_owned();
        let status = ended.inspect_err(|_| eprintln!("{said}"))?;
        if !status.success() {
            eprintln!("{said}");
            bail!("{status}");
        }
        let lines = said.lines().filter(|line| holds(line));
        for line in lines {
            println!("{}: {}", self.name, line.trim());
        }
        println!("{}: OK ({:.0?})", self.name, start.elapsed());
        Ok(())
    }
}

/// What our programs print of each thing that holds, and schemathesis' count of its cases.
fn holds(line: &str) -> bool {
    line.starts_with("OK ") || line.ends_with(" passed")
}

fn wait(child: &mut Child) -> anyhow::Result<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for it")? {
            return Ok(status);
        }
        if start.elapsed() > LONGEST {
            child.kill().context("it hangs and cannot be killed")?;
            child.wait().context("cannot wait for its end")?;
            bail!("it did not end within {LONGEST:?}");
        }
        std::thread::sleep(PAUSE);
    }
}
