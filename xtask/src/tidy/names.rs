//! One noun, one meaning: no two public types of the program share a name.

use super::Finding;
use super::source::Source;
use std::collections::BTreeMap;

const KINDS: &[&str] = &["struct", "enum", "trait", "type"];

/// The public types of the files seen so far, each with the file that has it.
#[derive(Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// Notes the public types of a file, and finds those that another file has, too.
    pub(super) fn check(&mut self, source: &Source<'_>) -> Vec<Finding> {
        let is_production = source.file.starts_with("crates/") && source.file.contains("/src/");
        if !is_production || !source.is_rust() {
            return Vec::new();
        }
        let mut findings = Vec::new();
        for (line, code) in source.code() {
            let Some(name) = public_type(code) else {
                continue;
            };
            let known = self.0.insert(name.to_owned(), source.file.to_owned());
            if let Some(other) = known.filter(|other| other != source.file) {
                findings.push(Finding {
                    file: source.file.to_owned(),
                    line,
                    message: format!("{other} has a public '{name}', too: say what each is"),
                });
            }
        }
        findings
    }
}

/// The name of the public type that a line begins.
fn public_type(code: &str) -> Option<&str> {
    let (kind, rest) = code.strip_prefix("pub ")?.split_once(' ')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    KINDS.contains(&kind).then_some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_types_of_one_name_are_found() {
        let mut names = Names::default();
        let mut check = |file: &str, text: &str| {
            let findings = names.check(&Source::new(file, text));
            findings
                .into_iter()
                .map(|it| it.message)
                .collect::<Vec<_>>()
        };
        let none: [String; 0] = [];
        assert_eq!(check("crates/a/src/x.rs", "pub struct Row<'a> {\n"), none);
        assert_eq!(
            check("crates/a/src/y.rs", "pub(crate) struct Row;\nstruct Row;\n"),
            none
        );
        assert_eq!(check("crates/a/src/tests.rs", "pub struct Row;\n"), none);
        assert_eq!(
            check("crates/b/src/z.rs", "pub enum Row {\n"),
            ["crates/a/src/x.rs has a public 'Row', too: say what each is"]
        );
    }
}
