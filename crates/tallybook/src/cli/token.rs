//! `tallybook token create`, `list` and `revoke`.
//!
//! Invariant: `create` prints the token on stdout and nothing else, and no other command prints it.

use super::arguments::TokenCreate;
use super::client::Client;
use super::open::{WhenEmpty, open};
use super::output::table;
use super::place::Place;
use crate::auth::{Grants, Secret, TokenTerms, secret};
use crate::engine::Engine;
use crate::engine::commit::Actor;
use anyhow::{Context, bail};
use clap::ArgMatches;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use tallybook_core::time::Instant;
use tallybook_store::TokenRow;

/// Creates a token and prints it.
pub(crate) fn create(
    create: TokenCreate,
    matches: &ArgMatches,
    now: Instant,
) -> anyhow::Result<()> {
    let terms = TokenTerms {
        grants: grants(&create)?,
        dialect: create.dialect,
    };
    if create.expires.is_some_and(|at| at <= now) {
        bail!("--expires must be in the future");
    }
    let text = match create.place.resolve(matches)? {
        Place::Directory(directory) => super::runtime()?.block_on(async {
            let opened = open(&directory, WhenEmpty::Create, now).await?;
            let actor = Actor::command("token create");
            let secret = add(&opened.engine, &terms, create.expires, &actor, now).await?;
            anyhow::Ok(secret.expose().to_owned())
        })?,
        Place::Server { url, token } => {
            let answer: Value =
                Client::new(url, &token).post("tokens", &body(&terms, create.expires))?;
            let text = answer.get("token").and_then(Value::as_str);
            text.context("the server's answer has no token")?.to_owned()
        }
    };
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}

