//! One sender of batches: it remembers what was acknowledged, and sends again what was not.
//!
//! Invariant: what a batch adds is known when it is made and greater than zero, so that sums bound
//! each other; a correction is only of an event that was acknowledged or is in the same batch.

use super::server::{Answer, request};
use super::{ENTERPRISES, Random};
use anyhow::{Context, ensure};
use std::fmt::Write;

/// What every event has.
const CORE: &str = r#""specversion":"1.0""#;

const PATH: &str = "/metering/v1/events";

/// Of the batches that are acknowledged, how many are sent once more in the end.
const SENT_AGAIN: usize = 300;

/// Events and corrections that count together or not at all.
struct Batch {
    lines: String,
    /// Events and corrections.
    count: i64,
    /// What they add to the sum.
    adds: i64,
    /// An event of it that no correction is about.
    target: Target,
    /// Whether it was sent before.
    sent: bool,
}

#[derive(Clone)]
struct Target {
    id: String,
    enterprise: &'static str,
}

/// A sender and its memory.
pub(crate) struct Sender {
    number: u64,
    random: Random,
    made: u64,
    acknowledged: Vec<Batch>,
    open: Vec<Batch>,
    /// Events of acknowledged batches that may yet be amended.
    targets: Vec<Target>,
    /// Batches sent again because no answer had come, each time that an answer came.
    pub(crate) retried: u64,
    /// Of these, the ones that had been committed after all.
    pub(crate) found: u64,
}

impl Sender {
    pub(crate) fn new(number: u64, seed: u64) -> Self {
        Self {
            number,
            random: Random(seed ^ (number + 1) << 40),
            made: 0,
            acknowledged: Vec::new(),
            open: Vec::new(),
            targets: Vec::new(),
            retried: 0,
            found: 0,
        }
    }

    /// What acknowledged batches add up to.
    pub(crate) fn acknowledged(&self) -> i64 {
        self.acknowledged.iter().map(|batch| batch.adds).sum()
    }

    /// What the others would add.
    pub(crate) fn unacknowledged(&self) -> i64 {
        self.open.iter().map(|batch| batch.adds).sum()
    }

    pub(crate) fn batches(&self) -> usize {
        self.acknowledged.len()
    }

    /// Sends until no answer comes. What is answered wrongly is an error.
    pub(crate) fn send_until_gone(&mut self, address: &str) -> anyhow::Result<()> {
        loop {
            let choice = self.random.below(10);
            let going_on = if choice == 0 && !self.acknowledged.is_empty() {
                let place = self.random.below(self.acknowledged.len() as u64);
                again(address, &self.acknowledged[usize::try_from(place)?])?
            } else {
                if choice < 5 || self.open.is_empty() {
                    let batch = self.make();
                    self.open.push(batch);
                }
                self.send(address)?
            };
            if !going_on {
                return Ok(());
            }
        }
    }

    /// Sends what was not acknowledged, and what was.
    pub(crate) fn settle(&mut self, address: &str) -> anyhow::Result<()> {
        while !self.open.is_empty() {
            ensure!(self.send(address)?, "the server is gone");
        }
        for batch in self.acknowledged.iter().rev().take(SENT_AGAIN) {
            ensure!(again(address, batch)?, "the server is gone");
        }
        Ok(())
    }

    /// Sends the newest open batch; false when no answer came.
    fn send(&mut self, address: &str) -> anyhow::Result<bool> {
        let Some(batch) = self.open.last_mut() else {
            return Ok(true);
        };
        let was_sent = std::mem::replace(&mut batch.sent, true);
        let Ok(answer) = request(address, "POST", PATH, &batch.lines) else {
            // Older ones get their turn as well.
            self.open.rotate_right(1);
            return Ok(false);
        };
        let (accepted, duplicates) = counts(&answer)?;
        let is_new = (accepted, duplicates) == (batch.count, 0);
        let is_known = was_sent && (accepted, duplicates) == (0, batch.count);
        ensure!(
            is_new || is_known,
            "of {} events {accepted} are new and {duplicates} known",
            batch.count
        );
        self.retried += u64::from(was_sent);
        self.found += u64::from(is_known);
        self.targets.push(batch.target.clone());
        self.acknowledged.extend(self.open.pop());
        Ok(true)
    }

    /// A batch of events of both enterprises; some are voided at once, and an older one is amended.
    fn make(&mut self) -> Batch {
        let made = self.made;
        self.made += 1;
        let usage = 4 + self.random.below(40);
        let (mut lines, mut count, mut adds) = (String::new(), 0, 0);
        let mut line = |kind: &str, id: &str, data: String| {
            let day = 1 + count % 28;
            count += 1;
            // Writing to a string cannot fail.
            let _ = writeln!(
                lines,
                "{{{CORE},\"source\":\"/{}\",\"id\":\"{id}\",\"type\":\"{kind}\",\
                 \"time\":\"2026-01-{day:02}T10:00:00Z\",\"data\":{{{data}}}}}",
                self.number
            );
        };
        let enterprise = |number: u64| ENTERPRISES[usize::from(number % 2 == 1)];
        let used = r#""sku":"actions_linux","user":"mona","quantity""#;
        for number in 0..usage {
            let data = format!(r#"{used}:1,"enterprise":"{}""#, enterprise(number));
            line("usage", &format!("{made}-{number}"), data);
            adds += 1;
        }
        let about = |target: &Target| {
            format!(
                r#""target":{{"source":"/{}","id":"{}"}},"enterprise":"{}""#,
                self.number, target.id, target.enterprise
            )
        };
        for number in 0..self.random.below(3) {
            let id = format!("{made}-{number}");
            let target = Target {
                id,
                enterprise: enterprise(number),
            };
            line("void", &format!("{made}-void-{number}"), about(&target));
            adds -= 1;
        }
        let amended = (self.random.below(2) == 0).then(|| self.targets.pop());
        if let Some(target) = amended.flatten() {
            let data = format!(r#"{used}:3,{}"#, about(&target));
            line("amend", &format!("{made}-amend"), data);
            adds += 2;
        }
        let target = Target {
            id: format!("{made}-{}", usage - 1),
            enterprise: enterprise(usage - 1),
        };
        Batch {
            lines,
            count,
            adds,
            target,
            sent: false,
        }
    }
}

/// Sends what was acknowledged before: nothing of it may count again.
fn again(address: &str, batch: &Batch) -> anyhow::Result<bool> {
    let Ok(answer) = request(address, "POST", PATH, &batch.lines) else {
        return Ok(false);
    };
    let counts = counts(&answer)?;
    ensure!(
        counts == (0, batch.count),
        "of {} acknowledged events, new and known are {counts:?}",
        batch.count
    );
    Ok(true)
}

/// New and known events.
fn counts(answer: &Answer) -> anyhow::Result<(i64, i64)> {
    let body = &answer.body;
    ensure!(answer.status == 200, "{}: {body}", answer.status);
    let number = |name: &str| {
        let value = body[name].as_i64();
        value.with_context(|| format!("{name} in {body}"))
    };
    Ok((number("accepted")?, number("duplicates")?))
}
