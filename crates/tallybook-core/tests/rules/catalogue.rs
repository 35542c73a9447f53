//! The site's own catalogue: how it is folded, what declaring it changes, what it must not lose.

use crate::directory::commit;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::catalog::{Catalog, LostPrice};
use tallybook_core::declaration::{Declaration, OrganizationDeclaration};
use tallybook_core::discount::{DiscountScope, NegotiatedDiscount, Percent};
use tallybook_core::ids::Seq;
use tallybook_core::setting::Setting;
use tallybook_core::site::Site;
use tallybook_core::site::catalogue::VersionChange;
use tallybook_core::site::declare::{DeclareError, plan};
use tallybook_core::site::entry::SiteEntry;
use tallybook_core::time::{Day, Month};

const OWN: &str = "\
product gpu \"GPU pool\"
sku gpu_minutes \"GPU minutes\" gpu minutes
  alias gpu-min
  price 0.05 from 2026-07-01
  price 0.04 from 2027-01-01
included gpu_team \"Included GPU minutes\"
  covers gpu_minutes
  plan team 500
sku actions_linux
  price 0.004 from 2027-01-01
";

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn own(text: &str) -> SiteEntry {
    SiteEntry::OwnCatalogue {
        text: text.to_owned(),
        by: "token t1".to_owned(),
    }
}

fn builtin() -> SiteEntry {
    SiteEntry::Catalogue(Catalog::BUILTIN.to_owned())
}

fn site(text: &str) -> Site {
    let mut site = Site::default();
    commit(&mut site, &[builtin()]);
    if !text.is_empty() {
        commit(&mut site, &[own(text)]);
    }
    site
}

fn price(site: &Site, sku: &str, on: &str) -> Option<String> {
    let price = site.catalog.sku(sku)?.price_on(day(on))?;
    Some(price.to_string())
}

#[test]
fn an_own_text_is_read_over_the_edition_in_force_and_each_version_is_kept() {
    let mut site = site(OWN);
    assert_eq!(
        price(&site, "gpu-min", "2026-07-01").as_deref(),
        Some("0.05")
    );
    assert_eq!(price(&site, "gpu_minutes", "2026-06-30"), None);
    assert_eq!(
        price(&site, "actions_linux", "2026-12-31").as_deref(),
        Some("0.006")
    );
    assert_eq!(
        price(&site, "actions_linux", "2027-01-01").as_deref(),
        Some("0.004")
    );
    assert_eq!(site.catalogue.own(), OWN);
    assert_eq!(
        site.catalog_digest,
        Catalog::digest(Catalog::BUILTIN, Some(OWN))
    );
    // A new edition comes beneath the own text.
    let newer = format!("{}\nproduct lunar \"Lunar\"\n", Catalog::BUILTIN);
    commit(&mut site, &[SiteEntry::Catalogue(newer.clone())]);
    assert!(site.catalog.product("lunar").is_some());
    assert_eq!(
        price(&site, "gpu_minutes", "2027-02-01").as_deref(),
        Some("0.04")
    );
    assert_eq!(site.catalog_digest, Catalog::digest(&newer, Some(OWN)));
    // An empty text takes it away.
    commit(&mut site, &[own("")]);
    assert!(site.catalog.sku("gpu_minutes").is_none());
    assert_eq!(site.catalog_digest, Catalog::digest(&newer, None));
    let versions = site.catalogue.versions().iter();
    let versions: Vec<_> = versions
        .map(|it| {
            (
                it.seq.0,
                matches!(&it.change, VersionChange::Own { by } if by == "token t1"),
            )
        })
        .collect();
    assert_eq!(versions, [(1, false), (2, true), (3, false), (4, true)]);
    assert_eq!(site.catalogue.version(), Seq(4));
}

