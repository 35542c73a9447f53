//! What a crate may depend on, asked from `cargo tree`.

use super::Finding;
use anyhow::{Context, bail};
use std::path::Path;
use std::process::Command;

/// What a crate may, or must not, depend on (tests' own dependencies apart).
struct Border {
    package: &'static str,
    /// Its direct dependencies, when only these are allowed.
    allowed: Option<&'static [&'static str]>,
    /// What must not be found at any depth.
    never: &'static [&'static str],
    instead: &'static str,
}

const BORDERS: &[Border] = &[
    Border {
        package: "tallybook-core",
        allowed: Some(&["blake3", "jiff", "thiserror", "uuid"]),
        never: &[
            "getrandom",
            "rand",
            "rusqlite",
            "serde",
            "serde_json",
            "tokio",
            "tracing",
        ],
        instead: "the core is pure: put what needs this crate into the store or the program",
    },
    Border {
        package: "tallybook-store",
        allowed: None,
        never: &["axum", "hyper", "serde_json", "tallybook", "ureq", "utoipa"],
        instead: "the store knows bytes and rows: put what needs this crate into the program",
    },
];

pub(super) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for border in BORDERS {
        let direct = packages(root, border.package, &["--depth", "1"])?;
        let all = packages(root, border.package, &[])?;
        for name in wrong(border, &direct, &all) {
            findings.push(Finding {
                file: format!("crates/{}/Cargo.toml", border.package),
                line: 0,
                message: format!("depends on '{name}': {}", border.instead),
            });
        }
    }
    Ok(findings)
}

fn wrong<'a>(border: &Border, direct: &'a [String], all: &'a [String]) -> Vec<&'a str> {
    let is_extra = |name: &&String| match border.allowed {
        Some(allowed) => !allowed.contains(&name.as_str()),
        None => false,
    };
    let is_never = |name: &&String| border.never.contains(&name.as_str());
    let mut names: Vec<&str> = direct
        .iter()
        .filter(is_extra)
        .chain(all.iter().filter(is_never))
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The names of a package's dependencies, without itself.
fn packages(root: &Path, package: &str, depth: &[&str]) -> anyhow::Result<Vec<String>> {
    let output = Command::new("cargo")
        .args(["tree", "--package", package, "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(depth)
        .current_dir(root)
        .output()
        .context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!(
            "cargo tree: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let text = String::from_utf8(output.stdout).context("cargo tree prints UTF-8")?;
    let names = text.lines().filter_map(|line| line.split(' ').next());
    Ok(names
        .filter(|name| !name.is_empty() && *name != package)
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_named_once() {
        let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let border = &BORDERS[0];
        let good = names(&["blake3", "jiff"]);
        assert_eq!(wrong(border, &good, &names(&["blake3", "cc"])), [""; 0]);
        let direct = names(&["blake3", "serde"]);
        assert_eq!(
            wrong(border, &direct, &names(&["serde", "tokio"])),
            ["serde", "tokio"]
        );
    }
}
