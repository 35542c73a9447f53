//! The billing file: who exists, who pays and who may look, as `tallybook apply -f` reads it.
//!
//! YAML, and therefore also JSON. The site's own catalogue is embedded as a text (`catalog`), or in
//! a separate file (`catalog_file`), which only the command line can read. Invariant: a file is
//! understood completely or refused with line, column and reason; names are checked here, but how
//! they affect the current state is decided by the core. Look next: `tallybook_core::declaration`.

mod discount;
mod yaml;

use discount::Discounts;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::fmt;
use tallybook_core::account::{self, Plan, Visibility};
use tallybook_core::declaration::{
    Declaration, EnterpriseDeclaration, OrganizationDeclaration, RepositoryDeclaration,
    UserDeclaration,
};
use tallybook_core::name::Name;

/// The longest name or mail address, in bytes.
const MAX_TEXT: usize = 255;

/// What is wrong with a billing file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct BillingFileError {
    /// Line and column, both from 1, where they are known.
    pub place: Option<(usize, usize)>,
    /// What is wrong, beginning with the path of the entry.
    pub reason: String,
}

impl fmt::Display for BillingFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.reason)
    }
}

/// The contents of a billing file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillingFile {
    /// What the file itself declares.
    pub declarations: Vec<Declaration>,
    /// The path of the site's catalogue, relative to the billing file's folder.
    pub catalog_file: Option<String>,
}

/// Reads a billing file's text: catalogue, enterprises, then organizations, users and repositories.
/// One that refers to another file is refused: there is no folder here.
pub fn parse(text: &str) -> Result<Vec<Declaration>, BillingFileError> {
    let file = read(text)?;
    match file.catalog_file {
        None => Ok(file.declarations),
        Some(path) => Err(unlocated(format!(
            "catalog_file: '{path}' is a file where the billing file is; send its text as catalog"
        ))),
    }
}

/// Reads a billing file's text, which may refer to a catalogue file.
pub fn read(text: &str) -> Result<BillingFile, BillingFileError> {
    let file: Option<File> = yaml::from_str(text)?;
    let mut file = file.unwrap_or_default();
    file.check_duplicates()?;
    if file.catalog.is_some() && file.catalog_file.is_some() {
        let reason = "catalog and catalog_file: one of the two is the own catalogue, not both";
        return Err(unlocated(reason.to_owned()));
    }
    let catalog_file = file.catalog_file.take();
    let declarations = file.into_declarations();
    if declarations.is_empty() && catalog_file.is_none() {
        return Err(unlocated("the file declares nothing".to_owned()));
    }
    Ok(BillingFile {
        declarations,
        catalog_file,
    })
}

/// The same billing file with the catalogue's text embedded, for sending to a server.
pub fn with_catalog(text: &str, catalog: &str) -> Result<String, BillingFileError> {
    let mut file: serde_json::Map<String, Value> = yaml::from_str(text)?;
    file.remove("catalog_file");
    file.insert("catalog".to_owned(), catalog.into());
    serde_json::to_string(&file).map_err(|error| unlocated(error.to_string()))
}

fn unlocated(reason: String) -> BillingFileError {
    BillingFileError {
        place: None,
        reason,
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    catalog: Option<String>,
    catalog_file: Option<String>,
    enterprises: Vec<Enterprise>,
    organizations: Vec<Organization>,
    users: Vec<User>,
    repositories: Vec<Repository>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enterprise {
    slug: Login,
    name: Option<Text>,
    plan: Option<PlanWord>,
    discounts: Option<Discounts>,
    owners: Option<Logins>,
    billing_managers: Option<Logins>,
    organizations: Option<Logins>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Organization {
    login: Login,
    #[serde(default)]
    standalone: bool,
    plan: Option<PlanWord>,
    discounts: Option<Discounts>,
    owners: Option<Logins>,
    billing_managers: Option<Logins>,
    members: Option<Logins>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    login: Login,
    email: Option<Email>,
    plan: Option<PlanWord>,
    discounts: Option<Discounts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repository {
    name: FullName,
    visibility: Option<VisibilityWord>,
}

/// A slug or login.
struct Login(Name);

/// Several distinct logins.
struct Logins(Vec<Name>);

/// `owner/name`.
struct FullName {
    owner: Name,
    name: Name,
}

/// A display name.
struct Text(String);

struct Email(String);

struct PlanWord(Plan);

struct VisibilityWord(Visibility);

/// Reads and checks a text during parsing, so that the error has the text's own position.
struct Checked<T> {
    expecting: &'static str,
    check: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for Checked<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.check)(text).map_err(E::custom)
    }
}

macro_rules! checked_text {
    ($name:ident, $expecting:literal, $check:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Checked {
                    expecting: $expecting,
                    check: $check,
                })
            }
        }
    };
}

checked_text!(Login, "a slug or login", |text| name(text).map(Self));
checked_text!(FullName, "owner/name", full_name);
checked_text!(Text, "a name", |text| {
    if text.trim().is_empty() || text.len() > MAX_TEXT || text.contains(char::is_control) {
        return Err(format!(
            "must be 1 to {MAX_TEXT} bytes without control characters"
        ));
    }
    Ok(Self(text.to_owned()))
});
checked_text!(Email, "a mail address", email);
checked_text!(PlanWord, "a plan", |text| {
    let parsed = Plan::parse(text).map(Self);
    parsed.ok_or_else(|| unknown_word(text, "plan", Plan::ALL.iter().map(|it| it.as_str())))
});
checked_text!(VisibilityWord, "a visibility", |text| {
    let words = Visibility::ALL.iter().map(|it| it.as_str());
    let parsed = Visibility::parse(text).map(Self);
    parsed.ok_or_else(|| unknown_word(text, "visibility", words))
});

