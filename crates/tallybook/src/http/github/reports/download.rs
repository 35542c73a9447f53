//! `GET /reports/{id}/{part}`: a report's file, by a signed link.
//!
//! Invariant: the signature is checked first, so that a forged link does not reveal which reports
//! exist; then whether the holder may still see the report. Files are streamed.

use super::links;
use crate::engine::audit::Action;
use crate::http::app::App;
use crate::http::conditional::FileTag;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::github::usage::read::with_as_of;
use crate::http::repeats::{Download, Refused};
use crate::jobs::Reports;
use crate::jobs::keys::{HolderName, Signed};
use crate::jobs::state::{Job, ReportFile, Status};
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::io::{ErrorKind, SeekFrom};
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

/// Bytes read from a file at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// The SHA-256 of the whole file before any compression, in hexadecimal digits.
const CHECKSUM: HeaderName = HeaderName::from_static("x-checksum-sha256");

/// Downloads a file of a usage report, or a range of it. The link is all that is needed.
#[utoipa::path(
    get,
    path = "/reports/{id}/{part}",
    tag = "reports",
    params(
        ("id" = String, Path, description = "The report's id"),
        ("part" = u64, Path, description = "Which of its files, from 1"),
        ("for" = String, Query, description = "For whom the link was made"),
        ("expires" = i64, Query, description = "The second from which the link is stale"),
        ("key" = u64, Query, description = "Which key signed it"),
        ("signature" = String, Query, description = "The signature"),
    ),
    security(()),
    responses(
        (status = 200, description = "The file", body = String, content_type = "text/csv"),
        (status = 206, description = "A range of it", body = String, content_type = "text/csv"),
        (status = 304, description = "The client holds the file already (`If-None-Match`)"),
        (status = 403, description = "A link that was changed or is stale"),
        (status = 404, description = "A report that was removed"),
        (status = 416, description = "A range after the end"),
    )
)]
pub async fn download(
    State(app): State<Arc<App>>,
    Path((id, part)): Path<(String, String)>,
    context: RequestContext,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asked = asked(&app, &id, &part, &context, &uri).inspect_err(|error| {
        if error.status == StatusCode::FORBIDDEN {
            let repeats = &app.frame.repeats;
            repeats.refuse(Refused::Link, context.address, None, context.now);
        }
    })?;
    let response = respond(app.reports()?, &asked, &headers).await?;
    if response.status().is_success() && method != Method::HEAD {
        record(&app, &asked, &context).await?;
    }
    Ok(response)
}

/// A file that may be downloaded.
struct Asked {
    job: Job,
    part: usize,
    stated: ReportFile,
    holder: HolderName,
}

/// The file of a link; 403 when the link is forged or no longer valid.
fn asked(
    app: &App,
    id: &str,
    part: &str,
    context: &RequestContext,
    uri: &Uri,
) -> Result<Asked, ApiError> {
    let refused = || {
        let message = "The link was changed, its time has passed, or who it was made for may not \
                       see the report any more: ask for the report again.";
        ApiError::new(StatusCode::FORBIDDEN, message)
    };
    let part: usize = part.parse().map_err(|_| refused())?;
    let Query(signed) = Query::<Signed>::try_from_uri(uri).map_err(|_| refused())?;
    let reports = app.reports()?;
    let proof = links::proof(app, &signed.holder);
    if !reports.accepts((id, part), &signed, proof, context.now) {
        return Err(refused());
    }
    let job = reports.find(id).ok_or_else(ApiError::not_found)?;
    if !links::may_see(app, &signed.holder, &job.account, context.now) {
        return Err(refused());
    }
    let stated = part.checked_sub(1).and_then(|place| job.parts.get(place));
    let stated = stated.filter(|_| job.status == Status::Completed);
    let stated = stated.cloned().ok_or_else(ApiError::not_found)?;
    let holder = signed.holder;
    Ok(Asked {
        job,
        part,
        stated,
        holder,
    })
}

