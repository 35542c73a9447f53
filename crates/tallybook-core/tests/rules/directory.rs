//! Who exists, who pays, who may look: declarations, sightings, relations, spellings.

use proptest::prelude::*;
use std::collections::BTreeSet;
use tallybook_core::account::{AccountKind, AccountName, Plan, Visibility};
use tallybook_core::batch::Batch;
use tallybook_core::declaration::{
    Declaration, EnterpriseDeclaration, OrganizationDeclaration, RepositoryDeclaration,
    UserDeclaration,
};
use tallybook_core::dimension::Dimension;
use tallybook_core::fold::{MergedSpellings, Spellings};
use tallybook_core::ids::{CommitId, ImportId, LogId};
use tallybook_core::name::Name;
use tallybook_core::names::Draft;
use tallybook_core::setting::Setting;
use tallybook_core::site::Site;
use tallybook_core::site::declare::{DeclareError, Planned, plan};
use tallybook_core::site::directory::Relation;
use tallybook_core::site::entry::{OrganizationFact, SiteEntry};
use tallybook_core::time::{Day, Instant};

/// Folds entries as one batch, through its bytes.
pub(crate) fn commit(site: &mut Site, entries: &[SiteEntry]) {
    commit_at(site, entries, Instant::from_seconds(1_700_000_000).unwrap());
}

fn commit_at(site: &mut Site, entries: &[SiteEntry], at: Instant) {
    let mut draft = Draft::new(&site.dictionary);
    let encoded = entries.iter().map(|entry| entry.encode(&mut draft));
    let encoded = encoded.collect();
    let names = draft.into_new();
    let batch = Batch {
        log: LogId::SITE,
        seq: site.seq.next(),
        previous: site.head,
        commit: CommitId([1; 16]),
        at,
        first_name: site.dictionary.next_id(),
        commitments: Vec::new(),
        entries: encoded,
    };
    for name in names {
        site.dictionary.push(Some(name));
    }
    let (bytes, _) = batch.encode();
    let (read, digest) = Batch::decode(&bytes).unwrap();
    site.fold(&read, digest).unwrap();
}

fn apply(site: &mut Site, declarations: &[Declaration]) -> Planned {
    let planned = plan(site, declarations).unwrap();
    commit(site, &planned.entries);
    planned
}

fn names(list: &[&str]) -> Option<Vec<Name>> {
    Some(list.iter().map(|name| (*name).into()).collect())
}

fn enterprise(slug: &str, organizations: &[&str]) -> Declaration {
    Declaration::Enterprise(EnterpriseDeclaration {
        slug: slug.into(),
        name: None,
        plan: None,
        discounts: None,
        owners: names(&["boss"]),
        billing_managers: names(&["clerk"]),
        organizations: names(organizations),
    })
}

fn organization(login: &str, plan: Option<Plan>) -> Declaration {
    Declaration::Organization(OrganizationDeclaration {
        login: login.into(),
        standalone: false,
        plan,
        discounts: None,
        owners: names(&["mona"]),
        billing_managers: names(&["hubot"]),
        members: names(&["member"]),
    })
}

fn user(login: &str) -> Declaration {
    Declaration::User(UserDeclaration {
        login: login.into(),
        email: None,
        plan: Some(Plan::Pro),
        discounts: None,
    })
}

fn repository(owner: &str, name: &str) -> Declaration {
    Declaration::Repository(RepositoryDeclaration {
        owner: owner.into(),
        name: name.into(),
        visibility: Some(Visibility::Private),
    })
}

fn account(kind: AccountKind, name: &str) -> AccountName {
    AccountName::new(kind, name)
}

fn seen(import: u8, log: LogId, organizations: &[&str], users: &[&str]) -> SiteEntry {
    SiteEntry::Seen {
        import: ImportId([import; 16]),
        log,
        organizations: names(organizations).unwrap(),
        users: names(users).unwrap(),
    }
}

