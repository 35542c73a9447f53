//! The model: what imports, reverts and queries mean, in the plainest way. Lines are kept whole,
//! every question looks at every line, money is arbitrary-precision.
//!
//! It shares with the core only the catalogue (what texts are the same SKU) and plain types.

pub(crate) use crate::usage::{Import, Line, Row};
use crate::usage::{discount_quantity, same};
use bigdecimal::num_bigint::BigInt;
use std::collections::BTreeMap;
use tallybook_core::account::AccountKind;
use tallybook_core::catalog::Catalog;
use tallybook_core::name::Name;
use tallybook_core::query::{CostCenterFilter, Grain, Query};
use tallybook_core::report::ReportKind;
use tallybook_core::time::{Day, Hour};

pub(crate) struct Model {
    pub(crate) catalog: Catalog,
    /// In the order in which they came: the later is the newer.
    pub(crate) imports: Vec<Import>,
    /// What the account is.
    pub(crate) kind: AccountKind,
}

impl Model {
    /// An account of `kind` called `octo`, without imports.
    pub(crate) fn new(catalog: Catalog, kind: AccountKind) -> Self {
        let imports = Vec::new();
        Self {
            catalog,
            imports,
            kind,
        }
    }

    /// Adds an import.
    pub(crate) fn import(&mut self, import: &Import) {
        self.imports.push(import.placed(self.kind));
    }

    fn sku(&self, line: &Line) -> String {
        let canonical = self.catalog.canonical(line.product, line.sku, line.unit);
        canonical.sku.id.to_ascii_lowercase()
    }

    /// Whether a kind of report is about a SKU: the catalogue says so, or the report has it.
    fn covers(&self, kind: ReportKind, lines: &[Line], sku: &str) -> bool {
        kind.covers_every_sku()
            || self.catalog.sku(sku).is_some_and(|known| known.is_in(kind))
            || lines.iter().any(|line| self.sku(line) == sku)
    }

    /// Which import, and which kind within it, owns a day's usage of a SKU by an organization.
    fn owner(&self, day: Day, sku: &str, organization: &str) -> Option<(usize, ReportKind)> {
        let mut claims = Vec::new();
        for (number, import) in self.imports.iter().enumerate() {
            let whole = import.organization.is_none();
            let in_scope = import
                .organization
                .is_none_or(|own| same(own, organization));
            for (kind, lines) in &import.parts {
                let days = lines.iter().map(|line| line.hour.day());
                let (Some(first), Some(last)) = (days.clone().min(), days.max()) else {
                    continue;
                };
                let covered = first <= day && day <= last && self.covers(*kind, lines, sku);
                if import.live && in_scope && covered {
                    claims.push((whole, *kind, number));
                }
            }
        }
        claims
            .into_iter()
            .max()
            .map(|(_, kind, number)| (number, kind))
    }

    /// Every line that counts, with the kind of report that brought it.
    pub(crate) fn counted(&self) -> Vec<(ReportKind, &Line)> {
        let mut counted = Vec::new();
        for (number, import) in self.imports.iter().enumerate().filter(|(_, one)| one.live) {
            for (kind, lines) in &import.parts {
                counted.extend(lines.iter().filter_map(|line| {
                    let owner = self.owner(line.hour.day(), &self.sku(line), &line.names[0]);
                    (owner == Some((number, *kind))).then_some((*kind, line))
                }));
            }
        }
        counted
    }

    /// How a name is shown: the least spelling in bytes of everything live.
    fn shown(&self, dimension: usize, name: &str) -> String {
        let live = self.imports.iter().filter(|import| import.live);
        let lines = live.flat_map(|import| import.parts.values().flatten());
        let spellings = lines
            .map(|line| &line.names[dimension])
            .filter(|it| same(it, name));
        spellings.min().cloned().unwrap_or_default()
    }

    /// Every line of a live import, with the kind of report that has it.
    fn live_lines(&self) -> impl Iterator<Item = (ReportKind, &Line)> {
        let live = self.imports.iter().filter(|import| import.live);
        let parts = live.flat_map(|import| &import.parts);
        parts.flat_map(|(kind, lines)| lines.iter().map(|line| (*kind, line)))
    }

    /// The ids of a line's product, SKU and unit, or what it calls them.
    fn words(&self, line: &Line) -> [String; 3] {
        let it = self.catalog.canonical(line.product, line.sku, line.unit);
        [it.product.id, it.sku.id, it.unit.id].map(str::to_owned)
    }

    /// The least spelling of a product, SKU or unit in live imports.
    fn least(&self, word: &str) -> String {
        let all = self.live_lines().flat_map(|(_, line)| self.words(line));
        let spellings = all.filter(|other| same(other, word));
        spellings.min().unwrap_or_else(|| word.to_owned())
    }

