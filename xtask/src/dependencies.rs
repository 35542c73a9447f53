//! `cargo xtask dependencies`: what others wrote, checked against `deny.toml`; and `cargo xtask
//! sbom`, the list of it.
//!
//! Invariant: `deny.toml` is the only list of rules, and says what it says to `cargo deny`, too;
//! what needs the network (security advisories) is left to that. Only what is shipped counts: tests
//! may bring what they like. Look next: [`graph`], which says what that is.

mod graph;
mod sbom;

use anyhow::{Context, bail};
use graph::Package;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) use sbom::write as sbom;

/// The parts of `deny.toml` that can be checked offline.
#[derive(Debug, Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Named>,
    skip: Vec<Named>,
}

/// A package, by its name or as `name@version`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Named {
    #[serde(rename = "crate")]
    package: String,
    reason: String,
}

impl Named {
    fn is(&self, package: &Package) -> bool {
        match self.package.split_once('@') {
            None => self.package == package.name,
            Some((name, version)) => {
                let rest = package.version.strip_prefix(version);
                name == package.name && rest.is_some_and(|it| it.is_empty() || it.starts_with('.'))
            }
        }
    }
}

/// Checks what the programs of the workspace are made of.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let shipped = graph::shipped(root)?;
    let rules = std::fs::read_to_string(root.join("deny.toml")).context("cannot read deny.toml")?;
    let rules: Rules = toml::from_str(&rules).context("deny.toml")?;
    let mut findings = findings(&rules, &shipped);
    let manifest = std::fs::read_to_string(root.join("Cargo.toml"));
    findings.extend(without_reason(&manifest.context("cannot read Cargo.toml")?));
    for finding in &findings {
        eprintln!("{finding}");
    }
    if !findings.is_empty() {
        bail!("dependencies: {} findings", findings.len());
    }
    println!("dependencies: {} packages are in order", shipped.len());
    Ok(())
}

fn findings(rules: &Rules, packages: &[Package]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().push(package);
        if let Some(source) = &package.elsewhere {
            findings.push(format!("{package} comes from {source}, not from crates.io"));
        }
        if let Err(reason) = is_allowed(package, &rules.licenses.allow) {
            findings.push(format!("{package}: {reason}"));
        }
        let banned = rules.bans.deny.iter().find(|named| named.is(package));
        if let Some(Named { reason, .. }) = banned {
            findings.push(format!("{package} is banned: {reason}"));
        }
    }
    let skip = &rules.bans.skip;
    for (name, versions) in versions {
        let is_skipped = |package: &Package| skip.iter().any(|named| named.is(package));
        let left = versions.iter().filter(|package| !is_skipped(package));
        if versions.len() > 1 && left.count() > 1 {
            let all: Vec<_> = versions.iter().map(|it| it.version.as_str()).collect();
            findings.push(format!(
                "{name} is there in versions {}: update what needs the older, or name it in skip \
                 of deny.toml with the reason",
                all.join(" and ")
            ));
        }
    }
    let unused = skip.iter().filter(|named| {
        let mut packages = packages.iter();
        !packages.any(|package| named.is(package))
    });
    findings.extend(unused.map(|named| {
        format!(
            "{} is skipped in deny.toml and no longer there",
            named.package
        )
    }));
    findings
}

fn is_allowed(package: &Package, allow: &[String]) -> Result<(), String> {
    let Some(license) = &package.license else {
        return Err("states no licence".to_owned());
    };
    // Older packages write a slash where they mean OR.
    let license = license.replace('/', " OR ");
    let expression = spdx::Expression::parse(&license)
        .map_err(|error| format!("its licence cannot be read: {}", error.reason))?;
    let is_allowed = |requirement: &spdx::LicenseReq| allow.contains(&requirement.to_string());
    match expression.evaluate(is_allowed) {
        true => Ok(()),
        false => Err(format!("its licence, {license}, is not allowed")),
    }
}

/// The direct dependencies in a manifest before which no line says what they are for.
fn without_reason(manifest: &str) -> Vec<String> {
    let lines = manifest.lines();
    let section = lines.skip_while(|line| *line != "[workspace.dependencies]");
    let section: Vec<&str> = section
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .collect();
    let pairs = section.iter().zip(section.iter().skip(1));
    let is_dependency = |line: &str| line.contains('=') && !line.starts_with("tallybook-");
    let unexplained = pairs.filter(|(before, line)| {
        !line.starts_with('#') && is_dependency(line) && !before.starts_with('#')
    });
    unexplained
        .map(|(_, line)| format!("Cargo.toml: say before this line what it is for: {line}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, license: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            license: license.map(str::to_owned),
            elsewhere: None,
        }
    }

    fn rules() -> Rules {
        toml::from_str(
            r#"
            licenses.allow = ["MIT", "Apache-2.0"]
            bans.deny = [{ crate = "openssl-sys", reason = "use ring" }]
            bans.skip = [{ crate = "old@0.2", reason = "of ring" }]
            "#,
        )
        .unwrap()
    }

    #[test]
    fn what_is_not_allowed_is_found() {
        let old = || package("old", "0.2.9", Some("MIT"));
        let found = |package: Package| findings(&rules(), &[package, old()]);
        let none: [String; 0] = [];
        assert_eq!(found(package("a", "1.0.0", Some("MIT/Apache-2.0"))), none);
        assert_eq!(
            found(package("a", "1.0.0", Some("(GPL-3.0-only OR MIT) AND MIT"))),
            none
        );
        assert_eq!(
            found(package("a", "1.0.0", Some("GPL-3.0-only AND MIT"))),
            ["a 1.0.0: its licence, GPL-3.0-only AND MIT, is not allowed"]
        );
        assert_eq!(
            found(package("a", "1.0.0", None)),
            ["a 1.0.0: states no licence"]
        );
        assert_eq!(
            found(package("openssl-sys", "1.0.0", Some("MIT"))),
            ["openssl-sys 1.0.0 is banned: use ring"]
        );
        assert_eq!(found(package("old", "0.3.0", Some("MIT"))), none);
        let elsewhere = Package {
            elsewhere: Some("(https://example.com/a#1)".to_owned()),
            ..package("a", "1.0.0", Some("MIT"))
        };
        assert_eq!(
            found(elsewhere),
            ["a 1.0.0 comes from (https://example.com/a#1), not from crates.io"]
        );
        let twice = [
            package("b", "1.0.0", Some("MIT")),
            package("b", "2.0.0", Some("MIT")),
        ];
        let twice = findings(&rules(), &twice);
        assert!(
            twice[0].starts_with("b is there in versions 1.0.0 and 2.0.0"),
            "{twice:?}"
        );
        assert_eq!(
            twice[1],
            "old@0.2 is skipped in deny.toml and no longer there"
        );
    }

    #[test]
    fn a_dependency_needs_a_reason() {
        let manifest = "[workspace.dependencies]\ntallybook-core = { path = \"x\" }\n\n\
                        # Errors.\nanyhow = \"1\"\nbytes = \"1\"\n[workspace.lints]\na = \"b\"\n";
        let found = without_reason(manifest);
        assert_eq!(
            found,
            ["Cargo.toml: say before this line what it is for: bytes = \"1\""]
        );
    }
}