/// Everything that can be asked of the directory about some names.
fn everything(site: &Site) -> String {
    let mut said = String::new();
    let kinds = [
        AccountKind::Enterprise,
        AccountKind::Organization,
        AccountKind::User,
    ];
    let names = [
        "ent", "other", "octo", "acme", "solo", "mona", "boss", "hubot", "nobody",
    ];
    for name in names {
        let target = Name::from(name);
        said += &format!("{name}: {:?}", site.directory.payer(&target));
        said += &format!(" {:?}", site.directory.importer(&target));
        said += &format!(" {}\n", site.directory.knows_user(&target));
        for kind in kinds {
            let name = AccountName::new(kind, target.clone());
            said += &format!("  {:?}\n", site.directory.find(&name));
            for user in names {
                said += &format!("{:?} ", site.directory.relation(&user.into(), &name));
            }
        }
    }
    said
}

/// The same, without the numbers of logs.
fn without_logs(site: &Site) -> String {
    let said = everything(site);
    let parts = said.split("LogId(");
    let parts = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()));
    parts.collect::<Vec<_>>().join("LogId(")
}

fn file() -> Vec<Declaration> {
    vec![
        enterprise("ent", &["octo", "acme"]),
        enterprise("other", &[]),
        organization("octo", None),
        organization("solo", Some(Plan::Team)),
        user("mona"),
        repository("octo", "api"),
        repository("solo", "api"),
        repository("mona", "dotfiles"),
    ]
}

