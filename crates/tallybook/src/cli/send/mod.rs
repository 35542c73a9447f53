//! `tallybook send`: usage events from a file or a pipe, to a server or into a directory.
//!
//! Invariant: a batch is sent until it is answered, which is safe because an event counts once; the
//! command succeeds only when every event counts. Look next: [`batches`] for how a file is read,
//! [`delivery`] for how a batch is delivered.

mod batches;
mod delivery;

use super::arguments::OnErrorArgument;
use super::client::Client;
use super::open::{WhenEmpty, open};
use super::place::Place;
use crate::clock::Clock;
use crate::config::EventLimits;
use crate::events::Lengths;
use crate::wire::events::{EventTotals, EventsAnswer};
use anyhow::{Context, bail};
use batches::Batch;
use delivery::{Backoff, Delivery};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The most rejected events that are printed.
const MOST_SHOWN: u64 = 20;

/// The options of the command.
pub(crate) struct Request {
    /// The events; `-` is standard input.
    pub(crate) file: PathBuf,
    /// What happens to valid events when one is invalid.
    pub(crate) on_error: OnErrorArgument,
    /// Events in a batch.
    pub(crate) batch: usize,
    /// How often a batch is sent again.
    pub(crate) retries: u32,
    /// The limits on events when there is no server to enforce them.
    pub(crate) limits: EventLimits,
}

/// Sends, and prints the outcome.
pub(crate) fn run(request: &Request, place: Place, clock: Clock) -> anyhow::Result<()> {
    let delivery = match place {
        Place::Directory(directory) => {
            let runtime = super::runtime()?;
            let opened = runtime.block_on(open(&directory, WhenEmpty::Refuse, clock.now()?))?;
            Delivery::Engine {
                engine: opened.engine,
                runtime,
                clock,
                lengths: Lengths::from(&request.limits),
            }
        }
        Place::Server { url, token } => Delivery::Server {
            client: Client::new(url, &token),
            backoff: Backoff::new(request.retries),
        },
    };
    let (input, progress) = input(&request.file)?;
    let mut sending = Sending {
        delivery,
        on_error: request.on_error,
        totals: EventTotals::default(),
        shown: 0,
        refused: None,
    };
    let name = request.file.display();
    let read = batches::each(BufReader::new(input), request.batch, |batch| {
        progress.suspend(|| sending.send(&batch))
    });
    progress.finish_and_clear();
    sending.delivery.finish();
    let read = read.with_context(|| format!("cannot send {name}"));
    sending.print_totals(&mut io::stdout().lock())?;
    read?;
    sending.verdict()
}

/// The bytes, with a progress bar if on a terminal.
fn input(file: &Path) -> anyhow::Result<(Box<dyn Read>, ProgressBar)> {
    let (input, bytes): (Box<dyn Read>, _) = if file == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        let bytes = opened.metadata().map(|metadata| metadata.len()).ok();
        (Box::new(opened), bytes)
    };
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(bytes, target);
    let bar = bar.with_finish(ProgressFinish::AndClear);
    let template = if bytes.is_some() {
        "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}"
    } else {
        "{spinner} {bytes} {bytes_per_sec}"
    };
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.context("the bar's template is wrong")?);
    Ok((Box::new(bar.wrap_read(input)), bar))
}

struct Sending {
    delivery: Delivery,
    on_error: OnErrorArgument,
    totals: EventTotals,
    /// Rejected events that were printed.
    shown: u64,
    /// Why the last batch was refused completely.
    refused: Option<String>,
}

impl Sending {
    fn send(&mut self, batch: &Batch) -> anyhow::Result<ControlFlow<()>> {
        let skip = self.on_error == OnErrorArgument::Skip;
        let answer = self.delivery.deliver(batch, skip)?;
        self.totals.add(&answer);
        self.show_rejected(batch, &answer);
        self.refused = answer.message;
        Ok(match self.refused {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        })
    }

    fn show_rejected(&mut self, batch: &Batch, answer: &EventsAnswer) {
        for rejected in &answer.rejected {
            if self.shown == MOST_SHOWN {
                eprintln!("... and more");
            }
            self.shown += 1;
            if self.shown <= MOST_SHOWN {
                let place = batch.place(rejected.index);
                eprintln!("{place}: {}: {}", rejected.code, rejected.reason);
            }
        }
    }

    fn print_totals(&self, out: &mut dyn Write) -> io::Result<()> {
        let EventTotals {
            accepted,
            duplicates,
            pending,
            rejected,
            ..
        } = self.totals;
        write!(
            out,
            "{accepted} events accepted, {duplicates} known before, {rejected} rejected"
        )?;
        if pending > 0 {
            write!(out, "; {pending} corrections wait for their event")?;
        }
        writeln!(out, ".")
    }

    /// Rejected events are a failure, even if the rest was accepted.
    fn verdict(&self) -> anyhow::Result<()> {
        if let Some(message) = &self.refused {
            bail!("{message} What was sent before counts; nothing after it was sent.");
        }
        match self.totals.rejected {
            0 => Ok(()),
            count => bail!("{count} events were rejected"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::events::RejectedEvent;

    #[test]
    fn what_was_rejected_is_a_failure() {
        let mut sending = Sending {
            delivery: Delivery::Server {
                client: Client::new(
                    crate::config::PublicUrl::parse("http://127.0.0.1:1").expect("a URL"),
                    "t",
                ),
                backoff: Backoff::new(0),
            },
            on_error: OnErrorArgument::Skip,
            totals: EventTotals::default(),
            shown: 0,
            refused: None,
        };
        assert!(sending.verdict().is_ok());
        let rejected = RejectedEvent {
            index: 0,
            code: "invalid".to_owned(),
            reason: "id: is missing".to_owned(),
        };
        sending.totals.add(&EventsAnswer {
            accepted: 2,
            pending: 1,
            rejected: vec![rejected],
            ..EventsAnswer::default()
        });
        assert!(sending.verdict().is_err());
        let mut out = Vec::new();
        sending.print_totals(&mut out).expect("written");
        let expected = "2 events accepted, 0 known before, 1 rejected; \
                        1 corrections wait for their event.\n";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }
}
