//! `cargo xtask crash [--rounds N] [--seed S] [--release]`: the server is killed under load, again
//! and again.
//!
//! Several senders report batches of events and corrections for two enterprises at once, send again
//! what was not acknowledged, and now and then what was. SIGKILL comes at a random moment; the next
//! server starts on the same directory. What is checked: a batch counts whole or not at all; after
//! every start at least what was acknowledged and at most what was sent is counted; in the end
//! exactly all of it, and `tallybook verify` finds nothing. The seed decides what is sent and when
//! the kill comes; how far the server is by then is up to the machine.
//! Look next: [`sender`] for the load, [`server`] for the process.

mod sender;
mod server;

use anyhow::{Context, bail, ensure};
use sender::Sender;
use server::Server;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The accounts; every batch has events of both.
const ENTERPRISES: [&str; 2] = ["crash-one", "crash-two"];

const SENDERS: u64 = 4;

/// Runs as many rounds as wanted.
pub(crate) fn run(root: &Path, options: &[&str]) -> anyhow::Result<()> {
    let (mut rounds, mut seed, mut profile) = (30, 1, "dev");
    let mut rest = options;
    loop {
        rest = match rest {
            [] => break,
            ["--release", rest @ ..] => {
                profile = "release";
                rest
            }
            ["--rounds", number, rest @ ..] => {
                rounds = number.parse().context("--rounds")?;
                rest
            }
            ["--seed", number, rest @ ..] => {
                seed = number.parse().context("--seed")?;
                rest
            }
            other => bail!("unknown: {other:?}"),
        };
    }
    let program = build(root, profile)?;
    let scratch = tempfile::tempdir()?;
    let data = scratch.path().join("data");
    declare(&program, scratch.path(), &data)?;
    println!("{rounds} rounds, seed {seed}");
    let mut random = Random(seed);
    let mut senders: Vec<Sender> = (0..SENDERS)
        .map(|number| Sender::new(number, seed))
        .collect();
    for round in 1..=rounds {
        let server = Server::start(&program, &data)?;
        check(&server, &senders).with_context(|| format!("round {round} of seed {seed}"))?;
        let alive = Duration::from_millis(random.below(400));
        let address = server.address.clone();
        senders = under_load(senders, &address, || {
            std::thread::sleep(alive);
            server.kill()
        })
        .with_context(|| format!("round {round} of seed {seed}"))?;
    }
    finish(&program, &data, senders).with_context(|| format!("the end of seed {seed}"))
}

/// Lets every sender send until the server is gone.
fn under_load(
    senders: Vec<Sender>,
    address: &str,
    kill: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Sender>> {
    std::thread::scope(|scope| {
        let send = |mut sender: Sender| {
            scope.spawn(move || sender.send_until_gone(address).map(|()| sender))
        };
        let threads: Vec<_> = senders.into_iter().map(send).collect();
        let killed = kill();
        let ended = threads.into_iter().map(|thread| match thread.join() {
            Ok(ended) => ended,
            Err(_) => bail!("a sender panicked"),
        });
        let ended = ended.collect();
        killed.and(ended)
    })
}

/// Between what was acknowledged and what was sent.
fn check(server: &Server, senders: &[Sender]) -> anyhow::Result<()> {
    let counted = server.counted(&ENTERPRISES)?;
    let least: i64 = senders.iter().map(Sender::acknowledged).sum();
    let most: i64 = least + senders.iter().map(Sender::unacknowledged).sum::<i64>();
    ensure!(
        (least..=most).contains(&counted),
        "{counted} are counted, but {least} were acknowledged and {most} sent"
    );
    Ok(())
}

/// Sends the rest, and everything recent once more; then the sum is exact.
fn finish(program: &Path, data: &Path, mut senders: Vec<Sender>) -> anyhow::Result<()> {
    let server = Server::start(program, data)?;
    for sender in &mut senders {
        sender.settle(&server.address)?;
    }
    check(&server, &senders)?;
    let open: i64 = senders.iter().map(Sender::unacknowledged).sum();
    ensure!(open == 0, "{open} are still not acknowledged");
    server.kill()?;
    let mut verify = Command::new(program);
    verify.arg("verify").arg("--data").arg(data);
    super::execute_with(&mut verify, data)?;
    let batches: usize = senders.iter().map(Sender::batches).sum();
    let counted: i64 = senders.iter().map(Sender::acknowledged).sum();
    let retried: u64 = senders.iter().map(|sender| sender.retried).sum();
    let found: u64 = senders.iter().map(|sender| sender.found).sum();
    println!(
        "{batches} batches, {counted} counted exactly once; {retried} were sent again without an \
         answer, {found} of these had been committed"
    );
    Ok(())
}

fn build(root: &Path, profile: &str) -> anyhow::Result<PathBuf> {
    let words = ["build", "--package", "tallybook", "--profile", profile];
    super::cargo(&words, &[], root)?;
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| root.join("target"), PathBuf::from);
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(target.join(folder).join("tallybook"))
}

fn declare(program: &Path, scratch: &Path, data: &Path) -> anyhow::Result<()> {
    let file = scratch.join("billing.yaml");
    let [one, two] = ENTERPRISES;
    std::fs::write(
        &file,
        format!("enterprises: [{{slug: {one}}}, {{slug: {two}}}]"),
    )?;
    let mut apply = Command::new(program);
    apply.args(["apply", "-f"]).arg(&file);
    super::execute_with(apply.arg("--data").arg(data), scratch)
}

/// Numbers that follow from a seed (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// At least 0 and less than `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
