//! The binary under test, with a directory of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use tempfile::TempDir;

/// What time every command believes it is.
pub(crate) const NOW: &str = "2026-10-02T13:00:00Z";

/// The binary and a directory that is removed at the end.
pub(crate) struct Program {
    directory: TempDir,
}

/// How a command ended.
pub(crate) struct Outcome(Output);

/// The path of a usage report among the fixtures.
pub(crate) fn report(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reports");
    folder.join(name).display().to_string()
}

impl Program {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder");
        Self { directory }
    }

    /// A folder for the test's own files; the data is in `data` below it.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A command on the data, at [`NOW`].
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.bare(words);
        command
            .arg("--data")
            .arg(self.directory.path().join("data"));
        command
    }

    /// A command as it is given, at [`NOW`].
    pub(crate) fn bare(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallybook"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TALLYBOOK_") {
                command.env_remove(name);
            }
        }
        command.args(words).args(["--now", NOW]);
        command
    }

    /// Runs a command on the data.
    pub(crate) fn run(&self, words: &[&str]) -> Outcome {
        Outcome::of(&mut self.command(words))
    }

    /// Runs a command as it is given.
    pub(crate) fn run_as_is(&self, words: &[&str]) -> Outcome {
        Outcome::of(&mut self.bare(words))
    }
}

impl Outcome {
    /// Runs a command.
    pub(crate) fn of(command: &mut Command) -> Self {
        Self(command.output().expect("the binary runs"))
    }

    /// What stands on stdout, of a command that succeeded.
    pub(crate) fn success(self) -> String {
        let errors = String::from_utf8_lossy(&self.0.stderr);
        assert!(self.0.status.success(), "{}: {errors}", self.0.status);
        String::from_utf8(self.0.stdout).expect("UTF-8")
    }

    /// What stands on stderr, of a command that failed with this exit code.
    pub(crate) fn failure(self, code: i32) -> String {
        assert_eq!(self.0.status.code(), Some(code), "{:?}", self.0);
        String::from_utf8(self.0.stderr).expect("UTF-8")
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Where it is.
    pub(crate) url: String,
}

impl Program {
    /// Starts a server on a free port, with further words and variables.
    pub(crate) fn start(&self, words: &[&str], variables: &[(&str, &str)]) -> Server {
        let mut command = self.command(words);
        command
            .args(["--listen", "127.0.0.1:0"])
            .envs(variables.iter().copied());
        Server::start(&mut command)
    }
}

impl Server {
    /// Starts a command that serves, and waits until it says where.
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary runs");
        let output = child.stdout.take().expect("a pipe");
        let mut server = Self {
            child,
            output: BufReader::new(output),
            url: String::new(),
        };
        let head = server.line();
        let (_, url) = head
            .rsplit_once(" at ")
            .expect("the head ends with the URL");
        server.url = url.to_owned();
        server
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        assert!(!line.is_empty(), "the server printed nothing more");
        line.trim_end().to_owned()
    }

    /// Asks it to end, as the operating system does, and waits until it has.
    pub(crate) fn end(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        let status = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .expect("kill runs");
        assert!(status.success());
        self.child.wait().expect("it ended").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `end` there is nothing to kill; both fail only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The token and the URL of a printed `curl` line.
pub(crate) fn curl(line: &str) -> (String, String) {
    let words = line
        .trim()
        .strip_prefix("curl -H \"Authorization: Bearer ")
        .expect("a curl line");
    let (token, rest) = words.split_once("\" \"").expect("a token");
    (token.to_owned(), rest.trim_end_matches('"').to_owned())
}

/// Asks for a URL: the status and the JSON of the answer.
pub(crate) fn get(url: &str, token: &str) -> (u16, serde_json::Value) {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent();
    let request = agent
        .get(url)
        .header("Authorization", format!("Bearer {token}"));
    let mut response = request.call().expect("an answer");
    let body = response.body_mut().read_to_string().expect("a body");
    let json = serde_json::from_str(&body).unwrap_or(serde_json::Value::Null);
    (response.status().as_u16(), json)
}
