//! The table of [`super::authorize`], as text: one line a family, relation and token.

use super::*;

fn viewer(grants: Grants) -> Viewer {
    Viewer {
        token_id: "t".to_owned(),
        grants,
        expires_at: None,
    }
}

fn classic(scope: &str) -> Viewer {
    viewer(Grants::classic("monalisa", [scope]).unwrap())
}

fn fine(permission: &str) -> Viewer {
    viewer(Grants::fine_grained("monalisa", [permission]).unwrap())
}

const FAMILIES: [EndpointFamily; 8] = [
    EndpointFamily::EnterpriseBilling,
    EndpointFamily::OrganizationBilling,
    EndpointFamily::UserBilling,
    EndpointFamily::Imports(AccountKind::Enterprise),
    EndpointFamily::Imports(AccountKind::Organization),
    EndpointFamily::Imports(AccountKind::User),
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

/// Which (relation, token) pairs each family lets in, everything else being refused.
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
        F::OrganizationBilling => [
            pairs(OrganizationBilling, &ORG_READ),
            pairs(OrganizationBilling, &administration),
            pairs(EnterpriseBilling, &ENTERPRISE),
            pairs(EnterpriseBilling, &ORG_READ),
            pairs(EnterpriseBilling, &administration),
        ]
        .concat(),
        F::Imports(AccountKind::Organization) => [
            pairs(OrganizationBilling, &["admin:org", administration[1]]),
            pairs(EnterpriseBilling, &["admin:org", administration[1]]),
            pairs(EnterpriseBilling, &ENTERPRISE),
        ]
        .concat(),
        F::UserBilling => pairs(Same, &["user", "plan=read"]),
        F::Imports(AccountKind::User) => pairs(Same, &["user"]),
        F::Events | F::Site => Vec::new(),
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
                let decision = authorize(family, &viewer, relation);
                assert_eq!(
                    decision.is_ok(),
                    expected,
                    "{family:?} {relation:?} {token}"
                );
            }
            let sender = viewer(Grants::sender(["enterprise/octo-ent"], Vec::new()).unwrap());
            let may_send = family == EndpointFamily::Events;
            assert_eq!(
                authorize(family, &sender, relation).is_ok(),
                may_send,
                "{family:?} {relation:?}"
            );
            let admin = viewer(Grants::SiteAdmin);
            assert_eq!(authorize(family, &admin, relation), Ok(()));
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
            authorize(family, viewer, relation),
            Err(denied),
            "{family:?} {relation:?}"
        );
    }
    let fine = fine("organization_administration=read");
    let decision = authorize(EnterpriseBilling, &fine, Relation::EnterpriseBilling);
    assert_eq!(decision, Err(Denied::TokenKind));
    assert_eq!(
        Denied::MissingScope(&["admin:org", "read:org"]).to_string(),
        "Your token has not been granted the required scopes: admin:org or read:org"
    );
}