    /// The report of single requests that a SKU belongs to. What the catalogue lacks belongs where
    /// its unit says, else to the finest report that names it.
    fn report(&self, sku: &str) -> Option<ReportKind> {
        if let Some(known) = self.catalog.sku(sku) {
            let requests = [ReportKind::PremiumRequest, ReportKind::AiCredit];
            return requests.into_iter().find(|kind| known.is_in(*kind));
        }
        let naming = self.live_lines().filter(|(_, line)| same(line.sku, sku));
        let reports = naming.filter_map(|(kind, line)| match line.unit {
            "requests" | "request" => Some(ReportKind::PremiumRequest),
            _ => (!kind.covers_every_sku()).then_some(kind),
        });
        reports.max()
    }

    fn matches(&self, query: &Query, report: Option<ReportKind>, line: &Line) -> bool {
        let filter = &query.filter;
        let canonical = self.catalog.canonical(line.product, line.sku, line.unit);
        let [organization, repository, user, model, _, cost_center] = &line.names;
        let is = |wanted: &Option<Name>, name: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| same(wanted.as_str(), name))
        };
        let in_repository = filter.repository.as_ref().is_none_or(|wanted| {
            let (owner, name) = (wanted.owner.as_str(), wanted.name.as_str());
            let of_user =
                self.kind == AccountKind::User && same("octo", owner) && organization.is_empty();
            same(repository, &format!("{owner}/{name}"))
                || same(repository, name) && (same(organization, owner) || of_user)
        });
        let product = |text: &str| {
            self.catalog
                .product(text)
                .map_or(text, |it| &it.id)
                .to_owned()
        };
        let sku = |text: &str| self.catalog.sku(text).map_or(text, |it| &it.id).to_owned();
        let about = filter
            .report
            .is_none_or(|kind| kind.covers_every_sku() || report == Some(kind));
        let center = match &filter.cost_center {
            CostCenterFilter::Any => true,
            CostCenterFilter::None => cost_center.is_empty(),
            CostCenterFilter::Is(name) => same(name.as_str(), cost_center),
        };
        let wanted = |it: &Option<Name>| it.as_ref().map(|it| it.to_string());
        query.from <= line.hour
            && line.hour < query.to
            && is(&filter.organization, organization)
            && is(&filter.user, user)
            && is(&filter.model, model)
            && wanted(&filter.product).is_none_or(|it| same(&product(&it), canonical.product.id))
            && wanted(&filter.sku).is_none_or(|it| same(&sku(&it), canonical.sku.id))
            && in_repository
            && about
            && center
    }

    /// The whole answer, in order.
    pub(crate) fn answer(&self, query: &Query) -> Vec<Row> {
        type Rate = (String, String, i128, String, String, String);
        let counted = self.counted();
        let rate = |line: &Line| -> Rate {
            let [product, sku, unit] = self.words(line).map(|text| self.least(&text));
            let folded = (product.to_ascii_lowercase(), sku.to_ascii_lowercase());
            (folded.0, folded.1, line.price, product, sku, unit)
        };
        let mut rows: BTreeMap<(Hour, Rate, [String; 3]), [BigInt; 4]> = BTreeMap::new();
        for (_, line) in &counted {
            if !self.matches(query, self.report(line.sku), line) {
                continue;
            }
            let start = match query.grain {
                Grain::Whole => query.from,
                Grain::Month => line.hour.day().month().first_day().first_hour(),
                Grain::Day => line.hour.day().first_hour(),
                Grain::Hour => line.hour,
            };
            let by = [
                query.group.repository,
                query.group.repository,
                query.group.model,
            ];
            let names: [String; 3] = std::array::from_fn(|place| {
                let text = &line.names[[0, 1, 3][place]];
                if by[place] {
                    text.to_ascii_lowercase()
                } else {
                    String::new()
                }
            });
            let sums = rows.entry((start, rate(line), names)).or_default();
            sums[0] += line.quantity;
            sums[1] += discount_quantity(line);
            sums[2] += line.gross;
            sums[3] += line.discount;
        }
        let row = |((start, rate, names), sums): ((Hour, Rate, [String; 3]), [BigInt; 4])| Row {
            start,
            price: rate.2,
            product: rate.3,
            sku: rate.4,
            unit: rate.5,
            organization: self.shown(0, &names[0]),
            repository: self.shown(1, &names[1]),
            model: self.shown(3, &names[2]),
            sums,
        };
        rows.into_iter().map(row).collect()
    }
}
