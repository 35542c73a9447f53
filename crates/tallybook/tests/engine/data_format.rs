//! Every data format that was released must open for ever, and say what it always said.
//!
//! `TALLYBOOK_BLESS_FORMAT=1 cargo test -p tallybook --test engine data_format` writes the fixture
//! of the newest format; a released one is never written again.

use crate::bench::{actor, enterprise, expected, file, january, now, reported, sums, view};
use crate::since_format_2;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tallybook::engine::entropy::Entropy;
use tallybook::engine::{Engine, Options};
use tallybook_core::account::{AccountKind, AccountName, Plan, Visibility};
use tallybook_core::declaration::{
    Declaration, EnterpriseDeclaration, OrganizationDeclaration, RepositoryDeclaration,
    UserDeclaration,
};
use tallybook_core::report::ReportKind;
use tallybook_core::site::directory::Relation;
use tallybook_store::sqlite::SqliteStore;
use tallybook_store::{AuditFilter, NumberedAudit};

const DATABASE: &str = "tallybook.db";

/// The format that is written today; each up to it has a fixture.
pub(crate) const NEWEST: u32 = 3;

/// The database of a released format.
pub(crate) fn fixture(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/fixtures/data_format_{format}"))
        .join(DATABASE)
}

/// The format of a database, as SQLite says it.
fn format_of(database: &Path) -> u32 {
    let connection = rusqlite::Connection::open(database).unwrap();
    let read = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    read.unwrap()
}

async fn open(directory: &Path, seed: u64) -> Arc<Engine> {
    let store = Arc::new(SqliteStore::open(directory, "test").unwrap());
    let entropy = Entropy::seeded(seed);
    let options = Options {
        entropy,
        // Few enough that keys of events become a run, and many enough that some stay in memory.
        recent_keys: 4,
        ..Options::default()
    };
    Engine::open(store, options, now()).await.unwrap()
}

fn declarations() -> Vec<Declaration> {
    let names = |list: &[&str]| Some(list.iter().map(|name| (*name).into()).collect());
    vec![
        Declaration::Enterprise(EnterpriseDeclaration {
            slug: "octo-ent".into(),
            name: Some("Octo Enterprise".to_owned()),
            plan: Some(Plan::Enterprise),
            discounts: None,
            owners: names(&["monalisa"]),
            billing_managers: names(&["hubot"]),
            organizations: names(&["Octo-Org"]),
        }),
        Declaration::Organization(OrganizationDeclaration {
            login: "Octo-Org".into(),
            standalone: false,
            plan: None,
            discounts: None,
            owners: names(&["monalisa"]),
            billing_managers: None,
            members: names(&["hubot"]),
        }),
        Declaration::User(UserDeclaration {
            login: "monalisa".into(),
            email: Some("monalisa@example.com".to_owned()),
            plan: Some(Plan::Pro),
            discounts: None,
        }),
        Declaration::Repository(RepositoryDeclaration {
            owner: "octo-org".into(),
            name: "api".into(),
            visibility: Some(Visibility::Private),
        }),
    ]
}

/// Writes a database that has one of everything that it can hold.
async fn write(directory: &Path) -> Arc<Engine> {
    let engine = open(directory, 1).await;
    let ent = enterprise("octo-ent");
    engine
        .apply(now(), &actor(), &declarations(), false)
        .await
        .unwrap();
    let first = [(1, "octo-org", 5), (2, "octo-org", 7), (3, "acme", 11)];
    crate::bench::import(&engine, &ent, "first", &first)
        .await
        .unwrap();
    let newer = [(2, "octo-org", 100)];
    crate::bench::import(&engine, &ent, "newer", &newer)
        .await
        .unwrap();
    let own = AccountName::new(AccountKind::Organization, "octo-org");
    crate::bench::import(&engine, &own, "own", &[(9, "octo-org", 3)])
        .await
        .unwrap();
    let mistake = crate::bench::import(&engine, &ent, "mistake", &[(3, "acme", 9999)]).await;
    let id = mistake.unwrap().import.record.id;
    engine
        .revert_import(&ent, id, &actor(), now())
        .await
        .unwrap();
    let mut premium = engine.begin_import(&ent, &actor(), now()).unwrap();
    let mut line = reported((4, "octo-org", 2));
    (line.product, line.sku, line.unit) = ("copilot", "copilot_premium_request", "requests");
    line.model = "GPT-5";
    line.cost_center = "Flint Anchor";
    line.extras.exceeds_quota = Some(true);
    line.extras.total_monthly_quota = "Unlimited";
    premium.push(ReportKind::PremiumRequest, &line).unwrap();
    premium.commit(vec![file("premium")]).await.unwrap();
    sums(&engine, &ent).await;
    since_format_2::write(&engine).await;
    engine
}

