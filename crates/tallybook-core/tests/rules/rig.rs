//! The core as the engine drives it: every import goes through encoded chunks and batches.

use crate::model::{Import, Line, Row};
use std::collections::HashMap;
use std::sync::Arc;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::batch::Batch;
use tallybook_core::catalog::Catalog;
use tallybook_core::fold::{MonthPlan, Spellings};
use tallybook_core::ids::{CommitId, Digest, ImportId, LogId};
use tallybook_core::ledger::builder::{FullChunk, ImportBuilder, ImportScope};
use tallybook_core::ledger::chunk::Chunk;
use tallybook_core::ledger::owners::Owners;
use tallybook_core::ledger::record::ImportedFile;
use tallybook_core::ledger::{Account, AccountEntry};
use tallybook_core::money::{Amount, Price, Quantity};
use tallybook_core::name::Name;
use tallybook_core::names::{Commitment, Draft};
use tallybook_core::query::rates::RateOrder;
use tallybook_core::query::run::{PeriodAnswer, answer};
use tallybook_core::query::{Asked, Charges, Context, Group, Period, Query, Totals};
use tallybook_core::rating::terms::Terms;
use tallybook_core::report;
use tallybook_core::statement::{Detail, Source, Statement};
use tallybook_core::time::{Instant, Month};

/// An account's log and the blobs beside it.
pub(crate) struct Rig {
    pub(crate) account: Account,
    pub(crate) catalog: Catalog,
    pub(crate) blobs: HashMap<Digest, Vec<u8>>,
    /// Every batch, as it was written.
    pub(crate) batches: Vec<Vec<u8>>,
    /// Ids of imports in the order in which they came.
    pub(crate) imports: Vec<ImportId>,
    user: Option<Name>,
}

impl Rig {
    /// An empty log.
    pub(crate) fn new(name: AccountName) -> Self {
        let is_user = name.kind == AccountKind::User;
        Self {
            user: is_user.then(|| name.name.clone()),
            account: Account::new(LogId(1), name),
            catalog: Catalog::parse(Catalog::BUILTIN).unwrap(),
            blobs: HashMap::new(),
            batches: Vec::new(),
            imports: Vec::new(),
        }
    }

    /// Imports.
    pub(crate) fn import(&mut self, import: &Import) {
        let own = self.account.name.name.clone();
        let scope = match (import.organization, self.account.name.kind) {
            (Some(login), _) => ImportScope::Organization(login.into()),
            (None, AccountKind::Organization) => ImportScope::Organization(own),
            (None, AccountKind::User) => ImportScope::User(own),
            (None, AccountKind::Enterprise) => ImportScope::Enterprise,
        };
        let mut builder = ImportBuilder::new(scope);
        for (kind, lines) in &import.parts {
            for line in lines {
                if let Some(full) = builder.push(*kind, &reported(line), |_| Ok(())).unwrap() {
                    self.stage(&mut builder, full);
                }
            }
        }
        while let Some(full) = builder.flush() {
            self.stage(&mut builder, full);
        }
        let mut finished = builder.finish().unwrap();
        for staged in std::mem::take(&mut finished.staged) {
            assert_eq!(staged.digest, Digest::of(&staged.bytes));
            self.blobs.insert(staged.digest, staged.bytes);
        }
        let number = u8::try_from(self.imports.len() + 1).unwrap();
        let id = ImportId([number; 16]);
        let files = import.parts.keys().map(|kind| ImportedFile {
            name: format!("{kind}-{number}.csv").into(),
            digest: Digest::of(&[number]),
            kind: *kind,
            layout: "test".into(),
            bytes: 1,
            lines: 1,
            skipped: 0,
        });
        let record = finished.into_record(id, import.organization.map(Name::from), files.collect());
        self.commit(vec![AccountEntry::Import(Box::new(record))]);
        self.imports.push(id);
    }

    fn stage(&mut self, builder: &mut ImportBuilder, full: FullChunk) {
        let staged = full.encode();
        builder.staged(&staged);
        self.blobs.insert(staged.digest, staged.bytes);
    }

