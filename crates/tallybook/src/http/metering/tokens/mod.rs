//! `/metering/v1/tokens`, for site administrators.

pub mod create;
pub mod list;
pub mod revoke;

use crate::auth::TokenTerms;
use crate::http::error::ApiError;
use crate::wire::tokens::{Life, Token};
use tallybook_store::TokenRow;

/// A stored token, as shown to clients.
fn shown(row: &TokenRow) -> Result<Token, ApiError> {
    let terms = TokenTerms::decode(&row.grants).map_err(ApiError::internal)?;
    let life = Life {
        created_at: row.created_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
    };
    Ok(Token::new(&row.id, &terms, life))
}
