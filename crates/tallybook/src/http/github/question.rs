//! Translates a request's parameters to a query and to the values that the answer echoes.
//!
//! Invariant: pure. A bad value is refused first; then an unknown organization, user or cost center
//! is 404 on premium requests and AI credits and an empty list elsewhere. Everything is on the
//! first page; every other page is empty. Filters are echoed in their canonical spelling. Look
//! next: [`super::super::period`] for the dates.

use crate::http::error::ApiError;
use crate::http::paging::Page;
use crate::http::params::{BadParameter, Params};
use crate::http::period::{Calendar, History};
use crate::wire::summary::{CostCenterEcho, Echoes, TimePeriod};
use axum::http::StatusCode;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::cost_center;
use tallybook_core::dimension::Dimension;
use tallybook_core::fold::MergedSpellings;
use tallybook_core::name::Name;
use tallybook_core::query::{CostCenterFilter, Filter, Group, Query, RepositoryName};
use tallybook_core::report::ReportKind;
use tallybook_core::site::Site;
use tallybook_core::site::directory::Found;
use tallybook_core::time::Instant;

/// The four endpoints that answer with usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UsageEndpoint {
    /// `usage`.
    Usage,
    /// `usage/summary`.
    Summary,
    /// `premium_request/usage`.
    PremiumRequest,
    /// `ai_credit/usage`.
    AiCredit,
}

/// The subject of a question, and the names known there.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Which kind of path it was.
    pub kind: AccountKind,
    /// What its name refers to.
    pub found: &'a Found,
    /// The site: directory and catalogue.
    pub site: &'a Site,
    /// The names in the account's usage.
    pub spellings: MergedSpellings<'a>,
}

/// A resolved question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// What to sum.
    pub query: Query,
    /// What `timePeriod` echoes.
    pub time_period: TimePeriod,
    /// The other echoed values.
    pub echoes: Echoes,
}

impl UsageEndpoint {
    /// The kind of report that it is limited to; `None` for all SKUs.
    #[must_use]
    pub const fn report(self) -> Option<ReportKind> {
        match self {
            Self::Usage | Self::Summary => None,
            Self::PremiumRequest => Some(ReportKind::PremiumRequest),
            Self::AiCredit => Some(ReportKind::AiCredit),
        }
    }

    /// Whether it answers 404 for a filter by an unknown organization, user or cost center.
    const fn refuses_unknown_names(self) -> bool {
        matches!(self, Self::PremiumRequest | Self::AiCredit)
    }

    /// Whether `name` is documented as a parameter of it for accounts of `kind`.
    pub(super) fn takes(self, name: &str, kind: AccountKind) -> bool {
        let enterprise = kind == AccountKind::Enterprise;
        match (self, name) {
            (_, "cost_center_id") => enterprise,
            (Self::Usage, _) => false,
            (_, "product") => true,
            (_, "organization") => enterprise,
            (Self::Summary, name) => matches!(name, "repository" | "sku"),
            (_, "user") => kind != AccountKind::User,
            (_, name) => name == "model",
        }
    }
}

impl Question {
    /// Reads a request.
    pub fn read(
        endpoint: UsageEndpoint,
        subject: Subject<'_>,
        params: &Params,
        now: Instant,
        history: History,
    ) -> Result<Self, ApiError> {
        let calendar = Calendar::read(params, endpoint == UsageEndpoint::Usage)?;
        let period = match endpoint {
            UsageEndpoint::Usage => calendar.usage_period(now)?,
            // Only these three document a limit on history.
            _ => calendar.summary_period(now)?.within(history, now),
        };
        let mut reader = Reader::new(endpoint, subject, params);
        reader.read_filters()?;
        let is_past_the_end = Page::is_past_the_only(params)?;
        if reader.unknown && endpoint.refuses_unknown_names() {
            return Err(reader.not_found());
        }
        let query = Query {
            from: period.from,
            // No hours, no rows.
            to: if reader.unknown || is_past_the_end {
                period.from
            } else {
                period.to
            },
            grain: period.grain,
            filter: reader.filter,
            group: Group {
                repository: endpoint == UsageEndpoint::Usage,
                model: endpoint.report().is_some(),
            },
        };
        Ok(Self {
            query,
            time_period: period.echo,
            echoes: reader.echoes,
        })
    }
}

/// Reads filters one after the other.
struct Reader<'a> {
    endpoint: UsageEndpoint,
    subject: Subject<'a>,
    params: &'a Params,
    filter: Filter,
    echoes: Echoes,
    /// Whether a filter names something unknown.
    unknown: bool,
    /// The unknown user, as named by the filter.
    unknown_user: Option<&'a str>,
}

impl<'a> Reader<'a> {
    fn new(endpoint: UsageEndpoint, subject: Subject<'a>, params: &'a Params) -> Self {
        Self {
            endpoint,
            subject,
            params,
            filter: Filter {
                report: endpoint.report(),
                ..Filter::default()
            },
            echoes: Echoes::default(),
            unknown: false,
            unknown_user: None,
        }
    }

    fn read_filters(&mut self) -> Result<(), BadParameter> {
        self.cost_center()?;
        self.organization()?;
        self.repository()?;
        self.user()?;
        self.product()?;
        self.sku()?;
        self.model()
    }

    /// The error for unknown names.
    fn not_found(&self) -> ApiError {
        match self.unknown_user {
            Some(user) => {
                let message = format!("User '{user}' not found");
                ApiError::new(StatusCode::NOT_FOUND, message)
            }
            None => ApiError::not_found(),
        }
    }

