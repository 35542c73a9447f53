//! The contract of [`Store`], as checks: every backend passes the same ones.
//!
//! [`store_contract!`](crate::store_contract) makes a test of each. Every check gets an empty
//! store of its own and panics with what it missed. Look next: `tests/contract.rs`.

use crate::{
    Append, AppendError, AuditFilter, AuditRow, Effect, JobRow, NameRow, NumberedAudit, Store,
    TokenRow,
};
use std::ops::Range;
use std::sync::Arc;
use tallybook_core::ids::{Digest, LogId, NameId, Seq};
use tallybook_core::time::Instant;

/// Makes one tokio test of each check. `$open` is an expression that makes an empty
/// `Arc<dyn Store>` and whatever must outlive it, as a pair; it is evaluated in each test.
#[macro_export]
macro_rules! store_contract {
    ($open:expr) => {
        $crate::store_contract!(
            $open,
            appends_are_numbered_and_read_back,
            a_conflict_leaves_nothing,
            several_logs_are_appended_to_together,
            two_batches_for_one_log_are_refused,
            effects_are_written_with_the_appends,
            names_have_no_gaps,
            reading_stops_at_max_bytes,
            blobs_are_found_by_their_hash,
            blobs_are_deleted,
            manifests_are_swapped_by_version,
            tokens_are_added_found_and_revoked,
            the_audit_log_is_newest_first,
            the_audit_log_is_paged_by_number,
            the_audit_log_is_filtered,
            facts_are_replaced,
            jobs_are_put_replaced_and_removed,
            concurrent_appends_lose_nothing,
            conflicts_in_a_group_harm_no_other,
        );
    };
    ($open:expr, $($check:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let (store, _kept) = $open;
                $crate::testing::contract::$check(store).await;
            }
        )*
    };
}

/// How many tasks append at once.
const APPENDERS: u64 = 100;

/// The next batch of a log: an append without names.
#[must_use]
pub fn append(log: u64, expected: u64, batch: &[u8]) -> Append {
    Append {
        log: LogId(log),
        expected: Seq(expected),
        batch: Arc::from(batch),
        names: Vec::new(),
    }
}

/// A batch is read back as it was written, under the next number; logs are apart.
pub async fn appends_are_numbered_and_read_back(store: Arc<dyn Store>) {
    assert_eq!(store.heads().await.expect("heads"), []);
    assert_eq!(store.head(LogId(7)).await.expect("head"), Seq(0));
    assert_eq!(batches(&*store, 7).await, Vec::<Vec<u8>>::new());
    let long = b"compressible ".repeat(10_000);
    for (log, expected, batch) in [
        (7, 0, &b"one"[..]),
        (3, 0, b""),
        (7, 1, &long),
        (0, 0, b"site"),
    ] {
        let appended = store.append(vec![append(log, expected, batch)], vec![]);
        appended.await.expect("appends");
    }
    assert_eq!(batches(&*store, 7).await, [b"one".to_vec(), long]);
    assert_eq!(batches(&*store, 3).await, [b"".to_vec()]);
    let heads = [(LogId(0), Seq(1)), (LogId(3), Seq(1)), (LogId(7), Seq(2))];
    assert_eq!(store.heads().await.expect("heads"), heads);
    assert_eq!(store.head(LogId(7)).await.expect("head"), Seq(2));
    let later = store.read_log(LogId(7), Seq(u64::MAX), usize::MAX).await;
    assert_eq!(later.expect("reads"), []);
    store.check().await.expect("sound");
}

/// Appending after another batch than the newest tells the newest and changes nothing.
pub async fn a_conflict_leaves_nothing(store: Arc<dyn Store>) {
    store
        .append(vec![append(1, 0, b"a")], vec![])
        .await
        .expect("appends");
    for wrong in [0, 2, 9] {
        let mut stale = append(1, wrong, b"b");
        stale.names = vec![name(0, "lost")];
        let outcome = store.append(vec![stale], vec![fact("k", b"lost")]).await;
        assert_conflict(&outcome, 1, 1);
    }
    assert_eq!(batches(&*store, 1).await, [b"a".to_vec()]);
    assert_eq!(names(&*store, 1).await, []);
    assert_eq!(store.fact("k").await.expect("reads"), None);
}