/// Adds a token with a new secret, which the caller shows once.
pub(crate) async fn add(
    engine: &Engine,
    terms: &TokenTerms,
    expires_at: Option<Instant>,
    actor: &Actor,
    now: Instant,
) -> anyhow::Result<Secret> {
    let secret = Secret::generate().context("no random numbers for a token")?;
    let id = secret::generate_id().context("no random numbers for a token's id")?;
    let row = TokenRow {
        id,
        hash: secret.hash(),
        grants: terms.encode()?,
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    engine.add_token(row, actor).await?;
    Ok(secret)
}

fn grants(create: &TokenCreate) -> anyhow::Result<Grants> {
    let accounts = create.accounts.iter().map(|text| text.trim());
    if create.metering_write {
        return Grants::sender(accounts, create.sources.clone()).context("--metering-write");
    }
    if create.import {
        return Grants::importer(accounts).context("--import");
    }
    let Some(user) = &create.user else {
        return Ok(Grants::SiteAdmin);
    };
    let texts = |list: &[String]| {
        list.iter()
            .map(|it| it.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let (scopes, permissions) = (texts(&create.scopes), texts(&create.permissions));
    if permissions.is_empty() {
        let granted = Grants::classic(user, scopes.iter().map(String::as_str));
        return granted.context("--scopes");
    }
    let granted = Grants::fine_grained(user, permissions.iter().map(String::as_str));
    granted.context("--permissions")
}

fn body(terms: &TokenTerms, expires_at: Option<Instant>) -> Value {
    let mut body = match &terms.grants {
        Grants::SiteAdmin => json!({"site_admin": true}),
        Grants::Classic { user, scopes } => json!({"user": user, "scopes": scopes}),
        Grants::FineGrained { user, permissions } => {
            json!({"user": user, "permissions": permissions})
        }
        Grants::Sender(sender) => {
            let mut body = json!(sender);
            body["metering_write"] = true.into();
            body
        }
        Grants::Importer { accounts } => json!({"import": true, "accounts": accounts}),
    };
    if let Some(dialect) = terms.dialect {
        body["dialect"] = dialect.as_str().into();
    }
    if let Some(at) = expires_at {
        body["expires_at"] = at.to_string().into();
    }
    body
}

/// Prints every token, without secrets.
pub(crate) fn list(place: Place, now: Instant) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = match place {
        Place::Directory(directory) => super::runtime()?.block_on(async {
            let opened = open(&directory, WhenEmpty::Refuse, now).await?;
            opened
                .engine
                .tokens()
                .iter()
                .map(|row| shown(row, now))
                .collect::<Result<_, _>>()
        })?,
        Place::Server { url, token } => {
            let answer: Value = Client::new(url, &token).get("tokens")?;
            let tokens = answer.get("tokens").and_then(Value::as_array);
            let tokens = tokens.context("the server's answer has no tokens")?;
            tokens.iter().map(|token| answered(token, now)).collect()
        }
    };
    let head = [
        "ID", "KIND", "USER", "MAY", "DIALECT", "CREATED", "EXPIRES", "STATE",
    ];
    table(&mut io::stdout().lock(), &head, &rows)?;
    Ok(())
}

fn shown(row: &TokenRow, now: Instant) -> anyhow::Result<Vec<String>> {
    let terms = TokenTerms::decode(&row.grants).with_context(|| format!("token {}", row.id))?;
    let mut token = body(&terms, row.expires_at);
    token["id"] = row.id.clone().into();
    token["created_at"] = row.created_at.to_string().into();
    token["revoked_at"] = row.revoked_at.map(|at| at.to_string()).into();
    token["kind"] = match terms.grants {
        Grants::SiteAdmin => "site_admin",
        Grants::Classic { .. } => "classic",
        Grants::FineGrained { .. } => "fine_grained",
        Grants::Sender(_) => "sender",
        Grants::Importer { .. } => "importer",
    }
    .into();
    Ok(answered(&token, now))
}

/// A row of the table, from the body of `/metering/v1/tokens`.
fn answered(token: &Value, now: Instant) -> Vec<String> {
    let text = |key: &str| token[key].as_str().unwrap_or_default().to_owned();
    let scopes: Option<Vec<String>> = serde_json::from_value(token["scopes"].clone()).ok();
    let permissions: Option<BTreeMap<String, String>> =
        serde_json::from_value(token["permissions"].clone()).ok();
    let may = match (scopes, permissions) {
        _ if token["kind"] == "sender" => sending(token),
        _ if token["kind"] == "importer" => format!("import into {}", texts(token, "accounts")),
        (Some(scopes), _) => scopes.join(","),
        (None, Some(permissions)) => {
            let pairs = permissions
                .iter()
                .map(|(name, level)| format!("{name}={level}"));
            pairs.collect::<Vec<_>>().join(",")
        }
        (None, None) => "everything".to_owned(),
    };
    let expires_at = text("expires_at");
    let has_expired = Instant::parse(&expires_at).is_ok_and(|at| at <= now);
    let state = match () {
        () if !text("revoked_at").is_empty() => "revoked",
        () if has_expired => "expired",
        () => "live",
    };
    let state = state.to_owned();
    vec![
        text("id"),
        text("kind"),
        text("user"),
        may,
        text("dialect"),
        text("created_at"),
        expires_at,
        state,
    ]
}

/// What a sending token may send: its accounts, and its sources if they are limited.
fn sending(token: &Value) -> String {
    let accounts = texts(token, "accounts");
    match texts(token, "sources") {
        sources if sources.is_empty() => format!("send for {accounts}"),
        sources => format!("send for {accounts} from {sources}"),
    }
}

/// The texts of a list, joined.
fn texts(token: &Value, key: &str) -> String {
    let texts = token[key].as_array().into_iter().flatten();
    let texts: Vec<&str> = texts.filter_map(Value::as_str).collect();
    texts.join(",")
}

/// Revokes a token.
pub(crate) fn revoke(id: &str, place: Place, now: Instant) -> anyhow::Result<()> {
    match place {
        Place::Directory(directory) => super::runtime()?.block_on(async {
            let opened = open(&directory, WhenEmpty::Refuse, now).await?;
            let actor = Actor::command("token revoke");
            if !opened.engine.revoke_token(id, now, &actor).await? {
                bail!("there is no live token {id}: see tallybook token list");
            }
            Ok(())
        })?,
        Place::Server { url, token } => {
            let is_plain = id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if id.is_empty() || !is_plain {
                bail!("'{id}' is not the id of a token: see tallybook token list");
            }
            let _: Value = Client::new(url, &token).delete(&format!("tokens/{id}"))?;
        }
    }
    writeln!(io::stdout(), "Revoked token {id}.")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dialect;

    #[test]
    fn a_token_s_row_says_what_it_may_and_whether_it_lives() {
        let now = Instant::parse("2026-10-02").expect("an instant");
        let grants = Grants::fine_grained("hubot", ["plan=read"]).expect("grants");
        let row = TokenRow {
            id: "abc".to_owned(),
            hash: [0; 32],
            grants: TokenTerms {
                grants,
                dialect: Some(Dialect::Observed),
            }
            .encode()
            .expect("a line"),
            created_at: Instant::parse("2026-09-01").expect("an instant"),
            expires_at: Instant::parse("2026-10-01").ok(),
            revoked_at: None,
        };
        let cells = shown(&row, now).expect("a row");
        let expected = [
            "abc",
            "fine_grained",
            "hubot",
            "plan=read",
            "observed",
            "2026-09-01T00:00:00Z",
            "2026-10-01T00:00:00Z",
            "expired",
        ];
        assert_eq!(cells, expected);
        let sender = Grants::sender(["user/hubot"], vec!["/ci".to_owned()]).expect("grants");
        let row = TokenRow {
            grants: sender.encode().expect("a line"),
            expires_at: None,
            ..row
        };
        let cells = shown(&row, now).expect("a row");
        assert_eq!(cells[1..4], ["sender", "", "send for user/hubot from /ci"]);
        let importer = Grants::importer(["user/hubot"]).expect("grants");
        let row = TokenRow {
            grants: importer.encode().expect("a line"),
            ..row
        };
        let cells = shown(&row, now).expect("a row");
        assert_eq!(cells[1..4], ["importer", "", "import into user/hubot"]);
        let admin = answered(
            &json!({"id": "x", "kind": "site_admin", "revoked_at": null}),
            now,
        );
        assert_eq!(admin[3..], ["everything", "", "", "", "live"]);
    }
}
