//! The entries of the site's log.

use crate::account::{AccountKind, AccountName};
use crate::batch::Entry;
use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{ImportId, LogId};
use crate::name::Name;
use crate::names::codec::{
    read_name, read_names, read_optional, write_name, write_names, write_optional,
};
use crate::names::{Dictionary, Draft};

/// One fact of the site. Each replaces the previous fact about the same subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteEntry {
    /// The catalogue's whole text.
    Catalogue(String),
    /// An account got a log.
    OpenAccount {
        /// Its log, which never changes.
        log: LogId,
        /// The account.
        account: AccountName,
    },
    /// An enterprise, as declared.
    Enterprise(EnterpriseFact),
    /// An organization, as declared.
    Organization(OrganizationFact),
    /// A user, as declared.
    User(UserFact),
    /// A live import names these organizations and users.
    Seen {
        /// The import.
        import: ImportId,
        /// The account that it was imported for.
        log: LogId,
        /// Organizations that it names.
        organizations: Vec<Name>,
        /// Users that it names.
        users: Vec<Name>,
    },
    /// An import was reverted: what only it named is no longer known.
    Withdrawn(ImportId),
    /// Usage events name these users.
    Met(Vec<Name>),
    /// The site's own catalogue, which is read over the built-in one.
    OwnCatalogue {
        /// Its whole text; empty when there is none any more.
        text: String,
        /// Who put it there: a token's id or a command, as in the audit log.
        by: String,
    },
}

/// An enterprise's whole declared state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnterpriseFact {
    /// The slug in paths.
    pub slug: Name,
    /// The display name.
    pub display: String,
    /// Users who own it.
    pub owners: Vec<Name>,
    /// Users who manage its billing.
    pub billing_managers: Vec<Name>,
}

/// An organization's whole declared state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationFact {
    /// Its login.
    pub login: Name,
    /// The enterprise that pays for it; it pays for itself when there is none.
    pub enterprise: Option<Name>,
    /// Users who own it.
    pub owners: Vec<Name>,
    /// Users who manage its billing.
    pub billing_managers: Vec<Name>,
    /// Other members.
    pub members: Vec<Name>,
}

/// A user's whole declared state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFact {
    /// Their login.
    pub login: Name,
    /// Where mail goes.
    pub email: Option<String>,
}

const CATALOGUE: u8 = 1;
const OPEN_ACCOUNT: u8 = 2;
const ENTERPRISE: u8 = 3;
const ORGANIZATION: u8 = 4;
const USER: u8 = 5;
const SEEN: u8 = 6;
const WITHDRAWN: u8 = 7;
const MET: u8 = 8;
const OWN_CATALOGUE: u8 = 9;

impl SiteEntry {
    /// Encodes the entry, with name ids from `names`.
    pub fn encode(&self, names: &mut Draft<'_>) -> Entry {
        let mut out = Writer::new();
        let tag = match self {
            Self::Catalogue(text) => {
                out.text(text);
                CATALOGUE
            }
            Self::OpenAccount { log, account } => {
                out.varint(log.0);
                out.byte(kind_code(account.kind));
                write_name(&mut out, names, account.name.as_str());
                OPEN_ACCOUNT
            }
            Self::Enterprise(fact) => {
                write_name(&mut out, names, fact.slug.as_str());
                write_name(&mut out, names, &fact.display);
                write_names(&mut out, names, &fact.owners);
                write_names(&mut out, names, &fact.billing_managers);
                ENTERPRISE
            }
            Self::Organization(fact) => {
                write_name(&mut out, names, fact.login.as_str());
                write_optional(&mut out, names, fact.enterprise.as_ref().map(Name::as_str));
                write_names(&mut out, names, &fact.owners);
                write_names(&mut out, names, &fact.billing_managers);
                write_names(&mut out, names, &fact.members);
                ORGANIZATION
            }
            Self::User(fact) => {
                write_name(&mut out, names, fact.login.as_str());
                write_optional(&mut out, names, fact.email.as_deref());
                USER
            }
            Self::Seen {
                import,
                log,
                organizations,
                users,
            } => {
                out.raw(&import.0);
                out.varint(log.0);
                write_names(&mut out, names, organizations);
                write_names(&mut out, names, users);
                SEEN
            }
            Self::Met(users) => {
                write_names(&mut out, names, users);
                MET
            }
            Self::OwnCatalogue { text, by } => {
                out.text(text);
                out.text(by);
                OWN_CATALOGUE
            }
            Self::Withdrawn(import) => {
                out.raw(&import.0);
                WITHDRAWN
            }
        };
        Entry {
            tag,
            payload: out.finish(),
        }
    }

    /// Reads an entry back.
    pub fn decode(entry: &Entry, names: &Dictionary) -> Result<Self, DecodeError> {
        let mut input = Reader::new(&entry.payload);
        let reader = &mut input;
        let decoded = match entry.tag {
            CATALOGUE => Self::Catalogue(reader.text("catalogue")?.to_owned()),
            OPEN_ACCOUNT => {
                let log = LogId(reader.varint("log")?);
                let kind = read_kind(reader)?;
                Self::OpenAccount {
                    log,
                    account: AccountName::new(kind, read_name(reader, names)?),
                }
            }
            ENTERPRISE => Self::Enterprise(EnterpriseFact {
                slug: read_name(reader, names)?,
                display: read_name(reader, names)?.as_str().to_owned(),
                owners: read_names(reader, names)?,
                billing_managers: read_names(reader, names)?,
            }),
            ORGANIZATION => Self::Organization(OrganizationFact {
                login: read_name(reader, names)?,
                enterprise: read_optional(reader, names)?,
                owners: read_names(reader, names)?,
                billing_managers: read_names(reader, names)?,
                members: read_names(reader, names)?,
            }),
            USER => Self::User(UserFact {
                login: read_name(reader, names)?,
                email: read_optional(reader, names)?.map(|name| name.as_str().to_owned()),
            }),
            SEEN => Self::Seen {
                import: ImportId(reader.array("import")?),
                log: LogId(reader.varint("log")?),
                organizations: read_names(reader, names)?,
                users: read_names(reader, names)?,
            },
            MET => Self::Met(read_names(reader, names)?),
            OWN_CATALOGUE => Self::OwnCatalogue {
                text: reader.text("own catalogue")?.to_owned(),
                by: reader.text("author of an own catalogue")?.to_owned(),
            },
            WITHDRAWN => Self::Withdrawn(ImportId(reader.array("import")?)),
            _ => {
                return Err(DecodeError::Invalid {
                    what: "site entry tag",
                    at: 0,
                });
            }
        };
        input.finish("site entry")?;
        Ok(decoded)
    }
}

fn kind_code(kind: AccountKind) -> u8 {
    match kind {
        AccountKind::Enterprise => 1,
        AccountKind::Organization => 2,
        AccountKind::User => 3,
    }
}

fn read_kind(reader: &mut Reader<'_>) -> Result<AccountKind, DecodeError> {
    match reader.byte("account kind")? {
        1 => Ok(AccountKind::Enterprise),
        2 => Ok(AccountKind::Organization),
        3 => Ok(AccountKind::User),
        _ => Err(reader.invalid("account kind")),
    }
}
