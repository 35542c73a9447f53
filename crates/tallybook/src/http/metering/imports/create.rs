//! `POST .../imports`: one report as the body, or several as a form.
//!
//! Invariant: the upload streams; only what the ledger needs is kept, and it counts completely or
//! not at all.

use super::kind;
use super::slots::ImportSlot;
use crate::auth::EndpointFamily;
use crate::clock::Stopwatch;
use crate::config::Limits;
use crate::http::account::NamedAccount;
use crate::http::app::App;
use crate::http::content_encoding::{ContentEncoding, MOST_ZSTD_WINDOW_LOG};
use crate::http::context::RequestContext;
use crate::http::error::{ApiError, FieldError};
use crate::http::form::{Form, FormError};
use crate::http::metering::{actor, to_the_end};
use crate::http::params::{BadParameter, Params};
use crate::http::upload::{self, AtMost, TooLong, Upload};
use crate::import::{DateOrder, ReadError, ReadOptions, latest_day};
use crate::importing::Importer;
use crate::wire::imports::ImportAnswer;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use std::io::{self, Read};
use std::sync::Arc;
use tallybook_core::account::AccountName;
use tallybook_core::ledger::builder::Most;
use tallybook_core::time::Instant;

/// The name of a report sent as a body without a name.
const BODY_NAME: &str = "body";

/// Content types of a body that is one report; its compression is detected from its first bytes.
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
        ("join" = Option<bool>, Query,
            description = "The files are parts of one report: count all of them, also where two \
                           state usage of the same days, SKUs and organizations"),
        ("file_name" = Option<String>, Query, description = "What to call a `text/csv` body"),
    ),
    request_body(
        description = "One report, plain or compressed by gzip or zstd; or several, as files. \
            The body may also have a `Content-Encoding` of gzip or zstd",
        content((String = "text/csv"), (String = "multipart/form-data")),
    ),
    responses(
        (status = 201, description = "Imported", body = ImportAnswer),
        (status = 200, description = "The same bytes were live already", body = ImportAnswer),
        (status = 408, description = "The body came too slowly"),
        (status = 409, description = "An organization is another account's (told to a site \
            administrator only); or two files state the same usage, and `join` was not given; or \
            events have reported some of the usage, and `refuse_overlap` was given"),
        (status = 413, description = "Larger than a limit"),
        (status = 415, description = "Another content type or encoding"),
        (status = 422, description = "A line or header that is not understood; or organizations \
            that are not declared as the account's own, which are listed"),
        (status = 503, description = "Too many imports are being uploaded: try again after \
            `Retry-After`"),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    Path((plural, name)): Path<(String, String)>,
    context: RequestContext,
    request: Request,
) -> Result<(StatusCode, Json<ImportAnswer>), ApiError> {
    let kind = kind(&plural)?;
    let actor = actor(&context)?;
    // A site administrator's import creates an account that does not exist yet.
    let authorized = if actor.is_site_admin {
        None
    } else {
        let account = NamedAccount::find(&app, kind, &name)?;
        account.authorize(&app, EndpointFamily::WriteImports(kind), &context)?;
        Some(account.found.payer)
    };
    let params = Params::read(request.uri())?;
    let options = options(&params, &app.limits, context.now)?;
    let account = AccountName::new(kind, name.as_str());
    let session = app.engine.begin_import(&account, &actor, context.now)?;
    if authorized.is_some_and(|payer| payer != *session.account()) {
        // The payer changed between the two checks.
        return Err(ApiError::not_found());
    }
    let most = Most {
        names: usize::try_from(app.limits.import_names).unwrap_or(usize::MAX),
        sums: usize::try_from(app.limits.import_sums).unwrap_or(usize::MAX),
    };
    let session = session
        .refuse_overlap(params.flag("refuse_overlap")?)
        .join(params.flag("join")?)
        .limit(most, app.limits.account_names);
    let slot = app.import_slots.take(&context.viewer()?.token_id)?;

    let stopwatch = Stopwatch::start();
    let file_name = params.text("file_name")?.unwrap_or(BODY_NAME);
    let importer = Importer::new(session, options);
    let (importer, slot) = receive(importer, slot, &app.limits, file_name, request).await?;
    let report = to_the_end(async move {
        let report = importer.commit().await;
        drop(slot);
        report
    });
    let report = report.await??;
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
    options.limits.zstd_window_log = MOST_ZSTD_WINDOW_LOG;
    Ok(options)
}

