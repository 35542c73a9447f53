//! Splits one line of CSV into fields: strict RFC 4180 quoting, without allocations per line.
//!
//! Strict because a misplaced quote is a sign of damage: guessing could move a number into another
//! column.

/// Why a line is not CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SplitError {
    #[error("a quote is not closed")]
    Unclosed,
    #[error("something follows a closing quote")]
    AfterQuote,
    #[error("a quote is inside a field that does not start with one")]
    InsideBare,
}

/// Where one field's text is.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    /// Whether it is in [`Fields::unescaped`], because it had doubled quotes, or in the line.
    unescaped: bool,
}

/// The fields of the line that was split last.
#[derive(Debug, Default)]
pub(super) struct Fields {
    spans: Vec<Span>,
    unescaped: String,
    last_is_quoted: bool,
}

impl Fields {
    /// Splits `line`; the error has the index of the offending field.
    pub(super) fn split(&mut self, line: &str) -> Result<(), (usize, SplitError)> {
        self.spans.clear();
        self.unescaped.clear();
        let mut at = 0;
        loop {
            self.last_is_quoted = line.as_bytes().get(at) == Some(&b'"');
            let end = if self.last_is_quoted {
                self.quoted(line, at + 1)
            } else {
                self.bare(line, at)
            };
            at = end.map_err(|error| (self.spans.len(), error))?;
            if at == line.len() {
                return Ok(());
            }
            at += 1;
        }
    }

    /// How many fields the line has.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether the last field is quoted.
    pub(super) fn last_is_quoted(&self) -> bool {
        self.last_is_quoted
    }

    /// The field `index` of `line`, which must be the line that was split.
    pub(super) fn get<'a>(&'a self, line: &'a str, index: usize) -> &'a str {
        let span = self.spans[index];
        if span.unescaped {
            &self.unescaped[span.start..span.end]
        } else {
            &line[span.start..span.end]
        }
    }

    /// Reads the field whose text starts at `start`; returns where its comma or the end is.
    fn bare(&mut self, line: &str, start: usize) -> Result<usize, SplitError> {
        let rest = &line.as_bytes()[start..];
        let stop = rest.iter().position(|byte| matches!(byte, b',' | b'"'));
        let end = match stop {
            Some(stop) if rest[stop] == b'"' => return Err(SplitError::InsideBare),
            Some(stop) => start + stop,
            None => line.len(),
        };
        self.spans.push(Span {
            start,
            end,
            unescaped: false,
        });
        Ok(end)
    }

    /// Like [`Self::bare`], for a field whose opening quote is just before `start`.
    fn quoted(&mut self, line: &str, start: usize) -> Result<usize, SplitError> {
        let bytes = line.as_bytes();
        let close = closing_quote(bytes, start)?;
        match bytes.get(close + 1) {
            None | Some(b',') => {
                self.spans.push(Span {
                    start,
                    end: close,
                    unescaped: false,
                });
                Ok(close + 1)
            }
            Some(b'"') => self.doubled(line, start, close),
            Some(_) => Err(SplitError::AfterQuote),
        }
    }

    /// The rare field that holds quotes, doubled; the first pair is at `pair`.
    fn doubled(&mut self, line: &str, start: usize, mut pair: usize) -> Result<usize, SplitError> {
        let bytes = line.as_bytes();
        let from = self.unescaped.len();
        let mut copied = start;
        loop {
            // Up to and including the first quote of the pair; the second is skipped.
            self.unescaped.push_str(&line[copied..=pair]);
            copied = pair + 2;
            let close = closing_quote(bytes, copied)?;
            match bytes.get(close + 1) {
                Some(b'"') => pair = close,
                None | Some(b',') => {
                    self.unescaped.push_str(&line[copied..close]);
                    self.spans.push(Span {
                        start: from,
                        end: self.unescaped.len(),
                        unescaped: true,
                    });
                    return Ok(close + 1);
                }
                Some(_) => return Err(SplitError::AfterQuote),
            }
        }
    }
}

fn closing_quote(bytes: &[u8], start: usize) -> Result<usize, SplitError> {
    let found = bytes[start..].iter().position(|byte| *byte == b'"');
    found.map(|at| start + at).ok_or(SplitError::Unclosed)
}