/// A conflict in one log keeps the batches from the others; the first log that has one is named.
pub async fn several_logs_are_appended_to_together(store: Arc<dyn Store>) {
    let both = vec![append(2, 0, b"two"), append(1, 0, b"one")];
    store.append(both, vec![]).await.expect("appends");
    let stale = vec![append(1, 1, b"more"), append(2, 0, b"stale")];
    assert_conflict(&store.append(stale, vec![]).await, 2, 1);
    let stale = vec![append(2, 0, b"stale"), append(1, 0, b"stale")];
    assert_conflict(&store.append(stale, vec![]).await, 1, 1);
    let heads = [(LogId(1), Seq(1)), (LogId(2), Seq(1))];
    assert_eq!(store.heads().await.expect("heads"), heads);
}

/// One batch a log and commit.
pub async fn two_batches_for_one_log_are_refused(store: Arc<dyn Store>) {
    let twice = vec![append(1, 0, b"a"), append(1, 1, b"b")];
    assert_refused(&store.append(twice, vec![]).await);
    assert_eq!(store.heads().await.expect("heads"), []);
}

/// Effects come with the appends or not at all, and may come alone.
pub async fn effects_are_written_with_the_appends(store: Arc<dyn Store>) {
    let effects = vec![
        Effect::AddToken(token("t1", 1, 10)),
        Effect::Audit(line("first")),
        fact("k", b"v"),
    ];
    store
        .append(vec![append(1, 0, b"a")], effects)
        .await
        .expect("appends");
    assert_eq!(store.fact("k").await.expect("reads"), Some(b"v".to_vec()));
    assert_eq!(store.tokens().await.expect("reads").len(), 1);

    let failing = vec![
        fact("k", b"lost"),
        Effect::Audit(line("lost")),
        Effect::AddToken(token("t1", 2, 10)),
    ];
    assert_refused(&store.append(vec![append(1, 1, b"b")], failing).await);
    assert_eq!(store.head(LogId(1)).await.expect("head"), Seq(1));
    assert_eq!(store.fact("k").await.expect("reads"), Some(b"v".to_vec()));
    let lines = store.audit(AuditFilter::default(), 9).await;
    let rows: Vec<_> = lines.expect("reads").into_iter().map(|it| it.row).collect();
    assert_eq!(rows, [line("first")]);

    let alone = store.append(vec![], vec![fact("k", b"w")]);
    alone.await.expect("appends");
    assert_eq!(store.fact("k").await.expect("reads"), Some(b"w".to_vec()));
}

/// Names follow the log's last one; each log has its own dictionary.
pub async fn names_have_no_gaps(store: Arc<dyn Store>) {
    let mut first = append(1, 0, b"a");
    first.names = vec![name(0, "octo-org"), name(1, "Zoë")];
    let mut other = append(2, 0, b"a");
    other.names = vec![name(0, "hubot")];
    let appended = store.append(vec![first, other], vec![]);
    appended.await.expect("appends");

    for wrong in [vec![3], vec![1], vec![2, 4], vec![3, 2]] {
        let mut gap = append(1, 1, b"b");
        gap.names = wrong.iter().map(|id| name(*id, "gap")).collect();
        assert_refused(&store.append(vec![gap], vec![]).await);
    }
    assert_eq!(store.head(LogId(1)).await.expect("head"), Seq(1));

    let mut second = append(1, 1, b"b");
    second.names = vec![name(2, "monalisa")];
    let appended = store.append(vec![second], vec![]);
    appended.await.expect("appends");
    let all = [name(0, "octo-org"), name(1, "Zoë"), name(2, "monalisa")];
    assert_eq!(names(&*store, 1).await, all);
    assert_eq!(names(&*store, 2).await, [name(0, "hubot")]);
    let rest = store.read_names(LogId(1), NameId(2)).await.expect("reads");
    assert_eq!(rest.len(), 1);
    let none = store.read_names(LogId(1), NameId(3)).await;
    assert_eq!(none.expect("reads"), []);
}

