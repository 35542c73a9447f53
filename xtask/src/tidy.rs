//! The structure of the house, checked: what folders must not know, sizes, heads of files.
//!
//! Every message says what to do instead. Tests may be longer and may know more: a folder `tests`,
//! a file `tests.rs` and what follows `#[cfg(test)]` at the end of a file are exempt from most
//! rules.
//! Look next: [`rules`] for the rules as data, [`layers`] for the order of the rooms of core,
//! [`names`] for types that share a name, [`tree`] for what crates may depend on.

mod layers;
mod names;
mod rules;
mod source;
mod tree;

use anyhow::{Context, bail};
use source::Source;
use std::path::{Path, PathBuf};

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// Relative to the workspace.
    file: String,
    /// From 1; 0 when the whole file is meant.
    line: usize,
    /// What is wrong, and what to do instead.
    message: String,
}

/// Checks the workspace at `root`.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let mut findings = Vec::new();
    let mut files = Vec::new();
    collect(root, root, &mut files)?;
    files.sort();
    let mut names = names::Names::default();
    for file in &files {
        let path = root.join(file);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let source = Source::new(file, &text);
        findings.extend(rules::check(&source));
        findings.extend(layers::check(&source));
        findings.extend(names.check(&source));
    }
    findings.extend(tree::check(root)?);
    for finding in &findings {
        eprintln!("{}:{}: {}", finding.file, finding.line, finding.message);
    }
    if findings.is_empty() {
        println!("tidy: {} files are in order", files.len());
        Ok(())
    } else {
        bail!("tidy: {} findings", findings.len())
    }
}

/// The texts that people write, relative to the workspace, with `/` between folders.
fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder);
    let entries = entries.with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path: PathBuf = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let is_hidden = name.starts_with('.') && name != ".ci";
        if path.is_dir() {
            if !is_hidden && name != "target" {
                collect(root, &path, files)?;
            }
            continue;
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        if matches!(
            &*extension,
            "rs" | "md" | "toml" | "sql" | "yaml" | "yml" | "txt"
        ) || name == "run"
        {
            let relative = path
                .strip_prefix(root)
                .context("every file lies in the workspace")?;
            files.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}
