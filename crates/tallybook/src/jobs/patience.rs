//! Transient failures: retries with growing pauses.
//!
//! Invariant: a failure because the machine is short of resources is not the report's fault, and
//! does not count as an attempt.

use crate::engine::export::ExportError;
use std::future::Future;
use std::io::ErrorKind;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a transient failure is retried: with [`LONGEST_PAUSE`], for some three hours, as long
/// as mail.
const RETRIES: u32 = 24;

/// The longest pause between two of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// "Too many open files", in the process and in the system.
#[cfg(unix)]
const TOO_MANY_OPEN_FILES: [i32; 2] = [24, 23];
#[cfg(not(unix))]
const TOO_MANY_OPEN_FILES: [i32; 1] = [4];

/// Whether a failure may be transient.
fn is_passing(error: &ExportError) -> bool {
    let ExportError::Write(error) = error else {
        return false;
    };
    let of_files = error.raw_os_error();
    of_files.is_some_and(|code| TOO_MANY_OPEN_FILES.contains(&code))
        || matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::OutOfMemory
        )
}

/// Retries transient failures, with a pause that doubles each time.
pub(super) async fn patiently<T, A: Future<Output = Result<T, ExportError>>>(
    first_pause: Duration,
    shutdown: &CancellationToken,
    mut attempt: impl FnMut() -> A,
    mut failed: impl FnMut(&ExportError),
) -> Result<T, ExportError> {
    let mut pause = first_pause;
    for _ in 0..RETRIES {
        match attempt().await {
            Err(error) if is_passing(&error) && !shutdown.is_cancelled() => failed(&error),
            ended => return ended,
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    attempt().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use tokio::time::Instant;

    const PAUSE: Duration = Duration::from_secs(5);

    fn error(code: i32) -> ExportError {
        ExportError::Write(io::Error::from_raw_os_error(code))
    }

    #[tokio::test(start_paused = true)]
    async fn open_files_are_waited_for_as_long_as_mail_is_tried() {
        let began = Instant::now();
        let two_hours = Duration::from_secs(2 * 60 * 60);
        let (mut tried, mut failures) = (0, 0);
        let attempt = || {
            tried += 1;
            std::future::ready(match began.elapsed() < two_hours {
                true => Err(error(TOO_MANY_OPEN_FILES[0])),
                false => Ok("made"),
            })
        };
        let never = CancellationToken::new();
        let made = patiently(PAUSE, &never, attempt, |_| failures += 1).await;
        assert_eq!(made.ok(), Some("made"));
        assert_eq!(tried, failures + 1);
        assert!((10..RETRIES).contains(&failures), "{failures}");

        let full = async || Err::<(), _>(error(TOO_MANY_OPEN_FILES[0]));
        let given_up = patiently(PAUSE, &never, full, |_| {}).await;
        assert!(given_up.is_err());
        let lasted = began.elapsed() - two_hours;
        assert!(lasted > two_hours, "{lasted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn other_failures_and_a_shutdown_are_not_waited_for() {
        let began = Instant::now();
        let shutdown = CancellationToken::new();
        let denied = async || Err::<(), _>(ExportError::Write(ErrorKind::PermissionDenied.into()));
        assert!(patiently(PAUSE, &shutdown, denied, |_| {}).await.is_err());
        let full = async || Err::<(), _>(ExportError::Write(ErrorKind::StorageFull.into()));
        shutdown.cancel();
        assert!(patiently(PAUSE, &shutdown, full, |_| {}).await.is_err());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