#[tokio::test]
async fn every_released_format_opens_for_ever() {
    if std::env::var_os("TALLYBOOK_BLESS_FORMAT").is_some() {
        bless().await;
    }
    for format in 1..=NEWEST {
        assert_eq!(format_of(&fixture(format)), format);
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join(DATABASE);
        std::fs::copy(fixture(format), &database).unwrap();
        assert_says_what_it_said(directory.path(), format).await;
        assert_eq!(format_of(&database), NEWEST);
    }
}

/// Writes the fixture of the newest format, unless there is one.
async fn bless() {
    let is_there = fixture(NEWEST).exists();
    assert!(
        !is_there,
        "a fixture stays as it is; remove it if its format was never released"
    );
    let directory = tempfile::tempdir().unwrap();
    let engine = write(directory.path()).await;
    let (copy, fixture) = (directory.path().join("copy"), fixture(NEWEST));
    engine.store().backup(&copy).await.unwrap();
    std::fs::create_dir_all(fixture.parent().unwrap()).unwrap();
    std::fs::copy(copy, fixture).unwrap();
}

/// What is written today says the same as what was written then; and a new format has a fixture.
#[tokio::test]
async fn the_newest_format_says_the_same() {
    let directory = tempfile::tempdir().unwrap();
    drop(write(directory.path()).await);
    assert_says_what_it_said(directory.path(), NEWEST).await;
    assert_eq!(format_of(&directory.path().join(DATABASE)), NEWEST);
}

async fn assert_says_what_it_said(directory: &Path, format: u32) {
    let engine = open(directory, 2).await;
    let verified = engine.verify().await.unwrap();
    let has_more = format >= 2;
    let accounts = if has_more { 3 } else { 2 };
    assert_eq!(
        (verified.accounts, verified.imports, verified.lines),
        (accounts, 5, 7)
    );
    let ent = enterprise("OCTO-ENT");
    let as_of = view(&engine, &ent).await.unwrap().as_of();
    assert_eq!(as_of.account, 7);
    // A newer edition of the catalogue is adopted at the start, as one batch more.
    let site = if has_more { 9 } else { 8 };
    assert!(as_of.site == site || as_of.site == site + 1, "{as_of}");
    let usage = [
        (1, "Octo-Org", 5),
        (2, "Octo-Org", 100),
        (3, "acme", 11),
        (4, "Octo-Org", 2),
        (9, "Octo-Org", 3),
    ];
    assert_eq!(sums(&engine, &ent).await, expected(&usage));

    let site = engine.site();
    assert_eq!(
        site.directory.find(&ent).unwrap().display,
        "Octo Enterprise"
    );
    let organization = AccountName::new(AccountKind::Organization, "octo-org");
    let found = site.directory.find(&organization).unwrap();
    assert_eq!(
        (found.display.as_str(), found.payer),
        ("Octo-Org", enterprise("octo-ent"))
    );
    let relation = site.directory.relation(&"HUBOT".into(), &organization);
    assert_eq!(relation, Relation::EnterpriseBilling);
    let email = site
        .directory
        .user(&"monalisa".into())
        .unwrap()
        .email
        .as_deref();
    assert_eq!(email, Some("monalisa@example.com"));
    let account = &view(&engine, &ent).await.unwrap().account;
    assert_eq!(account.plans.last().unwrap().1, Plan::Enterprise);
    assert_eq!(account.repositories.len(), 1);
    assert_eq!(account.live_imports().count(), 4);
    let statement = engine
        .statement(&view(&engine, &ent).await.unwrap(), january())
        .await;
    assert_eq!(statement.unwrap().len(), 5);

    // It is not only read: it goes on.
    crate::bench::import(&engine, &ent, "later", &[(20, "acme", 1)])
        .await
        .unwrap();
    let more = [&usage[..], &[(20, "acme", 1)]].concat();
    assert_eq!(sums(&engine, &ent).await, expected(&more));
    if has_more {
        since_format_2::assert_says_what_it_said(&engine).await;
    }
    assert_audited(&engine, format).await;
    engine.verify().await.unwrap();
}

/// The audit log begins with what was applied; before format 3 it did not say to whose account.
async fn assert_audited(engine: &Engine, format: u32) {
    let filter = AuditFilter {
        action: Some("apply".to_owned()),
        ..AuditFilter::default()
    };
    let lines = engine.audit(filter, usize::MAX).await.unwrap();
    let first = &lines.last().unwrap().row;
    assert_eq!(first.address, (format >= 3).then(|| "local".to_owned()));
    let detail: serde_json::Value = serde_json::from_str(&first.detail).unwrap();
    assert!(!detail["changes"].is_null(), "{detail}");
    let says_whose =
        |line: &NumberedAudit| line.row.account.as_deref() == Some("enterprise/octo-ent");
    assert_eq!(lines.iter().any(says_whose), format >= 3);
}