fn name(text: &str) -> Result<Name, String> {
    account::check_name(text).map_err(|reason| format!("'{text}' {reason}"))?;
    Ok(Name::from(text))
}

fn full_name(text: &str) -> Result<FullName, String> {
    let (owner, repository) = text
        .split_once('/')
        .ok_or_else(|| format!("'{text}' must be owner/name, such as octo-org/api"))?;
    Ok(FullName {
        owner: name(owner)?,
        name: name(repository)?,
    })
}

fn email(text: &str) -> Result<Email, String> {
    let is_address = text
        .split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
    let forbidden = |c: char| c.is_whitespace() || c.is_control();
    if !is_address || text.len() > MAX_TEXT || text.contains(forbidden) {
        return Err(format!("'{text}' is not a mail address"));
    }
    Ok(Email(text.to_owned()))
}

fn unknown_word<'a>(text: &str, what: &str, words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    format!("'{text}' is not a {what}: {} are", words.join(", "))
}

impl<'de> Deserialize<'de> for Logins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let logins = Vec::<Login>::deserialize(deserializer)?;
        let mut seen = HashSet::new();
        for Login(name) in &logins {
            if !seen.insert(name.folded()) {
                return Err(D::Error::custom(format!("'{name}' is listed twice")));
            }
        }
        Ok(Self(logins.into_iter().map(|Login(name)| name).collect()))
    }
}

/// Refuses the second of two entries with one name.
fn once(section: &str, names: impl Iterator<Item = String>) -> Result<(), BillingFileError> {
    let mut seen = HashMap::new();
    for (index, name) in names.enumerate() {
        if let Some(first) = seen.insert(name.to_ascii_lowercase(), index) {
            return Err(unlocated(format!(
                "{section}[{index}]: '{name}' is declared already, in {section}[{first}]"
            )));
        }
    }
    Ok(())
}

impl File {
    fn check_duplicates(&self) -> Result<(), BillingFileError> {
        once(
            "enterprises",
            self.enterprises.iter().map(|it| it.slug.0.to_string()),
        )?;
        once(
            "organizations",
            self.organizations.iter().map(|it| it.login.0.to_string()),
        )?;
        once("users", self.users.iter().map(|it| it.login.0.to_string()))?;
        let full_name = |it: &Repository| format!("{}/{}", it.name.owner, it.name.name);
        once("repositories", self.repositories.iter().map(full_name))?;
        self.check_payers()
    }

    /// Checks that each organization has one payer.
    fn check_payers(&self) -> Result<(), BillingFileError> {
        let mut payers: HashMap<_, &Name> = HashMap::new();
        for (index, enterprise) in self.enterprises.iter().enumerate() {
            for organization in enterprise.organizations.iter().flat_map(|it| &it.0) {
                let payer = &enterprise.slug.0;
                if let Some(payer) = payers.insert(organization.folded(), payer) {
                    return Err(unlocated(format!(
                        "enterprises[{index}].organizations: '{organization}' belongs to \
                         enterprise {payer} already"
                    )));
                }
            }
        }
        Ok(())
    }

    fn into_declarations(self) -> Vec<Declaration> {
        let catalogue = self.catalog.into_iter().map(Declaration::Catalogue);
        let enterprises = self.enterprises.into_iter().map(|it| {
            Declaration::Enterprise(EnterpriseDeclaration {
                slug: it.slug.0,
                name: it.name.map(|text| text.0),
                plan: it.plan.map(|word| word.0),
                discounts: it.discounts.map(Discounts::into_list),
                owners: it.owners.map(|logins| logins.0),
                billing_managers: it.billing_managers.map(|logins| logins.0),
                organizations: it.organizations.map(|logins| logins.0),
            })
        });
        let organizations = self.organizations.into_iter().map(|it| {
            Declaration::Organization(OrganizationDeclaration {
                login: it.login.0,
                standalone: it.standalone,
                plan: it.plan.map(|word| word.0),
                discounts: it.discounts.map(Discounts::into_list),
                owners: it.owners.map(|logins| logins.0),
                billing_managers: it.billing_managers.map(|logins| logins.0),
                members: it.members.map(|logins| logins.0),
            })
        });
        let users = self.users.into_iter().map(|it| {
            Declaration::User(UserDeclaration {
                login: it.login.0,
                email: it.email.map(|email| email.0),
                plan: it.plan.map(|word| word.0),
                discounts: it.discounts.map(Discounts::into_list),
            })
        });
        let repositories = self.repositories.into_iter().map(|it| {
            Declaration::Repository(RepositoryDeclaration {
                owner: it.name.owner,
                name: it.name.name,
                visibility: it.visibility.map(|word| word.0),
            })
        });
        catalogue
            .chain(enterprises)
            .chain(organizations)
            .chain(users)
            .chain(repositories)
            .collect()
    }
}

#[cfg(test)]
mod tests;