#[test]
fn what_is_declared_again_changes_nothing_and_what_differs_is_named() {
    let before = site("");
    let declared = [Declaration::Catalogue(OWN.to_owned())];
    let planned = plan(&before, &declared).unwrap();
    let changes = planned.changes.iter();
    let changes: Vec<String> = changes
        .map(|it| {
            let before = it.before.as_deref().unwrap_or("-");
            format!("{} | {} | {before} | {}", it.subject, it.field, it.after)
        })
        .collect();
    for expected in [
        "sku gpu_minutes | price from 2026-07-01 | - | 0.05",
        "sku gpu_minutes | included in gpu_team | - | weight 1",
        "sku actions_linux | price from 2027-01-01 | - | 0.004",
        "included gpu_team | plan team | - | 500",
    ] {
        assert!(
            changes.iter().any(|it| it == expected),
            "{expected}: {changes:#?}"
        );
    }
    assert_eq!(planned.catalogue.unwrap().text, OWN);
    let again = plan(&site(OWN), &declared).unwrap();
    assert!(again.catalogue.is_none() && again.changes.is_empty());
    // A comment changes no number and is kept all the same.
    let remark = [Declaration::Catalogue(format!("# ours\n{OWN}"))];
    let planned = plan(&site(OWN), &remark).unwrap();
    assert_eq!(planned.changes.len(), 1);
    assert!(planned.catalogue.is_some());
    // White space alone is no catalogue.
    let nothing = [Declaration::Catalogue(" \n".to_owned())];
    assert!(plan(&before, &nothing).unwrap().catalogue.is_none());
    let gone = plan(&site(OWN), &nothing).unwrap();
    assert!(
        gone.changes.iter().all(|it| it.after == "(removed)"),
        "{:#?}",
        gone.changes
    );
    assert_eq!(gone.catalogue.unwrap().text, "");
}

#[test]
fn a_text_that_cannot_be_read_is_refused_with_its_place() {
    let declared = [Declaration::Catalogue(
        "product gpu \"GPU\"\n  price 1\n".to_owned(),
    )];
    let error = plan(&site(""), &declared).unwrap_err();
    let expected = "the own catalogue, line 2, column 3: 'price' must follow the SKU that it is \
                    about";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn every_name_that_loses_a_price_is_found() {
    let with = site(OWN);
    let lost = |next: &str| {
        let next = with.catalogue.layered(next).unwrap();
        with.catalog.lost_prices(&next)
    };
    assert_eq!(lost(OWN), []);
    let names: Vec<String> = lost("").into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["gpu minutes", "gpu-min", "gpu_minutes"]);
    let later = OWN.replace("2026-07-01", "2026-08-01");
    let until = Some(day("2026-08-01"));
    assert!(lost(&later).iter().all(|it| it.until == until));
    assert_eq!(lost(&later).len(), 3);
    let without_alias = OWN.replace("  alias gpu-min\n", "");
    let name = "gpu-min".to_owned();
    assert_eq!(lost(&without_alias), [LostPrice { name, until: None }]);
    assert_eq!(lost(&OWN.replace("0.05", "9.99")), []);
}

#[test]
fn discounts_are_on_what_the_same_file_brings_and_only_of_those_who_pay() {
    let discount = |scope| NegotiatedDiscount {
        scope,
        percent: Percent::parse("10").unwrap(),
        from: Some(day("2026-07-01")),
        until: None,
    };
    let organization = |scope| {
        Declaration::Organization(OrganizationDeclaration {
            login: "octo".into(),
            standalone: false,
            plan: None,
            discounts: Some(vec![discount(scope)]),
            owners: None,
            billing_managers: None,
            members: None,
        })
    };
    let on = |sku: &str| organization(DiscountScope::Sku(sku.to_owned()));
    let account = AccountName::new(AccountKind::Organization, "octo");
    let file = [on("gpu_minutes"), Declaration::Catalogue(OWN.to_owned())];
    let planned = plan(&site(""), &file).unwrap();
    let list = vec![discount(DiscountScope::Sku("gpu_minutes".to_owned()))];
    assert_eq!(planned.settings, [(account, Setting::Discounts(list))]);
    let error = plan(&site(""), &[on("gpu_minutes")]).unwrap_err();
    let expected = "organization octo has a discount on sku gpu_minutes, and the catalogue has no \
                    such SKU";
    assert_eq!(error.to_string(), expected);
    let product = organization(DiscountScope::Product("moon".to_owned()));
    let error = plan(&site(""), &[product]).unwrap_err();
    assert!(matches!(
        error,
        DeclareError::UnknownScope {
            what: "product",
            ..
        }
    ));
}

#[test]
fn a_month_is_read_as_it_is_written() {
    assert_eq!(Month::parse("2026-06"), Month::new(2026, 6));
    for bad in ["2026-6", "2026-13", "2026-06-01", "202606", "", "2026-06-"] {
        assert!(Month::parse(bad).is_err(), "{bad}");
    }
}
