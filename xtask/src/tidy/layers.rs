//! The order of the rooms of core: what a module may build on.
//!
//! Invariant: a module uses only those that stand before it, so that there are no circles, and each
//! can be read with those below it alone.

use super::Finding;
use super::source::Source;

const CORE: &str = "crates/tallybook-core/src/";

/// The modules of core, each above those that it may use.
const ORDER: &[&str] = &[
    // Numbers, time and bytes.
    "wide",
    "decimal",
    "money",
    "time",
    "hash",
    "ids",
    "codec",
    "packed",
    "shares",
    "layered",
    // What things are called.
    "name",
    "names",
    "dimension",
    "account",
    "cost_center",
    // What is said of usage.
    "sums",
    "report",
    "event",
    "discount",
    "setting",
    "catalog",
    "rate",
    "declaration",
    // What is recorded.
    "batch",
    "site",
    "ledger",
    // What it comes to.
    "rating",
    "statement",
    "fold",
    "query",
    "export",
];

/// What a file of core uses that stands above it.
pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    let Some(path) = source.file.strip_prefix(CORE) else {
        return Vec::new();
    };
    let module = path.split(['/', '.']).next().unwrap_or_default();
    if module == "lib" {
        return Vec::new();
    }
    let place_of = |module: &str| ORDER.iter().position(|it| *it == module);
    let finding = |line, message| Finding {
        file: source.file.to_owned(),
        line,
        message,
    };
    let Some(own) = place_of(module) else {
        let message = format!("'{module}' has no place: add it to xtask/src/tidy/layers.rs");
        return vec![finding(0, message)];
    };
    let mut findings = Vec::new();
    for (line, code) in source.code() {
        for used in used(code) {
            if place_of(used).is_some_and(|place| place > own) {
                let message = format!(
                    "'{module}' uses '{used}', which is built on it: move what both need into a \
                     module below"
                );
                findings.push(finding(line, message));
            }
        }
    }
    findings
}

/// The modules that a line names by `crate::`.
fn used(code: &str) -> impl Iterator<Item = &str> {
    code.split("crate::").skip(1).map(|rest| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        &rest[..end]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(file: &str, text: &str) -> Vec<String> {
        let findings = check(&Source::new(file, text));
        findings.into_iter().map(|it| it.message).collect()
    }

    #[test]
    fn nothing_uses_what_is_built_on_it() {
        let ledger = "crates/tallybook-core/src/ledger/record.rs";
        let none: [String; 0] = [];
        assert_eq!(messages(ledger, "use crate::money::Amount;\n"), none);
        assert_eq!(messages(ledger, "//! See [`crate::query`].\n"), none);
        assert_eq!(
            messages(ledger, "use crate::query::Query;\n"),
            [
                "'ledger' uses 'query', which is built on it: move what both need into a module below"
            ]
        );
        let new = messages("crates/tallybook-core/src/new.rs", "");
        assert_eq!(
            new,
            ["'new' has no place: add it to xtask/src/tidy/layers.rs"]
        );
        assert_eq!(messages("crates/tallybook/src/new.rs", ""), none);
    }
}