    /// Reverts the import of this number, counted from 0.
    pub(crate) fn revert(&mut self, number: usize) {
        self.commit(vec![AccountEntry::Revert(self.imports[number])]);
    }

    /// Encodes a batch, reads it back, and folds what was read.
    pub(crate) fn commit(&mut self, entries: Vec<AccountEntry>) {
        let first_name = self.account.dictionary.next_id();
        let mut draft = Draft::new(&self.account.dictionary);
        let encoded = entries
            .iter()
            .map(|entry| entry.encode(&mut draft))
            .collect();
        let names = draft.into_new();
        let commitments = names.iter().map(|name| Commitment::new([7; 16], name));
        let seq = self.account.seq.next();
        let batch = Batch {
            log: self.account.log,
            seq,
            previous: self.account.head,
            commit: CommitId([3; 16]),
            at: Instant::from_seconds(1_700_000_000 + i64::try_from(seq.0).unwrap()).unwrap(),
            first_name,
            commitments: commitments.collect(),
            entries: encoded,
        };
        let (bytes, digest) = batch.encode();
        let (read, found) = Batch::decode(&bytes).unwrap();
        assert_eq!((&read, found), (&batch, digest));
        for name in names {
            self.account.dictionary.push(Some(name));
        }
        for (entry, encoded) in entries.iter().zip(&read.entries) {
            let decoded = AccountEntry::decode(encoded, &self.account.dictionary).unwrap();
            assert_eq!(decoded, *entry, "an entry is read back as it was written");
        }
        self.account.fold(&read, found).unwrap();
        self.batches.push(bytes);
    }

    /// The plan of a month.
    pub(crate) fn plan(&self, month: Month) -> MonthPlan {
        let owners = Owners::new(&self.account, &self.catalog);
        let terms = Arc::new(Terms::new(&self.account, &self.catalog));
        MonthPlan::new(&owners, &self.account, &terms, month)
    }

    /// The statement of a month, read back from its bytes.
    pub(crate) fn statement(&self, month: Month) -> Statement {
        let plan = self.plan(month);
        let mut fold = plan.fold(&self.catalog);
        for (contender, chunk) in plan.chunks() {
            let decoded = Chunk::decode(&self.blobs[&chunk.blob]).unwrap();
            assert_eq!(
                (decoded.month, decoded.count),
                (month, chunk.lines as usize)
            );
            fold.add(contender, chunk.blob, &decoded).unwrap();
        }
        let statement = fold.finish().unwrap();
        let parts = statement.encode();
        let read = Source::decode(&parts[0]).unwrap().expect("the same rules");
        let read = read.statement();
        let read = read.expect("a short statement is whole in its first part");
        assert_eq!(
            read, statement,
            "a statement is read back as it was written"
        );
        assert_eq!(read.encode(), parts);
        read
    }

    /// The whole answer, in order.
    pub(crate) fn answer(&self, query: &Query) -> Vec<Row> {
        let spellings = Spellings::new(&self.account);
        let context = Context {
            catalog: &self.catalog,
            spellings: (&spellings).into(),
            user: self.user.as_ref(),
        };
        let mut made: HashMap<Month, Statement> = HashMap::new();
        let mut rows = Vec::new();
        for period in query.periods() {
            let statements: Vec<_> = period
                .months()
                .map(|month| {
                    let statement = made.entry(month);
                    statement.or_insert_with(|| self.statement(month)).clone()
                })
                .collect();
            let sources = sources_of(query, period, statements.iter().cloned());
            let answered = answer(query, period, &sources, context).unwrap();
            // Long statements have sums by day, too, which must say the same.
            let by_day = statements.into_iter().map(|it| it.with_days(1));
            let by_day = sources_of(query, period, by_day);
            let again = answer(query, period, &by_day, context).unwrap();
            assert!(answered.rows().eq(again.rows()), "{query:?}");
            if query.group == Group::default() {
                assert_same_sums(query, period, &by_day, context, &again);
            }
            assert_same_charges(
                &answer(query, period, &sources, context).unwrap(),
                &answered,
            );
            if query.group == Group::default() {
                assert_same_sums(query, period, &sources, context, &answered);
            }
            rows.extend(answered.rows().map(|row| Row {
                start: row.start,
                product: row.rate.product.to_string(),
                sku: row.rate.sku.to_string(),
                unit: row.rate.unit.to_string(),
                price: row.rate.price.picos(),
                organization: row.organization.to_owned(),
                repository: row.repository.to_owned(),
                model: row.model.to_owned(),
                sums: sums(&row.totals),
            }));
        }
        rows
    }
}

