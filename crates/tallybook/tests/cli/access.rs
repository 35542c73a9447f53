//! Who may read what is on disk: its owner only, whatever the umask and whatever was there before.

use crate::program::{Program, Server, get, report};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The same command under a umask that takes nothing away.
fn without_umask(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "umask 0; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).expect("it is there");
    metadata.permissions().mode() & 0o7777
}

/// The mode of a directory and of everything in it, by the path below it.
fn modes(directory: &Path) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::from([(String::new(), mode(directory))]);
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy().into_owned();
        if path.is_dir() {
            for (below, mode) in modes(&path) {
                found.insert(format!("{name}/{below}"), mode);
            }
        } else {
            found.insert(name, mode(&path));
        }
    }
    found
}

fn assert_closed(directory: &Path, names: &[&str]) {
    let modes = modes(directory);
    for (name, mode) in &modes {
        let expected = if name.is_empty() || name.ends_with('/') {
            0o700
        } else {
            0o600
        };
        assert_eq!(*mode, expected, "'{name}' has mode {mode:o}");
    }
    for name in names {
        assert!(modes.contains_key(*name), "{name} in {modes:?}");
    }
}

#[test]
fn what_a_server_keeps_is_its_owner_s_alone_whatever_the_umask() {
    let program = Program::new();
    let data = program.directory().join("data");
    // The directory existed before, as an operator or a container makes it.
    fs::create_dir(&data).expect("made");
    set_mode(&data, 0o777);
    let import = program.command(&["import", &report("detailed_2025-11-01_02.csv")]);
    let mut import = without_umask(&import);
    let imported = import.args(["--enterprise", "octo-ent"]).output();
    let imported = imported.expect("the binary runs");
    let log = String::from_utf8_lossy(&imported.stderr);
    assert!(imported.status.success(), "{log}");
    let said = format!("{} was open to other users (mode 0777)", data.display());
    assert!(log.contains(&said), "{log}");

    let serve = program.command(&["serve", "--listen", "127.0.0.1:0"]);
    let server = Server::start(&mut without_umask(&serve));
    let files = [
        "tallybook.db",
        "tallybook.db-wal",
        "tallybook.db-shm",
        "lock",
    ];
    assert_closed(&data, &files);
    let backup = program.directory().join("backup");
    let backup_words = ["backup", &backup.display().to_string()];
    let status = without_umask(&program.command(&backup_words)).status();
    assert!(status.expect("the binary runs").success());
    assert_eq!(mode(&backup), 0o600);
    assert_eq!(server.end(), Some(0));

    let restored = program.directory().join("restored");
    let (file, target) = (backup.display().to_string(), restored.display().to_string());
    let restore = program.bare(&["restore", &file, "--data", &target]);
    let status = without_umask(&restore).status();
    assert!(status.expect("the binary runs").success());
    assert_closed(&restored, &["tallybook.db", "lock"]);
}

#[test]
fn files_that_were_open_to_others_are_closed_and_said() {
    let program = Program::new();
    let data = program.directory().join("data");
    program.run(&["token", "create", "--site-admin"]).success();
    let reports = data.join("reports");
    fs::create_dir(&reports).expect("made");
    for (path, open) in [
        (data.join("tallybook.db"), 0o644),
        (data.join("lock"), 0o666),
        (data.join("tallybook.db-wal"), 0o640),
    ] {
        if !path.exists() {
            fs::write(&path, "").expect("written");
        }
        set_mode(&path, open);
    }
    set_mode(&reports, 0o755);
    fs::write(reports.join("notes.txt"), "").expect("written");
    set_mode(&reports.join("notes.txt"), 0o644);
    let mut serve = program.command(&["serve", "--listen", "127.0.0.1:0"]);
    let server = Server::start(&mut serve);
    // The server answers once it has opened its reports.
    assert_eq!(get(&format!("{}/healthz", server.url), "").0, 200);
    assert_closed(&data, &["reports/notes.txt"]);
    assert_eq!(server.end(), Some(0));

    set_mode(&data.join("lock"), 0o644);
    let list = program.command(&["token", "list"]).output();
    let list = list.expect("the binary runs");
    let log = String::from_utf8_lossy(&list.stderr);
    let said = format!(
        "{}/lock was open to other users (mode 0644)",
        data.display()
    );
    assert!(log.contains(&said), "{log}");
}

#[test]
fn a_directory_that_is_shared_with_other_files_is_left_open_and_said() {
    let program = Program::new();
    let data = program.directory().join("data");
    fs::create_dir(&data).expect("made");
    fs::write(data.join("letter.txt"), "").expect("written");
    set_mode(&data, 0o755);
    let mut create = program.command(&["token", "create", "--site-admin"]);
    let created = create.output().expect("the binary runs");
    let log = String::from_utf8_lossy(&created.stderr);
    assert!(created.status.success(), "{log}");
    assert!(log.contains("it also holds other files"), "{log}");
    assert!(
        log.contains(&format!("chmod 700 {}", data.display())),
        "{log}"
    );
    assert_eq!(mode(&data), 0o755);
    assert_eq!(mode(&data.join("tallybook.db")), 0o600);
}
