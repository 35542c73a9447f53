//! The table of [`super::authorize`], as text: one line per family, relation and token.

use super::*;

fn viewer(grants: Grants) -> Viewer {
    Viewer {
        token_id: "t".to_owned(),
        grants,
        dialect: None,
        expires_at: None,
    }
}

fn classic(scope: &str) -> Viewer {
    viewer(Grants::classic("monalisa", [scope]).unwrap())
}

fn fine(permission: &str) -> Viewer {
    viewer(Grants::fine_grained("monalisa", [permission]).unwrap())
}

const FAMILIES: [EndpointFamily; 11] = [
    EndpointFamily::EnterpriseBilling,
    EndpointFamily::OrganizationBilling,
    EndpointFamily::UserBilling,
    EndpointFamily::Imports(AccountKind::Enterprise),
    EndpointFamily::Imports(AccountKind::Organization),
    EndpointFamily::Imports(AccountKind::User),
    EndpointFamily::WriteImports(AccountKind::Enterprise),
    EndpointFamily::WriteImports(AccountKind::Organization),
    EndpointFamily::WriteImports(AccountKind::User),
    EndpointFamily::Events,
    EndpointFamily::Site,
];

const RELATIONS: [Relation; 5] = [
    Relation::None,
    Relation::Member,
    Relation::OrganizationBilling,
    Relation::EnterpriseBilling,
    Relation::Same,
];

/// The (relation, token) pairs that each family admits; everything else is refused.
fn allowed(family: EndpointFamily) -> Vec<(Relation, &'static str)> {
    use EndpointFamily as F;
    use Relation::{EnterpriseBilling, OrganizationBilling, Same};
    const ENTERPRISE: [&str; 2] = ["manage_billing:enterprise", "admin:enterprise"];
    const ORG_READ: [&str; 3] = ["admin:org", "write:org", "read:org"];
    let pairs = |relation: Relation, tokens: &[&'static str]| -> Vec<_> {
        tokens.iter().map(|token| (relation, *token)).collect()
    };
    let administration = [
        "organization_administration=read",
        "organization_administration=write",
    ];
    match family {
        F::EnterpriseBilling | F::Imports(AccountKind::Enterprise) => {
            pairs(EnterpriseBilling, &ENTERPRISE)
        }
        F::OrganizationBilling | F::Imports(AccountKind::Organization) => [
            pairs(OrganizationBilling, &ORG_READ),
            pairs(OrganizationBilling, &administration),
            pairs(EnterpriseBilling, &ENTERPRISE),
            pairs(EnterpriseBilling, &ORG_READ),
            pairs(EnterpriseBilling, &administration),
        ]
        .concat(),
        F::UserBilling | F::Imports(AccountKind::User) => pairs(Same, &["user", "plan=read"]),
        F::WriteImports(_) | F::Events | F::Site => Vec::new(),
    }
}

#[test]
fn nothing_is_allowed_beyond_the_table() {
    let tokens = Scope::ALL.map(Scope::as_str).into_iter();
    let fine_grained = [
        "organization_administration=read",
        "organization_administration=write",
        "plan=read",
    ];
    let tokens: Vec<_> = tokens.chain(fine_grained).collect();
    for family in FAMILIES {
        let allowed = allowed(family);
        for relation in RELATIONS {
            for token in &tokens {
                let viewer = if token.contains('=') {
                    fine(token)
                } else {
                    classic(token)
                };
                let expected = allowed.contains(&(relation, *token));
                let decision = authorize(family, &viewer, Standing::User(relation));
                assert_eq!(
                    decision.is_ok(),
                    expected,
                    "{family:?} {relation:?} {token}"
                );
            }
            let sender = viewer(Grants::sender(["enterprise/octo-ent"], Vec::new()).unwrap());
            let may_send = family == EndpointFamily::Events;
            let standing = Standing::User(relation);
            assert_eq!(
                authorize(family, &sender, standing).is_ok(),
                may_send,
                "{family:?} {relation:?}"
            );
            let admin = viewer(Grants::SiteAdmin);
            assert_eq!(authorize(family, &admin, standing), Ok(()));
        }
    }
}

#[test]
fn tokens_that_act_as_no_user_open_only_what_they_were_made_for() {
    use EndpointFamily::{Events, Imports, Site, WriteImports};
    let sender = viewer(Grants::sender(["enterprise/octo-ent"], Vec::new()).unwrap());
    let importer = viewer(Grants::importer(["enterprise/octo-ent"]).unwrap());
    for family in FAMILIES {
        for standing in [Standing::Named, Standing::None] {
            let sends = authorize(family, &sender, standing);
            assert_eq!(sends.is_ok(), family == Events, "{family:?} {standing:?}");
            let imports = matches!(family, Imports(_) | WriteImports(_));
            let expected = match family {
                _ if imports && standing == Standing::Named => Ok(()),
                Events => Err(Denied::TokenKind),
                Site => Err(Denied::NotSiteAdmin),
                _ => Err(Denied::NotFound),
            };
            let decision = authorize(family, &importer, standing);
            assert_eq!(decision, expected, "{family:?} {standing:?}");
        }
    }
}

/// Only a viewer who may read an account's imports learns which token can write them.
#[test]
fn reading_imports_is_not_writing_them() {
    for kind in [
        AccountKind::Enterprise,
        AccountKind::Organization,
        AccountKind::User,
    ] {
        for relation in RELATIONS {
            for scope in Scope::ALL {
                let viewer = classic(scope.as_str());
                let standing = Standing::User(relation);
                let read = authorize(EndpointFamily::Imports(kind), &viewer, standing);
                let write = authorize(EndpointFamily::WriteImports(kind), &viewer, standing);
                let expected = read.and(Err(Denied::NeedsImportToken));
                assert_eq!(write, expected, "{kind:?} {relation:?} {scope:?}");
            }
        }
    }
}

#[test]
fn refusals_tell_no_more_than_github_does() {
    use EndpointFamily::{EnterpriseBilling, OrganizationBilling, Site, UserBilling};
    let org = classic("read:org");
    let cases = [
        (EnterpriseBilling, &org, Relation::None, Denied::NotFound),
        (
            EnterpriseBilling,
            &org,
            Relation::Member,
            Denied::NoBillingRole,
        ),
        (OrganizationBilling, &org, Relation::None, Denied::NotFound),
        (
            OrganizationBilling,
            &org,
            Relation::Member,
            Denied::NoBillingRole,
        ),
        (UserBilling, &org, Relation::Same, Denied::NotFound),
        (UserBilling, &org, Relation::None, Denied::NotFound),
        (
            Site,
            &org,
            Relation::EnterpriseBilling,
            Denied::NotSiteAdmin,
        ),
        (
            EnterpriseBilling,
            &org,
            Relation::EnterpriseBilling,
            Denied::MissingScope(&["manage_billing:enterprise"]),
        ),
    ];
    for (family, viewer, relation, denied) in cases {
        assert_eq!(
            authorize(family, viewer, Standing::User(relation)),
            Err(denied),
            "{family:?} {relation:?}"
        );
    }
    let fine = fine("organization_administration=read");
    let standing = Standing::User(Relation::EnterpriseBilling);
    let decision = authorize(EnterpriseBilling, &fine, standing);
    assert_eq!(decision, Err(Denied::TokenKind));
    assert_eq!(
        Denied::MissingScope(&["admin:org", "read:org"]).to_string(),
        "Your token has not been granted the required scopes: admin:org or read:org"
    );
}
