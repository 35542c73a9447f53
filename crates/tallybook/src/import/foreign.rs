//! Detects files that are not usage reports from their first bytes, with advice for each kind.

use std::fmt;

/// How many of the first bytes are examined.
pub(super) const START_BYTES: usize = 512;

/// What a file is instead of a usage report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    /// What it is, with its article.
    pub what: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is {}: {}", self.what, self.remedy)
    }
}

const UNPACK: &str =
    "unpack it and import the CSV files in it (gzip and zstd are read as they are)";
const SAVE_AS_CSV: &str = "save the sheet with the report as CSV in UTF-8";
const SAVE_AS_UTF8: &str = "save it as CSV in UTF-8";
const DOWNLOAD_AGAIN: &str = "the download did not bring the report; open its link in a browser \
                              to see why, for links expire and some need a sign-in";
const NOT_A_REPORT: &str = "a usage report is a CSV file";

/// What a decompressed file is, if its first bytes show that it is not text with a header.
pub(super) fn detect(start: &[u8]) -> Option<Foreign> {
    let (what, remedy) = by_signature(start).or_else(|| by_text(start))?;
    Some(Foreign { what, remedy })
}

fn by_signature(start: &[u8]) -> Option<(&'static str, &'static str)> {
    Some(match start {
        [b'P', b'K', 3, 4, ..] if is_workbook(start) => ("an Excel workbook", SAVE_AS_CSV),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => ("a ZIP archive", UNPACK),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => ("an old Excel workbook", SAVE_AS_CSV),
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => (
            "compressed twice",
            "unpack it once and import what comes out",
        ),
        [b'B', b'Z', b'h', ..] => ("compressed by bzip2", UNPACK),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => ("compressed by xz", UNPACK),
        [b'7', b'z', 0xbc, 0xaf, ..] => ("a 7-Zip archive", UNPACK),
        [b'R', b'a', b'r', b'!', ..] => ("a RAR archive", UNPACK),
        [b'%', b'P', b'D', b'F', ..] => ("a PDF document", NOT_A_REPORT),
        [b'P', b'A', b'R', b'1', ..] => ("a Parquet file", NOT_A_REPORT),
        _ if start.get(257..262) == Some(b"ustar") => ("a tar archive", UNPACK),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("text in UTF-16", SAVE_AS_UTF8),
        // Latin letters in UTF-16 without a byte order mark.
        [_, 0, _, 0, ..] | [0, _, 0, _, ..] => ("text in UTF-16", SAVE_AS_UTF8),
        _ => return None,
    })
}

/// A workbook is a ZIP archive; its first entry has one of these names.
fn is_workbook(start: &[u8]) -> bool {
    const NAME: usize = 30;
    let name = start.get(NAME..).unwrap_or_default();
    let first: [&[u8]; 4] = [b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/"];
    first.iter().any(|entry| name.starts_with(entry))
}

fn by_text(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let text = text.trim_ascii_start();
    let begins = |word: &str| {
        let beginning = text.get(..word.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(word.as_bytes()))
    };
    if begins("<!doctype html") || begins("<html") {
        Some(("an HTML page", DOWNLOAD_AGAIN))
    } else if begins("<?xml") || begins("<Error") {
        Some(("an XML document", DOWNLOAD_AGAIN))
    } else if begins("{") || begins("[") {
        Some(("JSON", DOWNLOAD_AGAIN))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(start: &[u8]) -> Option<&'static str> {
        detect(start).map(|foreign| foreign.what)
    }

    #[test]
    fn files_are_named_for_what_they_are() {
        let mut workbook = b"PK\x03\x04".to_vec();
        workbook.resize(30, 0);
        let archive = [&workbook[..], b"usage.csv"].concat();
        workbook.extend_from_slice(b"[Content_Types].xml");
        let mut tar = vec![b'a'; 257];
        tar.extend_from_slice(b"ustar");
        let cases: [(&[u8], &str); 14] = [
            (&workbook, "an Excel workbook"),
            (&archive, "a ZIP archive"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
            (b"BZh91AY", "compressed by bzip2"),
            (b"\xfd7zXZ\0", "compressed by xz"),
            (b"\x1f\x8b\x08", "compressed twice"),
            (&tar, "a tar archive"),
            (b"%PDF-1.7", "a PDF document"),
            (b"\xff\xfed\0a\0t\0e\0", "text in UTF-16"),
            (b"d\0a\0t\0e\0,\0", "text in UTF-16"),
            (b"\0d\0a\0t\0e\0,", "text in UTF-16"),
            (
                b"\xef\xbb\xbf\r\n<!DOCTYPE HTML><title>Sign in",
                "an HTML page",
            ),
            (b"<?xml version=\"1.0\"?><Error>", "an XML document"),
            (b" {\"message\":\"Not Found\"}", "JSON"),
        ];
        for (start, expected) in cases {
            assert_eq!(what(start), Some(expected), "{start:?}");
        }
    }

    #[test]
    fn a_header_is_nothing_else() {
        for start in [
            &b"date,product,sku"[..],
            b"\xef\xbb\xbf\"Date\",\"Product\"",
            b"",
            b"x",
        ] {
            assert_eq!(what(start), None, "{start:?}");
        }
    }
}
