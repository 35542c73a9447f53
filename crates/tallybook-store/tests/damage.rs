//! Damaged, foreign, newer, held and full: each is a clear error, and the file stays as it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tallybook_core::ids::{Digest, LogId, NameId, Seq};
use tallybook_core::time::Instant;
use tallybook_store::sqlite::{SqliteStore, backup_directory, restore};
use tallybook_store::testing::contents;
use tallybook_store::testing::contract::{append, pseudorandom};
use tallybook_store::{
    Append, AppendError, AuditRow, Effect, JobRow, NameRow, Store, StoreError, TokenRow,
};
use tempfile::TempDir;

const PAGE: usize = 8192;
const BATCHES: u64 = 12;
const APPLICATION_ID: usize = 68;
const USER_VERSION: usize = 60;

/// A closed database with batches and a blob, none of them compressible.
async fn filled() -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a temporary directory");
    let store = open(directory.path());
    for expected in 0..BATCHES {
        let appended = store.append(vec![append(1, expected, &batch(expected + 1))], vec![]);
        appended.await.expect("appends");
    }
    store.put_blob(blob(), now()).await.expect("puts");
    drop(store);
    let file = directory.path().join("tallybook.db");
    (directory, file)
}

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, "a test").expect("opens")
}

fn batch(seq: u64) -> Vec<u8> {
    let seed = usize::try_from(seq).expect("small");
    pseudorandom(20_000 + seed)[seed..].to_vec()
}

fn blob() -> Arc<[u8]> {
    pseudorandom(100_000).into()
}

fn now() -> Instant {
    Instant::parse("2026-11-21").expect("a date")
}

fn assert_damaged(outcome: Result<impl Sized, StoreError>, file: &Path) {
    match outcome {
        Err(StoreError::Damaged { what, .. }) => {
            let name = file.display().to_string();
            assert!(what.contains(&name), "{what} does not name {name}");
        }
        Err(other) => panic!("not damaged but: {other}"),
        Ok(_) => panic!("taken for sound"),
    }
}

/// What is refused at opening stays as it is, and so does everything beside it.
fn assert_refused_unchanged(directory: &Path, file: &Path) {
    let before = fs::read(file).expect("reads");
    assert_damaged(SqliteStore::open(directory, "a test"), file);
    assert!(fs::read(file).expect("reads") == before, "it was changed");
    let mut names: Vec<_> = fs::read_dir(directory)
        .expect("lists")
        .map(|entry| entry.expect("lists").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["lock", "tallybook.db"]);
}

#[tokio::test]
async fn a_clean_close_leaves_one_file_that_opens_again() {
    let (directory, file) = filled().await;
    assert!(!directory.path().join("tallybook.db-wal").exists());
    let before = fs::read(&file).expect("reads");
    let store = open(directory.path());
    assert_eq!(store.head(LogId(1)).await.expect("head"), Seq(BATCHES));
    store.check().await.expect("sound");
    drop(store);
    assert!(
        fs::read(&file).expect("reads") == before,
        "reading changed it"
    );
}