/// Reading goes on where it stopped, and gives at least one batch.
pub async fn reading_stops_at_max_bytes(store: Arc<dyn Store>) {
    for expected in 0..5 {
        let appended = store.append(vec![append(1, expected, &[b'x'; 100])], vec![]);
        appended.await.expect("appends");
    }
    for (max_bytes, per_read) in [(0, 1), (99, 1), (100, 1), (199, 1), (200, 2), (1000, 5)] {
        let mut after = Seq(0);
        let mut lengths = Vec::new();
        loop {
            let read = store.read_log(LogId(1), after, max_bytes).await;
            let read = read.expect("reads");
            let Some(last) = read.last() else { break };
            after = last.seq;
            lengths.push(read.len());
        }
        assert_eq!(after, Seq(5), "max_bytes {max_bytes}");
        assert_eq!(lengths.iter().sum::<usize>(), 5, "max_bytes {max_bytes}");
        assert_eq!(lengths[0], per_read, "max_bytes {max_bytes}");
    }
}

/// A blob is named by its content; the same one is kept once.
pub async fn blobs_are_found_by_their_hash(store: Arc<dyn Store>) {
    let small: Arc<[u8]> = Arc::from(&b"small"[..]);
    let large: Arc<[u8]> = pseudorandom(3 << 20).into();
    let text: Arc<[u8]> = b"usage ".repeat(100_000).into();
    for bytes in [&small, &large, &text, &Arc::from(&b""[..])] {
        let id = store.put_blob(Arc::clone(bytes), at(1)).await.expect("put");
        assert_eq!(id, Digest::of(bytes));
        let found = store.get_blob(id).await.expect("reads");
        assert_eq!(found.as_deref(), Some(&bytes[..]));
    }
    let absent = store.get_blob(Digest::of(b"absent")).await;
    assert_eq!(absent.expect("reads"), None);
    let id = store.put_blob(Arc::clone(&small), at(2)).await;
    assert_eq!(id.expect("put"), Digest::of(&small));
    let listed = store.list_blobs().await.expect("lists");
    assert_eq!(listed.len(), 4);
    assert!(listed.is_sorted_by_key(|blob| blob.id));
    for blob in listed {
        let again = blob.id == Digest::of(&small);
        assert_eq!(blob.put_at, at(if again { 2 } else { 1 }));
        // A few bytes more are allowed for what does not compress.
        assert!(blob.stored_size <= blob.size + 1024);
        if again {
            assert_eq!(blob.size, 5);
        }
    }
}

/// Deleting takes what is there, and only that; a deleted blob can be put again.
pub async fn blobs_are_deleted(store: Arc<dyn Store>) {
    let bytes: Arc<[u8]> = Arc::from(&b"here"[..]);
    let id = store.put_blob(Arc::clone(&bytes), at(1)).await;
    let id = id.expect("put");
    let kept = store.put_blob(Arc::from(&b"kept"[..]), at(1)).await;
    let kept = kept.expect("put");
    let both = vec![id, Digest::of(b"absent")];
    let deleted = store.delete_blobs(both.clone(), Some(at(1)));
    deleted.await.expect("deletes");
    assert!(
        store.get_blob(id).await.expect("reads").is_some(),
        "too new to delete"
    );
    let deleted = store.delete_blobs(both, Some(at(2)));
    deleted.await.expect("deletes");
    assert_eq!(store.get_blob(id).await.expect("reads"), None);
    assert!(store.get_blob(kept).await.expect("reads").is_some());
    assert_eq!(store.list_blobs().await.expect("lists").len(), 1);
    store.put_blob(bytes, at(1)).await.expect("put");
    assert!(store.get_blob(id).await.expect("reads").is_some());
    store.check().await.expect("sound");
}

/// Only who knows the version replaces the manifest.
pub async fn manifests_are_swapped_by_version(store: Arc<dyn Store>) {
    let log = LogId(4);
    assert_eq!(store.manifest(log).await.expect("reads"), None);
    for (expected, bytes, swapped) in [
        (1, b"x", false),
        (0, b"a", true),
        (0, b"x", false),
        (2, b"x", false),
        (u64::MAX, b"x", false),
        (1, b"b", true),
        (1, b"x", false),
    ] {
        let outcome = store.swap_manifest(log, expected, bytes.to_vec()).await;
        assert_eq!(outcome.expect("swaps"), swapped, "expected {expected}");
    }
    let manifest = store.manifest(log).await.expect("reads").expect("is there");
    assert_eq!((manifest.version, &*manifest.bytes), (2, &b"b"[..]));
    assert_eq!(store.manifest(LogId(5)).await.expect("reads"), None);
}