    /// The text of a parameter, if this endpoint supports it.
    fn text(&self, name: &'static str) -> Result<Option<&'a str>, BadParameter> {
        if self.endpoint.takes(name, self.subject.kind) {
            self.params.text(name)
        } else {
            Ok(None)
        }
    }

    /// `usage` of an enterprise covers only usage without a cost center unless one is given;
    /// everything else covers all.
    fn cost_center(&mut self) -> Result<(), BadParameter> {
        let enterprise = self.subject.kind == AccountKind::Enterprise;
        self.filter.cost_center = match self.text("cost_center_id")? {
            None if enterprise && self.endpoint == UsageEndpoint::Usage => CostCenterFilter::None,
            None => CostCenterFilter::Any,
            Some(none) if none.eq_ignore_ascii_case("none") => CostCenterFilter::None,
            Some(id) => match self.cost_center_of(id) {
                Some(center) => {
                    let name = Name::from(center.name.as_str());
                    self.echoes.cost_center = Some(center);
                    CostCenterFilter::Is(name)
                }
                None => {
                    self.unknown = true;
                    CostCenterFilter::Any
                }
            },
        };
        Ok(())
    }

    fn cost_center_of(&self, id: &str) -> Option<CostCenterEcho> {
        cost_centers(self.subject).find(|center| center.id.eq_ignore_ascii_case(id))
    }

    fn organization(&mut self) -> Result<(), BadParameter> {
        let Some(text) = self.text("organization")? else {
            return Ok(());
        };
        let name = Name::from(text);
        let directory = &self.subject.site.directory;
        let used = self.subject.spellings.find(Dimension::Organization, text);
        let declared = directory
            .organization(&name)
            .filter(|_| directory.payer(&name).as_ref() == Some(&self.subject.found.payer));
        let shown = declared
            .map(|fact| fact.login.as_str())
            .or(used.map(|name| &**name));
        self.unknown |= shown.is_none();
        self.echoes.organization = Some(shown.unwrap_or(text).to_owned());
        self.filter.organization = Some(name);
        Ok(())
    }

    fn user(&mut self) -> Result<(), BadParameter> {
        let Some(text) = self.text("user")? else {
            return Ok(());
        };
        let name = Name::from(text);
        let directory = &self.subject.site.directory;
        let used = self.subject.spellings.find(Dimension::User, text);
        // Whether other accounts know a user must not show.
        let is_known = directory.knows(&self.subject.found.payer, &name);
        let declared = directory.user(&name).filter(|_| is_known);
        let declared = declared.map(|fact| fact.login.as_str());
        if used.is_none() && !is_known {
            self.unknown = true;
            self.unknown_user = Some(text);
        }
        let shown = declared.or(used.map(|name| &**name)).unwrap_or(text);
        self.echoes.user = Some(shown.to_owned());
        self.filter.user = Some(name);
        Ok(())
    }

    fn repository(&mut self) -> Result<(), BadParameter> {
        let Some(text) = self.text("repository")? else {
            return Ok(());
        };
        let parts = text.split_once('/');
        let parts = parts
            .filter(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'));
        let Some((owner, name)) = parts else {
            let reason = "it must be an owner and a repository, as owner/repository";
            return Err(BadParameter::new("repository", reason));
        };
        self.echoes.repository = Some(self.repository_shown(owner, name, text));
        let (owner, name) = (Name::from(owner), Name::from(name));
        self.filter.repository = Some(RepositoryName { owner, name });
        Ok(())
    }

    fn repository_shown(&self, owner: &str, name: &str, full: &str) -> String {
        let spellings = self.subject.spellings;
        // A report may give a repository of another owner with its full name.
        if let Some(shown) = spellings.find(Dimension::Repository, full) {
            return shown.to_string();
        }
        let payer = &self.subject.found.payer;
        let owner = match spellings.find(Dimension::Organization, owner) {
            Some(shown) => shown.to_string(),
            None if payer.name == Name::from(owner) => payer.name.to_string(),
            None => owner.to_owned(),
        };
        let name = spellings
            .find(Dimension::Repository, name)
            .map_or(name, |shown| shown);
        format!("{owner}/{name}")
    }

    fn product(&mut self) -> Result<(), BadParameter> {
        let Some(text) = self.text("product")? else {
            return Ok(());
        };
        let known = self.subject.site.catalog.product(text);
        let shown = known.map_or(text, |product| &product.display);
        self.echoes.product = Some(shown.to_owned());
        self.filter.product = Some(Name::from(text));
        Ok(())
    }

    fn sku(&mut self) -> Result<(), BadParameter> {
        let Some(text) = self.text("sku")? else {
            return Ok(());
        };
        let known = self.subject.site.catalog.sku(text);
        let shown = known.map_or(text, |sku| &sku.id);
        self.echoes.sku = Some(shown.to_owned());
        self.filter.sku = Some(Name::from(text));
        Ok(())
    }

    fn model(&mut self) -> Result<(), BadParameter> {
        let Some(text) = self.text("model")? else {
            return Ok(());
        };
        let used = self.subject.spellings.find(Dimension::Model, text);
        self.echoes.model = Some(used.map_or(text, |name| name).to_owned());
        self.filter.model = Some(Name::from(text));
        Ok(())
    }
}

/// The cost centers that an enterprise's usage is in, by name.
pub fn cost_centers(subject: Subject<'_>) -> impl Iterator<Item = CostCenterEcho> {
    let AccountName { kind, name } = &subject.found.payer;
    let is_enterprise = *kind == AccountKind::Enterprise;
    let names = subject.spellings.all(Dimension::CostCenter);
    names
        .into_iter()
        .filter(move |_| is_enterprise)
        .map(move |center| CostCenterEcho {
            id: cost_center::id(name, &center),
            name: center.to_string(),
        })
}
