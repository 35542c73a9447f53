//! `tallybook serve`: the API over a data directory.
//!
//! Invariant: the port is bound first, then the directory opened; only then is a first token
//! created, so that a failed start has not shown one.

use super::arguments::{Answers, Serve};
use super::listen::{self, Listening};
use super::open::{Opened, WhenEmpty, open_with};
use super::place::data_directory;
use super::{sample, token};
use crate::auth::Grants;
use crate::auth::strength::weakness;
use crate::clock::Clock;
use crate::config::mail::Security;
use crate::config::{PublicUrl, ServerSettings, TlsFiles};
use crate::engine::commit::Actor;
use crate::engine::{Engine, Options};
use crate::http::app::{App, HttpSettings};
use crate::http::metering::site::backup::Backups;
use crate::http::repeats;
use crate::http::router::router;
use crate::jobs::ReportSettings;
use crate::mail::Mailer;
use anyhow::Context;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tallybook_core::time::Instant;
use tokio_util::sync::CancellationToken;

/// The variable whose text is a site administrator's token while it is set.
const ADMIN_TOKEN: &str = "TALLYBOOK_ADMIN_TOKEN";

/// The folder of usage reports in the data directory.
const REPORTS: &str = "reports";

/// The folder in the data directory for the copies of backups that are being downloaded.
const BACKUPS: &str = "backups";

/// How often to delete replaced checkpoints and release unused space.
const TIDY_UP_EVERY: Duration = Duration::from_secs(60);

/// Serves until shutdown is requested.
pub(crate) fn run(serve: Serve, clock: Clock) -> anyhow::Result<()> {
    let tls = match (serve.tls_certificate, serve.tls_key) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => anyhow::bail!("--tls-certificate needs --tls-key"),
        (None, Some(_)) => anyhow::bail!("--tls-key needs --tls-certificate"),
    };
    let mail = serve.mail.settings()?;
    let data = data_directory(serve.data)?;
    let settings = ServerSettings {
        tls,
        mail,
        ..settings(data, serve.listen, serve.answers)
    };
    super::runtime()?.block_on(async {
        let listening = bind(&settings)?;
        let admin_token = admin_token(&listening)?;
        let now = clock.now()?;
        let opened = open_with(&settings.data, WhenEmpty::Create, options(&settings), now).await?;
        opened.announce(listening.url.as_str())?;
        let credential = credential(&opened.engine, admin_token.is_some(), now).await?;
        let banner = sample::banner(&opened.engine, &listening.url, &settings, now).await?;
        print(&banner, &credential)?;
        serve_app(opened, listening, settings, clock, admin_token).await
    })
}

/// The settings shared by `serve` and `demo`.
pub(crate) fn settings(data: PathBuf, listen: SocketAddr, answers: Answers) -> ServerSettings {
    ServerSettings {
        data,
        listen,
        public_url: answers.public_url,
        dialect: answers.dialect,
        history_months: answers.history_months,
        report_days: answers.report_days,
        rate_limit: answers.rate_limit,
        cache_bytes: answers.cache_bytes,
        tls: None,
        trusted_proxies: answers.trusted_proxies,
        mail: None,
        limits: answers.limits,
    }
}

/// Binds the port, and warns if tokens would travel unencrypted.
pub(crate) fn bind(settings: &ServerSettings) -> anyhow::Result<Listening> {
    let public_url: Option<PublicUrl> = settings.public_url.clone();
    let listening = listen::bind(settings.listen, settings.tls.clone(), public_url)?;
    if listening.is_exposed() {
        tracing::warn!(
            address = %listening.address,
            "listening without TLS beyond this machine: tokens can be read on the way; \
             use --tls-certificate and --tls-key, or a proxy"
        );
    }
    Ok(listening)
}

/// The engine's settings.
pub(crate) fn options(settings: &ServerSettings) -> Options {
    Options {
        cache_bytes: usize::try_from(settings.cache_bytes).unwrap_or(usize::MAX),
        ..Options::default()
    }
}

