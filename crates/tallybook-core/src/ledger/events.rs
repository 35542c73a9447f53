//! Usage events as a batch records them: columns of codes, with every source and id in full.
//!
//! Invariant: a batch holds only events that no earlier batch of its log holds. A correction whose
//! target an earlier batch holds carries a copy of what that target said, so folding never has to
//! look back. Look next: [`super::metered`] for what events add up to.
//!
//! Layout, after a format byte: the sources' texts; count; then columns of kind, source, time, SKU,
//! the five names, quantity and four token counts (0: none, else the count plus one); ids; then for
//! each correction the target's source and id and, if it was known, its hour, codes and quantity. A
//! name's code is 0 for none, else its id in the dictionary plus one. Format 2 adds the token
//! counts to the copy of a known target, and at the end the amends that were waiting for usage
//! events of the batch and have no price: their number; then for each the usage event's index, the
//! amend's source and id, and the reason.

mod columns;

pub(super) use columns::{read_codes, read_stated, write_codes, write_stated};

use crate::codec::{DecodeError, Reader, Writer};
use crate::event::{Event, EventBody, EventKey, EventName, Tokens, Usage};
use crate::ids::{LogId, NameId};
use crate::name::Name;
use crate::names::{Dictionary, Draft};
use crate::time::{Hour, Timestamp};
use columns::{AMEND, Columns, Head, Sources, USAGE, VOID, read_head, read_target};
use std::sync::Arc;

/// The newest format of recorded events.
pub(super) const FORMAT: u8 = 2;
const WHAT: &str = "events";

/// An event to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The event; shared, because a commit that lost a race is planned again.
    pub event: Arc<Event>,
    /// What a correction's target said, if an earlier batch holds it.
    pub target: Option<Stated>,
    /// The amends waiting for this usage event that have no price in its hour.
    pub failed: Vec<FailedAmend>,
}

/// An amend that arrived before its usage event and cannot be applied to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAmend {
    /// The amend.
    pub name: EventName,
    /// Why not.
    pub reason: AmendFailure,
}

/// Why an amend could not be priced when its usage event arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AmendFailure {
    /// The catalogue no longer had the SKU.
    UnknownSku,
    /// The SKU had no price in the hour of the usage event.
    NoPrice,
    /// The amount overflows.
    Overflow,
}

impl AmendFailure {
    const ALL: [Self; 3] = [Self::UnknownSku, Self::NoPrice, Self::Overflow];

    /// Its byte on disk.
    pub(super) fn write(self, out: &mut Writer) {
        out.byte(self as u8);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let byte = r.byte("reason")?;
        let known = Self::ALL.get(usize::from(byte)).copied();
        known.ok_or_else(|| r.invalid("reason"))
    }
}

/// An event as a batch records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its name.
    pub name: EventName,
    /// When it happened.
    pub time: Timestamp,
    /// What it says.
    pub body: RecordedBody,
    /// The amends waiting for this usage event that have no price in its hour.
    pub failed: Vec<FailedAmend>,
}

/// What a recorded event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedBody {
    /// Something was used.
    Usage(Codes),
    /// The target never happened.
    Void(Target),
    /// The target was something else.
    Amend(Target, Codes),
}

/// The usage event that a correction targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: EventName,
    /// What it said, if an earlier batch holds it.
    pub stated: Option<Stated>,
}

/// Usage and its hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// The hour of use.
    pub hour: Hour,
    /// What was used.
    pub codes: Codes,
}

/// Usage with its texts as codes into the account's dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    /// SKU, organization, repository, user, model and workflow: 0 for none, else the name's id
    /// plus one.
    pub names: [u32; 6],
    /// In billionths of the SKU's unit.
    pub quantity: i128,
    /// Token counts; `None` in a copy of a target in a batch of format 1, which does not record
    /// them.
    pub tokens: Option<Tokens>,
}

impl Recorded {
    /// Its key.
    #[must_use]
    pub fn key(&self, log: LogId) -> EventKey {
        self.name.key(log)
    }