#[test]
fn applying_again_changes_nothing() {
    let mut site = Site::default();
    let first = apply(&mut site, &file());
    assert!(!first.entries.is_empty() && !first.changes.is_empty());
    let again = plan(&site, &file()).unwrap();
    assert_eq!(again.entries, []);
    assert_eq!(again.changes, []);
    assert_eq!(
        again.settings, first.settings,
        "the engine knows those in force"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_order_in_a_file_means_nothing(shuffled in Just(file()).prop_shuffle()) {
        let (mut left, mut right) = (Site::default(), Site::default());
        let first = apply(&mut left, &file());
        let second = apply(&mut right, &shuffled);
        prop_assert_eq!(without_logs(&left), without_logs(&right));
        let by_account = |planned: &Planned| -> BTreeSet<String> {
            planned.settings.iter().map(|setting| format!("{setting:?}")).collect()
        };
        prop_assert_eq!(by_account(&first), by_account(&second));
        prop_assert_eq!(&plan(&left, &shuffled).unwrap().entries, &[]);
        prop_assert_eq!(&plan(&right, &file()).unwrap().entries, &[]);
    }

    /// Imports that come and go leave the directory as it was, in whatever order they go.
    #[test]
    fn a_withdrawal_is_the_inverse_of_a_sighting(
        kept in proptest::collection::vec(any::<[bool; 4]>(), 0..3),
        gone in proptest::collection::vec(any::<[bool; 4]>(), 1..4),
        reversed: bool,
    ) {
        let mut site = Site::default();
        apply(&mut site, &file());
        let log = site.directory.log_of(&account(AccountKind::Enterprise, "ent")).unwrap();
        let sighting = |number: usize, which: &[bool; 4]| {
            let chosen = |names: [&'static str; 2], which: &[bool]| -> Vec<&'static str> {
                names.into_iter().zip(which).filter_map(|(name, is)| is.then_some(name)).collect()
            };
            let organizations = [["Octo", "nova"], ["OCTO", "Nova"]][number % 2];
            let organizations = chosen(organizations, &which[..2]);
            let users = chosen([["Mona", "guest"], ["mona", "GUEST"]][number % 2], &which[2..]);
            seen(u8::try_from(number).unwrap(), log, &organizations, &users)
        };
        for (number, which) in kept.iter().enumerate() {
            commit(&mut site, &[sighting(number, which)]);
        }
        let also = |site: &Site| {
            let nova = ["nova", "guest"].map(Name::from);
            let find = |name: &Name, kind| {
                site.directory.find(&AccountName::new(kind, name.clone()))
            };
            let organization = find(&nova[0], AccountKind::Organization);
            let user = find(&nova[1], AccountKind::User);
            (everything(site), organization, user, site.directory.payer(&nova[0]))
        };
        let before = also(&site);
        let mut numbers: Vec<usize> = (10..10 + gone.len()).collect();
        for (number, which) in numbers.iter().zip(&gone) {
            commit(&mut site, &[sighting(*number, which)]);
        }
        if reversed {
            numbers.reverse();
        }
        for number in numbers {
            let import = ImportId([u8::try_from(number).unwrap(); 16]);
            commit(&mut site, &[SiteEntry::Withdrawn(import)]);
        }
        prop_assert_eq!(also(&site), before);
    }
}

#[test]
fn an_organization_has_one_payer() {
    let site = Site::default();
    let both = [enterprise("ent", &["octo"]), enterprise("other", &["OCTO"])];
    let error = plan(&site, &both).unwrap_err();
    assert!(matches!(error, DeclareError::TwoPayers { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("ent") && text.contains("other") && text.contains("OCTO"),
        "{text}"
    );
}

#[test]
fn an_organization_without_usage_may_move() {
    let mut site = Site::default();
    apply(
        &mut site,
        &[enterprise("ent", &["octo"]), enterprise("other", &[])],
    );
    let octo = Name::from("octo");
    let payer = |site: &Site| site.directory.payer(&octo).unwrap().to_string();
    assert_eq!(payer(&site), "enterprise ent");
    apply(&mut site, &[enterprise("other", &["octo"])]);
    assert_eq!(payer(&site), "enterprise other");
    apply(&mut site, &[organization("octo", None)]);
    assert_eq!(payer(&site), "enterprise other", "what is not said stays");
}

/// A site where the import of `ent` alone says who pays for `nova`.
fn introduced() -> Site {
    let mut site = Site::default();
    apply(&mut site, &[enterprise("ent", &[])]);
    let ent = account(AccountKind::Enterprise, "ent");
    let ent = site.directory.log_of(&ent).unwrap();
    commit(&mut site, &[seen(1, ent, &["nova"], &[])]);
    site
}

fn payer_of(site: &Site, organization: &str) -> String {
    let payer = site.directory.payer(&organization.into());
    payer.unwrap().to_string()
}

#[test]
fn a_declaration_wins_over_what_a_report_introduced() {
    let mut site = introduced();
    assert_eq!(payer_of(&site, "nova"), "enterprise ent");
    let file = [enterprise("other", &["Nova"])];
    let planned = apply(&mut site, &file);
    let changes = planned.changes.iter();
    let payer: Vec<_> = changes.filter(|change| change.field == "payer").collect();
    let import = ImportId([1; 16]);
    let before = format!("ent (not declared, named by import {import})");
    assert_eq!(payer.len(), 1, "{payer:?}");
    assert_eq!(payer[0].before.as_deref(), Some(before.as_str()));
    assert_eq!(payer[0].after, "other");
    assert_eq!(payer_of(&site, "nova"), "enterprise other");
    // What was billed before stays with who was billed.
    let earlier = Instant::from_seconds(1_699_000_000).unwrap();
    let payer = site.directory.payer_at(&"nova".into(), earlier).unwrap();
    assert_eq!(payer.to_string(), "enterprise ent");
    assert_eq!(plan(&site, &file).unwrap().entries, []);
    // Nor does the live import of the former payer hold it later.
    apply(&mut site, &[enterprise("third", &["nova"])]);
    assert_eq!(payer_of(&site, "nova"), "enterprise third");
}

#[test]
fn an_organization_that_a_report_introduced_may_stand_alone() {
    let Declaration::Organization(nova) = organization("nova", None) else {
        panic!("an organization");
    };
    let standalone = Declaration::Organization(OrganizationDeclaration {
        standalone: true,
        ..nova
    });
    let mut site = introduced();
    let both = [enterprise("ent", &["nova"]), standalone.clone()];
    let error = plan(&site, &both).unwrap_err();
    let is_both = matches!(error, DeclareError::StandaloneMember { .. });
    assert!(is_both, "{error}");
    apply(&mut site, &[standalone]);
    assert_eq!(payer_of(&site, "nova"), "organization nova");
    // So does one that has a plan: only who pays has one.
    let mut site = introduced();
    apply(&mut site, &[organization("nova", Some(Plan::Team))]);
    assert_eq!(payer_of(&site, "nova"), "organization nova");
    // Where nothing is said of who pays, that stays as it is.
    let mut site = introduced();
    apply(&mut site, &[organization("nova", None)]);
    assert_eq!(payer_of(&site, "nova"), "enterprise ent");
}

#[test]
fn an_organization_is_an_account_s_own_by_declaration_alone() {
    let mut site = introduced();
    let at = |text: &str| Instant::parse(text).unwrap();
    let own = |site: &Site, slug: &str, organization: &str, day: &str| {
        let account = account(AccountKind::Enterprise, slug);
        let day = Day::parse(day).unwrap();
        site.directory.is_own(&account, &organization.into(), day)
    };
    assert!(!own(&site, "ent", "nova", "2026-06-01"), "a report says it");
    let declarations = [enterprise("ent", &["octo"]), enterprise("other", &[])];
    let planned = plan(&site, &declarations).unwrap();
    commit_at(&mut site, &planned.entries, at("2026-06-10T12:00:00Z"));
    assert!(own(&site, "ent", "OCTO", "2026-06-01"));
    assert!(!own(&site, "other", "octo", "2026-06-01"));
    assert!(!own(&site, "ent", "nobody", "2026-06-01"));

    let earlier = site.clone();
    let planned = plan(&site, &[enterprise("other", &["octo"])]).unwrap();
    commit_at(&mut site, &planned.entries, at("2026-06-20T12:00:00Z"));
    let octo = Name::from("octo");
    assert!(!site.directory.has_payers_of(&earlier.directory, &octo));
    for (slug, day, expected) in [
        ("ent", "2026-06-01", true),
        ("ent", "2026-06-20", true),
        ("ent", "2026-06-21", false),
        // Who pays now may state what the former payer left out.
        ("other", "2026-06-01", true),
        ("other", "2026-06-21", true),
    ] {
        assert_eq!(own(&site, slug, "octo", day), expected, "{slug} {day}");
    }
    let solo = account(AccountKind::Organization, "solo");
    let day = Day::parse("2026-06-01").unwrap();
    let is_own = |site: &Site| site.directory.is_own(&solo, &solo.name, day);
    assert!(!is_own(&site));
    apply(&mut site, &[organization("solo", None)]);
    assert!(is_own(&site));
}

/// Whom an account knows does not depend on what others declare.
#[test]
fn an_account_knows_only_its_own_people() {
    let mut site = Site::default();
    apply(&mut site, &file());
    for (kind, name, people) in [
        (
            AccountKind::Enterprise,
            "ent",
            &["boss", "clerk", "hubot", "member", "mona"][..],
        ),
        (AccountKind::Enterprise, "other", &["boss", "clerk"]),
        (AccountKind::Enterprise, "nobody", &[]),
        (
            AccountKind::Organization,
            "solo",
            &["hubot", "member", "mona"],
        ),
        (AccountKind::User, "mona", &["mona"]),
    ] {
        let account = account(kind, name);
        let known = site.directory.people_of(&account);
        let mut known: Vec<_> = known.iter().map(|name| name.as_str()).collect();
        known.sort_unstable();
        assert_eq!(known, people, "{account}");
        for user in ["boss", "clerk", "hubot", "member", "mona", "stranger"] {
            let knows = site.directory.knows(&account, &user.into());
            assert_eq!(knows, people.contains(&user), "{account} {user}");
        }
    }
}

/// All payers of an organization stay known, in the order in which they became payers.
#[test]
fn every_account_that_ever_paid_stays_known() {
    let mut site = Site::default();
    let octo = Name::from("octo");
    let payers = |site: &Site| {
        let payers = site.directory.payers_of(&octo).into_iter();
        payers.map(|payer| payer.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(payers(&site), [""; 0]);
    apply(
        &mut site,
        &[
            organization("octo", None),
            enterprise("ent", &[]),
            enterprise("other", &[]),
        ],
    );
    assert_eq!(payers(&site), ["organization octo"]);
    let find = |site: &Site| {
        let found = site
            .directory
            .find(&account(AccountKind::Organization, "OCTO"));
        found.unwrap()
    };
    assert_eq!(find(&site).past, []);
    let both = ["organization octo", "enterprise ent"];
    apply(&mut site, &[enterprise("ent", &["octo"])]);
    assert_eq!(payers(&site), both);
    let found = find(&site);
    assert_eq!(found.payer.to_string(), "enterprise ent");
    assert_eq!(found.only, Some(octo.clone()));
    let past: Vec<_> = found
        .past
        .iter()
        .map(|past| (&past.account, &past.only))
        .collect();
    let itself = account(AccountKind::Organization, "octo");
    assert_eq!(past, [(&itself, &None)]);
    // There, and back again.
    apply(&mut site, &[enterprise("other", &["octo"])]);
    apply(&mut site, &[enterprise("ent", &["octo"])]);
    assert_eq!(payers(&site), [both[0], both[1], "enterprise other"]);
    let found = find(&site);
    let past: Vec<_> = found
        .past
        .iter()
        .map(|past| past.account.to_string())
        .collect();
    assert_eq!(past, ["organization octo", "enterprise other"]);
    assert_eq!(found.past[1].only, Some(octo.clone()));
    assert_eq!(found.payer.to_string(), "enterprise ent");
}

/// An organization that an import introduced has usage in the importer's account.
#[test]
fn the_account_that_introduced_an_organization_is_one_of_its_payers() {
    let mut site = Site::default();
    let ent = account(AccountKind::Enterprise, "ent");
    apply(
        &mut site,
        &[enterprise("ent", &[]), enterprise("other", &[])],
    );
    let log = site.directory.log_of(&ent).unwrap();
    let nova = Name::from("nova");
    let fact = OrganizationFact {
        login: nova.clone(),
        enterprise: Some("other".into()),
        owners: Vec::new(),
        billing_managers: Vec::new(),
        members: Vec::new(),
    };
    commit(&mut site, &[seen(1, log, &["nova"], &[])]);
    assert_eq!(site.directory.payers_of(&nova).len(), 1);
    let revision = site.directory.payers_revision();
    commit(&mut site, &[SiteEntry::Organization(fact)]);
    assert_ne!(site.directory.payers_revision(), revision);
    let other = account(AccountKind::Enterprise, "other");
    assert_eq!(site.directory.payers_of(&nova), [ent, other.clone()]);
    commit(&mut site, &[SiteEntry::Withdrawn(ImportId([1; 16]))]);
    assert_eq!(site.directory.payers_of(&nova), [other]);
}

#[test]
fn what_cannot_be_said_is_refused() {
    let site = Site::default();
    let error = plan(&site, &[repository("nobody", "api")]).unwrap_err();
    assert!(
        matches!(error, DeclareError::UnknownOwner { .. }),
        "{error}"
    );
    let member = [
        organization("octo", Some(Plan::Team)),
        enterprise("ent", &["octo"]),
    ];
    let error = plan(&site, &member).unwrap_err();
    assert!(
        matches!(error, DeclareError::PlanOfMember { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("enterprise ent pays"), "{error}");
}

#[test]
fn settings_go_to_who_pays() {
    let planned = plan(&Site::default(), &file()).unwrap();
    let payer = |wanted: &str| {
        let owned = planned
            .settings
            .iter()
            .filter_map(|(payer, setting)| match setting {
                Setting::Repository { owner, .. } if owner.as_str() == wanted => {
                    Some(payer.to_string())
                }
                _ => None,
            });
        owned.collect::<Vec<_>>()
    };
    assert_eq!(payer("octo"), ["enterprise ent"]);
    assert_eq!(payer("solo"), ["organization solo"]);
    assert_eq!(payer("mona"), ["user mona"]);
}

#[test]
fn relations() {
    use AccountKind::{Enterprise, Organization, User};
    let mut site = Site::default();
    apply(&mut site, &file());
    let ent = site.directory.log_of(&account(Enterprise, "ent")).unwrap();
    commit(&mut site, &[seen(1, ent, &["nova"], &["guest"])]);
    for (user, kind, name, expected) in [
        ("boss", Enterprise, "ent", Relation::EnterpriseBilling),
        ("CLERK", Enterprise, "ENT", Relation::EnterpriseBilling),
        ("mona", Enterprise, "ent", Relation::Member),
        ("hubot", Enterprise, "ent", Relation::Member),
        ("member", Enterprise, "ent", Relation::Member),
        ("stranger", Enterprise, "ent", Relation::None),
        ("mona", Enterprise, "other", Relation::None),
        ("boss", Enterprise, "nobody", Relation::None),
        ("boss", Organization, "octo", Relation::EnterpriseBilling),
        ("clerk", Organization, "acme", Relation::EnterpriseBilling),
        ("boss", Organization, "nova", Relation::EnterpriseBilling),
        ("mona", Organization, "octo", Relation::OrganizationBilling),
        ("Hubot", Organization, "OCTO", Relation::OrganizationBilling),
        ("member", Organization, "octo", Relation::Member),
        ("mona", Organization, "acme", Relation::None),
        ("stranger", Organization, "octo", Relation::None),
        ("boss", Organization, "solo", Relation::None),
        ("mona", Organization, "solo", Relation::OrganizationBilling),
        ("mona", User, "Mona", Relation::Same),
        ("boss", User, "mona", Relation::None),
    ] {
        let relation = site.directory.relation(&user.into(), &account(kind, name));
        assert_eq!(relation, expected, "{user} to {kind} {name}");
    }
}

#[test]
fn a_role_makes_a_user_known() {
    let mut site = Site::default();
    apply(
        &mut site,
        &[Declaration::Enterprise(EnterpriseDeclaration {
            slug: "ent".into(),
            name: None,
            plan: None,
            discounts: None,
            owners: names(&["Monalisa"]),
            billing_managers: names(&["hubot"]),
            organizations: None,
        })],
    );
    let found = |login: &str| site.directory.find(&account(AccountKind::User, login));
    assert_eq!(found("monalisa").unwrap().display, "Monalisa");
    assert!(site.directory.knows_user(&"HUBOT".into()));
    assert_eq!(found("stranger"), None);
}

#[test]
fn the_declared_spelling_is_shown_else_the_least() {
    let mut site = Site::default();
    apply(&mut site, &[enterprise("ent", &[])]);
    let log = site
        .directory
        .log_of(&account(AccountKind::Enterprise, "ent"))
        .unwrap();
    let shown = |site: &Site, kind| {
        site.directory
            .find(&account(kind, "NAME"))
            .map(|it| it.display)
    };
    commit(&mut site, &[seen(1, log, &["name"], &["name"])]);
    commit(&mut site, &[seen(2, log, &["Name"], &["Name"])]);
    for kind in [AccountKind::Organization, AccountKind::User] {
        assert_eq!(shown(&site, kind).as_deref(), Some("Name"));
    }
    commit(&mut site, &[SiteEntry::Withdrawn(ImportId([2; 16]))]);
    for kind in [AccountKind::Organization, AccountKind::User] {
        assert_eq!(shown(&site, kind).as_deref(), Some("name"), "restored");
    }
    apply(&mut site, &[organization("nAmE", None), user("nAmE")]);
    for kind in [AccountKind::Organization, AccountKind::User] {
        assert_eq!(shown(&site, kind).as_deref(), Some("nAmE"), "declared");
    }
    apply(&mut site, &[organization("NaMe", None), user("NaMe")]);
    for kind in [AccountKind::Organization, AccountKind::User] {
        assert_eq!(shown(&site, kind).as_deref(), Some("NaMe"), "declared anew");
    }
}

#[test]
fn spellings_of_usage() {
    use crate::generate::ENTERPRISE_ORGANIZATIONS;
    let import = |organizations: &[&str]| {
        let hour = tallybook_core::time::Hour::default();
        let line = |organization: &&str| crate::model::Line {
            hour: tallybook_core::time::Hour::from_index(hour.index() + 500_000),
            product: "p",
            sku: "s",
            unit: "u",
            names: [*organization, "", "", "", "", ""].map(str::to_owned),
            price: 0,
            quantity: 1,
            gross: 0,
            discount: 0,
        };
        let lines = organizations.iter().map(line).collect();
        let kind = tallybook_core::report::ReportKind::Detailed;
        crate::model::Import {
            organization: None,
            parts: [(kind, lines)].into(),
            live: true,
        }
    };
    let mut rig = crate::rig::Rig::new(account(AccountKind::Enterprise, "ent"));
    let all = |rig: &crate::rig::Rig| {
        let shown = Spellings::new(&rig.account).all(Dimension::Organization);
        shown.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    rig.import(&import(&["octo", "acme"]));
    assert_eq!(all(&rig), ["acme", "octo"]);
    rig.import(&import(&ENTERPRISE_ORGANIZATIONS));
    assert_eq!(all(&rig), ["ACME", "Octo"], "the least in bytes");
    let mut spellings = Spellings::new(&rig.account);
    spellings.declare(Dimension::Organization, "oCTO");
    spellings.declare(Dimension::Organization, "Nobody");
    assert_eq!(spellings.find(Dimension::Organization, "nobody"), None);
    let merged = MergedSpellings::from(&spellings);
    assert_eq!(merged.show(Dimension::Organization, "octo"), "oCTO");
    assert_eq!(merged.show(Dimension::Organization, "nobody"), "nobody");
    rig.revert(1);
    assert_eq!(all(&rig), ["acme", "octo"], "restored");
}
