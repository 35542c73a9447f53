//! Usage that an import states and events have also reported: refused before it counts twice, or
//! reported afterwards.
//!
//! Look next: [`tallybook_core::fold::also_metered`] for what is compared.

use crate::engine::{Engine, EngineError, View};
use std::sync::Arc;
use tallybook_core::fold::also_metered::{AlsoMetered, DaySums, also_metered, imported_days};
use tallybook_core::ledger::record::ImportRecord;
use tallybook_core::name::Name;
use tallybook_core::time::Month;

impl Engine {
    /// The usage that both `record` and the events of a view state; empty if no event is in its
    /// months.
    pub(in crate::engine) async fn also_metered(
        &self,
        view: &Arc<View>,
        record: &ImportRecord,
    ) -> Result<Vec<AlsoMetered>, EngineError> {
        let parts = record.parts.iter();
        let of_parts = |month: Month| {
            let in_part = |first: Month, last: Month| (first..=last).contains(&month);
            let mut days = parts.clone().map(|part| (part.first_day, part.last_day));
            days.any(|(first, last)| in_part(first.month(), last.month()))
        };
        let metered = view.account.metered.months().map(|(month, _)| month);
        let months: Vec<Month> = metered.filter(|month| of_parts(*month)).collect();
        if months.is_empty() {
            return Ok(Vec::new());
        }
        let mut cells = Vec::with_capacity(record.parts.len());
        for part in &record.parts {
            cells.push(self.cells(part.cells).await?);
        }
        let imported = imported_days(record, &view.site.catalog, &cells);
        let mut metered = DaySums::new();
        for month in months {
            let only = record.organization.clone();
            metered.append(&mut self.metered_days(view, month, only).await?);
        }
        Ok(also_metered(&imported, &metered))
    }

    async fn metered_days(
        &self,
        view: &Arc<View>,
        month: Month,
        only: Option<Name>,
    ) -> Result<DaySums, EngineError> {
        let plan = view.plan(month);
        let rows = self.rows_of(&view.account, &plan).await?;
        let view = Arc::clone(view);
        tokio::task::spawn_blocking(move || {
            let mut fold = plan.fold_names(&view.site.catalog);
            fold.add_rows(rows);
            Ok(fold.metered_days(only.as_ref())?)
        })
        .await?
    }
}
