//! The differences that applying makes, in words.
//!
//! Invariant: a value that is already in force is not a difference.

use crate::account::AccountName;
use crate::catalog::Fact;
use crate::name::Name;
use std::borrow::Cow;

/// One difference between the current state and the declared one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The subject: `organization octo-org`.
    pub subject: String,
    /// Which of its fields: `owners`.
    pub field: Cow<'static, str>,
    /// The current value; `None` when the subject or the field is new.
    pub before: Option<String>,
    /// The new value; `(removed)` when there is none any more.
    pub after: String,
}

impl From<Fact> for Change {
    fn from(fact: Fact) -> Self {
        Self {
            subject: fact.subject,
            field: fact.field.into(),
            before: fact.before,
            after: fact.after.unwrap_or_else(|| "(removed)".to_owned()),
        }
    }
}

/// Collects the differences of one subject.
pub(super) struct Changes<'a> {
    list: &'a mut Vec<Change>,
    subject: String,
    is_new: bool,
}

impl<'a> Changes<'a> {
    pub(super) fn of(list: &'a mut Vec<Change>, subject: &AccountName, is_new: bool) -> Self {
        Self {
            list,
            subject: subject.to_string(),
            is_new,
        }
    }

    /// A new subject is a difference even if none of its fields are declared.
    pub(super) fn existence(&mut self) {
        if self.is_new {
            self.field("exists", None, "yes");
        }
    }

    pub(super) fn field(&mut self, field: &'static str, before: Option<String>, after: &str) {
        if before.as_deref() == Some(after) || (self.is_new && after.is_empty()) {
            return;
        }
        let (subject, after) = (self.subject.clone(), after.to_owned());
        self.list.push(Change {
            subject,
            field: field.into(),
            before,
            after,
        });
    }

    pub(super) fn names(
        &mut self,
        field: &'static str,
        before: Option<&Vec<Name>>,
        after: &[Name],
    ) {
        let joined = |list: &[Name]| list.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        self.field(field, before.map(|list| joined(list)), &joined(after));
    }
}
