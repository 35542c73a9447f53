//! Access tokens: kept in the store, looked up in memory.
//!
//! Invariant: what is in memory is what the store holds; only this process writes it.

use super::audit::{Action, Actor, Deed};
use super::{Engine, EngineError};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use tallybook_core::time::Instant;
use tallybook_store::{AppendError, Effect, Store, TokenRow};

/// Every token by the hash of its secret.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    by_hash: RwLock<Arc<HashMap<[u8; 32], TokenRow>>>,
}

impl Tokens {
    pub(super) async fn load(store: &dyn Store) -> Result<Self, EngineError> {
        let tokens = Self::default();
        tokens.reload(store).await?;
        Ok(tokens)
    }

    async fn reload(&self, store: &dyn Store) -> Result<(), EngineError> {
        let rows = store.tokens().await?;
        let by_hash = rows.into_iter().map(|row| (row.hash, row)).collect();
        let mut slot = self
            .by_hash
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *slot = Arc::new(by_hash);
        Ok(())
    }

    fn all(&self) -> Arc<HashMap<[u8; 32], TokenRow>> {
        Arc::clone(
            &self
                .by_hash
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}

impl Engine {
    /// The token whose secret has this hash, even if expired or revoked.
    #[must_use]
    pub fn token(&self, hash: &[u8; 32]) -> Option<TokenRow> {
        self.tokens.all().get(hash).cloned()
    }

    /// The token with this id, even if expired or revoked.
    #[must_use]
    pub fn token_with_id(&self, id: &str) -> Option<TokenRow> {
        let all = self.tokens.all();
        all.values().find(|row| row.id == id).cloned()
    }

    /// Every token, oldest first.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenRow> {
        let mut rows: Vec<_> = self.tokens.all().values().cloned().collect();
        rows.sort_by(|left, right| (left.created_at, &left.id).cmp(&(right.created_at, &right.id)));
        rows
    }

    /// Adds a token.
    pub async fn add_token(&self, row: TokenRow, actor: &Actor) -> Result<(), EngineError> {
        let deed = Deed::site(Action::TokenCreate)
            .with("id", &*row.id)
            .with("before", Value::Null)
            .with("after", rights(&row));
        let audit = actor.did(row.created_at, deed);
        self.effects(vec![Effect::AddToken(row), audit]).await
    }

    /// Revokes the token with this id. Returns whether there was a live one.
    pub async fn revoke_token(
        &self,
        id: &str,
        now: Instant,
        actor: &Actor,
    ) -> Result<bool, EngineError> {
        let all = self.tokens.all();
        let live = |row: &&TokenRow| row.id == id && row.revoked_at.is_none();
        let Some(row) = all.values().find(live) else {
            return Ok(false);
        };
        let deed = Deed::site(Action::TokenRevoke)
            .with("id", id)
            .with("before", rights(row))
            .with("after", Value::Null);
        let revoke = Effect::RevokeToken {
            id: id.to_owned(),
            at: now,
        };
        let audit = actor.did(now, deed);
        self.effects(vec![revoke, audit]).await?;
        Ok(true)
    }

    /// A small value set earlier.
    pub async fn fact(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.store.fact(key).await?)
    }

    /// Sets a small value.
    pub async fn set_fact(&self, key: &str, value: Vec<u8>) -> Result<(), EngineError> {
        self.effects(vec![Effect::SetFact {
            key: key.to_owned(),
            value,
        }])
        .await
    }

    async fn effects(&self, effects: Vec<Effect>) -> Result<(), EngineError> {
        let _turn = self.turn().await;
        let done = self.store.append(Vec::new(), effects).await;
        // Also after a failure: if the outcome is unknown, the store decides.
        self.tokens.reload(self.store.as_ref()).await?;
        match done {
            Ok(()) => Ok(()),
            Err(AppendError::Refused(error) | AppendError::Unknown(error)) => Err(error.into()),
            Err(error @ AppendError::Conflict { .. }) => {
                Err(EngineError::System(error.to_string()))
            }
        }
    }
}

/// What a token may do, and until when.
fn rights(row: &TokenRow) -> Value {
    // Grants are JSON; anything else is shown unchanged.
    let grants = serde_json::from_str(&row.grants).unwrap_or_else(|_| json!(row.grants));
    let expires_at = row.expires_at.map(|at| at.to_string());
    json!({"grants": grants, "expires_at": expires_at})
}