    /// What it said, when it is a usage event.
    #[must_use]
    pub fn stated(&self) -> Option<Stated> {
        match &self.body {
            RecordedBody::Usage(codes) => Some(Stated {
                hour: self.time.instant().hour(),
                codes: *codes,
            }),
            _ => None,
        }
    }

    /// The event that would be recorded as this; `None` when a code is not in the dictionary.
    #[must_use]
    pub fn admitted(&self, dictionary: &Dictionary) -> Option<Admitted> {
        let target = match &self.body {
            RecordedBody::Usage(..) => None,
            RecordedBody::Void(target) | RecordedBody::Amend(target, ..) => target.stated,
        };
        let event = Arc::new(self.event(dictionary)?);
        Some(Admitted {
            event,
            target,
            failed: self.failed.clone(),
        })
    }

    /// The event as sent, with its texts restored from the dictionary (except the enterprise, which
    /// is the account); `None` when a code is not in the dictionary.
    #[must_use]
    pub fn event(&self, dictionary: &Dictionary) -> Option<Event> {
        let body = match &self.body {
            RecordedBody::Usage(codes) => EventBody::Usage(codes.usage(dictionary)?),
            RecordedBody::Void(target) => EventBody::Void(target.name.clone()),
            RecordedBody::Amend(target, codes) => {
                EventBody::Amend(target.name.clone(), codes.usage(dictionary)?)
            }
        };
        Some(Event {
            name: self.name.clone(),
            time: self.time,
            body,
        })
    }
}

impl Codes {
    /// The codes of no usage.
    const NONE: Self = Self {
        names: [0; 6],
        quantity: 0,
        tokens: None,
    };

    fn new(usage: &Usage, names: &mut Draft<'_>) -> Self {
        let mut code =
            |text: Option<&str>| text.map_or(0, |text| names.id(text).0.saturating_add(1));
        Self {
            names: [
                code(Some(&usage.sku)),
                code(usage.organization.as_ref().map(Name::as_str)),
                code(usage.repository.as_ref().map(Name::as_str)),
                code(usage.user.as_ref().map(Name::as_str)),
                code(usage.model.as_ref().map(Name::as_str)),
                code(usage.workflow.as_deref()),
            ],
            quantity: usage.quantity.nanos(),
            tokens: Some(usage.tokens),
        }
    }

    /// The usage with its texts restored; `None` when a code is not in the dictionary.
    #[must_use]
    pub fn usage(&self, dictionary: &Dictionary) -> Option<Usage> {
        let text = |code: u32| match code.checked_sub(1) {
            None => Some(None),
            Some(id) => dictionary.get(NameId(id)).map(Some),
        };
        let name = |code| text(code).map(|text| text.map(|text| Name::new(text.clone())));
        let [sku, organization, repository, user, model, workflow] = self.names;
        Some(Usage {
            sku: text(sku)??.as_ref().into(),
            quantity: crate::money::Quantity::from_nanos(self.quantity),
            organization: name(organization)?,
            repository: name(repository)?,
            user: name(user)?,
            model: name(model)?,
            workflow: text(workflow)?.map(|text| text.as_ref().into()),
            tokens: self.tokens.unwrap_or_default(),
        })
    }
}

/// The payload of a batch's entry of events.
#[must_use]
pub fn encode(events: &[Admitted], names: &mut Draft<'_>) -> Vec<u8> {
    let mut columns = Columns::default();
    let mut sources = Sources::default();
    let mut targets = Writer::new();
    let mut ids = Writer::new();
    let mut failed = Writer::new();
    let mut failures = 0;
    for (place, admitted) in events.iter().enumerate() {
        let event = &admitted.event;
        let codes = event.usage().map(|usage| Codes::new(usage, names));
        let kind = match &event.body {
            EventBody::Usage(_) => USAGE,
            EventBody::Void(_) => VOID,
            EventBody::Amend(..) => AMEND,
        };
        if let Some(target) = event.target() {
            targets.varint(u64::from(sources.code(&target.source)));
            targets.text(&target.id);
            write_stated(&mut targets, admitted.target.as_ref());
        }
        columns.push(kind, sources.code(&event.name.source), event.time, codes);
        ids.text(&event.name.id);
        for amend in &admitted.failed {
            failures += 1;
            failed.count(place);
            failed.varint(u64::from(sources.code(&amend.name.source)));
            failed.text(&amend.name.id);
            amend.reason.write(&mut failed);
        }
    }
    let mut out = Writer::new();
    out.byte(FORMAT);
    out.count(sources.texts.len());
    sources.texts.iter().for_each(|text| out.text(text));
    out.count(events.len());
    columns.encode(&mut out);
    out.raw(&ids.finish());
    out.raw(&targets.finish());
    out.count(failures);
    out.raw(&failed.finish());
    out.finish()
}

