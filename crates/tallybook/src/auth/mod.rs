//! Who is asking, and what they may do.
//!
//! Invariant: a secret is never stored, logged or shown again; only its hash is kept, and the
//! decision ([`authorize`]) is a pure function of the endpoint, the viewer and their relation to
//! the account. Look next: [`secret`], [`grants`], then [`decide`].

pub mod accounts;
pub mod credential;
pub mod decide;
pub mod grants;
pub mod secret;
pub mod sender;
pub mod strength;
pub mod terms;

pub use accounts::{Accounts, AccountsError};
pub use credential::{AdminToken, Credential, Unauthenticated, Viewer};
pub use decide::{Denied, EndpointFamily, Relation, Standing, authorize};
pub use grants::{Grants, GrantsError, Level, Permission, Scope};
pub use secret::Secret;
pub use sender::{Sender, SenderError};
pub use terms::TokenTerms;
