//! Sums by rate over a snapshot, for summaries.
//!
//! Invariant: what is cached with a view depends only on the view, never on a query: the rates of
//! its months, in answer order. Every query is summed afresh. Look next:
//! [`tallybook_core::query::rates`].

use super::snapshot::Snapshot;
use super::{Engine, EngineError};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tallybook_core::query::rates::RateOrder;
use tallybook_core::query::{Query, Totals};
use tallybook_core::statement::Source;
use tallybook_core::time::Month;

/// Sums by rate: the answer to a query that groups by nothing else.
#[derive(Debug)]
pub struct RateSums {
    /// The rates that may occur in the answer.
    pub order: Arc<RateOrder>,
    /// By index in the order of rates; `None` where no usage counts.
    pub sums: Vec<Option<Totals>>,
}

/// By the first and last month of a query. Queries cover a month or a year, so there are hardly
/// more entries than months with usage.
#[derive(Debug, Default)]
pub(super) struct RatesByMonths(RwLock<HashMap<(Month, Month), Arc<RateOrder>>>);

impl RatesByMonths {
    /// `sources` holds the sources of the months.
    fn get<'a>(
        &self,
        months: (Month, Month),
        sources: impl Iterator<Item = &'a Source> + Clone,
    ) -> Arc<RateOrder> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(order) = known.get(&months) {
            return Arc::clone(order);
        }
        drop(known);
        let is_empty = sources.clone().next().is_none();
        let order = Arc::new(order_of(sources));
        // Months without usage are not worth caching.
        if !is_empty {
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            known.insert(months, Arc::clone(&order));
        }
        order
    }
}

fn order_of<'a>(sources: impl Iterator<Item = &'a Source>) -> RateOrder {
    RateOrder::new(sources.map(Source::summary))
}

impl Engine {
    /// Answers a query over one whole period that groups by rate alone.
    pub async fn sums(&self, snapshot: &Snapshot, query: &Query) -> Result<RateSums, EngineError> {
        let (mut first, mut last) = (None, None);
        for month in query.months() {
            first = first.or(Some(month));
            last = Some(month);
        }
        let (Some(months), Some(period)) = (first.zip(last), query.periods().next()) else {
            let (order, sums) = (Arc::new(order_of([].iter())), Vec::new());
            return Ok(RateSums { order, sums });
        };
        let loaded = self.load(snapshot, query, period).await?;
        let order = match snapshot.parts() {
            [only] => only.view.rates.get(months, loaded.sources()),
            // An organization that moved: nothing is cached for several views.
            _ => Arc::new(order_of(loaded.sources())),
        };
        let sums = order.sums(period, &loaded.asked(), snapshot.context());
        let sums = sums.map_err(|error| EngineError::System(error.to_string()))?;
        Ok(RateSums { order, sums })
    }
}