/// As much of each statement as a question needs, and no more.
fn sources_of(
    query: &Query,
    period: Period,
    statements: impl Iterator<Item = Statement>,
) -> Vec<Source> {
    let source = |statement: Statement| {
        let source = Source::from(Arc::clone(statement.summary()));
        let table = match query.needs(period, statement.summary()) {
            None => return source,
            Some(Detail::Lines) => (Detail::Lines, statement.lines()),
            Some(Detail::Days) => (Detail::Days, statement.days().unwrap()),
        };
        source.with(table.0, Arc::clone(table.1)).unwrap()
    };
    statements.map(source).collect()
}

/// Summaries are answered by another way than everything else: it must come to the same.
fn assert_same_sums(
    query: &Query,
    period: Period,
    sources: &[Source],
    context: Context<'_>,
    answered: &PeriodAnswer,
) {
    let order = RateOrder::new(sources.iter().map(Source::summary));
    let asked = sources.iter().map(|source| Asked { query, source });
    let asked: Vec<Asked<'_>> = asked.collect();
    let sums = order.sums(period, &asked, context).unwrap();
    let sums = order.rates().iter().zip(sums);
    let summed = sums.filter_map(|(rate, totals)| Some((rate, totals?)));
    let rows = answered.rows().map(|row| (row.rate, row.totals));
    assert_eq!(summed.collect::<Vec<_>>(), rows.collect::<Vec<_>>());
}

/// Who asks for fewer sums gets the same rows.
fn assert_same_charges(charges: &PeriodAnswer<Charges>, totals: &PeriodAnswer) {
    let fewer = totals.rows().map(|row| (row.rate, row.totals.into()));
    let of_charges = charges.rows().map(|row| (row.rate, row.totals));
    assert_eq!(of_charges.collect::<Vec<_>>(), fewer.collect::<Vec<_>>());
    assert!(charges.rows().zip(totals.rows()).all(|(left, right)| {
        let names = [left.organization, left.repository, left.model];
        (left.start, names)
            == (
                right.start,
                [right.organization, right.repository, right.model],
            )
            && left.totals.net() == right.totals.net()
    }));
}

fn sums(totals: &Totals) -> [bigdecimal::num_bigint::BigInt; 4] {
    assert_eq!(
        totals.discount_quantity + totals.net_quantity(),
        totals.quantity
    );
    assert_eq!(totals.discount + totals.net(), totals.gross);
    [
        totals.quantity.nanos().into(),
        totals.discount_quantity.nanos().into(),
        totals.gross.nanos().into(),
        totals.discount.nanos().into(),
    ]
}

/// A line as a report states it.
pub(crate) fn reported(line: &Line) -> report::Line<'_> {
    let [organization, repository, user, model, workflow, cost_center] =
        line.names.each_ref().map(String::as_str);
    report::Line {
        hour: line.hour,
        product: line.product,
        sku: line.sku,
        unit: line.unit,
        organization,
        repository,
        user,
        model,
        workflow,
        cost_center,
        quantity: Quantity::from_nanos(line.quantity),
        price: Price::from_picos(line.price),
        gross: Amount::from_nanos(line.gross),
        discount: Amount::from_nanos(line.discount),
        extras: report::Extras::default(),
    }
}