/// Reads the request's body on a thread that may block. The slot is held until it has ended.
async fn receive(
    importer: Importer,
    slot: ImportSlot,
    limits: &Limits,
    file_name: &str,
    request: Request,
) -> Result<(Importer, ImportSlot), ApiError> {
    let content = Content::of(request.headers(), file_name)?;
    let (pump, upload) = upload::channel();
    let limits = limits.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let importer = read(importer, content, upload, &limits)?;
        Ok((importer, slot))
    });
    let body = request.into_body().into_data_stream();
    let ((), read) = tokio::join!(pump.body(body), reading);
    read.map_err(ApiError::internal)?
}

/// The headers that describe the body.
struct Content {
    encoding: ContentEncoding,
    /// The name of the only file; without one, the body is a form.
    file_name: Option<String>,
    content_type: String,
}

impl Content {
    fn of(headers: &HeaderMap, file_name: &str) -> Result<Self, ApiError> {
        let content_type = headers.get(header::CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        let is_form = essence == "multipart/form-data";
        if !is_form && !ONE_FILE.contains(&essence.as_str()) {
            let message = "The content type must be text/csv or multipart/form-data.";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        Ok(Self {
            encoding: ContentEncoding::of(headers)?,
            file_name: (!is_form).then(|| file_name.to_owned()),
            content_type: content_type.to_owned(),
        })
    }
}

/// What a body may contain besides its files: boundaries, headers, other fields.
const OVERHEAD_BYTES: u64 = 16 << 20;

fn read(
    mut importer: Importer,
    content: Content,
    upload: Upload,
    limits: &Limits,
) -> Result<Importer, ApiError> {
    let most = limits.import_bytes.saturating_add(OVERHEAD_BYTES);
    let body = content.encoding.decode(AtMost::new(upload, most));
    let mut body = AtMost::new(body.map_err(|error| unreadable(&error))?, most);
    match content.file_name {
        Some(name) => {
            importer.read(&name, &mut body)?;
        }
        None => {
            let form = Form::new(&content.content_type, body, limits.import_files);
            let form = form.map_err(|error| unreadable(&error.into()))?;
            read_form(&mut importer, form, limits)?;
        }
    }
    Ok(importer)
}

fn read_form(
    importer: &mut Importer,
    mut form: Form<impl Read>,
    limits: &Limits,
) -> Result<(), ApiError> {
    let (mut has_file, mut bytes) = (false, 0u64);
    while let Some(name) = form.next_file().map_err(|error| unreadable(&error))? {
        has_file = true;
        let summary = importer.read(&name, &mut form)?;
        bytes = bytes.saturating_add(summary.bytes);
        if bytes > limits.import_bytes {
            let (most, flag) = (limits.import_bytes, Limits::IMPORT_BYTES);
            return Err(too_large(format!(
                "An import has at most {most} bytes ({flag})."
            )));
        }
    }
    if !has_file {
        return Err(ApiError::bad_request("The request has no file."));
    }
    Ok(())
}

/// Why a body cannot be read.
fn unreadable(error: &io::Error) -> ApiError {
    let Some(inner) = error.get_ref() else {
        return ApiError::bad_request(error.to_string());
    };
    if let Some(slow) = upload::slow_body(inner) {
        return ApiError::new(StatusCode::REQUEST_TIMEOUT, format!("Too slow: {slow}."));
    }
    if inner.is::<TooLong>() {
        return too_large(format!("{error} ({}).", Limits::IMPORT_BYTES));
    }
    match inner.downcast_ref() {
        Some(FormError::TooManyParts(_)) => {
            too_large(format!("{error} ({}).", Limits::IMPORT_FILES))
        }
        Some(FormError::HeadersTooLong) => too_large(format!("{error}.")),
        _ => ApiError::bad_request(error.to_string()),
    }
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
            // The sink fails only when the engine does.
            ReadError::Sink { .. } => Self::internal(error),
            ReadError::TooMuch { .. } => too_large(format!("{error}.")),
            ReadError::Io { source, .. } => {
                let unreadable = unreadable(source);
                if unreadable.status == StatusCode::BAD_REQUEST {
                    // The error's own words name the file.
                    Self::bad_request(error.to_string())
                } else {
                    unreadable
                }
            }
            _ => Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        }
    }
}
