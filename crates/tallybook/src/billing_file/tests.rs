//! Billing files, good and bad: what they declare, and the positions of errors.

use super::*;

const DOCUMENTED: &str = "\
enterprises:
  - slug: octo-ent
    name: Octo Enterprise
    plan: enterprise
    owners: [monalisa]
    billing_managers: [hubot]
    organizations: [octo-org]
organizations:
  - login: octo-org
    owners: [monalisa]
    billing_managers: []
    members: [hubot]
users:
  - login: monalisa
    email: monalisa@example.com
    plan: pro
repositories:
  - name: octo-org/api
    visibility: private
";

#[test]
fn reads_every_section() {
    let declarations = parse(DOCUMENTED).expect("a good file");
    let [
        Declaration::Enterprise(enterprise),
        Declaration::Organization(organization),
        Declaration::User(user),
        Declaration::Repository(repository),
    ] = &declarations[..]
    else {
        panic!("{declarations:?}");
    };
    assert_eq!(enterprise.slug.as_str(), "octo-ent");
    assert_eq!(enterprise.name.as_deref(), Some("Octo Enterprise"));
    assert_eq!(enterprise.plan, Some(Plan::Enterprise));
    assert_eq!(enterprise.organizations, Some(vec![Name::from("octo-org")]));
    assert_eq!(organization.billing_managers, Some(Vec::new()));
    assert_eq!(organization.plan, None);
    assert_eq!(user.email.as_deref(), Some("monalisa@example.com"));
    assert_eq!(repository.owner.as_str(), "octo-org");
    assert_eq!(repository.visibility, Some(Visibility::Private));
}

