//! Makes an event of its members: checks each value, and which members go together.
//!
//! Invariant: accepting the result only requires the directory and the catalogue; an error names
//! the member's path. Look next: [`super::value`] for single values.

use super::members::{Attributes, Data, Target, TokenCounts, read_object};
use super::{Fault, Lengths, value};
use crate::engine::metering::{Incoming, Payer};
use std::borrow::Cow;
use tallybook_core::account::check_name;
use tallybook_core::event::{Event, EventBody, EventName, Tokens, Usage};
use tallybook_core::name::Name;

/// The suffix of a GitHub App's login.
const BOT: &str = "[bot]";

/// Makes an event from its attributes.
pub(super) fn event(attributes: &Attributes<'_>, lengths: Lengths) -> Result<Incoming, Fault> {
    let version = needed("specversion", attributes.specversion, value::string)?;
    if version != "1.0" {
        return Err(Fault::new("specversion", "must be \"1.0\""));
    }
    let most = lengths.name_bytes;
    let id = needed("id", attributes.id, |json| value::id(json, most))?;
    let source = needed("source", attributes.source, |json| {
        value::source(json, most)
    })?;
    let kind = needed("type", attributes.kind, value::string)?;
    let time = needed("time", attributes.time, value::time)?;
    let data = data(attributes)?;
    let body = match &*kind {
        "usage" => {
            refuse(&data, &["target"], "usage")?;
            EventBody::Usage(usage(&data)?)
        }
        "void" => {
            refuse(&data, &VOID_REFUSES, "void")?;
            EventBody::Void(target(&data, most)?)
        }
        "amend" => EventBody::Amend(target(&data, most)?, usage(&data)?),
        _ => return Err(Fault::new("type", "must be usage, void or amend")),
    };
    Ok(Incoming {
        event: Event {
            name: EventName { source, id },
            time,
            body,
        },
        payer: payer(&data)?,
    })
}

/// Members that state usage, which a void must not have.
const VOID_REFUSES: [&str; 6] = [
    "sku",
    "quantity",
    "repository",
    "model",
    "workflow_path",
    "tokens",
];

fn data<'a>(attributes: &Attributes<'a>) -> Result<Data<'a>, Fault> {
    if present(attributes.base64).is_some() {
        let reason = "is not read: give the data as a JSON object in data";
        return Err(Fault::new("data_base64", reason));
    }
    if let Some(json) = present(attributes.content_type) {
        let member = "datacontenttype";
        let text = value::string(json).map_err(|reason| Fault::new(member, reason))?;
        let essence = text.split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        if essence != "application/json" && essence != "text/json" && !essence.ends_with("+json") {
            return Err(Fault::new(member, "must be application/json"));
        }
    }
    let json = present(attributes.data).ok_or_else(|| Fault::new("data", "is missing"))?;
    read_object("data", json)
}

fn refuse(data: &Data<'_>, members: &[&str], kind: &str) -> Result<(), Fault> {
    for member in members {
        let given = match *member {
            "target" => data.target,
            "sku" => data.sku,
            "quantity" => data.quantity,
            "repository" => data.repository,
            "model" => data.model,
            "workflow_path" => data.workflow,
            "tokens" => data.tokens,
            _ => None,
        };
        if present(given).is_some() {
            let reason = format!("has no place in an event of type {kind}");
            return Err(Fault::new(format!("data.{member}"), reason));
        }
    }
    Ok(())
}

fn usage(data: &Data<'_>) -> Result<Usage, Fault> {
    let usage = Usage {
        sku: needed("data.sku", data.sku, value::text)?.into(),
        quantity: needed("data.quantity", data.quantity, value::quantity)?,
        organization: login("data.organization", data.organization)?,
        repository: repository(data.repository)?,
        user: user(data.user)?,
        model: given("data.model", data.model, value::text)?.map(|text| Name::from(&*text)),
        workflow: given("data.workflow_path", data.workflow, value::text)?.map(Into::into),
        tokens: tokens(data.tokens)?,
    };
    // A user's own repositories have no organization.
    if usage.repository.is_some() && usage.organization.is_none() && !is_user_s(data) {
        let reason = "needs data.organization, whose repository it is";
        return Err(Fault::new("data.repository", reason));
    }
    Ok(usage)
}

fn is_user_s(data: &Data<'_>) -> bool {
    present(data.enterprise).is_none() && present(data.user).is_some()
}

fn payer(data: &Data<'_>) -> Result<Payer, Fault> {
    let payer = Payer {
        enterprise: login("data.enterprise", data.enterprise)?,
        organization: login("data.organization", data.organization)?,
        user: user(data.user)?,
    };
    if payer == Payer::default() {
        let reason = "names nobody who pays: give enterprise, organization or user";
        return Err(Fault::new("data", reason));
    }
    Ok(payer)
}

fn target(data: &Data<'_>, most: usize) -> Result<EventName, Fault> {
    let json = present(data.target).ok_or_else(|| Fault::new("data.target", "is missing"))?;
    let target: Target<'_> = read_object("data.target", json)?;
    Ok(EventName {
        source: needed("data.target.source", target.source, |json| {
            value::source(json, most)
        })?,
        id: needed("data.target.id", target.id, |json| value::id(json, most))?,
    })
}

fn tokens(json: Option<&str>) -> Result<Tokens, Fault> {
    let Some(json) = present(json) else {
        return Ok(Tokens::default());
    };
    let counts: TokenCounts<'_> = read_object("data.tokens", json)?;
    Ok(Tokens {
        input: given("data.tokens.input", counts.input, value::count)?,
        output: given("data.tokens.output", counts.output, value::count)?,
        cache_read: given("data.tokens.cache_read", counts.cache_read, value::count)?,
        cache_write: given("data.tokens.cache_write", counts.cache_write, value::count)?,
    })
}

fn login(member: &str, json: Option<&str>) -> Result<Option<Name>, Fault> {
    let Some(text) = given(member, json, value::string)? else {
        return Ok(None);
    };
    check_name(&text).map_err(|error| Fault::new(member, error.to_string()))?;
    Ok(Some(Name::from(&*text)))
}

/// Apps have logins that no person can have.
fn user(json: Option<&str>) -> Result<Option<Name>, Fault> {
    let member = "data.user";
    let Some(text) = given(member, json, value::string)? else {
        return Ok(None);
    };
    let login = text.strip_suffix(BOT).unwrap_or(&text);
    check_name(login).map_err(|error| Fault::new(member, error.to_string()))?;
    Ok(Some(Name::from(&*text)))
}

fn repository(json: Option<&str>) -> Result<Option<Name>, Fault> {
    let member = "data.repository";
    match given(member, json, value::string)? {
        Some(text) if text.contains('/') => {
            let reason = "must be the repository's own name, without its organization";
            Err(Fault::new(member, reason))
        }
        _ => login(member, json),
    }
}

/// `null` counts as absent.
fn present(json: Option<&str>) -> Option<&str> {
    json.filter(|json| *json != "null")
}

fn given<'a, T>(
    member: &str,
    json: Option<&'a str>,
    read: impl FnOnce(&'a str) -> Result<T, Cow<'static, str>>,
) -> Result<Option<T>, Fault> {
    let read = present(json).map(read).transpose();
    read.map_err(|reason| Fault::new(member, reason))
}

fn needed<'a, T>(
    member: &str,
    json: Option<&'a str>,
    read: impl FnOnce(&'a str) -> Result<T, Cow<'static, str>>,
) -> Result<T, Fault> {
    given(member, json, read)?.ok_or_else(|| Fault::new(member, "is missing"))
}
