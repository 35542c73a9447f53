//! Imports over two stores at once, which must agree on everything.

use crate::bench::{
    Usage, actor, enterprise, expected, file, import, january, now, open, reported, session, sums,
    view,
};
use std::sync::Arc;
use tallybook::engine::imports::{ImportError, PushError};
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::declaration::{Declaration, EnterpriseDeclaration};
use tallybook_core::ids::ImportId;
use tallybook_core::ledger::record::ImportedFile;
use tallybook_core::report::ReportKind;
use tallybook_core::time::Instant;
use tallybook_store::Store;
use tallybook_store::sqlite::SqliteStore;
use tallybook_store::testing::{Fault, FaultyStore, MemoryStore, MirrorStore};

const FIRST: &[Usage] = &[(1, "octo", 5), (2, "octo", 7), (3, "acme", 11)];
/// Owns the 2nd and the 3rd.
const SECOND: &[Usage] = &[(2, "octo", 100), (3, "octo", 200)];

/// SQLite and memory as one.
fn mirror() -> (Arc<dyn Store>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(directory.path(), "test").unwrap();
    (
        Arc::new(MirrorStore::new(MemoryStore::default(), sqlite)),
        directory,
    )
}

#[tokio::test]
async fn imports_reverts_and_repetitions() {
    let (store, _kept) = mirror();
    let engine = open(Arc::clone(&store)).await;
    let octo = enterprise("octo-ent");
    let first = import(&engine, &octo, "first", FIRST).await.unwrap();
    assert_eq!(first.created.account, Some(octo.clone()));
    assert_eq!(first.created.organizations, ["acme", "octo"]);
    assert_eq!(sums(&engine, &octo).await, expected(FIRST));
    let before = view(&engine, &octo).await.unwrap();
    let bytes = engine.statement(&before, january()).await.unwrap().encode();

    let again = import(&engine, &octo, "first", FIRST).await.unwrap();
    assert!(again.repeated && again.import.record.id == first.import.record.id);
    assert_eq!(
        view(&engine, &octo).await.unwrap().as_of(),
        before.as_of(),
        "nothing changed"
    );

    let second = import(&engine, &octo, "second", SECOND).await.unwrap();
    assert_eq!(second.overlaps.len(), 1);
    assert_eq!(second.overlaps[0].hidden.0, first.import.record.id);
    // Of the hidden two lines, one has a counterpart of the same day, SKU and organization.
    assert_eq!(second.overlaps[0].hidden_sum.lines, 2);
    assert_eq!(second.overlaps[0].counted_sum.lines, 1);
    let both = expected(&[&FIRST[..1], SECOND].concat());
    assert_eq!(sums(&engine, &octo).await, both);

    // Another process, from the log and the checkpoints alone.
    let other = open(Arc::clone(&store)).await;
    assert_eq!(sums(&other, &octo).await, both);
    let id = second.import.record.id;
    engine
        .revert_import(&octo, id, &actor(), now())
        .await
        .unwrap();
    let after = view(&engine, &octo).await.unwrap();
    assert_eq!(
        engine.statement(&after, january()).await.unwrap().encode(),
        bytes
    );
    let twice = engine.revert_import(&octo, id, &actor(), now()).await;
    assert!(matches!(twice, Err(ImportError::NoImport(_))));
    let unknown = engine
        .revert_import(&octo, ImportId([0; 16]), &actor(), now())
        .await;
    assert!(matches!(unknown, Err(ImportError::NoImport(_))));

    // What was reverted is not live: the same bytes count anew.
    let back = import(&engine, &octo, "second", SECOND).await.unwrap();
    assert!(!back.repeated);
    assert_eq!(sums(&engine, &octo).await, both);
    let verified = engine.verify().await.unwrap();
    assert_eq!(
        (verified.accounts, verified.imports, verified.lines),
        (1, 3, 7)
    );
    assert!(verified.checkpoints > 0);
}

#[tokio::test]
async fn an_import_for_one_organization_yields_to_the_enterprises() {
    let (store, _kept) = mirror();
    let engine = open(store).await;
    let ent = enterprise("octo-ent");
    let octo = AccountName::new(AccountKind::Organization, "octo");
    import(&engine, &ent, "whole", &[(2, "octo", 100)])
        .await
        .unwrap();
    let own = import(&engine, &octo, "own", FIRST.split_last().unwrap().1)
        .await
        .unwrap();
    assert_eq!(own.account, ent, "the enterprise pays");
    assert_eq!(
        sums(&engine, &ent).await,
        expected(&[(1, "octo", 5), (2, "octo", 100)])
    );
    engine.verify().await.unwrap();
}