/// Serves an opened directory until shutdown is requested.
pub(crate) async fn serve_app(
    opened: Opened,
    listening: Listening,
    settings: ServerSettings,
    clock: Clock,
    admin_token: Option<String>,
) -> anyhow::Result<()> {
    let http = HttpSettings {
        public_url: listening.url.to_string(),
        dialect: settings.dialect,
        history_months: settings.history_months,
        rate_limit: settings.rate_limit,
        limits: settings.limits.clone(),
        admin_token,
        tls: settings.tls.is_some(),
        trusted_proxies: settings.trusted_proxies.clone(),
        backups: Some(Arc::new(Backups::open(settings.data.join(BACKUPS))?)),
    };
    let app = App::new(Arc::clone(&opened.engine), clock, http);
    tracing::info!(address = %listening.address, url = %listening.url, "serving");
    let mut reports = ReportSettings::new(settings.data.join(REPORTS));
    reports.keep_days = settings.report_days;
    reports.most_waiting = settings.limits.reports;
    reports.most_bytes = settings.limits.report_bytes;
    reports.mailer = mailer(&settings, &listening)?;
    let reports = app.open_reports(reports).await?;
    let shutdown = CancellationToken::new();
    let making = tokio::spawn(reports.run(shutdown.clone()));
    let (engine, ended) = (Arc::clone(&opened.engine), shutdown.clone());
    let tidying = tokio::spawn(async move {
        // Unfinished cleanup can be done later.
        let _ = ended.run_until_cancelled(tidy_up(engine, clock)).await;
    });
    let recording = tokio::spawn(repeats::run(Arc::clone(&app), shutdown.clone()));
    let served = listening
        .serve(router(app), &settings.limits, settings.trusted_proxies)
        .await;
    // An unfinished report and pending mail are resumed at the next start.
    shutdown.cancel();
    making.await.context("the reports' task died")?;
    tidying.await.context("the task that tidies up died")?;
    recording.await.context("the audit log's task died")?;
    served?;
    opened.engine.settle().await;
    tracing::info!("ended");
    Ok(())
}

/// Prepares sending mail, and warns if the password would travel unencrypted.
fn mailer(settings: &ServerSettings, listening: &Listening) -> anyhow::Result<Option<Mailer>> {
    let Some(mail) = settings.mail.clone() else {
        return Ok(None);
    };
    if mail.security == Security::None && mail.credentials.is_some() {
        tracing::warn!(
            host = mail.host,
            "--smtp-security none: the password and every mail can be read on the way"
        );
    }
    Ok(Some(Mailer::new(mail, listening.url.host())?))
}

/// The configured token. One that is easily guessed is accepted only on the loopback interface.
fn admin_token(listening: &Listening) -> anyhow::Result<Option<String>> {
    let Some(text) = std::env::var_os(ADMIN_TOKEN).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let text = text
        .into_string()
        .map_err(|_| anyhow::anyhow!("{ADMIN_TOKEN} is not UTF-8"))?;
    if let Some(weakness) = weakness(&text) {
        let better = format!("{ADMIN_TOKEN}=$(openssl rand -hex 32)");
        anyhow::ensure!(
            listening.address.ip().is_loopback(),
            "{ADMIN_TOKEN} {weakness}, and {} can be reached from other machines: set a random \
             one, such as by {better}",
            listening.address
        );
        tracing::warn!("{ADMIN_TOKEN} {weakness}: it is easily guessed; set {better}");
    }
    Ok(Some(text))
}

/// The credential of the printed request.
enum Credential {
    /// A token that was just created, shown only this once.
    New(String),
    /// A shell variable: only the operator knows the secret.
    Variable(&'static str),
}

/// Creates the first token of a directory that has none.
async fn credential(
    engine: &Engine,
    is_configured: bool,
    now: Instant,
) -> anyhow::Result<Credential> {
    if is_configured {
        return Ok(Credential::Variable(ADMIN_TOKEN));
    }
    if !engine.tokens().is_empty() {
        return Ok(Credential::Variable("TALLYBOOK_TOKEN"));
    }
    let actor = Actor::command("serve");
    let secret = token::add(engine, &Grants::SiteAdmin.into(), None, &actor, now).await?;
    Ok(Credential::New(secret.expose().to_owned()))
}

fn print(banner: &sample::Banner, credential: &Credential) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let authorization = match credential {
        Credential::New(secret) => secret.clone(),
        Credential::Variable(name) => format!("${name}"),
    };
    writeln!(out, "{}", banner.head)?;
    if let Credential::New(secret) = credential {
        writeln!(
            out,
            "The administrator's token, shown only this once: {secret}"
        )?;
    }
    for path in &banner.paths {
        writeln!(
            out,
            "  curl -H \"Authorization: Bearer {authorization}\" \"{path}\""
        )?;
    }
    for note in &banner.notes {
        writeln!(out, "{note}")?;
    }
    out.flush().context("cannot print")
}

/// Removes unnamed leftovers of earlier runs, and then periodically what is no longer needed, in
/// the background.
async fn tidy_up(engine: Arc<Engine>, clock: Clock) {
    let mut swept = false;
    let mut ticks = tokio::time::interval(TIDY_UP_EVERY);
    loop {
        ticks.tick().await;
        let now = match clock.now() {
            Ok(now) => now,
            Err(error) => {
                tracing::error!(%error, "periodic cleanup skipped: no valid time");
                continue;
            }
        };
        if !swept {
            match engine.sweep(now).await {
                Ok(0) => {}
                Ok(blobs) => tracing::info!(blobs, "removed leftovers of earlier runs"),
                Err(error) => tracing::error!(%error, "could not remove leftovers of earlier runs"),
            }
            swept = true;
        }
        if let Err(error) = engine.tidy_up(now).await {
            tracing::error!(%error, "could not return unused space to the file system");
        }
    }
}
