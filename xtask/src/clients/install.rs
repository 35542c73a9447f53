//! Where the clients come from: npm, pip and apt-get, with their ordinary settings.
//!
//! Invariant: versions are pinned in `clients/` (apt's `gh` apart), and what is there already is
//! not fetched again. Everything but `gh` goes to `target/clients`, and `cargo clean` removes it.

use super::Places;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folders of what was installed.
pub(super) struct Tools {
    /// Octokit, and beside it the program that uses it, for imports are looked up from there.
    pub(super) node: PathBuf,
    /// The programs of a Python environment.
    pub(super) python: PathBuf,
}

impl Tools {
    /// Installs what is missing.
    pub(super) fn install(places: &Places) -> anyhow::Result<Self> {
        gh()?;
        Ok(Self {
            node: node(places)?,
            python: python(places)?,
        })
    }
}

fn node(places: &Places) -> anyhow::Result<PathBuf> {
    for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
        if !is_there(program, &["--version"]) {
            bail!("{program} is missing: install Node.js 20 or newer (Debian: {package})");
        }
    }
    let folder = places.work.join("node");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    for name in ["package.json", "package-lock.json", "octokit.mjs"] {
        let copied = std::fs::copy(places.sources.join(name), folder.join(name));
        copied.with_context(|| format!("cannot copy {name} to {}", folder.display()))?;
    }
    let wanted = read(&places.sources.join("package-lock.json"))?;
    once(&folder, &wanted, || {
        let mut command = Command::new("npm");
        command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        super::super::execute(command, &folder)
    })?;
    Ok(folder)
}

fn python(places: &Places) -> anyhow::Result<PathBuf> {
    if !is_there("python3", &["--version"]) {
        bail!("python3 is missing: install Python 3.11 or newer (Debian: python3 python3-venv)");
    }
    let folder = places.work.join("python");
    let programs = folder.join("bin");
    let requirements = places.sources.join("requirements.txt");
    let wanted = read(&requirements)?;
    // Without it an environment has no pip; Debian has it in a package of its own.
    if !is_there("python3", &["-c", "import ensurepip"]) {
        apt_install("python3-venv")?;
    }
    once(&folder, &wanted, || {
        let mut command = Command::new("python3");
        command.args(["-m", "venv", "--clear"]).arg(&folder);
        super::super::execute(command, &places.root)?;
        let mut command = Command::new(programs.join("python"));
        command.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        command.arg("--requirement").arg(&requirements);
        super::super::execute(command, &places.root)
    })?;
    Ok(programs)
}

fn gh() -> anyhow::Result<()> {
    if is_there("gh", &["--version"]) {
        return Ok(());
    }
    apt_install("gh")
}

/// Installs a Debian package, which only root can.
fn apt_install(package: &str) -> anyhow::Result<()> {
    if !is_there("apt-get", &["--version"]) {
        bail!("`{package}` (its name in Debian) is missing: install it; there is no apt-get here");
    }
    let is_root = Command::new("id").arg("-u").output();
    let is_root = is_root.context("cannot ask who runs this")?.stdout == b"0\n";
    if !is_root {
        bail!("`{package}` is missing, and only root can install it: apt-get install {package}");
    }
    for words in [
        &["update", "--quiet"][..],
        &[
            "install",
            "--quiet",
            "--yes",
            "--no-install-recommends",
            package,
        ],
    ] {
        let mut command = Command::new("apt-get");
        command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        super::super::execute(command, Path::new("/"))?;
    }
    Ok(())
}

/// Does what `install` does unless it was done for the same text.
fn once(
    folder: &Path,
    wanted: &str,
    install: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stamp = folder.join("installed");
    // A stamp that cannot be read is none.
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    install()?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Whether a program is there and does this.
fn is_there(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