/// Ids and hashes are unique; the first revocation stands; the oldest is listed first.
pub async fn tokens_are_added_found_and_revoked(store: Arc<dyn Store>) {
    let effects = vec![
        Effect::AddToken(token("young", 1, 20)),
        Effect::AddToken(token("old", 2, 10)),
        Effect::AddToken(token("young too", 3, 20)),
    ];
    store.append(vec![], effects).await.expect("adds");
    let ids = async || {
        let tokens = store.tokens().await.expect("reads");
        tokens.into_iter().map(|token| token.id).collect::<Vec<_>>()
    };
    assert_eq!(ids().await, ["old", "young", "young too"]);
    let found = store.token([2; 32]).await.expect("reads");
    assert_eq!(found, Some(token("old", 2, 10)));
    assert_eq!(store.token([9; 32]).await.expect("reads"), None);

    for taken in [token("old", 9, 30), token("new", 2, 30)] {
        assert_refused(&store.append(vec![], vec![Effect::AddToken(taken)]).await);
    }
    for second in [100, 200] {
        let revoked = store.append(vec![], vec![revoke("old", second)]);
        revoked.await.expect("revokes");
    }
    let found = store.token([2; 32]).await.expect("reads").expect("there");
    assert_eq!(found.revoked_at, Some(at(100)));
    assert_refused(&store.append(vec![], vec![revoke("nobody", 1)]).await);
    assert_eq!(ids().await.len(), 3);
}

/// A job keeps its place and its time when its state is replaced.
pub async fn jobs_are_put_replaced_and_removed(store: Arc<dyn Store>) {
    let job = |id: &str, second, state: &str| JobRow {
        id: id.to_owned(),
        log: LogId(7),
        created_at: at(second),
        state: state.to_owned(),
    };
    let put = |job| vec![Effect::PutJob(job)];
    for added in [job("a", 20, "new"), job("b", 10, "new")] {
        store.append(vec![], put(added)).await.expect("adds");
    }
    let replaced = store.append(vec![], put(job("a", 30, "done")));
    replaced.await.expect("replaces");
    let expected = [job("a", 20, "done"), job("b", 10, "new")];
    assert_eq!(store.jobs().await.expect("reads"), expected);
    for id in ["a", "nobody"] {
        let id = id.to_owned();
        let removed = store.append(vec![], vec![Effect::RemoveJob { id }]);
        removed.await.expect("removes");
    }
    assert_eq!(store.jobs().await.expect("reads"), [job("b", 10, "new")]);
}

/// The order is that of commits, whatever the clocks said.
pub async fn the_audit_log_is_newest_first(store: Arc<dyn Store>) {
    for (action, second) in [("a", 30), ("b", 10), ("c", 20)] {
        let line = AuditRow {
            at: at(second),
            ..line(action)
        };
        let added = store.append(vec![], vec![Effect::Audit(line)]);
        added.await.expect("adds");
    }
    let actions = async |limit: usize| {
        let lines = store.audit(AuditFilter::default(), limit).await;
        let lines = lines.expect("reads").into_iter();
        lines.map(|line| line.row.action).collect::<Vec<_>>()
    };
    assert_eq!(actions(9).await, ["c", "b", "a"]);
    assert_eq!(actions(usize::MAX).await, ["c", "b", "a"]);
    assert_eq!(actions(2).await, ["c", "b"]);
    assert_eq!(actions(0).await, Vec::<String>::new());
}

