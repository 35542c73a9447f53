//! Usage events as a batch records them: columns of codes, with every source and id in full.
//!
//! Invariant: a batch holds only events that no earlier batch of its log holds. A correction whose
//! target an earlier batch holds carries a copy of what that target said, so that folding needs no
//! look back. Look next: [`super::metered`] for what events add up to.
//!
//! Layout, format 1, after a byte that says so: the sources' texts; count; then columns of kind,
//! source, time, SKU, the five names, quantity and four token counts (0: none, else the count plus
//! one); ids; then for each correction the target's source and id and, if it was known, its hour,
//! codes and quantity. A name's code is 0 for none, else its id in the dictionary plus one.

use crate::codec::{DecodeError, Reader, Writer};
use crate::event::{Event, EventBody, EventKey, EventName, Tokens, Usage};
use crate::ids::{LogId, NameId};
use crate::name::Name;
use crate::names::{Dictionary, Draft};
use crate::packed::Packed;
use crate::time::{Hour, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// The newest format of recorded events.
const FORMAT: u8 = 1;
const WHAT: &str = "events";

/// An event that is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The event; shared, for a commit that lost a race is planned again.
    pub event: Arc<Event>,
    /// What the target of a correction said, where an earlier batch holds it.
    pub target: Option<Stated>,
}

/// An event as a batch holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// How it is known.
    pub name: EventName,
    /// When it happened.
    pub time: Timestamp,
    /// What it says.
    pub body: RecordedBody,
}

/// What a recorded event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedBody {
    /// Something was used.
    Usage(Codes, Tokens),
    /// The target never happened.
    Void(Target),
    /// The target was something else.
    Amend(Target, Codes, Tokens),
}

/// The usage event that a correction is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How it is known.
    pub name: EventName,
    /// What it said, where an earlier batch holds it.
    pub stated: Option<Stated>,
}

/// Usage at its hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// The hour of use.
    pub hour: Hour,
    /// What was used.
    pub codes: Codes,
}

/// Usage with its texts as codes of the account's dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    /// SKU, organization, repository, user, model and workflow: 0 for none, else the name's id
    /// plus one.
    pub names: [u32; 6],
    /// In billionths of the SKU's unit.
    pub quantity: i128,
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
            RecordedBody::Usage(codes, _) => Some(Stated {
                hour: self.time.instant().hour(),
                codes: *codes,
            }),
            _ => None,
        }
    }

    /// What it would be recorded from; `None` when a code is not in the dictionary.
    #[must_use]
    pub fn admitted(&self, dictionary: &Dictionary) -> Option<Admitted> {
        let target = match &self.body {
            RecordedBody::Usage(..) => None,
            RecordedBody::Void(target) | RecordedBody::Amend(target, ..) => target.stated,
        };
        let event = Arc::new(self.event(dictionary)?);
        Some(Admitted { event, target })
    }

    /// The event with its texts back from the dictionary, as it was sent (but for the enterprise,
    /// which is the account); `None` when a code is not in the dictionary.
    #[must_use]
    pub fn event(&self, dictionary: &Dictionary) -> Option<Event> {
        let body = match &self.body {
            RecordedBody::Usage(codes, tokens) => {
                EventBody::Usage(codes.usage(*tokens, dictionary)?)
            }
            RecordedBody::Void(target) => EventBody::Void(target.name.clone()),
            RecordedBody::Amend(target, codes, tokens) => {
                EventBody::Amend(target.name.clone(), codes.usage(*tokens, dictionary)?)
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
        }
    }

    fn usage(&self, tokens: Tokens, dictionary: &Dictionary) -> Option<Usage> {
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
            tokens,
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
    for admitted in events {
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
        let tokens = event.usage().map(|usage| usage.tokens).unwrap_or_default();
        columns.push(
            kind,
            sources.code(&event.name.source),
            event.time,
            codes,
            tokens,
        );
        ids.text(&event.name.id);
    }
    let mut out = Writer::new();
    out.byte(FORMAT);
    out.count(sources.texts.len());
    sources.texts.iter().for_each(|text| out.text(text));
    out.count(events.len());
    columns.encode(&mut out);
    out.raw(&ids.finish());
    out.raw(&targets.finish());
    out.finish()
}

/// Reads the payload of an entry of events back; codes are checked against the dictionary.
pub fn decode(payload: &[u8], names: &Dictionary) -> Result<Vec<Recorded>, DecodeError> {
    let mut reader = Reader::new(payload);
    let r = &mut reader;
    let (count, sources) = read_head(r)?;
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
            USAGE => RecordedBody::Usage(codes, columns.tokens(place)),
            VOID => RecordedBody::Void(read_target(r, &sources, names)?),
            AMEND => {
                let target = read_target(r, &sources, names)?;
                RecordedBody::Amend(target, codes, columns.tokens(place))
            }
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
        });
    }
    reader.finish(WHAT)?;
    Ok(events)
}