/// Reads back the payload of an events entry; codes are checked against the dictionary.
pub fn decode(payload: &[u8], names: &Dictionary) -> Result<Vec<Recorded>, DecodeError> {
    let mut reader = Reader::new(payload);
    let r = &mut reader;
    let Head {
        format,
        count,
        sources,
    } = read_head(r)?;
    let columns = Columns::decode(r, count, sources.len(), names)?;
    let ids = (0..count)
        .map(|_| r.text("event id").map(Box::from))
        .collect::<Result<Vec<Box<str>>, _>>()?;
    let mut events = Vec::with_capacity(count);
    for (place, id) in ids.into_iter().enumerate() {
        let codes = columns.codes(place);
        let has_sku = codes.names[0] != 0;
        let kind = columns.kind[place];
        if has_sku == (kind == VOID) || codes.quantity < 0 {
            return Err(r.invalid("event"));
        }
        let body = match kind {
            USAGE => RecordedBody::Usage(codes),
            VOID => RecordedBody::Void(read_target(r, format, &sources, names)?),
            AMEND => RecordedBody::Amend(read_target(r, format, &sources, names)?, codes),
            _ => return Err(r.invalid("kind of event")),
        };
        let time = Timestamp::from_micros(columns.time[place]);
        events.push(Recorded {
            name: EventName {
                source: sources[columns.source[place] as usize].clone(),
                id,
            },
            time: time.map_err(|_| r.invalid("time of an event"))?,
            body,
            failed: Vec::new(),
        });
    }
    if format >= 2 {
        read_failed(r, &sources, &mut events)?;
    }
    reader.finish(WHAT)?;
    Ok(events)
}

/// Reads which amends failed, and attaches them to the usage events that they waited for.
fn read_failed(
    r: &mut Reader<'_>,
    sources: &[Box<str>],
    events: &mut [Recorded],
) -> Result<(), DecodeError> {
    for _ in 0..r.count(4, "failed amends")? {
        let place = r.varint("place of an event")?;
        let source = sources.get(r.varint32("source")? as usize).cloned();
        let source = source.ok_or_else(|| r.invalid("source"))?;
        let id = r.text("event id")?.into();
        let reason = AmendFailure::read(r)?;
        let event = usize::try_from(place).ok();
        let event = event.and_then(|place| events.get_mut(place));
        let event = event.filter(|event| matches!(event.body, RecordedBody::Usage(_)));
        let event = event.ok_or_else(|| r.invalid("place of an event"))?;
        let name = EventName { source, id };
        event.failed.push(FailedAmend { name, reason });
    }
    Ok(())
}

/// What one usage event of a payload says, without reading the others; `None` when it is not a
/// usage event or the index is out of range.
pub fn stated_at(
    payload: &[u8],
    place: usize,
    names: &Dictionary,
) -> Result<Option<Stated>, DecodeError> {
    let mut reader = Reader::new(payload);
    let Head { count, sources, .. } = read_head(&mut reader)?;
    let columns = Columns::decode(&mut reader, count, sources.len(), names)?;
    if columns.kind.get(place) != Some(&USAGE) {
        return Ok(None);
    }
    let time = Timestamp::from_micros(columns.time[place]);
    let time = time.map_err(|_| reader.invalid("time of an event"))?;
    Ok(Some(Stated {
        hour: time.instant().hour(),
        codes: columns.codes(place),
    }))
}

#[cfg(test)]
mod tests;