/// Pages that begin where the last one ended have each line once, also when lines share an instant
/// and others are recorded meanwhile.
pub async fn the_audit_log_is_paged_by_number(store: Arc<dyn Store>) {
    let add = async |actions: Range<u64>| {
        let lines = actions.map(|number| Effect::Audit(line(&format!("a{number}"))));
        let added = store.append(vec![], lines.collect()).await;
        added.expect("adds");
    };
    add(1..6).await;
    let (mut before, mut seen) = (None, Vec::new());
    for _ in 0..9 {
        let filter = AuditFilter {
            before,
            ..AuditFilter::default()
        };
        let page = store.audit(filter, 2).await.expect("reads");
        let Some(last) = page.last() else { break };
        before = Some(last.number);
        add(6..8).await;
        for NumberedAudit { number, row } in page {
            assert_eq!(row.action, format!("a{number}"));
            seen.push(number);
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    for (before, expected) in [(0, None), (1, None), (2, Some(1)), (u64::MAX, Some(7))] {
        let filter = AuditFilter {
            before: Some(before),
            ..AuditFilter::default()
        };
        let page = store.audit(filter, 1).await.expect("reads");
        let number = page.first().map(|line| line.number.min(7));
        assert_eq!(number, expected, "before {before}");
    }
}

/// Lines of an import, a revert and a report, in their order.
fn three_lines() -> [AuditRow; 3] {
    let text = |text: &str| Some(text.to_owned());
    [
        AuditRow {
            user: text("Monalisa"),
            address: text("192.0.2.1"),
            account: text("enterprise/Octo-Ent"),
            actor: "token abc".to_owned(),
            ..line("import.create")
        },
        AuditRow {
            actor: "command import".to_owned(),
            account: text("enterprise/other"),
            at: at(5),
            ..line("import.revert")
        },
        AuditRow {
            actor: "server".to_owned(),
            at: at(9),
            ..line("report.expire")
        },
    ]
}

/// Everything that a filter says holds for the lines that it lets through.
pub async fn the_audit_log_is_filtered(store: Arc<dyn Store>) {
    let text = |text: &str| Some(text.to_owned());
    let lines = three_lines();
    let effects = lines.iter().cloned().map(Effect::Audit).collect();
    store.append(vec![], effects).await.expect("adds");
    let all = AuditFilter::default;
    let who = |who: &str| AuditFilter {
        who: text(who),
        ..all()
    };
    let action = |action: &str| AuditFilter {
        action: text(action),
        ..all()
    };
    let account = |account: &str| AuditFilter {
        account: text(account),
        ..all()
    };
    let between = |since, until| AuditFilter {
        since: Some(at(since)),
        until: Some(at(until)),
        ..all()
    };
    let cases: [(AuditFilter, &[usize]); 15] = [
        (all(), &[2, 1, 0]),
        (who("token abc"), &[0]),
        (who("abc"), &[0]),
        (who("monaLISA"), &[0]),
        (who("import"), &[1]),
        (who("server"), &[2]),
        (who("token"), &[]),
        (action("import"), &[1, 0]),
        (action("import.revert"), &[1]),
        (action("imp"), &[]),
        (action("%"), &[]),
        (account("ENTERPRISE/octo-ent"), &[0]),
        (account("octo-ent"), &[]),
        (between(1, 9), &[1, 0]),
        (
            AuditFilter {
                who: text("abc"),
                ..action("report")
            },
            &[],
        ),
    ];
    for (filter, expected) in cases {
        let found = store.audit(filter.clone(), 9).await.expect("reads");
        let found: Vec<_> = found.into_iter().map(|line| line.row).collect();
        let expected: Vec<_> = expected.iter().map(|place| lines[*place].clone()).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

/// A fact has its last value.
pub async fn facts_are_replaced(store: Arc<dyn Store>) {
    assert_eq!(store.fact("k").await.expect("reads"), None);
    let twice = vec![fact("k", b"1"), fact("k", b"2"), fact("other", b"")];
    store.append(vec![], twice).await.expect("sets");
    assert_eq!(store.fact("k").await.expect("reads"), Some(b"2".to_vec()));
    assert_eq!(store.fact("other").await.expect("reads"), Some(Vec::new()));
}

/// Many tasks append to one log, each until it succeeds: every batch is there once, numbered 1 to
/// n.
pub async fn concurrent_appends_lose_nothing(store: Arc<dyn Store>) {
    let mut tasks = Vec::new();
    for appender in 0..APPENDERS {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let mut expected = 0;
            loop {
                let batch = appender.to_be_bytes();
                match store
                    .append(vec![append(1, expected, &batch)], vec![])
                    .await
                {
                    Ok(()) => return (expected + 1, appender),
                    Err(AppendError::Conflict { newest, .. }) => expected = newest.0,
                    Err(other) => panic!("appender {appender}: {other}"),
                }
            }
        }));
    }
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.push(task.await.expect("an appender panicked"));
    }
    acknowledged.sort_unstable();
    let rows = store.read_log(LogId(1), Seq(0), usize::MAX).await;
    let stored: Vec<(u64, u64)> = rows
        .expect("reads")
        .into_iter()
        .map(|row| {
            let batch = row.batch.try_into().expect("eight bytes");
            (row.seq.0, u64::from_be_bytes(batch))
        })
        .collect();
    assert_eq!(stored, acknowledged);
    let numbers = stored.iter().map(|(seq, _)| *seq);
    assert!(numbers.eq(1..=APPENDERS));
}

