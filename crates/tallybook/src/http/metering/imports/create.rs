//! `POST .../imports`: one report as the body, or several as a form.
//!
//! Invariant: the upload streams; nothing of it is kept but what the ledger keeps, and it counts
//! whole or not at all.

use super::kind;
use crate::auth::EndpointFamily;
use crate::clock::Stopwatch;
use crate::config::Limits;
use crate::http::account::Account;
use crate::http::app::App;
use crate::http::context::Context;
use crate::http::error::{ApiError, FieldError};
use crate::http::metering::{actor, to_the_end};
use crate::http::params::{BadParameter, Params};
use crate::http::upload::{self, Upload};
use crate::import::{DateOrder, ReadError, ReadOptions, latest_day};
use crate::importing::Importer;
use crate::wire::imports::ImportAnswer;
use axum::Json;
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::{StatusCode, header};
use std::sync::Arc;
use tallybook_core::account::AccountName;
use tallybook_core::time::Instant;

/// What a report is called that came as a body without a name.
const BODY_NAME: &str = "body";

/// Content types of a body that is one report; what compresses it is told by its first bytes.
const ONE_FILE: [&str; 6] = [
    "text/csv",
    "application/csv",
    "application/gzip",
    "application/x-gzip",
    "application/zstd",
    "application/octet-stream",
];

/// Imports usage reports for an account.
#[utoipa::path(
    post,
    path = "/metering/v1/{kind}/{name}/imports",
    tag = "imports",
    params(
        ("kind" = String, Path, description = "`enterprises`, `organizations` or `users`"),
        ("name" = String, Path, description = "The slug or login"),
        ("skip_bad_lines" = Option<bool>, Query, description = "Leave bad lines out and list them"),
        ("refuse_overlap" = Option<bool>, Query,
            description = "Refuse the import if events have reported some of its usage, too"),
        ("dates" = Option<String>, Query,
            description = "The order of day, month and year where a spreadsheet changed the dates: \
                `mdy`, `dmy` or `ymd`; by default the one that all dates of a file fit"),
        ("future" = Option<bool>, Query, description = "Take lines of days after tomorrow, too"),
        ("file_name" = Option<String>, Query, description = "What to call a `text/csv` body"),
    ),
    request_body(
        description = "One report, plain or compressed by gzip or zstd; or several, as files",
        content((String = "text/csv"), (String = "multipart/form-data")),
    ),
    responses(
        (status = 201, description = "Imported", body = ImportAnswer),
        (status = 200, description = "The same bytes were live already", body = ImportAnswer),
        (status = 409, description = "An organization is another account's (told to a site \
            administrator only); or events have \
            reported some of the usage, and `refuse_overlap` was given"),
        (status = 413, description = "Larger than a limit"),
        (status = 422, description = "A line or header that is not understood; or organizations \
            that are not declared as the account's own, which are listed"),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    Path((plural, name)): Path<(String, String)>,
    context: Context,
    request: Request,
) -> Result<(StatusCode, Json<ImportAnswer>), ApiError> {
    let kind = kind(&plural)?;
    let actor = actor(&context)?;
    // A site administrator's import creates an account that does not exist yet.
    let authorized = if actor.is_site_admin {
        None
    } else {
        let account = Account::find(&app, kind, &name)?;
        account.authorize(&app, EndpointFamily::WriteImports(kind), &context)?;
        Some(account.found.payer)
    };
    let params = Params::read(request.uri())?;
    let options = options(&params, &app.limits, context.now)?;
    let account = AccountName::new(kind, name.as_str());
    let session = app.engine.begin_import(&account, &actor, context.now)?;
    if authorized.is_some_and(|payer| payer != *session.account()) {
        // Who pays was changed between the two looks.
        return Err(ApiError::not_found());
    }
    let session = session.refuse_overlap(params.flag("refuse_overlap")?);

    let stopwatch = Stopwatch::start();
    let file_name = params.text("file_name")?.unwrap_or(BODY_NAME);
    let importer = Importer::new(session, options);
    let importer = receive(importer, &app.limits, file_name, request).await?;
    let report = to_the_end(importer.commit()).await??;
    let status = if report.outcome.repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let answer = report.answer(stopwatch.elapsed());
    let outcome = &report.outcome;
    app.engine
        .warm_later(Arc::clone(&outcome.view), &outcome.import);
    Ok((status, Json(answer)))
}

fn options(params: &Params, limits: &Limits, now: Instant) -> Result<ReadOptions, ApiError> {
    let order = params.text("dates")?.map(|text| {
        DateOrder::parse(text)
            .ok_or_else(|| BadParameter::new("dates", "it must be mdy, dmy or ymd"))
    });
    let future = params.flag("future")?;
    let mut options = ReadOptions {
        skip_bad_lines: params.flag("skip_bad_lines")?,
        dates: order.transpose()?,
        latest_day: (!future).then(|| latest_day(now)),
        ..ReadOptions::default()
    };
    options.limits.line_bytes = usize::try_from(limits.line_bytes).unwrap_or(usize::MAX);
    options.limits.file_bytes = limits.import_bytes;
    Ok(options)
}

/// Reads the request's body on a thread that may block.
async fn receive(
    importer: Importer,
    limits: &Limits,
    file_name: &str,
    request: Request,
) -> Result<Importer, ApiError> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let (pump, upload) = upload::channel();
    let limits = limits.clone();
    let reading = tokio::task::spawn_blocking(move || read(importer, upload, &limits));
    let read = if essence == "multipart/form-data" {
        let form = Multipart::from_request(request, &()).await;
        let form = form.map_err(|error| ApiError::bad_request(error.to_string()))?;
        tokio::join!(pump.form(form), reading).1
    } else if ONE_FILE.contains(&essence.as_str()) {
        let body = request.into_body().into_data_stream();
        tokio::join!(pump.body(file_name, body), reading).1
    } else {
        let message = "The content type must be text/csv or multipart/form-data.";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    };
    read.map_err(ApiError::internal)?
}

fn read(mut importer: Importer, mut upload: Upload, limits: &Limits) -> Result<Importer, ApiError> {
    let broken = |error: std::io::Error| ApiError::bad_request(error.to_string());
    let (mut files, mut bytes) = (0, 0u64);
    while let Some(name) = upload.next_file().map_err(broken)? {
        files += 1;
        if files > limits.import_files {
            let (most, flag) = (limits.import_files, Limits::IMPORT_FILES);
            return Err(too_large(format!(
                "An import has at most {most} files ({flag})."
            )));
        }
        let summary = importer.read(&name, &mut upload)?;
        bytes = bytes.saturating_add(summary.bytes);
        if bytes > limits.import_bytes {
            let (most, flag) = (limits.import_bytes, Limits::IMPORT_BYTES);
            return Err(too_large(format!(
                "An import has at most {most} bytes ({flag})."
            )));
        }
    }
    if files == 0 {
        return Err(ApiError::bad_request("The request has no file."));
    }
    Ok(importer)
}

fn too_large(message: String) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::BadLine(bad) => {
                let field = FieldError {
                    resource: "UsageReport",
                    field: bad.column.clone().unwrap_or_default(),
                    code: "invalid",
                    message: None,
                };
                Self::validation(error.to_string(), vec![field])
            }
            ReadError::FileTooLong { .. } => {
                too_large(format!("{error} ({}).", Limits::IMPORT_BYTES))
            }
            // The receiver of lines gives up only when the engine fails.
            ReadError::Sink { .. } => Self::internal(error),
            ReadError::Io { .. } => Self::bad_request(error.to_string()),
            _ => Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        }
    }
}