/// What one usage event of a payload says, without reading the others; `None` when it is no usage
/// event or the payload has no such place.
pub fn stated_at(
    payload: &[u8],
    place: usize,
    names: &Dictionary,
) -> Result<Option<Stated>, DecodeError> {
    let mut reader = Reader::new(payload);
    let (count, sources) = read_head(&mut reader)?;
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

/// The number of events, and their sources.
fn read_head(r: &mut Reader<'_>) -> Result<(usize, Vec<Box<str>>), DecodeError> {
    let format = r.byte(WHAT)?;
    if format != FORMAT {
        return Err(DecodeError::TooNew {
            what: WHAT,
            found: format,
            supported: FORMAT,
        });
    }
    let count = r.count(1, "sources")?;
    let sources = (0..count)
        .map(|_| r.text("source").map(Box::from))
        .collect::<Result<_, _>>()?;
    Ok((r.count(1, WHAT)?, sources))
}

const USAGE: u8 = 0;
const VOID: u8 = 1;
const AMEND: u8 = 2;

/// The distinct sources of a batch.
#[derive(Default)]
struct Sources<'a> {
    texts: Vec<&'a str>,
    codes: HashMap<&'a str, u32>,
}

impl<'a> Sources<'a> {
    fn code(&mut self, source: &'a str) -> u32 {
        *self.codes.entry(source).or_insert_with(|| {
            self.texts.push(source);
            u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

/// The columns of a batch's events.
#[derive(Default)]
struct Columns {
    kind: Vec<u8>,
    source: Vec<u32>,
    time: Vec<i64>,
    names: [Vec<u32>; 6],
    quantity: Vec<i128>,
    /// 0 for none, else the count plus one.
    tokens: [Vec<i128>; 4],
}

impl Columns {
    fn push(
        &mut self,
        kind: u8,
        source: u32,
        time: Timestamp,
        codes: Option<Codes>,
        tokens: Tokens,
    ) {
        let codes = codes.unwrap_or(Codes {
            names: [0; 6],
            quantity: 0,
        });
        self.kind.push(kind);
        self.source.push(source);
        self.time.push(time.micros());
        for (column, code) in self.names.iter_mut().zip(codes.names) {
            column.push(code);
        }
        self.quantity.push(codes.quantity);
        for (column, count) in self.tokens.iter_mut().zip(tokens.counts()) {
            column.push(count.map_or(0, |count| i128::from(count) + 1));
        }
    }

    fn encode(&self, out: &mut Writer) {
        Packed::new(&self.kind).encode(out);
        Packed::new(&self.source).encode(out);
        Packed::new(&self.time).encode(out);
        let columns = self.names.iter();
        columns.for_each(|column| Packed::new(column).encode(out));
        Packed::new(&self.quantity).encode(out);
        let columns = self.tokens.iter();
        columns.for_each(|column| Packed::new(column).encode(out));
    }

    fn decode(
        r: &mut Reader<'_>,
        count: usize,
        sources: usize,
        names: &Dictionary,
    ) -> Result<Self, DecodeError> {
        let mut column = |below: Option<usize>| {
            let column = Packed::decode(r, count)?;
            let in_range = below.is_none_or(|below| column.is_below(below));
            if column.len() == count && in_range {
                Ok(column)
            } else {
                Err(r.invalid("column of events"))
            }
        };
        let codes = |column: &Packed| {
            let mut codes = vec![0; count];
            column.read_codes(0, &mut codes);
            codes
        };
        let kind = column(Some(3))?;
        let source = codes(&column(Some(sources))?);
        let time = column(None)?;
        if !time.fits_i64() {
            return Err(r.invalid("time of an event"));
        }
        let mut times = vec![0; count];
        time.read_i64(0, &mut times);
        let mut name_columns: [Vec<u32>; 6] = Default::default();
        // A code is an id plus one.
        let codes_end = names.next_id().0 as usize + 1;
        for slot in &mut name_columns {
            *slot = codes(&column(Some(codes_end))?);
        }
        let quantity = column(None)?.values();
        let mut tokens: [Vec<i128>; 4] = Default::default();
        for slot in &mut tokens {
            let column = column(None)?;
            let most = i128::from(u64::MAX) + 1;
            if column.iter().any(|value| !(0..=most).contains(&value)) {
                return Err(r.invalid("count of tokens"));
            }
            *slot = column.values();
        }
        Ok(Self {
            kind: codes(&kind).into_iter().map(|kind| kind as u8).collect(),
            source,
            time: times,
            names: name_columns,
            quantity,
            tokens,
        })
    }

    fn codes(&self, place: usize) -> Codes {
        Codes {
            names: std::array::from_fn(|column| self.names[column][place]),
            quantity: self.quantity[place],
        }
    }

    fn tokens(&self, place: usize) -> Tokens {
        let count = |column: usize| {
            let stored = self.tokens[column][place].checked_sub(1)?;
            u64::try_from(stored).ok()
        };
        Tokens {
            input: count(0),
            output: count(1),
            cache_read: count(2),
            cache_write: count(3),
        }
    }
}

pub(super) fn write_stated(out: &mut Writer, stated: Option<&Stated>) {
    out.byte(u8::from(stated.is_some()));
    if let Some(Stated { hour, codes }) = stated {
        out.signed(i128::from(hour.index()));
        let names = codes.names.iter();
        names.for_each(|code| out.varint(u64::from(*code)));
        out.signed(codes.quantity);
    }
}

pub(super) fn read_stated(
    r: &mut Reader<'_>,
    names: &Dictionary,
) -> Result<Option<Stated>, DecodeError> {
    match r.byte("target")? {
        0 => return Ok(None),
        1 => {}
        _ => return Err(r.invalid("target")),
    }
    let hour = i32::try_from(r.signed("hour")?).map_err(|_| r.invalid("hour"))?;
    let hour = Hour::try_from_index(hour).map_err(|_| r.invalid("hour"))?;
    let codes = read_codes(r, names)?;
    Ok(Some(Stated { hour, codes }))
}

pub(super) fn read_codes(r: &mut Reader<'_>, names: &Dictionary) -> Result<Codes, DecodeError> {
    let mut codes = Codes {
        names: [0; 6],
        quantity: 0,
    };
    for code in &mut codes.names {
        *code = r.varint32("name")?;
        if *code > names.next_id().0 {
            return Err(r.invalid("name"));
        }
    }
    codes.quantity = r.signed("quantity")?;
    if codes.names[0] == 0 || codes.quantity < 0 {
        return Err(r.invalid("usage"));
    }
    Ok(codes)
}

fn read_target(
    r: &mut Reader<'_>,
    sources: &[Box<str>],
    names: &Dictionary,
) -> Result<Target, DecodeError> {
    let source = sources.get(r.varint32("source")? as usize).cloned();
    let source = source.ok_or_else(|| r.invalid("source"))?;
    let id = r.text("event id")?.into();
    Ok(Target {
        name: EventName { source, id },
        stated: read_stated(r, names)?,
    })
}

#[cfg(test)]
mod tests;
