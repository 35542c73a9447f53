//! The program: an engine over a store in memory, asked and told over its HTTP router.

use crate::ORGANIZATION;
use crate::catalogue::{Discount, Own, Scope};
use crate::model::{Body, Event, Imported, Receipt, Used};
use axum::body::Body as HttpBody;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tallybook::clock::Clock;
use tallybook::engine::apply::ApplyError;
use tallybook::engine::commit::Actor;
use tallybook::engine::entropy::Entropy;
use tallybook::engine::{Engine, Options};
use tallybook::http::app::{App, HttpSettings};
use tallybook::http::router::router;
use tallybook::import::ReadOptions;
use tallybook::importing::Importer;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::ids::ImportId;
use tallybook_core::time::Instant;
use tallybook_store::testing::MemoryStore;
use tower::ServiceExt;

const ADMIN: &str = "boss";

/// Keys grow old within a history.
const RECENT_KEYS: usize = 40;

pub(crate) struct System {
    store: Arc<MemoryStore>,
    engine: Arc<Engine>,
    now: Instant,
}

async fn open(store: &Arc<MemoryStore>, now: Instant) -> Arc<Engine> {
    let options = Options {
        recent_keys: RECENT_KEYS,
        entropy: Entropy::System,
        ..Options::default()
    };
    let store = Arc::<MemoryStore>::clone(store);
    Engine::open(store, options, now).await.unwrap()
}

fn account() -> AccountName {
    AccountName::new(AccountKind::Organization, ORGANIZATION)
}

impl System {
    pub(crate) async fn new(now: &str) -> Self {
        let store = Arc::new(MemoryStore::default());
        let now = Instant::parse(now).unwrap();
        let engine = open(&store, now).await;
        let system = Self { store, engine, now };
        system.plan("free").await;
        system
    }

    pub(crate) fn set_clock(&mut self, now: &str) {
        self.now = Instant::parse(now).unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.engine.settle().await;
        self.engine = open(&self.store, self.now).await;
    }

    pub(crate) async fn sweep(&self) {
        self.engine.settle().await;
        self.engine.sweep(self.now).await.unwrap();
    }

    pub(crate) async fn verify(&self) {
        self.engine.settle().await;
        self.engine.verify().await.unwrap();
    }

    pub(crate) async fn plan(&self, plan: &str) {
        self.apply(&format!(
            "organizations: [{{login: {ORGANIZATION}, plan: {plan}}}]"
        ))
        .await;
    }

    pub(crate) async fn visibility(&self, repository: &str, public: bool) {
        let visibility = if public { "public" } else { "private" };
        let name = format!("{ORGANIZATION}/{repository}");
        self.apply(&format!(
            "repositories: [{{name: {name}, visibility: {visibility}}}]"
        ))
        .await;
    }

    /// Puts an own catalogue in force; false when it is refused.
    pub(crate) async fn catalogue(&self, own: &Own) -> bool {
        let file = json!({"catalog": own.text()}).to_string();
        match self.try_apply(&file).await {
            Ok(()) => true,
            Err(ApplyError::InUse { .. } | ApplyError::Awaited { .. }) => false,
            Err(error) => panic!("{error}: {file}"),
        }
    }

    pub(crate) async fn discounts(&self, discounts: &[Discount]) {
        let list = discounts.iter().map(|discount| {
            let mut stated = json!({"percent": discount.percent});
            match discount.scope {
                Scope::Account => {}
                Scope::Product(name) => stated["product"] = name.into(),
                Scope::Sku(name) => stated["sku"] = name.into(),
            }
            let days = [("from", &discount.from), ("until", &discount.until)];
            for (key, day) in days {
                if let Some(day) = day {
                    stated[key] = day.as_str().into();
                }
            }
            stated
        });
        let list: Value = list.collect();
        let file = json!({"organizations": [{"login": ORGANIZATION, "discounts": list}]});
        self.apply(&file.to_string()).await;
    }

    async fn apply(&self, file: &str) {
        self.try_apply(file).await.unwrap();
    }

    async fn try_apply(&self, file: &str) -> Result<(), ApplyError> {
        let declarations = tallybook::billing_file::parse(file).unwrap();
        let actor = Actor::command("test");
        let applied = self.engine.apply(self.now, &actor, &declarations, false);
        applied.await.map(drop)
    }

    /// Imports a detailed report; gives the import's id.
    pub(crate) async fn import(&self, lines: &[Imported]) -> String {
        let mut report = "date,product,sku,quantity,unit_type,applied_cost_per_quantity,\
                          gross_amount,discount_amount,net_amount,username,organization,\
                          repository,workflow_path,cost_center_name\n"
            .to_owned();
        for line in lines {
            let numbers = [&line.gross, &line.discount, &(&line.gross - &line.discount)];
            let [gross, discount, net] = numbers.map(|it| it.normalized().to_plain_string());
            report.push_str(&format!(
                "{},actions,{},{},minutes,{},{gross},{discount},{net},{},{ORGANIZATION},{},w.yml,\n",
                line.day,
                line.sku_name,
                line.quantity.to_plain_string(),
                line.price.to_plain_string(),
                line.user,
                line.repository
            ));
        }
        let actor = Actor::command("test");
        let session = self.engine.begin_import(&account(), &actor, self.now);
        let mut importer = Importer::new(session.unwrap(), ReadOptions::default());
        importer.read("report", report.as_bytes()).unwrap();
        let imported = importer.commit().await.unwrap();
        imported.outcome.import.record.id.to_string()
    }

