//! The audit log entries for an application of declarations.
//!
//! Invariant: texts may be shortened, but the change itself is always recorded.

use crate::engine::audit::{Action, Deed, is_long, shortened};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tallybook_core::account::AccountName;
use tallybook_core::ids::Seq;
use tallybook_core::site::declare::Change;

/// The most differences in one line.
const MOST_IN_LINE: usize = 1_000;

/// A catalogue's versions before and after.
pub(super) struct Versions {
    pub before: Seq,
    pub after: Seq,
}

/// The audit log entries for an application: lines for each account whose settings it changed, and
/// for the site. `payers` gives the accounts of the other subjects.
pub(super) fn deeds(
    differences: &[Change],
    payers: &BTreeMap<String, AccountName>,
    catalogue: Option<Versions>,
) -> Vec<Deed> {
    let mut of_account: BTreeMap<Option<AccountName>, Vec<&Change>> = BTreeMap::new();
    for change in differences {
        let payer = payers.get(&change.subject).cloned();
        let account = account(&change.subject).or(payer);
        of_account.entry(account).or_default().push(change);
    }
    let versions = catalogue.map(|it| json!({"before": it.before.0, "after": it.after.0}));
    if versions.is_some() || differences.is_empty() {
        of_account.entry(None).or_default();
    }
    let mut deeds = Vec::new();
    for (account, changes) in &of_account {
        let begun = match (account, &versions) {
            (Some(account), _) => Deed::on(account, Action::Apply),
            (None, Some(versions)) => {
                Deed::site(Action::Apply).with("catalog_version", versions.clone())
            }
            (None, None) => Deed::site(Action::Apply),
        };
        let with = |changes: &[&Change]| {
            let told: Vec<Value> = changes.iter().map(|change| recorded(change)).collect();
            begun.clone().with("changes", told)
        };
        match changes.is_empty() {
            true => deeds.push(with(&[])),
            false => deeds.extend(changes.chunks(MOST_IN_LINE).map(with)),
        }
    }
    deeds
}

/// The account that a difference is about; `None` when it is about the site.
fn account(subject: &str) -> Option<AccountName> {
    let (kind, name) = subject.split_once(' ')?;
    AccountName::parse(kind, name)
}

/// A difference, as it is recorded.
fn recorded(change: &Change) -> Value {
    let before = change.before.as_deref().map(|text| shown(change, text));
    let after = shown(change, &change.after);
    let mut told = json!({
        "subject": change.subject,
        "field": change.field,
        "before": before.as_deref().map(shortened),
        "after": shortened(&after),
    });
    if before.iter().chain([&after]).any(|text| is_long(text)) {
        // The part cut off may be what changed: long texts are lists of names.
        let (added, removed) = differences(before.as_deref().unwrap_or_default(), &after);
        told["added"] = shortened(&added).into();
        told["removed"] = shortened(&removed).into();
    }
    told
}

/// It must be possible to delete a mail address, but not a line of the log, so the line only
/// records whether there was one and is one.
fn shown(change: &Change, text: &str) -> String {
    match &*change.field {
        "email" if !text.is_empty() => "(an address)".to_owned(),
        _ => text.to_owned(),
    }
}

/// Entries in the second list but not in the first, and vice versa.
fn differences(before: &str, after: &str) -> (String, String) {
    let before: BTreeSet<&str> = before.split(", ").collect();
    let after: BTreeSet<&str> = after.split(", ").collect();
    let joined = |names: Vec<&str>| names.join(", ");
    let added = after.difference(&before).copied().collect();
    let removed = before.difference(&after).copied().collect();
    (joined(added), joined(removed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(field: &'static str, before: Option<&str>, after: &str) -> Change {
        Change {
            subject: "organization octo-org".to_owned(),
            field: field.into(),
            before: before.map(str::to_owned),
            after: after.to_owned(),
        }
    }

    #[test]
    fn what_changed_in_a_long_list_is_told_though_the_list_is_cut() {
        let names: Vec<String> = (0..5_000).map(|number| format!("user-{number}")).collect();
        let before = names.join(", ");
        let after = format!("{}, zoe", names[..4_999].join(", "));
        let told = recorded(&change("members", Some(&before), &after));
        assert_eq!(told["added"], "zoe");
        assert_eq!(told["removed"], "user-4999");
        let cut = told["after"].as_str().unwrap();
        assert!(cut.ends_with('…') && cut.len() < after.len());
        let short = recorded(&change("members", Some("a, b"), "a"));
        assert_eq!(short["added"], Value::Null);
    }

    #[test]
    fn addresses_are_not_told() {
        let told = recorded(&change("email", Some("a@example.com"), "b@example.com"));
        assert!(!told.to_string().contains("example.com"), "{told}");
    }

    #[test]
    fn each_account_has_a_line_and_the_site_one() {
        let none = BTreeMap::new();
        let count = |changes: &[Change]| deeds(changes, &none, None).len();
        let mut changes = vec![
            change("owners", None, "a"),
            change("members", None, "b"),
            change("visibility", None, "private"),
        ];
        assert_eq!(count(&changes), 1);
        changes[2].subject = "repository octo-org/api".to_owned();
        assert_eq!(count(&changes), 2);
        let payer = AccountName::parse("organization", "octo-org").unwrap();
        let payers = BTreeMap::from([(changes[2].subject.clone(), payer)]);
        assert_eq!(deeds(&changes, &payers, None).len(), 1);
        let versions = Versions {
            before: Seq(1),
            after: Seq(2),
        };
        assert_eq!(deeds(&changes[..2], &none, Some(versions)).len(), 2);
        assert_eq!(count(&[]), 1, "what no difference shows is recorded, too");
        assert_eq!(count(&vec![change("visibility", None, "x"); 2_500]), 3);
    }
}
