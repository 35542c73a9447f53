//! A client that others wrote, unchanged, against a server on a port of the system's choice.
//!
//! octocrab reads the quantities of `usage` as integers, as GitHub's schema says; so these are.

use crate::server::{Server, detailed, organization, premium_requests, user};
use octocrab::{Error, Octocrab};
use tallybook::auth::Grants;
use tallybook_core::account::AccountName;

/// A server that listens until the test ends.
async fn listen(server: &Server) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = server.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn client(url: &str, secret: &str) -> Octocrab {
    let builder = Octocrab::builder().base_uri(url).unwrap();
    builder.personal_token(secret.to_owned()).build().unwrap()
}

async fn server() -> Server {
    let server = Server::new("2025-12-05T12:00:00Z").await;
    let file =
        "{organizations: [{login: octo-org, owners: [monalisa]}], users: [{login: monalisa}]}";
    server.apply(file).await;
    let accounts: [(AccountName, &str); 2] = [
        (organization("octo-org"), "octo-org"),
        (user("monalisa"), ""),
    ];
    for (account, owner) in accounts {
        let minutes = format!(
            "2025-12-01,actions,actions_linux,100,minutes,0.008,0.8,0.3,0.5,,{owner},api,,"
        );
        let requests = format!(
            "2025-12-02,monalisa,copilot,copilot_premium_request,GPT-5,10,requests,0.04,0.4,0,0.4,\
             False,300,{owner},,0,0"
        );
        let files = [
            ("minutes", detailed(&[&minutes])),
            ("requests", premium_requests(&[&requests])),
        ];
        server.import(&account, &files).await;
    }
    server
}

#[tokio::test]
async fn octocrab_reads_an_organizations_billing() {
    let server = server().await;
    let grants = Grants::classic("monalisa", ["admin:org"]).unwrap();
    let secret = server.token("octocrab", &grants, None).await;
    // Both base paths, as on github.com and on an Enterprise Server.
    let url = listen(&server).await;
    for base in [url.clone(), format!("{url}/api/v3")] {
        let octocrab = client(&base, &secret);
        let billing = octocrab.billing().org("Octo-Org");
        let usage = billing.usage(2025).month(12).send().await.unwrap();
        assert_eq!(usage.usage_items.len(), 2);
        let item = &usage.usage_items[0];
        assert_eq!(
            (item.date.as_str(), item.sku.as_str(), item.quantity),
            ("2025-12-01", "Actions Linux", 100)
        );
        assert_eq!(item.organization_name.as_deref(), Some("octo-org"));
        assert_eq!(item.repository_name.as_deref(), Some("octo-org/api"));

        let summary = billing
            .usage_summary(2025)
            .product("actions")
            .send()
            .await
            .unwrap();
        assert_eq!(
            (summary.time_period.year, summary.time_period.month),
            (2025, None)
        );
        assert_eq!(summary.organization.as_deref(), Some("octo-org"));
        assert_eq!(summary.product.as_deref(), Some("Actions"));
        assert_eq!(summary.usage_items[0].sku, "actions_linux");
        assert_eq!(summary.usage_items[0].net_amount.to_string(), "0.5");

        let requests = billing
            .premium_request_usage(2025)
            .user("MonaLisa")
            .send()
            .await
            .unwrap();
        assert_eq!(requests.user.as_deref(), Some("monalisa"));
        assert_eq!(requests.usage_items[0].model, "GPT-5");
        let credits = billing
            .ai_credit_usage(2025)
            .month(12)
            .send()
            .await
            .unwrap();
        assert!(credits.usage_items.is_empty());
    }
}

#[tokio::test]
async fn octocrab_reads_a_users_billing() {
    let server = server().await;
    let grants = Grants::fine_grained("monalisa", ["plan=read"]).unwrap();
    let secret = server.token("octocrab", &grants, None).await;
    let octocrab = client(&listen(&server).await, &secret);
    let billing = octocrab.billing().user("monalisa");
    let usage = billing.usage(2025).month(12).day(1).send().await.unwrap();
    assert_eq!(usage.usage_items.len(), 1);
    assert_eq!(usage.usage_items[0].organization_name, None);
    assert_eq!(
        usage.usage_items[0].repository_name.as_deref(),
        Some("monalisa/api")
    );
    let summary = billing.usage_summary(2025).month(12).send().await.unwrap();
    assert_eq!(
        (summary.user.as_deref(), summary.usage_items.len()),
        (Some("monalisa"), 2)
    );
    let requests = billing.premium_request_usage(2025).send().await.unwrap();
    assert_eq!(requests.usage_items[0].gross_quantity.to_string(), "10");
    let credits = billing.ai_credit_usage(2025).send().await.unwrap();
    assert!(credits.usage_items.is_empty());
}

/// Errors arrive as the errors of GitHub that octocrab knows.
#[tokio::test]
async fn octocrab_understands_refusals() {
    let server = server().await;
    let grants = Grants::classic("monalisa", ["user"]).unwrap();
    let secret = server.token("octocrab", &grants, None).await;
    let url = listen(&server).await;
    let octocrab = client(&url, &secret);
    let status = |error: Error| match error {
        Error::GitHub { source, .. } => (source.status_code.as_u16(), source.message),
        other => panic!("{other:?}"),
    };
    let billing = octocrab.billing();
    let refused = billing
        .org("octo-org")
        .usage(2025)
        .send()
        .await
        .unwrap_err();
    assert_eq!(status(refused).0, 403);
    let unknown = billing
        .org("nobody")
        .usage_summary(2025)
        .send()
        .await
        .unwrap_err();
    assert_eq!(status(unknown), (404, "Not Found".to_owned()));
    let bad = billing
        .user("monalisa")
        .usage(2025)
        .month(13)
        .send()
        .await
        .unwrap_err();
    assert_eq!(status(bad).0, 400);
    let retired = billing.org("octo-org").actions().await.unwrap_err();
    assert_eq!(
        status(retired),
        (410, "This endpoint has been moved.".to_owned())
    );
    let stranger = client(&url, "tally_unknown");
    let stranger = stranger
        .billing()
        .user("monalisa")
        .usage(2025)
        .send()
        .await
        .unwrap_err();
    assert_eq!(status(stranger), (401, "Bad credentials".to_owned()));
}