/// The file, or the requested range of it.
async fn respond(
    reports: &Reports,
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let (job, part, stated) = (&asked.job, asked.part, &asked.stated);
    let tag = FileTag::of(&stated.sha256).map_err(ApiError::internal)?;
    let file = File::open(reports.path(job, part)).await;
    let file = file.map_err(|error| match error.kind() {
        // The data was restored from a backup, which contains no report files.
        ErrorKind::NotFound => ApiError::not_found(),
        _ => ApiError::internal(error),
    })?;
    let length = file.metadata().await.map_err(ApiError::internal)?.len();
    if length != stated.bytes {
        return Err(ApiError::internal(format!(
            "report {}, part {part}: {length} bytes are there, {} were written",
            job.id, stated.bytes
        )));
    }
    let common = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}\"", job.file_name(part)),
        ),
        (CHECKSUM, stated.sha256.clone()),
    ];
    let range = headers.get(header::RANGE).and_then(|it| it.to_str().ok());
    let range = range.filter(|_| tag.allows_range(headers));
    let range = range.and_then(|text| Range::read(text, length));
    let mut response = match range {
        _ if tag.matches(headers) => StatusCode::NOT_MODIFIED.into_response(),
        None => (common, whole(file, length)).into_response(),
        Some(Range::Part(first, last)) => {
            (common, partial(file, first, last, length).await?).into_response()
        }
        Some(Range::Nothing) => unsatisfiable(length)?,
    };
    response.headers_mut().insert(header::ETAG, tag.header());
    Ok(match &job.as_of {
        Some(as_of) => with_as_of(response, as_of),
        None => response,
    })
}

/// Records a download in the audit log, before anything is sent.
async fn record(app: &App, asked: &Asked, context: &RequestContext) -> Result<(), ApiError> {
    let download = Download {
        report: asked.job.id.clone(),
        part: asked.part,
        holder: asked.holder.to_string(),
        address: context.address,
    };
    let repeats = &app.frame.repeats;
    if !repeats.is_new(download.clone(), context.now) {
        return Ok(());
    }
    let deed = asked.job.deed(Action::ReportDownload);
    let actor = links::actor(app, &asked.holder, context);
    let line = actor.did(context.now, deed.with("part", asked.part));
    let recorded = app.engine.record(vec![line]).await;
    if recorded.is_err() {
        repeats.forget(&download);
    }
    Ok(recorded?)
}

fn whole(file: File, length: u64) -> Response {
    let length_header = [(header::CONTENT_LENGTH, length.to_string())];
    (length_header, stream(file, length)).into_response()
}

async fn partial(mut file: File, first: u64, last: u64, length: u64) -> Result<Response, ApiError> {
    let found = file.seek(SeekFrom::Start(first)).await;
    found.map_err(ApiError::internal)?;
    let count = last - first + 1;
    let headers = [
        (header::CONTENT_LENGTH, count.to_string()),
        (
            header::CONTENT_RANGE,
            format!("bytes {first}-{last}/{length}"),
        ),
    ];
    Ok((StatusCode::PARTIAL_CONTENT, headers, stream(file, count)).into_response())
}

fn unsatisfiable(length: u64) -> Result<Response, ApiError> {
    let message = "The range begins after the end of the file.";
    let mut response = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, message).into_response();
    let range = format!("bytes */{length}");
    let range = range.parse().map_err(ApiError::internal)?;
    response.headers_mut().insert(header::CONTENT_RANGE, range);
    Ok(response)
}

fn stream(file: File, count: u64) -> Body {
    Body::from_stream(ReaderStream::with_capacity(file.take(count), CHUNK_BYTES))
}

/// The range of a file that a `Range` header requests.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// From one byte to another, both included.
    Part(u64, u64),
    /// A range outside the file.
    Nothing,
}

impl Range {
    /// Reads a header; `None` when it must be ignored: other units, several ranges, nonsense.
    fn read(text: &str, length: u64) -> Option<Self> {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u64>().ok().filter(|_| digits)
        };
        if first.is_empty() {
            let count = number(last)?.min(length);
            return Some(match count {
                0 => Self::Nothing,
                count => Self::Part(length - count, length - 1),
            });
        }
        let first = number(first)?;
        let last = match last {
            "" => u64::MAX,
            last => number(last)?,
        };
        if last < first {
            return None;
        }
        if first >= length {
            return Some(Self::Nothing);
        }
        Some(Self::Part(first, last.min(length - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::Range::{self, Nothing, Part};

    #[test]
    fn ranges() {
        let read = |text| Range::read(text, 100);
        assert_eq!(read("bytes=0-9"), Some(Part(0, 9)));
        assert_eq!(read("bytes=90-"), Some(Part(90, 99)));
        assert_eq!(read("bytes=90-1000"), Some(Part(90, 99)));
        assert_eq!(read("bytes=-10"), Some(Part(90, 99)));
        assert_eq!(read("bytes=-1000"), Some(Part(0, 99)));
        assert_eq!(read("bytes=100-"), Some(Nothing));
        assert_eq!(read("bytes=-0"), Some(Nothing));
        for ignored in [
            "bytes=9-0",
            "bytes=",
            "lines=0-1",
            "bytes=0-1,3-4",
            "bytes=+1-2",
        ] {
            assert_eq!(read(ignored), None, "{ignored}");
        }
    }
}