#[test]
fn json_is_read_too_and_what_is_left_out_stays_open() {
    let declarations = parse(r#"{"users": [{"login": "hubot"}]}"#).expect("a good file");
    let expected = Declaration::User(UserDeclaration {
        login: Name::from("hubot"),
        email: None,
        plan: None,
        discounts: None,
    });
    assert_eq!(declarations, [expected]);
}

fn check_error(text: &str, expected: &str) {
    let error = parse(text).expect_err("the file is wrong");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn errors_say_where_and_what() {
    check_error(
        "users:\n  - login: mona lisa\n",
        "line 2, column 12: users[0].login: 'mona lisa' must be 1 to 100 letters, digits, \
         '-', '_' or '.'",
    );
    check_error(
        "enterprises:\n  - slug: e\n    plan: gold\n",
        "line 3, column 11: enterprises[0].plan: 'gold' is not a plan: free, pro, team, \
         enterprise are",
    );
    check_error(
        "repositories:\n  - name: api\n",
        "line 2, column 11: repositories[0].name: 'api' must be owner/name, such as \
         octo-org/api",
    );
    check_error(
        "users:\n  - login: a\n    mail: x\n",
        "line 3, column 5: users[0].mail: unknown field `mail`, expected one of login, \
         email, plan, discounts",
    );
    check_error(
        "users:\n  - login: a\n    email: nobody\n",
        "line 3, column 12: users[0].email: 'nobody' is not a mail address",
    );
    check_error("", "the file declares nothing");
    check_error("users: []\n", "the file declares nothing");
}

#[test]
fn duplicates_are_refused() {
    check_error(
        "users:\n  - login: a\n  - login: A\n",
        "users[1]: 'A' is declared already, in users[0]",
    );
    check_error(
        "enterprises:\n  - slug: a\n    organizations: [o]\n  - slug: b\n    \
         organizations: [O]\n",
        "enterprises[1].organizations: 'O' belongs to enterprise a already",
    );
    let error = parse("organizations:\n  - login: a\n    members: [x, X]\n");
    let error = error.expect_err("listed twice");
    assert!(error.reason.ends_with("'X' is listed twice"), "{error}");
    assert!(error.place.is_some());
    let error = parse("users:\n  - login: a\n    login: b\n").expect_err("a key twice");
    assert!(error.reason.contains("duplicate field `login`"), "{error}");
}

#[test]
fn a_catalogue_stands_in_the_file_or_beside_it() {
    let text = "catalog: |\n  product gpu \"GPU\"\n  # end\nusers: [{login: a}]\n";
    let declarations = parse(text).expect("a good file");
    let own = "product gpu \"GPU\"\n# end\n".to_owned();
    assert_eq!(declarations[0], Declaration::Catalogue(own.clone()));
    assert_eq!(declarations.len(), 2);
    let text = "catalog_file: prices/own.txt\nusers: [{login: a}]\n";
    let file = read(text).expect("a good file");
    assert_eq!(file.catalog_file.as_deref(), Some("prices/own.txt"));
    assert_eq!(file.declarations, declarations[1..]);
    let sent = with_catalog(text, &own).expect("a good file");
    assert_eq!(parse(&sent).expect("a good file"), declarations);
    check_error(
        "catalog_file: own.txt",
        "catalog_file: 'own.txt' is a file where the billing file is; send its text as catalog",
    );
    check_error(
        "{catalog: x, catalog_file: y}",
        "catalog and catalog_file: one of the two is the own catalogue, not both",
    );
}

#[test]
fn discounts_are_read_from_their_digits() {
    let list = |text: &str| {
        let file = format!("organizations:\n  - login: o\n    discounts:\n{text}");
        match parse(&file).map(|mut declarations| declarations.remove(0)) {
            Ok(Declaration::Organization(organization)) => {
                let discounts = organization.discounts.expect("discounts").into_iter();
                Ok(discounts.map(|it| it.to_string()).collect::<Vec<_>>())
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    };
    let good = "      - percent: 12.000000001\n        sku: actions_linux\n        \
                from: 2026-01-01\n        until: '2026-07-01'\n      - {percent: 100, product: \
                gpu}\n      - percent: \"5\"\n";
    let expected = [
        "12.000000001% on sku actions_linux from 2026-01-01 until 2026-07-01",
        "100% on product gpu",
        "5% on everything",
    ];
    assert_eq!(list(good).expect("good discounts"), expected);
    assert_eq!(list("      []\n").expect("no discounts"), [""; 0]);
    let wrong = |text: &str, reason: &str| {
        let error = list(&format!("      - {text}\n")).expect_err("a wrong discount");
        assert!(error.contains(reason), "{error}");
    };
    wrong(
        "{percent: 0}",
        "line 4, column 19: organizations[0].discounts[0].percent: the \
           percentage '0' must be above 0 and at most 100",
    );
    wrong("{percent: ten}", "the percentage 'ten' ");
    wrong(
        "{percent: 5, product: a, sku: b}",
        "on a product or on a SKU, not on both",
    );
    wrong(
        "{percent: 5, from: 2026-02-30}",
        "'2026-02-30' is not a day: ",
    );
    wrong(
        "{percent: 5, from: 2026-02-01, until: 2026-02-01}",
        "must be later than from",
    );
    wrong("{percent: 5, off: all}", "unknown field `off`");
}

/// Refusing a text after a few characters costs the same however long it is.
#[test]
fn deep_nesting_is_refused_where_it_becomes_too_deep() {
    let check = |error: BillingFileError, most: usize| {
        let (line, column) = error.place.expect("a place");
        assert!(line == 1 && column <= most, "{error}");
    };
    for opening in ["[", "{", "{a: ", "- ", "? "] {
        let text = opening.repeat(100_000);
        check(
            parse(&text).expect_err("no billing file"),
            40 * opening.len(),
        );
        let text = format!("users: {text}");
        check(
            parse(&text).expect_err("no billing file"),
            50 * opening.len(),
        );
    }
    // Where any value is allowed, only the depth is wrong.
    let text = format!("{{users: {}", "[".repeat(100_000));
    let error = with_catalog(&text, "").expect_err("too deep");
    assert!(
        error
            .reason
            .ends_with("it is nested more than 32 levels deep"),
        "{error}"
    );
    check(error, 50);
}

#[test]
fn aliases_repeat_a_list_and_no_more_than_the_limit() {
    let shared = "organizations:\n  - {login: a, owners: &owners [x, y]}\n  \
                  - {login: b, owners: *owners}\n";
    let declarations = parse(shared).expect("a good file");
    let owners = |declaration: &Declaration| match declaration {
        Declaration::Organization(organization) => organization.owners.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(owners(&declarations[0]), owners(&declarations[1]));

    let logins: Vec<String> = (0..1000).map(|number| format!("u{number}")).collect();
    let mut text = format!(
        "organizations:\n  - {{login: a, owners: &owners [{}]}}\n",
        logins.join(", ")
    );
    (0..1000).for_each(|number| text += &format!("  - {{login: o{number}, owners: *owners}}\n"));
    let error = parse(&text).expect_err("a million names in 40 kB");
    assert!(error.reason.contains("aliases repeat more than"), "{error}");

    let mut laughs = "users: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in ('b'..='k').zip('a'..) {
        let nine = vec![format!("*{before}"); 9].join(", ");
        laughs += &format!("{name}: &{name} [{nine}]\n");
    }
    let error = with_catalog(&laughs, "").expect_err("a billion repetitions");
    assert!(error.reason.contains("aliases repeat more than"), "{error}");
}

#[test]
fn a_file_is_refused_by_its_size_before_it_is_parsed() {
    let text = " ".repeat((16 << 20) + 1);
    check_error(
        &text,
        "the file has 16777217 bytes; a billing file has at most 16777216",
    );
}
