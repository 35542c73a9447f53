//! The files of a `multipart/form-data` body (RFC 7578), read one after the other.
//!
//! Invariant: memory does not depend on the body: a fixed buffer holds the part being examined,
//! each byte is searched once, and the number of parts and the length of their headers are limited.
//! A missing closing boundary is an error, never a normal end.

use memchr::memmem::{self, Finder};
use std::io::{self, Read};

/// The most bytes of one part's headers.
const MOST_HEADER_BYTES: usize = 8 << 10;

/// The longest boundary (RFC 2046).
const MOST_BOUNDARY_BYTES: usize = 70;

/// More than the headers of a part, and than the bytes that may belong to a boundary.
const BUFFER_BYTES: usize = 64 << 10;

/// What is wrong with a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The content type has no usable boundary.
    #[error("multipart/form-data needs a boundary of 1 to 70 characters")]
    Boundary,
    /// It has too many parts.
    #[error("the form has more than {0} parts")]
    TooManyParts(u32),
    /// A part's headers are too long.
    #[error("a part of the form has more than {MOST_HEADER_BYTES} bytes of headers")]
    HeadersTooLong,
    /// Something other than headers follows a boundary.
    #[error("a boundary of the form is followed by something else than headers")]
    Malformed,
    /// The body ends prematurely.
    #[error("the form ends before its closing boundary")]
    BrokenOff,
}

impl From<FormError> for io::Error {
    fn from(error: FormError) -> Self {
        Self::other(error)
    }
}

/// Where the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the end of the preamble, or of a part.
    Content,
    /// At the content of a file.
    File,
    /// After the closing boundary.
    Ended,
}

/// A form. [`Read`] yields the content of the file that [`Form::next_file`] returned.
#[derive(Debug)]
pub struct Form<R> {
    input: R,
    /// What ends a part: a line break, two dashes and the boundary.
    delimiter: Finder<'static>,
    buffer: Vec<u8>,
    /// What is in `buffer` and not yet read.
    start: usize,
    end: usize,
    /// No delimiter begins between `start` and here.
    searched: usize,
    /// Where the next delimiter begins, once it was found.
    found: Option<usize>,
    state: State,
    parts: u32,
    most_parts: u32,
}

impl<R: Read> Form<R> {
    /// Wraps `input` without reading from it. `content_type` is the header's value.
    pub fn new(content_type: &str, input: R, most_parts: u32) -> Result<Self, FormError> {
        let boundary = parameter(content_type, "boundary").unwrap_or_default();
        if !(1..=MOST_BOUNDARY_BYTES).contains(&boundary.len()) {
            return Err(FormError::Boundary);
        }
        let delimiter = format!("\r\n--{boundary}");
        let mut buffer = vec![0; BUFFER_BYTES];
        // Pretends that a line ended before the body, so that each boundary starts a line.
        buffer[..2].copy_from_slice(b"\r\n");
        Ok(Self {
            input,
            delimiter: Finder::new(&delimiter).into_owned(),
            buffer,
            start: 0,
            end: 2,
            searched: 0,
            found: None,
            state: State::Content,
            parts: 0,
            most_parts,
        })
    }

    /// The name of the next file; the unread rest of the previous one, and parts that are not
    /// files, are skipped.
    pub fn next_file(&mut self) -> io::Result<Option<String>> {
        loop {
            if self.state == State::Ended {
                return Ok(None);
            }
            self.pass_delimiter()?;
            let Some(headers) = self.headers()? else {
                self.state = State::Ended;
                return Ok(None);
            };
            self.parts += 1;
            if self.parts > self.most_parts {
                return Err(FormError::TooManyParts(self.most_parts).into());
            }
            self.state = State::Content;
            if let Some(name) = file_name(&headers) {
                self.state = State::File;
                return Ok(Some(name));
            }
        }
    }