#[tokio::test]
async fn an_empty_short_or_foreign_file_is_damaged() {
    let (directory, file) = filled().await;
    let sound = fs::read(&file).expect("reads");
    let mut other_program = sound.clone();
    other_program[APPLICATION_ID] ^= 1;
    let mut no_format = sound.clone();
    no_format[USER_VERSION..USER_VERSION + 4].fill(0);
    for bytes in [
        &[][..],
        b"SQLite format 3\0",
        b"Date,Product,SKU\n".repeat(100).as_slice(),
        &sound[..99],
        &sound[..PAGE],
        &sound[..sound.len() - 1],
        &sound[..sound.len() - PAGE],
        &other_program,
        &no_format,
    ] {
        fs::write(&file, bytes).expect("writes");
        assert_refused_unchanged(directory.path(), &file);
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_by_number() {
    let (directory, file) = filled().await;
    let mut newer = fs::read(&file).expect("reads");
    newer[USER_VERSION + 3] = 9;
    fs::write(&file, &newer).expect("writes");
    let outcomes = [
        SqliteStore::open(directory.path(), "a test").map(drop),
        backup_directory(directory.path(), &directory.path().join("copy")),
        restore(&file, &directory.path().join("new")).map(drop),
    ];
    for outcome in outcomes {
        match outcome {
            Err(StoreError::TooNew {
                path,
                found,
                supported,
            }) => assert_eq!((path, found, supported), (file.clone(), 9, 3)),
            other => panic!("not too new but {other:?}"),
        }
    }
    assert!(fs::read(&file).expect("reads") == newer, "it was changed");
}

/// Wherever the file is overwritten: what is read is what was written, or an error that names the
/// file; and neither opening, reading nor closing changes a byte.
#[tokio::test]
async fn an_overwritten_page_never_gives_other_bytes() {
    let (directory, file) = filled().await;
    let sound = fs::read(&file).expect("reads");
    let mut found = 0;
    let places = (150..sound.len()).step_by(PAGE + 1237);
    let count = places.clone().count();
    for place in places {
        let mut bytes = sound.clone();
        let end = sound.len().min(place + 64);
        bytes[place..end].fill(0xa5);
        fs::write(&file, &bytes).expect("writes");
        found += usize::from(damage_is_found(directory.path(), &file).await);
        assert!(fs::read(&file).expect("reads") == bytes, "byte {place}");
    }
    // Some pages have room that nothing uses.
    assert!(found * 2 > count, "only {found} of {count} were found");
}

async fn damage_is_found(directory: &Path, file: &Path) -> bool {
    let store = match SqliteStore::open(directory, "a test") {
        Ok(store) => store,
        Err(error) => {
            assert_damaged(Err::<(), _>(error), file);
            return true;
        }
    };
    let mut found = false;
    for seq in 1..=BATCHES {
        match store.read_log(LogId(1), Seq(seq - 1), 1).await {
            Ok(rows) => assert!(rows[0].batch == batch(seq), "batch {seq} was changed"),
            Err(error) => {
                assert_damaged(Err::<(), _>(error), file);
                found = true;
            }
        }
    }
    match store.get_blob(Digest::of(&blob())).await {
        Ok(bytes) => assert!(
            bytes.as_deref() == Some(&blob()[..]),
            "the blob was changed"
        ),
        Err(error) => {
            assert_damaged(Err::<(), _>(error), file);
            found = true;
        }
    }
    if let Err(error) = store.check().await {
        assert_damaged(Err::<(), _>(error), file);
        found = true;
    }
    found
}

/// Damage beside commits that only the write-ahead log has yet: they are not moved into the damaged
/// file, so that both can still be looked at.
#[tokio::test]
async fn a_file_found_damaged_is_not_written_to() {
    let (directory, file) = filled().await;
    let store = open(directory.path());
    let last = append(1, BATCHES, &batch(BATCHES + 1));
    store.append(vec![last], vec![]).await.expect("appends");
    // What a kill at this moment would leave.
    let copy = TempDir::new().expect("a temporary directory");
    let (copied, log) = (
        copy.path().join("tallybook.db"),
        copy.path().join("tallybook.db-wal"),
    );
    fs::copy(directory.path().join("tallybook.db-wal"), &log).expect("copies");
    let mut bytes = fs::read(&file).expect("reads");
    let half = bytes.len() / 2;
    bytes[half..half + 4 * PAGE].fill(0xa5);
    fs::write(&copied, &bytes).expect("writes");
    drop(store);

    let store = open(copy.path());
    // The commit in the log is there, and damage is not yet known of.
    assert_eq!(store.head(LogId(1)).await.expect("head"), Seq(BATCHES + 1));
    assert_damaged(store.check().await, &copied);
    match store.append(vec![append(2, 0, b"late")], vec![]).await {
        Err(AppendError::Refused(error)) => assert_damaged(Err::<(), _>(error), &copied),
        other => panic!("not refused but {other:?}"),
    }
    assert_damaged(store.put_blob(blob(), now()).await, &copied);
    drop(store);
    assert!(fs::read(&copied).expect("reads") == bytes, "it was changed");
    assert!(fs::metadata(&log).expect("is kept").len() > 0);
}

/// A blob's own damage is mended by putting it again; whatever else is stored stays as it was.
#[tokio::test]
async fn a_damaged_blob_is_mended_by_putting_it_again() {
    for change in [
        "UPDATE blob_bytes SET bytes = zeroblob(length(bytes))",
        "UPDATE blobs SET size = size + 1",
        "DELETE FROM blob_bytes",
        "UPDATE blobs SET stored_size = stored_size + 1",
        "UPDATE blobs SET put_at = 0",
    ] {
        let (directory, file) = filled().await;
        let connection = rusqlite::Connection::open(&file).expect("opens");
        assert_eq!(connection.execute(change, []).expect("changes"), 1);
        drop(connection);
        let store = open(directory.path());
        let id = Digest::of(&blob());
        let read = store.get_blob(id).await;
        assert!(
            read.is_err() || store.check_rows().await.is_err(),
            "{change}"
        );
        assert_eq!(store.put_blob(blob(), now()).await.expect("puts"), id);
        let read = store.get_blob(id).await.expect("is mended");
        assert_eq!(read.as_deref(), Some(&*blob()), "{change}");
        assert_eq!(store.list_blobs().await.expect("lists").len(), 1);
        store.check_rows().await.expect("is mended");
    }
}

#[tokio::test]
async fn a_log_without_its_database_is_not_thrown_away() {
    let directory = TempDir::new().expect("a temporary directory");
    let log = directory.path().join("tallybook.db-wal");
    fs::write(&log, b"acknowledged batches").expect("writes");
    let outcome = SqliteStore::open(directory.path(), "a test");
    assert_damaged(outcome, &directory.path().join("tallybook.db"));
    assert_eq!(fs::read(&log).expect("reads"), b"acknowledged batches");
    assert!(!SqliteStore::exists(directory.path()));
}

#[tokio::test]
async fn a_creation_that_was_interrupted_is_begun_again() {
    let directory = TempDir::new().expect("a temporary directory");
    fs::write(directory.path().join("tallybook.db.new"), b"half").expect("writes");
    let store = open(directory.path());
    store.check().await.expect("sound");
    assert!(!directory.path().join("tallybook.db.new").exists());
}

#[tokio::test]
async fn a_second_opener_is_told_who_holds_the_directory() {
    let directory = TempDir::new().expect("a temporary directory");
    let path = directory.path().join("data");
    assert!(!SqliteStore::exists(&path));
    let first = SqliteStore::open(&path, "process 7 with a long line, starting").expect("opens");
    assert!(SqliteStore::exists(&path));
    first.set_holder("process 7\nat http://x").expect("writes");
    for outcome in [
        SqliteStore::open(&path, "second").map(drop),
        restore(&path.join("tallybook.db"), &path).map(drop),
    ] {
        match outcome {
            Err(StoreError::Held { directory, holder }) => {
                assert_eq!(directory, path);
                assert_eq!(holder, "process 7 at http://x");
            }
            // The restore looks at its file first.
            Err(StoreError::Io { doing, .. }) => assert!(doing.starts_with("restoring")),
            other => panic!("not held but {other:?}"),
        }
    }
    drop(first);
    SqliteStore::open(&path, "second").expect("is free again");
}

#[cfg(unix)]
#[test]
fn the_directory_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().expect("a temporary directory");
    let path = directory.path().join("a/b");
    open(&path);
    let mode = fs::metadata(&path).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_leaves_nothing_half_done() {
    let (directory, file) = filled().await;
    let store = Arc::new(open(directory.path()));
    // SQLite takes this for "no larger than now".
    store.limit_pages(1).await.expect("limits");
    let request = |log: u64| {
        let fact = Effect::SetFact {
            key: log.to_string(),
            value: b"set".to_vec(),
        };
        (vec![append(log, 0, &batch(1))], vec![fact])
    };
    let mut tasks = Vec::new();
    for log in 2..22 {
        let (store, (appends, effects)) = (Arc::clone(&store), request(log));
        tasks.push(tokio::spawn(
            async move { store.append(appends, effects).await },
        ));
    }
    for task in tasks {
        match task.await.expect("an appender panicked") {
            Err(AppendError::Refused(StoreError::Full { path, .. })) => assert_eq!(path, file),
            other => panic!("not full but {other:?}"),
        }
    }
    let heads = store.heads().await.expect("heads");
    assert_eq!(heads, [(LogId(1), Seq(BATCHES))]);
    assert_eq!(store.fact("2").await.expect("reads"), None);
    store.check().await.expect("sound");

    store.limit_pages(1 << 30).await.expect("limits");
    for log in 2..22 {
        let (appends, effects) = request(log);
        store.append(appends, effects).await.expect("appends");
        let head = store.head(LogId(log)).await.expect("head");
        assert_eq!(head, Seq(1));
    }
}

#[tokio::test]
async fn nobody_waits_for_a_writer_that_died() {
    let (directory, _) = filled().await;
    let store = open(directory.path());
    store.kill_writer().await.expect_err("died");
    let outcome = store.append(vec![append(2, 0, b"late")], vec![]).await;
    assert!(matches!(
        outcome,
        Err(AppendError::Refused(_) | AppendError::Unknown(_))
    ));
    drop(store);
    let store = open(directory.path());
    let heads = store.heads().await.expect("heads");
    assert_eq!(heads, [(LogId(1), Seq(BATCHES))]);
}

/// One of each kind of plain row.
async fn with_rows() -> (TempDir, PathBuf) {
    let (directory, file) = filled().await;
    let store = open(directory.path());
    let effects = vec![
        Effect::AddToken(TokenRow {
            id: "token-1".to_owned(),
            hash: [7; 32],
            grants: "reads".to_owned(),
            created_at: now(),
            expires_at: None,
            revoked_at: None,
        }),
        Effect::RevokeToken {
            id: "token-1".to_owned(),
            at: now(),
        },
        Effect::PutJob(JobRow {
            id: "job-1".to_owned(),
            log: LogId(1),
            created_at: now(),
            state: "waits".to_owned(),
        }),
        Effect::SetFact {
            key: "demo".to_owned(),
            value: b"yes".to_vec(),
        },
        Effect::Audit(AuditRow {
            at: now(),
            actor: "a test".to_owned(),
            user: Some("monalisa".to_owned()),
            address: Some("192.0.2.1".to_owned()),
            action: "test".to_owned(),
            account: None,
            detail: "{}".to_owned(),
        }),
    ];
    let named = Append {
        names: vec![NameRow {
            id: NameId(0),
            salt: [5; 16],
            text: "octo-org".into(),
        }],
        ..append(1, BATCHES, &batch(BATCHES + 1))
    };
    store.append(vec![named], effects).await.expect("writes");
    let swapped = store.swap_manifest(LogId(1), 0, b"nothing".to_vec()).await;
    assert!(swapped.expect("swaps"));
    // What was there is sealed again when it changes.
    store.put_blob(blob(), now()).await.expect("puts");
    store.check().await.expect("sound");
    store.check_rows().await.expect("sound");
    (directory, file)
}

#[tokio::test]
async fn every_changed_value_of_a_plain_row_is_found() {
    let changes = [
        ("UPDATE audit SET at = at + 1", "line 1 of the audit log"),
        ("UPDATE audit SET number = 2", "line 2 of the audit log"),
        ("UPDATE audit SET detail = '[]'", "line 1 of the audit log"),
        ("UPDATE audit SET login = NULL", "line 1 of the audit log"),
        ("UPDATE audit SET address = ''", "line 1 of the audit log"),
        (
            "UPDATE audit SET account = 'user/x'",
            "line 1 of the audit log",
        ),
        (
            "UPDATE audit SET checksum = checksum + 1",
            "line 1 of the audit log",
        ),
        (
            "UPDATE blobs SET put_at = put_at - 1",
            "row 1 of the list of blobs",
        ),
        (
            "UPDATE blobs SET stored_size = 1",
            "row 1 of the list of blobs",
        ),
        ("UPDATE facts SET value = x'00'", "fact demo"),
        ("UPDATE facts SET key = 'other'", "fact other"),
        ("UPDATE heads SET seq = 11", "newest batch of log 1"),
        ("DELETE FROM heads", "log 1"),
        ("DELETE FROM log WHERE seq = 13", "log 1"),
        ("UPDATE names SET text = 'octo-orh'", "a name of log 1"),
        ("UPDATE names SET salt = zeroblob(16)", "a name of log 1"),
        ("UPDATE jobs SET created_at = 0", "job 1"),
        ("UPDATE jobs SET state = 'done'", "job 1"),
        ("UPDATE manifests SET version = 2", "manifest of log 1"),
        ("UPDATE manifests SET log = 2", "manifest of log 2"),
        ("UPDATE tokens SET revoked_at = NULL", "token 1"),
        ("UPDATE tokens SET grants = 'writes'", "token 1"),
        ("CREATE INDEX more ON audit (at)", "schema"),
        ("ALTER TABLE audit ADD COLUMN more TEXT", "schema"),
    ];
    for (change, word) in changes {
        let (directory, file) = with_rows().await;
        let connection = rusqlite::Connection::open(&file).expect("opens");
        connection.execute(change, []).expect(change);
        drop(connection);
        let store = open(directory.path());
        store.check().await.expect(change);
        let found = store.check_rows().await;
        assert!(
            matches!(&found, Err(StoreError::Damaged { .. })),
            "{change}: {found:?}"
        );
        let message = found.expect_err(change).to_string();
        assert!(message.contains(word), "{change}: {message}");
    }
}

/// A token that is damaged does nothing, and is not made sound by revoking it; a job that is
/// damaged says nothing, and the others are read.
#[tokio::test]
async fn a_damaged_row_is_not_taken_for_another() {
    let (directory, file) = with_rows().await;
    let store = open(directory.path());
    let other = JobRow {
        id: "job-2".to_owned(),
        log: LogId(1),
        created_at: now(),
        state: "waits".to_owned(),
    };
    let put = vec![Effect::PutJob(other.clone())];
    store.append(vec![], put).await.expect("writes");
    drop(store);
    let connection = rusqlite::Connection::open(&file).expect("opens");
    let changes = "UPDATE tokens SET revoked_at = NULL;
                   UPDATE names SET text = 'octo-orh';
                   UPDATE jobs SET log = 9 WHERE number = 1";
    connection.execute_batch(changes).expect("changes");
    drop(connection);
    let store = open(directory.path());
    assert_damaged(store.token([7; 32]).await, &file);
    assert_damaged(store.tokens().await, &file);
    assert_damaged(store.read_names(LogId(1), NameId(0)).await, &file);
    let jobs = store.jobs().await.expect("reads");
    assert_eq!((jobs[0].state.as_str(), &jobs[1]), ("", &other));
    let revoke = Effect::RevokeToken {
        id: "token-1".to_owned(),
        at: now(),
    };
    let put = Effect::PutJob(JobRow {
        id: "job-1".to_owned(),
        ..other
    });
    for effect in [revoke, put] {
        match store.append(vec![], vec![effect]).await {
            Err(AppendError::Refused(error)) => assert_damaged(Err::<(), _>(error), &file),
            other => panic!("not damaged but {other:?}"),
        }
    }
    store.check_rows().await.expect_err("it is still damaged");
}

/// Whatever bit flips in a page of plain rows or of their indexes: it is found, or it is in bytes
/// that hold nothing.
#[tokio::test]
async fn every_flipped_bit_of_plain_rows_is_found() {
    let (directory, file) = with_rows().await;
    let sound = fs::read(&file).expect("reads");
    let kept = contents(&file).expect("is sound");
    let (mut found, mut unused) = (0, 0);
    for page in pages_of_plain_rows(&file) {
        let start = (page - 1) * PAGE;
        // Of the room between what lies at the start and at the end of a page a part will do.
        let places = (start..start + PAGE).filter(|place| sound[*place] != 0 || place % 512 == 0);
        for place in places {
            let mut bytes = sound.clone();
            bytes[place] ^= 1 << (place % 8);
            fs::write(&file, &bytes).expect("writes");
            if flip_is_found(directory.path()).await {
                found += 1;
            } else {
                let left = contents(&file);
                assert_eq!(left, Some(kept), "byte {} of page {page}", place - start);
                unused += 1;
            }
        }
    }
    assert!(
        found > 300 && unused > 100,
        "{found} found, {unused} unused"
    );
}

/// The first pages of the tables and indexes; with so few rows there are no others.
fn pages_of_plain_rows(file: &Path) -> Vec<usize> {
    let connection = rusqlite::Connection::open(file).expect("opens");
    let sql = "SELECT rootpage FROM sqlite_schema
               WHERE tbl_name NOT IN ('blob_bytes', 'log')";
    let mut statement = connection.prepare(sql).expect("prepares");
    let pages = statement.query_map([], |row| row.get::<_, u32>(0));
    let pages = pages.expect("reads");
    pages.map(|page| page.expect("reads") as usize).collect()
}

async fn flip_is_found(directory: &Path) -> bool {
    let Ok(store) = SqliteStore::open(directory, "a test") else {
        return true;
    };
    store.check().await.is_err() || store.check_rows().await.is_err()
}

/// A log whose end cannot be found, in its table or by its index, is not taken for a shorter one.
#[tokio::test]
async fn a_log_without_its_end_is_damaged() {
    let (directory, file) = filled().await;
    let connection = rusqlite::Connection::open(&file).expect("opens");
    let cut = "DELETE FROM log WHERE seq = 12";
    connection.execute(cut, []).expect("deletes");
    drop(connection);
    let store = open(directory.path());
    assert_damaged(store.read_log(LogId(1), Seq(0), usize::MAX).await, &file);
    assert_damaged(store.read_log(LogId(1), Seq(BATCHES - 1), 1).await, &file);
    // What is there can be read.
    let first = store.read_log(LogId(1), Seq(0), 1).await;
    assert_eq!(first.expect("reads").len(), 1);
    assert_eq!(store.head(LogId(1)).await.expect("reads"), Seq(BATCHES));
    assert_damaged(store.check_rows().await, &file);
}