/// Requests that share a commit fail or succeed each for itself.
pub async fn conflicts_in_a_group_harm_no_other(store: Arc<dyn Store>) {
    let mut tasks = Vec::new();
    for log in 1..=APPENDERS {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            // Every third is stale, every fifth has a gap in its names.
            let mut request = append(log, u64::from(log % 3 == 0), b"batch");
            if log % 5 == 0 {
                request.names = vec![name(1, "gap")];
            }
            let outcome = store
                .append(vec![request], vec![fact(&log.to_string(), b"set")])
                .await;
            (log, outcome)
        }));
    }
    for task in tasks {
        let (log, outcome) = task.await.expect("an appender panicked");
        if log % 3 == 0 {
            assert_conflict(&outcome, log, 0);
        } else if log % 5 == 0 {
            assert_refused(&outcome);
        } else {
            outcome.expect("appends");
        }
        let well = log % 3 != 0 && log % 5 != 0;
        let head = store.head(LogId(log)).await.expect("head");
        assert_eq!(head, Seq(u64::from(well)), "log {log}");
        let fact = store.fact(&log.to_string()).await.expect("reads");
        assert_eq!(fact.is_some(), well, "log {log}");
    }
}

/// Bytes that do not compress, the same at every run.
#[must_use]
pub fn pseudorandom(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // Xorshift: plain, and good enough not to compress.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

async fn batches(store: &dyn Store, log: u64) -> Vec<Vec<u8>> {
    let rows = store.read_log(LogId(log), Seq(0), usize::MAX).await;
    rows.expect("reads")
        .into_iter()
        .map(|row| row.batch)
        .collect()
}

async fn names(store: &dyn Store, log: u64) -> Vec<NameRow> {
    let names = store.read_names(LogId(log), NameId(0)).await;
    let whole = names.expect("reads").into_iter().map(|stored| {
        let (salt, text) = stored.name.expect("is not redacted");
        let id = stored.id;
        NameRow { id, salt, text }
    });
    whole.collect()
}

fn assert_conflict(outcome: &Result<(), AppendError>, in_log: u64, at_seq: u64) {
    match outcome {
        Err(AppendError::Conflict { log, newest }) => {
            assert_eq!((*log, *newest), (LogId(in_log), Seq(at_seq)));
        }
        other => panic!("no conflict but {other:?}"),
    }
}

fn assert_refused(outcome: &Result<(), AppendError>) {
    assert!(
        matches!(outcome, Err(AppendError::Refused(_))),
        "not refused but {outcome:?}"
    );
}

fn at(second: i64) -> Instant {
    let start_of_2026 = 1_767_225_600;
    Instant::from_seconds(start_of_2026 + second).expect("lies in 2026")
}

fn name(id: u32, text: &str) -> NameRow {
    let salt = [u8::try_from(id).expect("small"); 16];
    NameRow {
        id: NameId(id),
        salt,
        text: Arc::from(text),
    }
}

fn fact(key: &str, value: &[u8]) -> Effect {
    Effect::SetFact {
        key: key.to_owned(),
        value: value.to_vec(),
    }
}

fn revoke(id: &str, second: i64) -> Effect {
    Effect::RevokeToken {
        id: id.to_owned(),
        at: at(second),
    }
}

fn token(id: &str, hash: u8, created: i64) -> TokenRow {
    TokenRow {
        id: id.to_owned(),
        hash: [hash; 32],
        grants: "opaque".to_owned(),
        created_at: at(created),
        expires_at: Some(at(created + 1000)),
        revoked_at: None,
    }
}

fn line(action: &str) -> AuditRow {
    AuditRow {
        at: at(1),
        actor: "t1".to_owned(),
        user: None,
        address: None,
        action: action.to_owned(),
        account: None,
        detail: "{}".to_owned(),
    }
}
