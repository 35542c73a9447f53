//! Access tokens: kept in the store, looked up in memory.
//!
//! Invariant: what is in memory is what the store holds; only this process writes it.

use super::commit::Actor;
use super::{Engine, EngineError};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use tallybook_core::time::Instant;
use tallybook_store::{AppendError, AuditRow, Effect, Store, TokenRow};

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
    /// The token whose secret has this hash, also when it is expired or revoked.
    #[must_use]
    pub fn token(&self, hash: &[u8; 32]) -> Option<TokenRow> {
        self.tokens.all().get(hash).cloned()
    }

    /// The token with this id, also when it is expired or revoked.
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

    /// Adds a token. `detail` says in JSON what it may do, never its secret.
    pub async fn add_token(
        &self,
        row: TokenRow,
        actor: &Actor,
        detail: String,
    ) -> Result<(), EngineError> {
        let audit = audit(row.created_at, actor, "token.create", detail);
        self.effects(vec![Effect::AddToken(row), audit]).await
    }

    /// Revokes the token with this id. Says whether there was a live one.
    pub async fn revoke_token(
        &self,
        id: &str,
        now: Instant,
        actor: &Actor,
    ) -> Result<bool, EngineError> {
        let live = |row: &TokenRow| row.id == id && row.revoked_at.is_none();
        if !self.tokens.all().values().any(live) {
            return Ok(false);
        }
        let detail = format!("{{\"id\":\"{id}\"}}");
        let revoke = Effect::RevokeToken {
            id: id.to_owned(),
            at: now,
        };
        self.effects(vec![revoke, audit(now, actor, "token.revoke", detail)])
            .await?;
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
        // Also after a failure: an unknown outcome is what the store says now.
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

fn audit(at: Instant, actor: &Actor, action: &str, detail: String) -> Effect {
    let (actor, action) = (actor.name.clone(), action.to_owned());
    Effect::Audit(AuditRow {
        at,
        actor,
        action,
        detail,
    })
}