    pub(crate) async fn revert(&self, id: &str) {
        let id = ImportId::parse(id).unwrap();
        let actor = Actor::command("test");
        let engine = &self.engine;
        engine
            .revert_import(&account(), id, &actor, self.now)
            .await
            .unwrap();
    }

    /// Sends events; the status must be the one of the receipt.
    pub(crate) async fn submit(&self, events: &[Event], skip: bool) -> Receipt {
        let batch: Vec<Value> = events.iter().map(cloud_event).collect();
        let mode = if skip { "skip" } else { "reject" };
        let request = Request::post(format!("/metering/v1/events?on_error={mode}"))
            .header("host", "localhost")
            .header("content-type", "application/cloudevents-batch+json")
            .header("authorization", format!("Bearer {ADMIN}"))
            .body(HttpBody::from(Value::from(batch).to_string()));
        let (status, answer) = self.send(request.unwrap()).await;
        let count = |key: &str| answer[key].as_u64().unwrap_or_else(|| panic!("{answer}"));
        let rejected = answer["rejected"].as_array().unwrap().iter().map(|it| {
            let code = it["code"].as_str().unwrap();
            let codes = [
                "unknown_payer",
                "unknown_sku",
                "no_price",
                "conflict",
                "not_usage",
            ];
            let code = codes.into_iter().find(|known| *known == code);
            (
                it["index"].as_u64().unwrap(),
                code.unwrap_or_else(|| panic!("{it}")),
            )
        });
        let receipt = Receipt {
            accepted: count("accepted"),
            duplicates: count("duplicates"),
            pending: count("pending"),
            rejected: rejected.collect(),
        };
        let has_conflict = receipt.rejected.iter().any(|(_, code)| *code == "conflict");
        let expected = match (skip || receipt.rejected.is_empty(), has_conflict) {
            (true, _) => 200,
            (false, true) => 409,
            (false, false) => 422,
        };
        assert_eq!(status, expected, "{answer}");
        receipt
    }

    /// Asks for the organization's billing.
    pub(crate) async fn ask(&self, endpoint: &str, query: &str) -> (u16, Value) {
        let query = query.replace(' ', "%20");
        let path = format!("/organizations/{ORGANIZATION}/settings/billing/{endpoint}?{query}");
        let request = Request::get(path)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {ADMIN}"))
            .body(HttpBody::empty());
        self.send(request.unwrap()).await
    }

    /// The ids of the corrections in a state.
    pub(crate) async fn corrections(&self, state: &str) -> Vec<String> {
        let mut ids = Vec::new();
        for page in 1.. {
            let path = format!(
                "/metering/v1/organizations/{ORGANIZATION}/corrections?state={state}&page={page}"
            );
            let request = Request::get(path)
                .header("host", "localhost")
                .header("authorization", format!("Bearer {ADMIN}"))
                .body(HttpBody::empty());
            let (status, answer) = self.send(request.unwrap()).await;
            assert_eq!(status, 200, "{answer}");
            let found = answer["corrections"].as_array().unwrap();
            if found.is_empty() {
                break;
            }
            let found = found.iter().map(|it| it["id"].as_str().unwrap().to_owned());
            ids.extend(found);
        }
        ids
    }

    async fn send(&self, request: Request<HttpBody>) -> (u16, Value) {
        let settings = HttpSettings {
            admin_token: Some(ADMIN.to_owned()),
            ..HttpSettings::default()
        };
        let app = App::new(Arc::clone(&self.engine), Clock::Fixed(self.now), settings);
        let response = router(app).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

fn cloud_event(event: &Event) -> Value {
    let used = |used: &Used| {
        let mut data = json!({
            "sku": used.sku,
            "quantity": used.quantity,
            "organization": event.organization,
            "repository": used.repository,
        });
        for (key, name) in [("user", &used.user), ("model", &used.model)] {
            if !name.is_empty() {
                data[key] = name.as_str().into();
            }
        }
        data
    };
    let (kind, mut data) = match &event.body {
        Body::Usage(usage) => ("usage", used(usage)),
        Body::Void(_) => ("void", json!({"organization": event.organization})),
        Body::Amend(_, usage) => ("amend", used(usage)),
    };
    if let Body::Void(target) | Body::Amend(target, _) = &event.body {
        data["target"] = json!({"source": "/ci", "id": target});
    }
    json!({
        "specversion": "1.0",
        "id": event.id,
        "source": "/ci",
        "type": kind,
        "time": event.time,
        "data": data,
    })
}
