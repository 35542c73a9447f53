//! The audit log entries of imports and reverts.

use super::commit::named_organizations;
use super::session::Target;
use crate::engine::audit::{Action, Deed, shortened};
use serde_json::{Value, json};
use tallybook_core::account::AccountName;
use tallybook_core::ledger::record::ImportRecord;
use tallybook_core::name::Name;
use tallybook_core::site::Site;

/// The most files, and the most organizations, of an import that are listed.
const MOST_NAMED: usize = 100;

/// An import counts, and introduces what the site did not know: who pays for an organization is
/// decided by that.
pub(super) fn created(site: &Site, record: &ImportRecord, target: &Target, is_new: bool) -> Deed {
    let organizations = named_organizations(record, target);
    let new = |name: &&Name| site.directory.payer(name).is_none();
    let introduced: Vec<&str> = organizations.iter().filter(new).map(Name::as_str).collect();
    let first = &introduced[..introduced.len().min(MOST_NAMED)];
    deed(Action::ImportCreate, &target.account, record)
        .with("before", Value::Null)
        .with("after", "live")
        .with("is_new_account", is_new)
        .with("introduced_count", introduced.len())
        .with("introduced", first)
}

/// An import does not count any more.
pub(super) fn reverted(account: &AccountName, record: &ImportRecord) -> Deed {
    deed(Action::ImportRevert, account, record)
        .with("before", "live")
        .with("after", "reverted")
}

fn deed(action: Action, account: &AccountName, record: &ImportRecord) -> Deed {
    let files = record.files.iter().take(MOST_NAMED);
    let files: Vec<Value> = files
        .map(|file| json!({"name": shortened(&file.name), "lines": file.lines}))
        .collect();
    let organization = record.organization.as_ref().map(|name| name.as_str());
    Deed::on(account, action)
        .with("id", record.id.to_string())
        .with("organization", organization)
        .with("lines", record.lines())
        .with("file_count", record.files.len())
        .with("files", files)
}
