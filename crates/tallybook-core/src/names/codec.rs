//! How entries of a log write names: by their ids in its dictionary.

use super::{Dictionary, Draft};
use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::NameId;
use crate::name::Name;

pub(crate) fn write_name(out: &mut Writer, names: &mut Draft<'_>, text: &str) {
    out.varint(u64::from(names.id(text).0));
}

/// 0 is absent, anything else the id plus one.
pub(crate) fn write_optional(out: &mut Writer, names: &mut Draft<'_>, text: Option<&str>) {
    out.varint(text.map_or(0, |text| u64::from(names.id(text).0) + 1));
}

pub(crate) fn write_names(out: &mut Writer, names: &mut Draft<'_>, list: &[Name]) {
    out.count(list.len());
    list.iter()
        .for_each(|name| write_name(out, names, name.as_str()));
}

pub(crate) fn read_name(reader: &mut Reader<'_>, names: &Dictionary) -> Result<Name, DecodeError> {
    let id = NameId(reader.varint32("name")?);
    let text = names.get(id).ok_or_else(|| reader.invalid("name id"))?;
    Ok(Name::new(text.clone()))
}

pub(crate) fn read_optional(
    reader: &mut Reader<'_>,
    names: &Dictionary,
) -> Result<Option<Name>, DecodeError> {
    match reader.varint32("name")?.checked_sub(1) {
        None => Ok(None),
        Some(id) => {
            let text = names
                .get(NameId(id))
                .ok_or_else(|| reader.invalid("name id"))?;
            Ok(Some(Name::new(text.clone())))
        }
    }
}

pub(crate) fn read_names(
    reader: &mut Reader<'_>,
    names: &Dictionary,
) -> Result<Vec<Name>, DecodeError> {
    let count = reader.count(1, "names")?;
    (0..count).map(|_| read_name(reader, names)).collect()
}
