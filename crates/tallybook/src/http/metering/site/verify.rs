//! `POST /metering/v1/verify`.

use crate::engine::audit::{Action, Deed, shortened};
use crate::engine::{EngineError, verify};
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::metering::{actor, authorize_site};
use crate::wire::site::{Verification, VerifiedAnswer};
use axum::Json;
use axum::extract::State;
use std::sync::Arc;
use tallybook_store::StoreError;

/// Reads everything again, recomputes everything, and says the first difference. A difference is an
/// answer, not an error: `ok` is false.
#[utoipa::path(
    post,
    path = "/metering/v1/verify",
    tag = "site",
    responses((status = 200, description = "What was found", body = Verification))
)]
pub async fn verify(
    State(app): State<Arc<App>>,
    context: RequestContext,
) -> Result<Json<Verification>, ApiError> {
    authorize_site(&context)?;
    let actor = actor(&context)?;
    let found = match app.engine.verify().await {
        Ok(verified) => Verification {
            ok: true,
            difference: None,
            verified: Some(answer(&verified)),
        },
        Err(
            error @ (EngineError::Damaged { .. } | EngineError::Store(StoreError::Damaged { .. })),
        ) => {
            tracing::error!(%error, "verify found a difference");
            Verification {
                ok: false,
                difference: Some(error.to_string()),
                verified: None,
            }
        }
        Err(error) => return Err(error.into()),
    };
    let line = actor.did(context.now, deed(found.difference.as_deref()));
    if let Err(error) = app.engine.record(vec![line]).await {
        // The findings matter more, and a damaged database may not accept the line.
        tracing::error!(%error, "could not record a verification in the audit log");
    }
    Ok(Json(found))
}

/// The audit log entry of a verification.
#[must_use]
pub fn deed(difference: Option<&str>) -> Deed {
    Deed::site(Action::Verify)
        .with("ok", difference.is_none())
        .with("difference", difference.map(shortened))
}

/// The counts of a verification, as answered.
#[must_use]
pub fn answer(verified: &verify::Verified) -> VerifiedAnswer {
    VerifiedAnswer {
        accounts: verified.accounts,
        batches: verified.batches,
        imports: verified.imports,
        lines: verified.lines,
        ledger_blobs: verified.ledger_blobs,
        statements: verified.statements,
        checkpoints: verified.checkpoints,
        derived_blobs: verified.derived_blobs,
        unused_blobs: verified.unused_blobs,
        unused_bytes: verified.unused_bytes,
    }
}
