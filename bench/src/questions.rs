//! The timed questions, asked of the engine in process: each differs from the last.

use crate::workload;
use anyhow::{Context, Result};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant as Stopwatch};
use tallybook::engine::{Engine, View};
use tallybook::http::body::{CHUNK_BYTES, Chunks, End, SLACK_BYTES};
use tallybook::http::github::usage::render::Answer;
use tallybook::wire::Dialect;
use tallybook::wire::usage::{UsageShape, UsageWriter};
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::query::{
    Charges, CostCenterFilter, Filter, Grain, Group, Query, RepositoryName,
};
use tallybook_core::report::ReportKind;
use tallybook_core::site::directory::Found;
use tallybook_core::time::{Day, Month};

/// One sort of question.
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// The `index`-th question of its sort.
    pub(crate) ask: fn(usize) -> Query,
}

impl Question {
    /// Whether its answer is dated items: the body of `usage`.
    pub(crate) fn is_usage(&self) -> bool {
        (self.ask)(0).grain == Grain::Day
    }
}

pub(crate) const QUESTIONS: [Question; 6] = [
    Question {
        name: "q1",
        what: "a year's summary",
        ask: q1,
    },
    Question {
        name: "q1f",
        what: "the same for one cost center",
        ask: q1f,
    },
    Question {
        name: "q2",
        what: "a month's premium requests of one user by model",
        ask: q2,
    },
    Question {
        name: "q3",
        what: "all rows of the largest month",
        ask: q3,
    },
    Question {
        name: "q4",
        what: "one day of one organization",
        ask: q4,
    },
    Question {
        name: "q5",
        what: "a year's summary of one repository",
        ask: q5,
    },
];

/// What one sort of question cost.
pub(crate) struct Timing {
    /// How many rows or bytes the longest answer had.
    pub(crate) count: usize,
    /// The fastest: what other programs on the machine disturbed least.
    pub(crate) least: Duration,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
}

impl Timing {
    fn of(mut took: Vec<Duration>, count: usize) -> Self {
        took.sort_unstable();
        let p99 = took[(took.len() * 99 / 100).min(took.len() - 1)];
        Self {
            count,
            least: took[0],
            median: took[took.len() / 2],
            p99,
        }
    }
}

fn months(first: Month, count: i32) -> Query {
    Query {
        from: first.first_day().first_hour(),
        to: first.plus(count).first_day().first_hour(),
        grain: Grain::Whole,
        filter: Filter::default(),
        group: Group::default(),
    }
}

fn first_month() -> Month {
    Month::new(workload::FIRST.0, workload::FIRST.1).expect("a month of the calendar")
}

/// All that there is.
pub(crate) fn everything() -> Query {
    months(first_month(), 24)
}

/// Any twelve months, so that consecutive questions differ.
fn q1(index: usize) -> Query {
    months(first_month().plus((index % 13) as i32), 12)
}

fn q1f(index: usize) -> Query {
    let mut query = q1(index);
    let center = format!("center-{}", index as u64 % workload::COST_CENTERS);
    query.filter.cost_center = CostCenterFilter::Is(center.into());
    query
}

fn q2(index: usize) -> Query {
    let mut query = months(first_month().plus((index % 24) as i32), 1);
    query.filter.report = Some(ReportKind::PremiumRequest);
    query.filter.user = Some(format!("user-{}", index as u64 % 100).into());
    query.group.model = true;
    query
}

fn q3(_: usize) -> Query {
    let mut query = months(largest(), 1);
    query.grain = Grain::Day;
    query.group.repository = true;
    query
}

fn q4(index: usize) -> Query {
    let month = largest();
    let day = Day::from_index(month.first_day().index() + (index % 30) as i32);
    let mut query = months(month, 1);
    (query.from, query.to) = (day.first_hour(), day.next().first_hour());
    query.grain = Grain::Day;
    query.group.repository = true;
    let organization = format!("org-{}", index as u64 % workload::ORGANIZATIONS);
    query.filter.organization = Some(organization.into());
    query
}

fn q5(index: usize) -> Query {
    let mut query = q1(index);
    let repository = index as u64 % workload::REPOSITORIES;
    query.filter.repository = Some(RepositoryName {
        owner: format!("org-{}", repository % workload::ORGANIZATIONS).into(),
        name: format!("repo-{repository}").into(),
    });
    query
}

/// The account of the workload.
pub(crate) fn account(engine: &Engine) -> Result<Found> {
    let account = AccountName::new(AccountKind::Enterprise, "bench");
    engine
        .site()
        .directory
        .find(&account)
        .context("import the workload first")
}

/// The month with the most lines.
pub(crate) fn largest() -> Month {
    first_month().plus(workload::LARGEST)
}

/// Asks once, and counts the rows.
pub(crate) async fn ask(engine: &Engine, view: &View, query: &Query) -> Result<usize> {
    let mut counted = 0;
    for period in query.periods() {
        counted += black_box(engine.answer::<Charges>(view, query, period).await?).len();
    }
    Ok(counted)
}

/// Asks a question `times` times, after a few that are not counted.
pub(crate) async fn time(
    engine: &Engine,
    view: &View,
    question: &Question,
    times: usize,
) -> Result<Timing> {
    let mut took = Vec::new();
    let mut rows = 0;
    for index in 0..times + 3 {
        let query = (question.ask)(index);
        let started = Stopwatch::now();
        let counted = ask(engine, view, &query).await?;
        if index >= 3 {
            took.push(started.elapsed());
            rows = rows.max(counted);
        }
    }
    Ok(Timing::of(took, rows))
}

/// Like [`time`], of the JSON that the server would send for a question of `usage`: written by the
/// same code, a chunk at a time, and dropped where the server would hand it to the kernel.
pub(crate) async fn time_json(
    engine: &Arc<Engine>,
    view: &Arc<View>,
    question: &Question,
    times: usize,
) -> Result<Timing> {
    let mut took = Vec::new();
    let mut bytes = 0;
    for index in 0..times + 3 {
        let query = (question.ask)(index);
        let started = Stopwatch::now();
        let shape = UsageShape {
            dialect: Dialect::Documented,
            grain: query.grain,
            with_organization: true,
        };
        let writer = UsageWriter::new(shape, "");
        let mut answer = Answer::new(Arc::clone(engine), Arc::clone(view).into(), query, writer);
        let mut written = 0;
        loop {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES + SLACK_BYTES);
            let end = answer.write(&mut chunk, CHUNK_BYTES).await?;
            written += black_box(chunk).len();
            if end == End::Last {
                break;
            }
        }
        if index >= 3 {
            took.push(started.elapsed());
            bytes = bytes.max(written);
        }
    }
    Ok(Timing::of(took, bytes))
}