#[tokio::test]
async fn an_organization_of_another_payer_is_refused() {
    let (store, _kept) = mirror();
    let engine = open(store).await;
    let (one, two) = (enterprise("one"), enterprise("two"));
    // Both begin before either commits: the second to commit is refused whole.
    let early = session(&engine, &one, &[(1, "octo", 5)]).unwrap();
    import(&engine, &two, "two", &[(1, "Octo", 7), (2, "acme", 1)])
        .await
        .unwrap();
    let refused = early.commit(vec![file("one")]).await;
    assert!(
        matches!(refused, Err(ImportError::OtherPayer { .. })),
        "{refused:?}"
    );
    assert!(
        view(&engine, &one).await.is_none(),
        "the account was not created"
    );
    let mut late = engine.begin_import(&one, &actor(), now()).unwrap();
    let refused = late.push(ReportKind::Detailed, &reported((1, "OCTO", 5)));
    let Err(PushError::Line(refused)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(refused.column, "organization");
    assert!(refused.reason.contains("enterprise two"), "{refused}");
    // A declaration wins over what the import introduced, and leaves usage where it was billed.
    let declared = Declaration::Enterprise(EnterpriseDeclaration {
        slug: "one".into(),
        name: None,
        plan: None,
        discounts: None,
        owners: None,
        billing_managers: None,
        organizations: Some(vec!["octo".into()]),
    });
    engine
        .apply(now(), &actor(), &[declared], false)
        .await
        .unwrap();
    let kept = sums(&engine, &two).await;
    assert_eq!(kept.values().sum::<i128>(), 8, "{kept:?}");
    import(&engine, &one, "three", &[(3, "octo", 9)])
        .await
        .unwrap();
    // Who paid until then may still state what was used then.
    import(&engine, &two, "four", &[(4, "octo", 1)])
        .await
        .unwrap();
    engine.verify().await.unwrap();
}

/// A report imported for the wrong account can be imported for the right one once it is reverted.
#[tokio::test]
async fn a_reverted_import_claims_no_organization() {
    let (store, _kept) = mirror();
    let engine = open(store).await;
    let octo = AccountName::new(AccountKind::Organization, "octo");
    let ent = enterprise("ent");
    let usage = &[(1, "octo", 5)];
    let wrong = import(&engine, &octo, "file", usage).await.unwrap();
    let refused = engine.begin_import(&ent, &actor(), now()).unwrap();
    let refused = { refused }.push(ReportKind::Detailed, &reported(usage[0]));
    assert!(refused.is_err(), "it is live for another account");
    let id = wrong.import.record.id;
    engine
        .revert_import(&octo, id, &actor(), now())
        .await
        .unwrap();
    import(&engine, &ent, "file", usage).await.unwrap();
    assert_eq!(sums(&engine, &ent).await, expected(usage));
    let found = engine.site().directory.find(&octo).unwrap();
    assert_eq!((found.payer, found.only), (ent, Some("octo".into())));
    engine.verify().await.unwrap();
}

/// The exception to "the parts of a kind are joined": nothing counts twice.
#[tokio::test]
async fn the_same_file_twice_in_one_import_is_refused() {
    let engine = open(Arc::new(MemoryStore::default())).await;
    let ent = enterprise("ent");
    let twice = [FIRST, FIRST].concat();
    let copy = ImportedFile {
        name: "copy of first".into(),
        ..file("first")
    };
    let session = session(&engine, &ent, &twice).unwrap();
    let error = session.commit(vec![file("first"), copy]).await.unwrap_err();
    let expected = "copy of first holds the same bytes as first: its usage would count twice";
    assert_eq!(error.to_string(), expected);
    assert!(view(&engine, &ent).await.is_none());
}

/// How a name is shown does not depend on the order of the lines.
#[tokio::test]
async fn the_least_spelling_of_a_file_is_shown() {
    for usage in [
        [(1, "octo", 5), (2, "Octo", 7)],
        [(1, "Octo", 5), (2, "octo", 7)],
    ] {
        let engine = open(Arc::new(MemoryStore::default())).await;
        import(&engine, &enterprise("ent"), "file", &usage)
            .await
            .unwrap();
        let octo = AccountName::new(AccountKind::Organization, "OCTO");
        let found = engine.site().directory.find(&octo).unwrap();
        assert_eq!(found.display, "Octo", "{usage:?}");
    }
}

#[tokio::test]
async fn only_abandoned_blobs_are_swept() {
    let store = Arc::new(FaultyStore::new(MemoryStore::default()));
    let engine = open(store.clone()).await;
    let octo = enterprise("octo-ent");
    import(&engine, &octo, "first", FIRST).await.unwrap();
    assert_eq!(sums(&engine, &octo).await, expected(FIRST));
    let kept = store.list_blobs().await.unwrap().len();
    // A chunk and the cells are staged; then the append fails.
    store.fail_write(3, Fault::Before);
    import(&engine, &octo, "second", SECOND).await.unwrap_err();
    assert_eq!(store.list_blobs().await.unwrap().len(), kept + 2);
    let later = Instant::from_seconds(now().seconds() + 1).unwrap();
    assert_eq!(
        engine.sweep(now()).await.unwrap(),
        0,
        "they may still be wanted"
    );
    assert_eq!(engine.sweep(later).await.unwrap(), 2);
    assert_eq!(engine.sweep(later).await.unwrap(), 0);
    assert_eq!(store.list_blobs().await.unwrap().len(), kept);
    engine.verify().await.unwrap();
    import(&engine, &octo, "second", SECOND).await.unwrap();
    assert_eq!(
        engine.sweep(later).await.unwrap(),
        0,
        "also not those of hidden usage"
    );
    engine.verify().await.unwrap();
}
