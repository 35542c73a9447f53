//! What a server prints at startup: its address, and requests that show existing data.

use super::summary::account_path;
use crate::config::{PublicUrl, ServerSettings};
use crate::engine::Engine;
use tallybook_core::account::AccountName;
use tallybook_core::time::{Instant, Month};

/// How many accounts are searched for usage to show.
const ACCOUNTS_TRIED: usize = 100;

/// The startup lines, without a token.
pub(crate) struct Banner {
    /// What it is and where.
    pub(crate) head: String,
    /// URLs worth trying.
    pub(crate) paths: Vec<String>,
    /// Additional notes for the user.
    pub(crate) notes: Vec<String>,
}

/// Chooses a request that shows data.
pub(crate) async fn banner(
    engine: &Engine,
    url: &PublicUrl,
    settings: &ServerSettings,
    now: Instant,
) -> anyhow::Result<Banner> {
    let mut banner = Banner {
        head: head(url, settings),
        paths: Vec::new(),
        notes: Vec::new(),
    };
    match newest_usage(engine).await? {
        Some((account, month)) => {
            banner.paths.push(summary_url(url, &account, month));
            if is_too_old(month, settings.history_months, now) {
                let months = settings.history_months;
                banner.notes.push(format!(
                    "The newest usage is of {month}, before the last {months} months that can be \
                     asked for: start with --history-months 0 to see it."
                ));
            }
        }
        None => {
            banner.paths.push(format!("{url}/metering/v1/tokens"));
            banner.notes.push(
                "There is no usage yet. Reports: stop this, then tallybook import report.csv \
                 --enterprise SLUG; or POST them to /metering/v1/enterprises/SLUG/imports. Events: \
                 tallybook send events.ndjson, or POST them to /metering/v1/events."
                    .to_owned(),
            );
        }
    }
    Ok(banner)
}

/// `Tallybook 0.1.0 serves DIR at URL`.
pub(crate) fn head(url: &PublicUrl, settings: &ServerSettings) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "Tallybook {version} serves {} at {url}",
        settings.data.display()
    )
}

/// The summary of a month.
pub(crate) fn summary_url(url: &PublicUrl, account: &AccountName, month: Month) -> String {
    let (path, year, month) = (account_path(account), month.year(), month.month());
    format!("{url}/{path}/settings/billing/usage/summary?year={year}&month={month}")
}

/// An account with live usage, and its newest month.
async fn newest_usage(engine: &Engine) -> anyhow::Result<Option<(AccountName, Month)>> {
    let site = engine.site();
    for (log, name) in site.directory.accounts().take(ACCOUNTS_TRIED) {
        let view = engine.view_of(log, name).await?;
        let parts = view
            .account
            .live_imports()
            .flat_map(|import| &import.record.parts);
        let imported = parts.map(|part| part.last_day.month()).max();
        let metered = view.account.metered.months().last();
        if let Some(month) = imported.max(metered.map(|(month, _)| month)) {
            return Ok(Some((name.clone(), month)));
        }
    }
    Ok(None)
}

fn is_too_old(month: Month, history_months: u32, now: Instant) -> bool {
    let age = now.month().index() - month.index();
    history_months > 0 && i64::from(age) > i64::from(history_months)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallybook_core::account::AccountKind;

    #[test]
    fn a_month_s_summary_has_an_address() {
        let url = PublicUrl::parse("https://h/base").expect("a URL");
        let account = AccountName::new(AccountKind::User, "mona");
        let month = Month::new(2025, 7).expect("a month");
        assert_eq!(
            summary_url(&url, &account, month),
            "https://h/base/users/mona/settings/billing/usage/summary?year=2025&month=7"
        );
    }

    #[test]
    fn the_month_at_the_edge_of_the_history_can_be_asked_for() {
        let now = Instant::parse("2026-10-02").expect("an instant");
        let month = |year, of_year| Month::new(year, of_year).expect("a month");
        assert!(!is_too_old(month(2024, 10), 24, now));
        assert!(is_too_old(month(2024, 9), 24, now));
        assert!(!is_too_old(month(2014, 9), 0, now));
    }
}
