//! One line of a catalogue's text as words, each with its column.
//!
//! Invariant: every error has the line and column of the offending word, or of the line's end where
//! a word is missing. Look next: `problem.rs` for the possible errors.

use super::problem::{CatalogError, Problem};
use crate::money::Quantity;
use crate::time::Day;

/// A word and its position.
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    column: usize,
}

/// One line's words, taken from the left.
pub(super) struct Line<'a> {
    number: usize,
    words: std::iter::Peekable<std::vec::IntoIter<Word<'a>>>,
    end_column: usize,
}

impl<'a> Line<'a> {
    pub(super) fn read(number: usize, text: &'a str) -> Result<Self, CatalogError> {
        let fail = |at: usize, problem: Problem| CatalogError {
            line: number,
            column: column(text, at),
            problem,
        };
        let mut words = Vec::new();
        let mut at = 0;
        while let Some(offset) = text[at..].find(|c: char| !c.is_whitespace()) {
            let start = at + offset;
            let rest = &text[start..];
            if rest.starts_with('#') {
                break;
            }
            let end = if let Some(quoted) = rest.strip_prefix('"') {
                let length = quoted
                    .find('"')
                    .ok_or_else(|| fail(start, Problem::OpenQuote))?;
                let end = start + length + 2;
                if text[end..].starts_with(|c: char| !c.is_whitespace()) {
                    return Err(fail(end, Problem::NoSpaceAfterQuote));
                }
                words.push(Word {
                    text: &quoted[..length],
                    column: column(text, start),
                });
                end
            } else {
                let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
                words.push(Word {
                    text: &rest[..length],
                    column: column(text, start),
                });
                start + length
            };
            at = end;
        }
        Ok(Self {
            number,
            words: words.into_iter().peekable(),
            end_column: column(text, text.len()),
        })
    }

    pub(super) fn next(&mut self) -> Option<Word<'a>> {
        self.words.next()
    }

    /// Takes the next word if it is `text`.
    pub(super) fn next_is(&mut self, text: &str) -> bool {
        self.words.next_if(|word| word.text == text).is_some()
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        self.words.peek().is_none()
    }

    pub(super) fn word(&mut self, what: &'static str) -> Result<Word<'a>, CatalogError> {
        let word = self.words.next().filter(|word| !word.text.is_empty());
        word.ok_or(CatalogError {
            line: self.number,
            column: self.end_column,
            problem: Problem::Missing(what),
        })
    }

    pub(super) fn id(&mut self, what: &'static str) -> Result<Word<'a>, CatalogError> {
        let word = self.word(what)?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        if word.text.chars().all(allowed) {
            Ok(word)
        } else {
            Err(self.error(&word, Problem::InvalidId(word.text.to_owned())))
        }
    }

    pub(super) fn day(&mut self) -> Result<Day, CatalogError> {
        let word = self.word("the day")?;
        Day::parse(word.text)
            .map_err(|error| self.error(&word, Problem::InvalidDay(word.text.to_owned(), error)))
    }

    /// `from DAY`, or nothing more.
    pub(super) fn since(&mut self) -> Result<Option<Day>, CatalogError> {
        match self.next() {
            None => Ok(None),
            Some(from) if from.text == "from" => self.day().map(Some),
            Some(other) => Err(self.error(&other, Problem::Unexpected(other.text.to_owned()))),
        }
    }

    /// A non-negative number.
    pub(super) fn number(&mut self, what: &'static str) -> Result<Quantity, CatalogError> {
        let word = self.word(what)?;
        let text = || word.text.to_owned();
        let number = Quantity::parse(word.text)
            .map_err(|error| self.error(&word, Problem::InvalidNumber(text(), error)))?;
        if number < Quantity::ZERO {
            return Err(self.error(&word, Problem::NegativeNumber(text())));
        }
        Ok(number)
    }

    /// A whole number of at least 1.
    pub(super) fn count(&mut self, what: &'static str) -> Result<u32, CatalogError> {
        let word = self.word(what)?;
        let count = word.text.parse().ok().filter(|count| *count > 0);
        count.ok_or_else(|| self.error(&word, Problem::InvalidCount(word.text.to_owned())))
    }

    pub(super) fn finish(mut self) -> Result<(), CatalogError> {
        match self.next() {
            None => Ok(()),
            Some(word) => Err(self.error(&word, Problem::Unexpected(word.text.to_owned()))),
        }
    }

    pub(super) fn error(&self, word: &Word<'_>, problem: Problem) -> CatalogError {
        CatalogError {
            line: self.number,
            column: word.column,
            problem,
        }
    }
}

/// The column, in characters from 1, of a byte offset.
fn column(text: &str, offset: usize) -> usize {
    text[..offset].chars().count() + 1
}
