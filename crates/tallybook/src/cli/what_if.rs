//! What a month costs and would cost, as `apply` and `catalog put` print it.
//!
//! Invariant: only changes are printed, plus the total of each account that changes.

use super::arguments::Trial;
use super::output::table;
use crate::engine::apply::ApplyOptions;
use crate::engine::what_if::WhatIf;
use crate::wire::catalog::{AmountsAnswer, WhatIfAnswer};
use std::io::{self, Write};

impl Trial {
    /// The options for the engine.
    pub(crate) fn options(&self) -> ApplyOptions {
        ApplyOptions {
            dry_run: self.dry_run || self.what_if.is_some(),
            what_if: self.what_if.map(|month| WhatIf {
                month,
                account: None,
            }),
            ..ApplyOptions::default()
        }
    }

    /// The same as query parameters for a server, each preceded by `&`.
    pub(crate) fn parameters(&self) -> String {
        match self.what_if {
            Some(month) => format!("&dry_run=true&month={month}"),
            None => format!("&dry_run={}", self.dry_run),
        }
    }
}

const HEAD: [&str; 8] = [
    "ACCOUNT", "SKU", "GROSS", "WOULD BE", "DISCOUNT", "WOULD BE", "NET", "WOULD BE",
];

/// Prints the SKUs whose sums change, and the sums of their accounts.
pub(crate) fn print(out: &mut dyn Write, what_if: &WhatIfAnswer) -> io::Result<()> {
    let mut rows = Vec::new();
    for difference in &what_if.accounts {
        let account = format!("{} {}", difference.account.kind, difference.account.name);
        let skus = difference.skus.iter();
        let changed = skus.filter(|sku| texts(&sku.before) != texts(&sku.after));
        let before = rows.len();
        rows.extend(changed.map(|sku| row(&account, &sku.sku, &sku.before, &sku.after)));
        if rows.len() > before {
            let (before, after) = (&difference.before, &difference.after);
            rows.push(row(&account, "(all)", before, after));
        }
    }
    writeln!(out)?;
    if rows.is_empty() {
        return writeln!(out, "{} would cost what it costs now.", what_if.month);
    }
    writeln!(out, "{}, in US dollars:", what_if.month)?;
    table(out, &HEAD, &rows)
}

fn row(account: &str, sku: &str, before: &AmountsAnswer, after: &AmountsAnswer) -> Vec<String> {
    let mut cells = vec![account.to_owned(), sku.to_owned()];
    for (before, after) in texts(before).into_iter().zip(texts(after)) {
        cells.extend([before, after]);
    }
    cells
}

fn texts(amounts: &AmountsAnswer) -> [String; 3] {
    let amounts = [
        &amounts.gross_amount,
        &amounts.discount_amount,
        &amounts.net_amount,
    ];
    amounts.map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(accounts: &str) -> String {
        let answer = format!("{{\"month\": \"2026-06\", \"accounts\": [{accounts}]}}");
        let answer = serde_json::from_str(&answer).expect("an answer");
        let mut out = Vec::new();
        print(&mut out, &answer).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    fn amounts(gross: &str, discount: &str, net: &str) -> String {
        format!(
            r#"{{"gross_amount": {gross}, "discount_amount": {discount}, "net_amount": {net}}}"#
        )
    }

    #[test]
    fn only_what_changes_is_printed_with_the_sum_of_its_account() {
        let (ten, twelve) = (amounts("10", "0", "10"), amounts("12.5", "0.5", "12"));
        let (all, more) = (amounts("11", "0", "11"), amounts("13.5", "0.5", "13"));
        let one = amounts("1", "0", "1");
        let account = |name: &str, sums: (&str, &str), skus: &str| {
            let (before, after) = sums;
            format!(
                r#"{{"account": {{"kind": "organization", "name": "{name}"}},
                    "before": {before}, "after": {after}, "skus": [{skus}]}}"#
            )
        };
        let same = format!(r#"{{"sku": "a", "before": {one}, "after": {one}}}"#);
        let other = format!(r#"{{"sku": "b", "before": {ten}, "after": {twelve}}}"#);
        let quiet = account("quiet", (&one, &one), &same);
        let loud = account("loud", (&all, &more), &format!("{same}, {other}"));
        let expected = "
2026-06, in US dollars:
ACCOUNT            SKU    GROSS  WOULD BE  DISCOUNT  WOULD BE  NET  WOULD BE
organization loud  b      10     12.5      0         0.5       10   12
organization loud  (all)  11     13.5      0         0.5       11   13
";
        assert_eq!(printed(&format!("{quiet}, {loud}")), expected);
        assert_eq!(printed(&quiet), "\n2026-06 would cost what it costs now.\n");
    }
}
