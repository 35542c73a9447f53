//! Query strings: a question that was meant, or an error; for every endpoint and kind of account.

#![no_main]

use axum::http::Uri;
use libfuzzer_sys::fuzz_target;
use tallybook::http::github::question::{UsageEndpoint, Question, Subject};
use tallybook::http::params::Params;
use tallybook::http::period::History;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::fold::Spellings;
use tallybook_core::ids::LogId;
use tallybook_core::ledger::Account;
use tallybook_core::site::Site;
use tallybook_core::site::directory::Found;
use tallybook_core::time::Instant;

const KINDS: [AccountKind; 3] = [
    AccountKind::Enterprise,
    AccountKind::Organization,
    AccountKind::User,
];
const ENDPOINTS: [UsageEndpoint; 4] = [
    UsageEndpoint::Usage,
    UsageEndpoint::Summary,
    UsageEndpoint::PremiumRequest,
    UsageEndpoint::AiCredit,
];

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(uri) = format!("/usage?{text}").parse::<Uri>() else {
        return;
    };
    let Ok(params) = Params::read(&uri) else {
        return;
    };
    let site = Site::default();
    let now = Instant::parse("2026-11-21T12:00:00Z").expect("a time");
    for kind in KINDS {
        let payer = AccountName::new(kind, "octo");
        let account = Account::new(LogId(1), payer.clone());
        let spellings = Spellings::new(&account);
        let found = Found {
            display: "octo".to_owned(),
            payer,
            log: Some(LogId(1)),
            only: None,
            past: Vec::new(),
        };
        for endpoint in ENDPOINTS {
            let subject = Subject {
                kind,
                found: &found,
                site: &site,
                spellings: (&spellings).into(),
            };
            let history = History { months: 24 };
            if let Ok(question) = Question::read(endpoint, subject, &params, now, history) {
                let query = question.query;
                assert!(query.from <= query.to);
                assert!(query.periods().count() < 20_000);
            }
        }
    }
});