    /// Skips everything up to and including the next delimiter.
    fn pass_delimiter(&mut self) -> io::Result<()> {
        loop {
            self.start = self.content_end();
            if self.found.take().is_some() {
                self.start += self.delimiter.needle().len();
                self.searched = self.start;
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// The end of content in the buffer, where a delimiter may begin.
    fn content_end(&mut self) -> usize {
        if self.found.is_none() {
            let unsearched = &self.buffer[self.searched..self.end];
            self.found = self.delimiter.find(unsearched);
            self.found = self.found.map(|at| self.searched + at);
            let overlap = self.delimiter.needle().len() - 1;
            self.searched = self.searched.max(self.end.saturating_sub(overlap));
        }
        self.found.unwrap_or(self.searched)
    }

    /// The headers that follow a delimiter; `None` after the closing one.
    fn headers(&mut self) -> io::Result<Option<Vec<u8>>> {
        const BREAK: &[u8] = b"\r\n\r\n";
        let mut searched = 0;
        loop {
            let rest = &self.buffer[self.start..self.end];
            if rest.starts_with(b"--") {
                return Ok(None);
            }
            let found = memmem::find(&rest[searched..], BREAK).map(|at| searched + at);
            if found.unwrap_or(rest.len()) > MOST_HEADER_BYTES {
                return Err(FormError::HeadersTooLong.into());
            }
            if let Some(at) = found {
                let head = rest[..at].trim_ascii_start();
                let padding = &rest[..at - head.len()];
                if !head.is_empty() && !padding.ends_with(b"\r\n") {
                    return Err(FormError::Malformed.into());
                }
                let head = head.to_vec();
                self.start += at + BREAK.len();
                self.searched = self.start;
                return Ok(Some(head));
            }
            searched = rest.len().saturating_sub(BREAK.len() - 1);
            self.fill()?;
        }
    }

    /// Reads more bytes after the unread ones.
    fn fill(&mut self) -> io::Result<()> {
        let start = std::mem::take(&mut self.start);
        self.buffer.copy_within(start..self.end, 0);
        self.end -= start;
        self.searched -= start;
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Err(FormError::BrokenOff.into()),
                Ok(count) => {
                    self.end += count;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Read> Read for Form<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.state != State::File || out.is_empty() {
            return Ok(0);
        }
        loop {
            let content_end = self.content_end();
            let content = &self.buffer[self.start..content_end];
            if !content.is_empty() {
                let count = content.len().min(out.len());
                out[..count].copy_from_slice(&content[..count]);
                self.start += count;
                return Ok(count);
            }
            if self.found.is_some() {
                return Ok(0);
            }
            self.fill()?;
        }
    }
}

/// The name of a part that is a file.
fn file_name(headers: &[u8]) -> Option<String> {
    let headers = String::from_utf8_lossy(headers);
    let disposition = headers.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.trim().eq_ignore_ascii_case("content-disposition");
        is_it.then_some(value)
    })?;
    parameter(disposition, "filename").or_else(|| {
        // Some clients send non-ASCII names only in this form (RFC 8187).
        let extended = parameter(disposition, "filename*")?;
        let (charset, encoded) = extended.split_once("\'")?;
        let (_, encoded) = encoded.split_once('\'')?;
        charset
            .eq_ignore_ascii_case("utf-8")
            .then(|| percent_decoded(encoded))
    })
}

/// A parameter of a header's value, such as `boundary` in `multipart/form-data; boundary=X`.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let (_, mut rest) = value.split_once(';')?;
    loop {
        let (name, value) = rest.split_once('=')?;
        let (text, after) = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = after.trim_start().strip_prefix(';')?;
    }
}

/// A quoted text up to its closing quote, and what follows it.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((text, &quoted[at + 1..])),
            // Names from Windows may contain backslashes: only a quote is escaped.
            '\\' if quoted[at + 1..].starts_with('"') => {
                text.push('"');
                characters.next();
            }
            other => text.push(other),
        }
    }
    None
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                #[expect(clippy::cast_possible_truncation, reason = "two hexadecimal digits")]
                bytes.push((16 * high + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONTENT_TYPE: &str = "multipart/form-data; charset=utf-8; boundary=\"X\"";

    /// Yields a few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn read(body: &[u8], at_a_time: usize) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut form = Form::new(CONTENT_TYPE, Trickle(body, at_a_time), 5)?;
        let mut files = Vec::new();
        while let Some(name) = form.next_file()? {
            let mut content = Vec::new();
            form.read_to_end(&mut content)?;
            files.push((name, content));
        }
        Ok(files)
    }

    fn error(body: &[u8]) -> String {
        let [whole, trickled] = [body.len().max(1), 1].map(|count| {
            let error = read(body, count).expect_err("a bad form");
            error.to_string()
        });
        assert_eq!(whole, trickled);
        whole
    }

    fn part(disposition: &str, content: &[u8]) -> Vec<u8> {
        let head = format!("--X\r\ncontent-disposition: form-data; {disposition}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    }

    fn file(name: &str, content: &[u8]) -> Vec<u8> {
        part(&format!("name=\"file\"; filename=\"{name}\""), content)
    }

    proptest! {
        /// For any contents, and however the bytes are split.
        #[test]
        fn files_are_what_was_sent(
            contents in prop::collection::vec(
                prop::collection::vec(prop_oneof![Just(b'-'), Just(b'\r'), Just(b'\n'), Just(b'X'),
                                                  any::<u8>()], 0..200), 0..5),
            at_a_time in 1usize..300,
            preamble in "[a-z\r\n-]{0,20}",
        ) {
            let delimiter = b"\r\n--X";
            let clean = |content: &Vec<u8>| memmem::find(content, delimiter).is_none();
            prop_assume!(contents.iter().all(clean));
            let preamble = if preamble.is_empty() { preamble } else { preamble + "\r\n" };
            let mut body = preamble.into_bytes();
            for (number, content) in contents.iter().enumerate() {
                body.extend(file(&number.to_string(), content));
            }
            body.extend(b"--X--\r\nepilogue");
            let expected: Vec<_> = (0..).map(|number: u8| number.to_string()).zip(contents).collect();
            prop_assert_eq!(read(&body, at_a_time).expect("a good form"), expected);
        }
    }

    #[test]
    fn names_are_read_as_clients_write_them() {
        for (disposition, expected) in [
            (r#"name="file"; filename="a b;c.csv""#, Some("a b;c.csv")),
            (r#"filename="say \"x\".csv"; name=f"#, Some("say \"x\".csv")),
            (r#"filename="d:\usage.csv""#, Some("d:\\usage.csv")),
            ("filename=plain.csv", Some("plain.csv")),
            ("filename*=UTF-8''%e2%82%ac.csv", Some("\u{20ac}.csv")),
            (r#"name="note""#, None),
        ] {
            let body = [part(disposition, b"1"), b"--X--".to_vec()].concat();
            let files = read(&body, 1000).expect("a good form");
            let name = files.first().map(|(name, _)| name.as_str());
            assert_eq!(name, expected, "{disposition}");
        }
    }

    #[test]
    fn what_is_too_much_is_an_error_with_its_limit() {
        let six = file("a", b"1").repeat(6);
        assert_eq!(error(&six), "the form has more than 5 parts");
        let fields = part("name=\"note\"", b"hi").repeat(6);
        assert_eq!(error(&fields), "the form has more than 5 parts");
        let long = [b"--X\r\nA: ".to_vec(), vec![b'b'; 9000]].concat();
        assert_eq!(
            error(&long),
            "a part of the form has more than 8192 bytes of headers"
        );
    }

    #[test]
    fn a_torn_or_malformed_form_is_an_error() {
        let whole = [file("a.csv", b"1,2"), b"--X--".to_vec()].concat();
        for length in 0..whole.len() {
            let message = error(&whole[..length]);
            assert_eq!(
                message, "the form ends before its closing boundary",
                "{length}"
            );
        }
        let malformed = "a boundary of the form is followed by something else than headers";
        assert_eq!(error(b"--XY\r\n\r\n1\r\n--X--"), malformed);
        for content_type in ["multipart/form-data", "multipart/form-data; boundary="] {
            let refused = Form::new(content_type, io::empty(), 1);
            assert_eq!(refused.err(), Some(FormError::Boundary));
        }
    }
}
