//! What others wrote of the program that is shipped, as `cargo tree` tells.
//!
//! Invariant: what only tests and the developer's commands need is not in it, and every platform's
//! packages are.

use anyhow::{Context, bail};
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::process::Command;

/// A version of a package.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Package {
    pub name: String,
    pub version: String,
    /// An SPDX expression.
    pub license: Option<String>,
    /// Where it comes from, unless that is crates.io.
    pub elsewhere: Option<String>,
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Asks Cargo, by name and version; fails when `Cargo.lock` is not up to date.
pub(super) fn shipped(root: &Path) -> anyhow::Result<Vec<Package>> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--package", "tallybook", "--edges", "normal,build"]);
    command.args(["--target", "all", "--prefix", "none", "--locked"]);
    command.args(["--format", "{p}|{l}"]);
    let output = command.current_dir(root).output();
    let output = output.context("cannot run cargo tree")?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("cargo tree failed: {message}");
    }
    let text = String::from_utf8(output.stdout).context("what cargo tree says")?;
    let packages = text.lines().map(parse);
    let packages: BTreeSet<Package> = packages.collect::<anyhow::Result<_>>()?;
    let own = |package: &Package| package.name.starts_with("tallybook");
    Ok(packages.into_iter().filter(|it| !own(it)).collect())
}

/// Reads `name v1.2.3 (source)|licence`; a package that comes again ends with `(*)`.
fn parse(line: &str) -> anyhow::Result<Package> {
    let line = line.trim_end_matches(" (*)");
    let parts = line.split_once('|').and_then(|(package, license)| {
        let (name, rest) = package.split_once(" v")?;
        let (version, source) = rest.split_once(' ').unwrap_or((rest, ""));
        Some((name, version, source, license))
    });
    let (name, version, source, license) =
        parts.with_context(|| format!("not a package of cargo tree: {line}"))?;
    let source = source.replace("(proc-macro)", "");
    let source = source.trim();
    Ok(Package {
        name: name.to_owned(),
        version: version.to_owned(),
        license: (!license.is_empty()).then(|| license.to_owned()),
        elsewhere: (!source.is_empty()).then(|| source.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read() {
        let read = |line: &str| {
            let Package {
                name,
                version,
                license,
                elsewhere,
            } = parse(line).unwrap();
            (name, version, license, elsewhere)
        };
        let some = |text: &str| Some(text.to_owned());
        let owned = str::to_owned;
        assert_eq!(
            read("serde v1.0.229|MIT OR Apache-2.0 (*)"),
            (
                owned("serde"),
                owned("1.0.229"),
                some("MIT OR Apache-2.0"),
                None
            )
        );
        assert_eq!(
            read("serde_derive v1.0.2 (proc-macro)|"),
            (owned("serde_derive"), owned("1.0.2"), None, None)
        );
        assert_eq!(
            read("a v1.0.0 (https://example.com/a#1234)|MIT").3,
            some("(https://example.com/a#1234)")
        );
        assert!(parse("nothing").is_err());
    }
}
