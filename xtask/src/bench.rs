//! `cargo xtask bench query`: every engine over the same usage, and `bench/RESULTS.md` from it.
//!
//! Invariant: what is made lies under `target/bench` and is used again; a number in the results was
//! measured in this run. Look next: `bench/src/main.rs` for our side, `bench/peers` for the others.

use anyhow::{Context, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const TOKEN: &str = "tallybook-benchmark-token";
const ADDRESS: &str = "127.0.0.1:18181";

/// Runs the whole benchmark over `lines` usage lines.
pub(crate) fn query(root: &Path, lines: &str) -> anyhow::Result<()> {
    let bench = Bench {
        root: root.to_owned(),
        folder: root.join("target/bench").join(lines),
    };
    std::fs::create_dir_all(&bench.folder)?;
    let build = [
        "build",
        "--release",
        "-p",
        "tallybook",
        "-p",
        "tallybook-bench",
    ];
    run(Command::new(env!("CARGO")).args(build).current_dir(root))?;
    let usage = bench.folder.join("usage");
    if !usage.exists() {
        let mut generate = bench.program();
        generate.args(["generate", "--lines", lines, "--directory"]);
        run(generate.arg(&usage))?;
    }
    let data = bench.folder.join("data");
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    let mut import = bench.program();
    import.arg("import").arg("--directory").arg(&usage);
    bench.record("import", import.arg("--data").arg(&data))?;
    bench.record(
        "engine",
        bench.program().arg("engine").arg("--data").arg(&data),
    )?;
    let python = bench.python()?;
    bench.over_http(&python, &data)?;
    let peers = root.join("bench/peers");
    let mut others = Command::new(&python);
    bench.record("peers", others.arg(peers.join("peers.py")).arg(&usage))?;
    let mut report = Command::new(&python);
    report.arg(peers.join("report.py"));
    report.args(["import", "engine", "http", "peers"].map(|name| bench.lines(name)));
    let results = root.join("bench/RESULTS.md");
    report.stdout(File::create(&results)?);
    run(&mut report)?;
    println!("Wrote {}.", results.display());
    Ok(())
}

struct Bench {
    root: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn built(&self, name: &str) -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR");
        let target = target.map_or_else(|| self.root.join("target"), PathBuf::from);
        target.join("release").join(name)
    }

    fn program(&self) -> Command {
        Command::new(self.built("tallybook-bench"))
    }

    fn lines(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_extension("jsonl")
    }

    /// Runs a command and keeps what it prints.
    fn record(&self, name: &str, command: &mut Command) -> anyhow::Result<()> {
        println!("{name} ...");
        run(command.stdout(File::create(self.lines(name))?))
    }

    /// A Python with the other engines, from the package index.
    fn python(&self) -> anyhow::Result<PathBuf> {
        let folder = self.root.join("target/bench/python");
        let python = folder.join("bin/python");
        if !python.exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        }
        let wanted = self.root.join("bench/peers/requirements.txt");
        let mut install = Command::new(&python);
        run(install
            .args(["-m", "pip", "install", "--quiet", "-r"])
            .arg(wanted))?;
        Ok(python)
    }

    fn over_http(&self, python: &Path, data: &Path) -> anyhow::Result<()> {
        let mut serve = Command::new(self.built("tallybook"));
        serve.args([
            "serve",
            "--listen",
            ADDRESS,
            "--now",
            "2026-01-15T00:00:00Z",
            "--data",
        ]);
        serve.arg(data).env("TALLYBOOK_ADMIN_TOKEN", TOKEN);
        let log = File::create(self.folder.join("serve.log"))?;
        let server = serve.stdout(Stdio::null()).stderr(log).spawn();
        let server = Server(server.context("the server did not start")?);
        wait_for(ADDRESS)?;
        let mut load = Command::new(python);
        load.arg(self.root.join("bench/peers/load.py"));
        load.args([
            &format!("http://{ADDRESS}"),
            TOKEN,
            &server.0.id().to_string(),
        ]);
        self.record("http", load.arg(data).arg(self.built("tallybook-bench")))
    }
}

/// A server that ends with this.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait().map(drop)) {
            eprintln!("the server could not be ended: {error}");
        }
    }
}

fn wait_for(address: &str) -> anyhow::Result<()> {
    for _ in 0..100 {
        if std::net::TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    bail!("nothing answers at {address}")
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status();
    let status = status.with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}
