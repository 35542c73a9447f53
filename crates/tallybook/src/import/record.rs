//! Reads one line of a report as a [`Line`], or says why it is bad.
//!
//! Invariant: the stated amounts agree (net is gross - discount within [`NET_TOLERANCE`]), every
//! number was read exactly, and every text is free of control characters and within its limit.

use super::dates::{Ambiguous, Dates};
use super::fields::Fields;
use super::header::Columns;
use super::physical::Physical;
use super::{Limits, ReadOptions};
use std::sync::Arc;
use tallybook_core::decimal::ParseDecimalError;
use tallybook_core::money::{Amount, Price, Quantity, checked_discount_quantity};
use tallybook_core::report::{Column, Extras, Layout, Line};
use tallybook_core::time::{Hour, Instant};

/// By how much the stated net may differ from gross - discount: two billionths of a dollar, because
/// each of the three was rounded to one.
pub(super) const NET_TOLERANCE: Amount = Amount::from_nanos(2);

/// What is wrong with a line.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) column: Option<String>,
    pub(super) reason: String,
}

impl Fault {
    fn line(reason: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            column: None,
            reason: reason.into(),
        })
    }
}

/// Why a line was not read.
pub(super) enum Unread {
    /// The line is bad.
    Fault(Box<Fault>),
    /// No date has determined the order of day and month yet, and its own dates need it.
    Date,
}

impl From<Box<Fault>> for Unread {
    fn from(fault: Box<Fault>) -> Self {
        Self::Fault(fault)
    }
}

/// A good line.
pub(super) struct ReadLine<'a> {
    pub(super) line: Line<'a>,
    /// The stated net was within the tolerance, but not gross - discount.
    pub(super) adjusted_net: bool,
}

/// Reads the lines of one file.
pub(super) struct RecordReader {
    layout: Layout,
    columns: Columns,
    limits: Limits,
    dates: Dates,
    adjusted_nets: u64,
}

impl RecordReader {
    pub(super) fn new(layout: Layout, columns: Columns, options: &ReadOptions) -> Self {
        Self {
            layout,
            columns,
            limits: options.limits.clone(),
            dates: Dates::new(options.dates, options.latest_day),
            adjusted_nets: 0,
        }
    }

    /// How many lines were counted as adjusted.
    pub(super) fn adjusted_nets(&self) -> u64 {
        self.adjusted_nets
    }

    /// Counts an accepted line.
    pub(super) fn count_adjusted(&mut self, adjusted: bool) {
        self.adjusted_nets += u64::from(adjusted);
    }

    /// The headings of columns that no layout has.
    pub(super) fn unknown_columns(&self) -> Vec<String> {
        let unknown = self.columns.unknown().iter();
        unknown.map(|column| column.heading.to_string()).collect()
    }

    /// Reads one line; `fields` is scratch space.
    pub(super) fn read<'a>(
        &mut self,
        physical: &Physical<'a>,
        fields: &'a mut Fields,
    ) -> Result<ReadLine<'a>, Unread> {
        let text = self.check_text(physical)?;
        self.split(physical, text, fields)?;
        let row = Row {
            columns: &self.columns,
            text,
            fields,
        };
        row.check_lengths(&self.limits)?;
        if !self.dates.note(physical.number, row.dates()) {
            return Err(Unread::Date);
        }
        let hour = match self.columns.place(Column::Date) {
            Some(_) => Some(row.hour(&mut self.dates)?),
            None => None,
        };
        Ok(row.read(self.layout, hour, &self.dates)?)
    }

    /// Examines only the dates of a line, and returns whether the order of their numbers is now
    /// known.
    pub(super) fn look_at_dates(&mut self, physical: &Physical<'_>, fields: &mut Fields) -> bool {
        let text = self.check_text(physical);
        if let Ok(text) = text
            && self.split(physical, text, fields).is_ok()
        {
            let columns = &self.columns;
            let row = Row {
                columns,
                text,
                fields,
            };
            self.dates.note(physical.number, row.dates());
        }
        self.dates.is_order_told()
    }

    /// Called when all dates have been examined: if none is ambiguous, any order will do.
    pub(super) fn end_of_dates(&mut self) -> Result<(), Ambiguous> {
        self.dates.end()
    }

    fn check_text<'a>(&self, physical: &Physical<'a>) -> Result<&'a str, Box<Fault>> {
        if physical.too_long {
            let limit = self.limits.line_bytes;
            return Err(Fault::line(format!(
                "is longer than {limit} bytes (the limit for a line)"
            )));
        }
        let text = std::str::from_utf8(physical.bytes).map_err(|error| {
            let at = error.valid_up_to() + 1;
            Fault::line(format!("is not UTF-8 (byte {at} of the line)"))
        })?;
        // Both checks are one pass over the bytes, which the compiler vectorizes.
        let suspicious = |found: bool, byte: &u8| found | (*byte < 0x20) | (*byte >= 0x7f);
        if text.as_bytes().iter().fold(false, suspicious)
            && let Some((at, found)) = text.char_indices().find(|(_, c)| c.is_control())
        {
            return Err(Fault::line(format!(
                "holds a control character (U+{:04X}, byte {} of the line)",
                u32::from(found),
                at + 1
            )));
        }
        Ok(text)
    }

    fn split(
        &self,
        physical: &Physical<'_>,
        text: &str,
        fields: &mut Fields,
    ) -> Result<(), Box<Fault>> {
        let torn = if physical.terminated {
            ""
        } else {
            "; the file ends here, is it cut off?"
        };
        fields.split(text).map_err(|(index, error)| {
            Box::new(Fault {
                column: self.columns.header(index).map(str::to_owned),
                reason: format!("{error}{torn}"),
            })
        })?;
        let (found, expected) = (fields.len(), self.columns.len());
        if found != expected {
            return Err(Fault::line(format!(
                "has {found} fields and the header has {expected}{torn}"
            )));
        }
        // Without a line break or a closing quote the last field may be truncated.
        let lost_its_quotes = self.columns.last_is_quoted();
        let may_be_cut = self.columns.last().is_some_and(Column::is_number);
        if !physical.terminated && !fields.last_is_quoted() && (lost_its_quotes || may_be_cut) {
            return Err(Fault::line(
                "the file ends without a line break inside an unquoted field, so this line may be \
                 cut off; end it with a line break if it is whole",
            ));
        }
        Ok(())
    }
}

/// The fields of one line by the meaning of their columns.
struct Row<'a, 'c> {
    columns: &'c Columns,
    text: &'a str,
    fields: &'a Fields,
}

impl<'a> Row<'a, '_> {
    /// A column's text; empty when the layout has no such column.
    fn text(&self, column: Column) -> &'a str {
        match self.columns.place(column) {
            Some(index) => self.fields.get(self.text, index),
            None => "",
        }
    }

    fn fault(&self, column: Column, reason: impl Into<String>) -> Box<Fault> {
        let place = self.columns.place(column);
        Box::new(Fault {
            column: place
                .and_then(|at| self.columns.header(at))
                .map(str::to_owned),
            reason: reason.into(),
        })
    }

    /// A fault that quotes the text found.
    fn wrong(&self, column: Column, reason: impl std::fmt::Display) -> Box<Fault> {
        self.fault(
            column,
            format!("{:?} {reason}", shortened(self.text(column))),
        )
    }

    fn check_lengths(&self, limits: &Limits) -> Result<(), Box<Fault>> {
        // No field is longer than its line, so a short line needs no check of its fields.
        if self.text.len() <= limits.name_bytes.min(limits.field_bytes) {
            return Ok(());
        }
        for index in 0..self.fields.len() {
            let length = self.fields.get(self.text, index).len();
            let long = [Column::WorkflowPath, Column::WorkflowName, Column::Notes]
                .into_iter()
                .any(|column| self.columns.place(column) == Some(index));
            let long = long || self.columns.unknown().iter().any(|it| it.place == index);
            let (limit, what) = if long {
                (limits.field_bytes, "field")
            } else {
                (limits.name_bytes.min(limits.field_bytes), "name")
            };
            if length > limit {
                return Err(Box::new(Fault {
                    column: self.columns.header(index).map(str::to_owned),
                    reason: format!("is longer than {limit} bytes (the limit for a {what})"),
                }));
            }
        }
        Ok(())
    }

    /// The texts that contain dates.
    fn dates(&self) -> impl Iterator<Item = &'a str> {
        let texts = [self.text(Column::Date), self.text(Column::UsedAt)];
        texts.into_iter().filter(|text| !text.is_empty())
    }

    /// The hour from the date column.
    fn hour(&self, dates: &mut Dates) -> Result<Hour, Box<Fault>> {
        let hour = dates.hour(self.text(Column::Date));
        hour.map_err(|reason| self.fault(Column::Date, reason))
    }

    fn read(
        &self,
        layout: Layout,
        day: Option<Hour>,
        dates: &Dates,
    ) -> Result<ReadLine<'a>, Box<Fault>> {
        let (hour, used_at) = self.hour_of_use(day, dates)?;
        let quantity = self.quantity(Column::Quantity)?;
        let multiplier = self.optional(Column::Multiplier, Quantity::parse)?;
        let (price, gross, discount, adjusted_net) = if layout == Layout::Before2024 {
            let price = self.old_price()?;
            // The price includes the multiplier: a macOS minute costs ten times a Linux minute.
            let gross = price.gross_of(quantity);
            let gross = gross.map_err(|error| self.fault(Column::Quantity, error.to_string()))?;
            (price, gross, Amount::ZERO, false)
        } else {
            self.stated_amounts(quantity)?
        };
        let line = Line {
            hour,
            product: self.needed(Column::Product)?,
            sku: self.needed(Column::Sku)?,
            unit: self.needed(Column::Unit)?,
            organization: self.text(Column::Organization),
            repository: self.text(Column::Repository),
            user: self.text(Column::User),
            model: self.text(Column::Model),
            workflow: self.text(Column::WorkflowPath),
            cost_center: self.text(Column::CostCenter),
            quantity,
            price,
            gross,
            discount,
            extras: self.extras(used_at, multiplier)?,
        };
        Ok(ReadLine { line, adjusted_net })
    }

    fn stated_amounts(
        &self,
        quantity: Quantity,
    ) -> Result<(Price, Amount, Amount, bool), Box<Fault>> {
        let price = self.number(Column::Price, Price::parse)?;
        let gross = self.number(Column::Gross, Amount::parse)?;
        let discount = self.number(Column::Discount, Amount::parse)?;
        let net = self.number(Column::Net, Amount::parse)?;
        let difference = net - (gross - discount);
        if difference > NET_TOLERANCE || -difference > NET_TOLERANCE {
            let expected = gross - discount;
            return Err(self.fault(
                Column::Net,
                format!("{net} is not gross - discount, which is {expected}"),
            ));
        }
        if checked_discount_quantity(quantity, discount, gross).is_err() {
            return Err(self.fault(
                Column::Discount,
                format!("{discount} is out of all proportion to the gross, {gross}"),
            ));
        }
        Ok((price, gross, discount, !difference.is_zero()))
    }

    fn extras(
        &self,
        used_at: Option<Instant>,
        multiplier: Option<Quantity>,
    ) -> Result<Extras<'a>, Box<Fault>> {
        let exceeds_quota = match self.text(Column::ExceedsQuota) {
            "" => None,
            text if text.eq_ignore_ascii_case("true") => Some(true),
            text if text.eq_ignore_ascii_case("false") => Some(false),
            _ => return Err(self.wrong(Column::ExceedsQuota, "is neither True nor False")),
        };
        Ok(Extras {
            exceeds_quota,
            total_monthly_quota: self.text(Column::TotalMonthlyQuota),
            aic_quantity: self.optional(Column::AicQuantity, Quantity::parse)?,
            aic_gross_amount: self.optional(Column::AicGross, Amount::parse)?,
            tokens: [
                self.optional(Column::InputTokens, Quantity::parse)?,
                self.optional(Column::OutputTokens, Quantity::parse)?,
                self.optional(Column::CacheReadTokens, Quantity::parse)?,
                self.optional(Column::CacheWriteTokens, Quantity::parse)?,
            ],
            workflow_name: self.text(Column::WorkflowName),
            used_at,
            multiplier,
            notes: self.text(Column::Notes),
            unknown: self.unknown(),
        })
    }

    /// The texts of the columns that no layout has.
    fn unknown(&self) -> Vec<(Arc<str>, &'a str)> {
        let columns = self.columns.unknown().iter();
        let texts = columns.map(|column| {
            let text = self.fields.get(self.text, column.place);
            (Arc::clone(&column.heading), text)
        });
        texts.filter(|(_, text)| !text.is_empty()).collect()
    }

    /// The hour, and the instant if `usage_at` has one; some reports have only a day there.
    fn hour_of_use(
        &self,
        day: Option<Hour>,
        dates: &Dates,
    ) -> Result<(Hour, Option<Instant>), Box<Fault>> {
        let text = self.text(Column::UsedAt);
        if let (Some(hour), "") = (day, text) {
            return Ok((hour, None));
        }
        let read = dates.instant(text);
        let (hour, instant) = read.map_err(|reason| self.fault(Column::UsedAt, reason))?;
        match day {
            Some(stated) if stated.day() != hour.day() => {
                let reason = format!("is not on the day of the line, {}", stated.day());
                Err(self.wrong(Column::UsedAt, reason))
            }
            _ => Ok((hour, instant)),
        }
    }

    fn old_price(&self) -> Result<Price, Box<Fault>> {
        let text = self.text(Column::OldPrice);
        let number = text.strip_prefix('$').unwrap_or(text);
        Price::parse(number).map_err(|error| self.wrong(Column::OldPrice, error))
    }

    fn quantity(&self, column: Column) -> Result<Quantity, Box<Fault>> {
        self.number(column, Quantity::parse)
    }

    fn needed(&self, column: Column) -> Result<&'a str, Box<Fault>> {
        match self.text(column) {
            "" => Err(self.fault(column, "is empty")),
            text => Ok(text),
        }
    }

    fn number<T>(
        &self,
        column: Column,
        parse: impl Fn(&str) -> Result<T, ParseDecimalError>,
    ) -> Result<T, Box<Fault>> {
        parse(self.text(column)).map_err(|error| match error {
            ParseDecimalError::Empty => self.fault(column, error.to_string()),
            _ => self.wrong(column, error),
        })
    }

    fn optional<T>(
        &self,
        column: Column,
        parse: impl Fn(&str) -> Result<T, ParseDecimalError>,
    ) -> Result<Option<T>, Box<Fault>> {
        if self.text(column).is_empty() {
            return Ok(None);
        }
        self.number(column, parse).map(Some)
    }
}

/// Enough of a text to recognise it.
fn shortened(text: &str) -> &str {
    match text.char_indices().nth(60) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}
