//! Reports are read exactly or not at all.

mod dates;
mod layouts;

use super::*;
use bigdecimal::{BigDecimal, RoundingMode};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::str::FromStr;
use tallybook_core::time::{Day, Instant};

/// Keeps every line as text.
#[derive(Default)]
struct Kept {
    layout: Option<Layout>,
    lines: Vec<String>,
    /// Per SKU: quantity, gross, discount, net; in billionths.
    sums: BTreeMap<String, [i128; 4]>,
    refuse: Option<&'static str>,
}

impl Sink for Kept {
    fn begin(&mut self, layout: Layout) -> Result<(), SinkError> {
        assert_eq!(self.layout.replace(layout), None, "begun once");
        Ok(())
    }

    fn line(&mut self, line: &Line<'_>) -> Result<(), SinkError> {
        if self.refuse == Some(line.user) {
            return Err(SinkError::Line {
                column: Some("username".into()),
                reason: "is not welcome".into(),
            });
        }
        self.lines.push(format!("{line:?}"));
        let net = line.gross - line.discount;
        let sums = self.sums.entry(line.sku.to_owned()).or_default();
        let values = [
            line.quantity.nanos(),
            line.gross.nanos(),
            line.discount.nanos(),
            net.nanos(),
        ];
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
        Ok(())
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/reports/");
    std::fs::read(format!("{directory}{name}")).expect("the fixture is there")
}

fn read(bytes: &[u8]) -> Result<(FileSummary, Kept), ReadError> {
    let mut kept = Kept::default();
    let summary = read_file("usage.csv", bytes, &ReadOptions::default(), &mut kept)?;
    Ok((summary, kept))
}

fn read_skipping(bytes: &[u8]) -> Result<(FileSummary, Kept), ReadError> {
    let options = ReadOptions {
        skip_bad_lines: true,
        ..ReadOptions::default()
    };
    let mut kept = Kept::default();
    let summary = read_file("usage.csv", bytes, &options, &mut kept)?;
    Ok((summary, kept))
}

fn good(bytes: &[u8]) -> (FileSummary, Kept) {
    read(bytes).expect("a good report")
}

fn error(bytes: &[u8]) -> String {
    match read(bytes) {
        Ok((summary, _)) => panic!("{} lines were read", summary.lines),
        Err(error) => error.to_string(),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("memory")
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("memory");
    // As the command-line tool does.
    encoder.include_checksum(true).expect("a setting");
    let written = encoder.write_all(bytes);
    written.and_then(|()| encoder.finish()).expect("memory")
}

const HEADER: &str = "date,product,sku,quantity,unit_type,applied_cost_per_quantity,\
    gross_amount,discount_amount,net_amount,username,organization,repository,workflow_path,\
    cost_center_name";

/// A detailed line with one of its 14 fields replaced.
fn with_field(index: usize, text: &str) -> Vec<u8> {
    let mut fields = [
        "2025-11-01",
        "actions",
        "actions_linux",
        "9",
        "minutes",
        "0.008",
        "0.072",
        "0.032",
        "0.04",
        "monalisa",
        "octo-org",
        "api",
        "ci.yml",
        "",
    ];
    fields[index] = text;
    format!("{HEADER}\n{}\n", fields.join(",")).into_bytes()
}

// Real reports.

/// Sums what another CSV reader and a decimal library find.
fn oracle_sums(bytes: &[u8]) -> BTreeMap<String, [i128; 4]> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::Reader::from_reader(bytes);
    let headers = reader.headers().expect("a header").clone();
    let place = |name: &str| {
        headers
            .iter()
            .position(|header| header == name)
            .expect("a column")
    };
    let columns = ["quantity", "gross_amount", "discount_amount", "net_amount"].map(&place);
    let sku = place("sku");
    let mut sums = BTreeMap::<String, [BigDecimal; 4]>::new();
    for record in reader.records() {
        let record = record.expect("a record");
        let sums = sums.entry(record[sku].to_owned()).or_default();
        for (sum, column) in sums.iter_mut().zip(columns) {
            let value = BigDecimal::from_str(&record[column]).expect("a number");
            *sum += value.with_scale_round(9, RoundingMode::HalfEven);
        }
    }
    let nanos = |sum: &BigDecimal| -> i128 {
        let digits = sum.with_scale(9).into_bigint_and_exponent().0;
        digits.try_into().expect("a sum in range")
    };
    sums.iter()
        .map(|(sku, sums)| (sku.clone(), sums.each_ref().map(nanos)))
        .collect()
}

#[test]
fn real_reports_add_up_to_their_decimal_sums() {
    for (name, layout, lines) in [
        ("detailed_2025-11-01_02.csv", Layout::Detailed, 3836),
        ("premium_request_2025-10.csv", Layout::PremiumRequest, 1693),
        ("summarized_2025-07.csv", Layout::Summarized, 20),
    ] {
        let bytes = fixture(name);
        let (summary, kept) = good(&bytes);
        assert_eq!((summary.layout, summary.lines), (layout, lines), "{name}");
        assert_eq!(summary.kind, layout.kind());
        assert_eq!(summary.unknown_columns, [""; 0]);
        assert_eq!(summary.bytes, bytes.len() as u64);
        assert_eq!(summary.digest, Digest::of(&bytes));
        assert_eq!(kept.sums, oracle_sums(&bytes), "{name}");
    }
}

#[test]
fn compression_changes_nothing_but_the_encoding() {
    let bytes = fixture("premium_request_2025-10.csv");
    let (plain, lines) = good(&bytes);
    assert_eq!(plain.encoding, Encoding::Plain);
    let halves = [gzip(&bytes[..5000]), gzip(&bytes[5000..])].concat();
    for (packed, encoding) in [
        (gzip(&bytes), Encoding::Gzip),
        (halves, Encoding::Gzip),
        (zstandard(&bytes), Encoding::Zstd),
    ] {
        let (summary, kept) = good(&packed);
        assert_eq!(kept.lines, lines.lines);
        assert_eq!(
            summary,
            FileSummary {
                encoding,
                ..plain.clone()
            }
        );
    }
}

// Layouts.

#[test]
fn the_2025_layout_keeps_workflow_names() {
    let (summary, kept) = good(&fixture("detailed_2025_layout.csv"));
    assert_eq!((summary.layout, summary.lines), (Layout::Detailed, 3));
    assert!(kept.lines[0].contains(r#"workflow: ".github/workflows/ci.yml""#));
    assert!(kept.lines[0].contains(r#"workflow_name: "CI""#));
    assert!(kept.lines[1].contains(r#"cost_center: "Platform""#));
}

/// Keeps what one line's hour and instant are.
struct Instants(Vec<(i32, Option<Instant>, String)>);

impl Sink for Instants {
    fn begin(&mut self, _: Layout) -> Result<(), SinkError> {
        Ok(())
    }
    fn line(&mut self, line: &Line<'_>) -> Result<(), SinkError> {
        let name = line.extras.workflow_name.to_owned();
        self.0.push((line.hour.of_day(), line.extras.used_at, name));
        Ok(())
    }
}

#[test]
fn usage_at_says_the_hour() {
    let mut sink = Instants(Vec::new());
    let bytes = fixture("detailed_usage_at.csv");
    read_file("f", &bytes[..], &ReadOptions::default(), &mut sink).expect("a good report");
    let instant = |text| Some(Instant::parse(text).expect("an instant"));
    assert_eq!(
        sink.0,
        [
            (
                13,
                instant("2025-05-01T13:05:00Z"),
                r#"Build, test "and" ship"#.into()
            ),
            (23, instant("2025-05-01T23:59:59Z"), "Nightly".into()),
        ]
    );
}

#[test]
fn usage_at_must_make_sense() {
    let text = String::from_utf8(fixture("detailed_usage_at.csv")).expect("text");
    let with = |instant: &str| text.replace("2025-05-01T13:05:00Z", instant).into_bytes();
    for (instant, hour) in [
        ("2025-05-01", 0),
        ("2025/5/1", 0),
        ("2025-05-01T15:05:00+02:00", 13),
        ("2025-05-01T13:05:00.123Z", 13),
    ] {
        let mut sink = Instants(Vec::new());
        let bytes = with(instant);
        read_file("f", &bytes[..], &ReadOptions::default(), &mut sink).expect("a good report");
        assert_eq!(sink.0[0].0, hour, "{instant}");
    }
    for instant in ["", "2025-05-01T24:00:00Z", "2025-05-01T13:60:00Z", "noon"] {
        let message = error(&with(instant));
        let expected = format!("line 2, column usage_at: \"{instant}\" is not a date");
        assert!(message.ends_with(&expected), "{message}");
    }
    let text = text
        .replace("usage_at,", "usage_at,date,")
        .replace("Z,", "Z,2025-05-02,");
    let message = error(text.as_bytes());
    assert!(
        message.ends_with("is not on the day of the line, 2025-05-02"),
        "{message}"
    );
}

#[test]
fn older_summaries_and_ai_credits_are_told_apart() {
    let (summary, kept) = good(&fixture("summarized_formatted_date.csv"));
    assert_eq!((summary.layout, summary.lines), (Layout::Summarized, 2));
    assert!(kept.lines[1].contains(r#"repository: "octo-org/assets""#));
    let (summary, kept) = good(&fixture("ai_credit_17_columns.csv"));
    assert_eq!((summary.layout, summary.lines), (Layout::AiCredit, 2));
    assert_eq!(
        kept.sums["copilot_ai_credit"],
        [3_600_000_000, 36_000_000, 36_000_000, 0]
    );
    let (summary, kept) = good(&fixture("ai_credit_21_columns.csv"));
    assert_eq!((summary.layout, summary.lines), (Layout::AiCreditTokens, 1));
    assert!(kept.lines[0].contains("Some(Quantity(18250000000000)), Some(Quantity(912000000000))"));
    assert!(kept.lines[0].contains(r#"total_monthly_quota: "3900""#));
}

#[test]
fn token_counts_are_read_under_both_of_their_names() {
    let short = String::from_utf8(fixture("ai_credit_21_columns.csv")).unwrap();
    let (short_summary, expected) = good(short.as_bytes());
    for cache_write in ["total_cache_write_tokens", "total_cache_creation_tokens"] {
        let long = short
            .replace("\"input\"", "\"total_input_tokens\"")
            .replace("\"output\"", "\"total_output_tokens\"")
            .replace("\"cache_read\"", "\"total_cache_read_tokens\"")
            .replace("\"cache_write\"", &format!("\"{cache_write}\""));
        let (summary, kept) = good(long.as_bytes());
        assert_eq!(summary.layout, short_summary.layout);
        assert_eq!(summary.unknown_columns, Vec::<String>::new());
        assert_eq!(kept.lines, expected.lines);
    }
}

#[test]
fn the_layout_before_2024_gets_exact_amounts() {
    let (summary, kept) = good(&fixture("before_2024.csv"));
    assert_eq!((summary.layout, summary.lines), (Layout::Before2024, 4));
    assert_eq!(summary.kind, ReportKind::Detailed);
    assert_eq!(
        kept.sums["Compute - UBUNTU"],
        [37_000_000_000, 296_000_000, 0, 296_000_000]
    );
    // The price is that of a macOS minute: it already includes the multiplier.
    assert_eq!(
        kept.sums["Compute - MACOS"],
        [402_000_000_000, 32_160_000_000, 0, 32_160_000_000]
    );
    // 1.234567891 x 0.00033602 = 0.00041483950...
    assert_eq!(kept.sums["Shared Storage"][1], 414_840);
    assert!(kept.lines[2].contains(r#"notes: "Packages, artifacts""#));
    assert!(kept.lines[1].contains("multiplier: Some(Quantity(10000000000))"));
}

#[test]
fn a_spreadsheet_may_have_saved_it() {
    let (summary, kept) = good(&fixture("saved_by_a_spreadsheet.csv"));
    assert_eq!((summary.layout, summary.lines), (Layout::PremiumRequest, 2));
    let hour = |day| Day::parse(day).expect("a day").first_hour();
    assert!(kept.lines[0].contains(&format!("{:?}", hour("2025-10-01"))));
    assert!(kept.lines[1].contains(&format!("{:?}", hour("2025-10-31"))));
    assert!(kept.lines[1].contains("exceeds_quota: Some(true)"));
}

#[test]
fn unknown_columns_are_kept_and_named() {
    let long = "x".repeat(1000);
    let text = format!(
        "{HEADER},carbon,\"Carbon 2\",,\n\
        2025-11-01,actions,actions_linux,9,minutes,0.008,0.072,0,0.072,m,o,r,w,,1,{long},,2\n"
    );
    let (summary, kept) = good(text.as_bytes());
    assert_eq!(summary.unknown_columns, ["carbon", "Carbon 2", "", " (2)"]);
    assert_eq!(summary.lines, 1);
    let expected = format!(r#"unknown: [("carbon", "1"), ("Carbon 2", "{long}"), (" (2)", "2")]"#);
    assert!(kept.lines[0].contains(&expected), "{:?}", kept.lines);
}

#[test]
fn a_header_of_many_unknown_columns_is_refused() {
    let header = |count: usize| format!("{HEADER}{}\n", ",new".repeat(count));
    let (summary, _) = good(header(32).as_bytes());
    assert_eq!(summary.unknown_columns.len(), 32);
    let message = error(header(33).as_bytes());
    assert!(
        message.ends_with("the header has more than 32 columns that no usage report has"),
        "{message}"
    );
}

#[test]
fn a_header_alone_is_a_report_of_nothing() {
    for end in ["", "\n", "\r\n", "\n\n"] {
        let (summary, _) = good(format!("\u{feff}{}{end}", HEADER.to_uppercase()).as_bytes());
        assert_eq!((summary.layout, summary.lines), (Layout::Detailed, 0));
    }
}

#[test]
fn other_files_are_refused_by_name() {
    for (bytes, expected) in [
        (
            &b""[..],
            "usage.csv: is empty; a usage report has at least a header",
        ),
        (b"\n\n", "usage.csv: is empty"),
        (
            b"PK\x03\x04rest",
            "usage.csv: is a ZIP archive: unpack it and import the CSV files in it",
        ),
        (
            b"\xff\xfed\0a\0",
            "usage.csv: is text in UTF-16: save it as CSV in UTF-8",
        ),
        (
            b"<!DOCTYPE html>\n<html>\n",
            "usage.csv: is an HTML page: the download did not bring the report",
        ),
        (
            b"name,age\nx,1\n",
            "usage.csv, line 1: this is not the header of a usage report; \
            understood are: detailed, summarized, premium_request, ai_credit, ai_credit with \
            token counts, usage report before 2024",
        ),
        (
            b"date,product,sku,quantity,date\n",
            "columns date and date have the same meaning",
        ),
        (
            b"date,formatted_date,sku\n",
            "columns date and formatted_date have the same meaning",
        ),
        (
            b"\"date\n",
            "line 1: the header cannot be read: a quote is not closed",
        ),
        (
            b"d\0te\n",
            "line 1: the header cannot be read: it holds a control character",
        ),
        (
            b"d\xfft\n",
            "line 1: the header cannot be read: it is not UTF-8",
        ),
    ] {
        let message = error(bytes);
        assert!(message.contains(expected), "{message}");
    }
    let message = error(&fixture("premium_interactions.csv"));
    assert!(
        message.contains("the export of premium interactions"),
        "{message}"
    );
}

// Lines.

/// Fields of a line, a bad text, and the expected message.
const BAD_FIELDS: &[(usize, &str, &str)] = &[
    (
        0,
        "2025-13-01",
        r#"column date: "2025-13-01" is not a date"#,
    ),
    (
        0,
        "31/31/2025",
        r#"column date: "31/31/2025" is not a date"#,
    ),
    (0, "", r#"column date: "" is not a date"#),
    (1, "", "column product: is empty"),
    (2, "", "column sku: is empty"),
    (
        3,
        "abc",
        r#"column quantity: "abc" is not a decimal number"#,
    ),
    (3, "", "column quantity: is empty, a number is needed"),
    (
        3,
        "0.0000000001",
        r#"column quantity: "0.0000000001" has digits beyond the 9th decimal"#,
    ),
    (
        5,
        "1e99",
        r#"column applied_cost_per_quantity: "1e99" is larger than"#,
    ),
    (
        8,
        "0.041",
        "column net_amount: 0.041 is not gross - discount, which is 0.04",
    ),
    (
        9,
        "mona\"lisa",
        "column username: a quote is inside a field that does not start with one",
    ),
    (9, "\"mona", "column username: a quote is not closed"),
    (
        9,
        "\"mona\"x",
        "column username: something follows a closing quote",
    ),
    (9, "mona\0", ": holds a control character (U+0000, byte "),
    (
        9,
        "mona\tlisa",
        ": holds a control character (U+0009, byte ",
    ),
    (
        9,
        "mona\u{85}lisa",
        ": holds a control character (U+0085, byte ",
    ),
    (9, "mona,lisa", ": has 15 fields and the header has 14"),
];

#[test]
fn a_bad_line_says_where_and_why() {
    for (index, text, expected) in BAD_FIELDS {
        let message = error(&with_field(*index, text));
        let expected = if expected.starts_with(':') {
            format!("usage.csv, line 2{expected}")
        } else {
            format!("usage.csv, line 2, {expected}")
        };
        assert!(message.starts_with(&expected), "{message}\n{expected}");
    }
    let mut bytes = with_field(9, "mona");
    let at = bytes.len() - 20;
    bytes[at] = 0xff;
    assert!(error(&bytes).contains("line 2: is not UTF-8 (byte "));
}

#[test]
fn limits_are_named() {
    let message = error(&with_field(9, &"x".repeat(256)));
    assert!(message.ends_with("column username: is longer than 255 bytes (the limit for a name)"));
    good(&with_field(9, &"x".repeat(255)));
    let message = error(&with_field(12, &"x".repeat(4097)));
    assert!(message.ends_with("workflow_path: is longer than 4096 bytes (the limit for a field)"));
    good(&with_field(12, &"x".repeat(4096)));
    let message = error(&with_field(12, &"x".repeat(70_000)));
    assert!(message.ends_with("line 2: is longer than 65536 bytes (the limit for a line)"));
    let message = error(&vec![b'x'; 70_000]);
    assert!(message.ends_with("the header is longer than 65536 bytes (the limit for a line)"));

    let limits = Limits {
        file_bytes: 100,
        ..Limits::default()
    };
    let options = ReadOptions {
        limits,
        ..ReadOptions::default()
    };
    let result = read_file("f", &with_field(9, "m")[..], &options, &mut Kept::default());
    let message = result.expect_err("a file that is too long").to_string();
    assert_eq!(
        message,
        "f: holds more than 100 bytes (the limit for a file, decompressed)"
    );
}

#[test]
fn a_packed_file_is_named_for_what_is_in_it() {
    let message = error(&gzip(b"<html>sign in"));
    assert!(
        message.starts_with("usage.csv: is an HTML page: "),
        "{message}"
    );
}

#[test]
fn blank_lines_are_passed_over_up_to_a_limit() {
    let read = |blank: usize| {
        let limits = Limits {
            blank_lines: 10,
            ..Limits::default()
        };
        let options = ReadOptions {
            limits,
            ..ReadOptions::default()
        };
        let blank = "\n".repeat(blank / 2) + &"\r\n".repeat(blank - blank / 2);
        let text = [blank.as_bytes(), &with_field(9, "m")].concat();
        read_file("f", &text[..], &options, &mut Kept::default())
    };
    assert_eq!(read(10).expect("few blank lines").lines, 1);
    let message = read(11).expect_err("too many").to_string();
    let expected = "f: has more than 10 blank lines; remove them, or export the report again";
    assert_eq!(message, expected);
}

/// The frame's header states how much memory decompression takes: it is checked before anything is
/// allocated.
#[test]
fn a_zstandard_window_has_a_limit() {
    let packed = |window_log: u32| {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("made");
        encoder.window_log(window_log).expect("a window");
        encoder.write_all(&with_field(9, "m")).expect("written");
        encoder.finish().expect("packed")
    };
    good(&packed(27));
    let message = error(&packed(28));
    let expected = "usage.csv: the zstd stream cannot be read: its window is larger than 128 MiB; \
                    compress it again with zstd --long=27";
    assert_eq!(message, expected);
}

#[test]
fn the_net_may_differ_by_two_billionths() {
    for (net, adjusted) in [("0.04", 0), ("0.040000002", 1), ("0.039999998", 1)] {
        let (summary, kept) = good(&with_field(8, net));
        assert_eq!(summary.adjusted_nets, adjusted, "{net}");
        assert_eq!(kept.sums["actions_linux"][3], 40_000_000);
    }
    error(&with_field(8, "0.040000003"));
    error(&with_field(8, "0.039999997"));
}

#[test]
fn corrections_may_be_negative() {
    let text = format!(
        "{HEADER}\n2025-11-01,actions,actions_linux,-9,minutes,0.008,-0.072,0,-0.072,\
        m,o,r,w,\n"
    );
    let (_, kept) = good(text.as_bytes());
    assert_eq!(
        kept.sums["actions_linux"],
        [-9_000_000_000, -72_000_000, 0, -72_000_000]
    );
}

#[test]
fn bad_lines_are_skipped_when_asked() {
    let text = format!(
        "{HEADER}\r\n\
         2025-11-01,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,m,o,r,w,\r\n\
         2025-11-01,actions,actions_linux,x,minutes,0.008,0.008,0,0.008,m,o,r,w,\r\n\
         \"2025-11-01,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,m,o,r,w,\r\n\
         {}\r\n\
         \r\n\
         2025-11-01,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,ghost,o,r,w,\r\n\
         2025-11-01,actions,actions_linux,2,minutes,0.008,0.016,0,0.016,m,o,r,w,\r\n",
        "z".repeat(400_000),
    );
    let options = ReadOptions {
        skip_bad_lines: true,
        ..ReadOptions::default()
    };
    let mut kept = Kept {
        refuse: Some("ghost"),
        ..Kept::default()
    };
    let summary = read_file("usage.csv", text.as_bytes(), &options, &mut kept).expect("skipped");
    let messages: Vec<String> = summary.skipped.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            r#"usage.csv, line 3, column quantity: "x" is not a decimal number"#,
            "usage.csv, line 4, column date: a quote is not closed",
            "usage.csv, line 5: is longer than 65536 bytes (the limit for a line)",
            "usage.csv, line 7, column username: is not welcome",
        ]
    );
    assert_eq!((summary.lines, summary.skipped_lines), (2, 4));
    assert_eq!(kept.sums["actions_linux"][0], 3_000_000_000);
    assert_eq!(summary.digest, Digest::of(text.as_bytes()));
}

#[test]
fn the_list_of_skipped_lines_is_bounded() {
    let text = format!("{HEADER}\n{}", "bad\n".repeat(LISTED_BAD_LINES + 5));
    let (summary, _) = read_skipping(text.as_bytes()).expect("skipped");
    assert_eq!(summary.skipped.len(), LISTED_BAD_LINES);
    assert_eq!(summary.skipped_lines, LISTED_BAD_LINES as u64 + 5);
}

#[test]
fn the_last_line_needs_no_line_break_when_it_is_whole() {
    for name in [
        "detailed_2025_layout.csv",
        "ai_credit_21_columns.csv",
        "before_2024.csv",
    ] {
        let bytes = fixture(name);
        let (whole, lines) = good(&bytes);
        let (summary, kept) = good(bytes.trim_ascii_end());
        assert_eq!(
            (summary.lines, kept.lines),
            (whole.lines, lines.lines),
            "{name}"
        );
    }
    // A digit may be missing at the end of an unquoted number.
    let text = String::from_utf8(fixture("saved_by_a_spreadsheet.csv")).expect("text");
    let text = text.replace("10/1/25", "10/13/25");
    let message = error(text.trim_end().as_bytes());
    assert!(
        message.contains("line 3: the file ends without a line break"),
        "{message}"
    );
}

#[test]
fn a_cut_off_download_says_so() {
    let bytes = fixture("premium_request_2025-10.csv");
    for (packed, encoding) in [(gzip(&bytes), "gzip"), (zstandard(&bytes), "zstd")] {
        for length in [packed.len() - 1, packed.len() / 2, 20] {
            let expected =
                format!("usage.csv: the {encoding} stream is cut off; is the download complete?");
            let result = read_skipping(&packed[..length]);
            assert_eq!(
                result.err().expect("an error").to_string(),
                expected,
                "{length}"
            );
        }
        let mut damaged = packed.clone();
        damaged[packed.len() / 2] ^= 0x55;
        assert!(read_skipping(&damaged).is_err(), "{encoding}");
    }
}

/// Yields one byte at a time.
struct Dripping<'a>(&'a [u8]);

impl std::io::Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(1).min(self.0.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

#[test]
fn the_size_of_reads_does_not_matter() {
    let bytes = fixture("detailed_2025-11-01_02.csv");
    let (whole, lines) = good(&bytes);
    let mut kept = Kept::default();
    let input = Dripping(&bytes);
    let summary = read_file("usage.csv", input, &ReadOptions::default(), &mut kept);
    assert_eq!(summary.expect("a good report"), whole);
    assert_eq!(kept.lines, lines.lines);
}

#[test]
fn a_file_that_is_read_ahead_reads_the_same() {
    let bytes = fixture("detailed_2025-11-01_02.csv");
    for packed in [bytes.clone(), gzip(&bytes), zstandard(&bytes)] {
        let (whole, lines) = good(&packed);
        let mut kept = Kept::default();
        let input = std::io::Cursor::new(packed);
        let summary = read_file_ahead("usage.csv", input, &ReadOptions::default(), &mut kept);
        assert_eq!(summary.expect("a good report"), whole);
        assert_eq!(kept.lines, lines.lines);
    }
}

#[test]
fn a_sink_can_give_up() {
    struct Full;
    impl Sink for Full {
        fn begin(&mut self, _: Layout) -> Result<(), SinkError> {
            Ok(())
        }
        fn line(&mut self, _: &Line<'_>) -> Result<(), SinkError> {
            Err(SinkError::Fatal("no space is left".into()))
        }
    }
    let options = ReadOptions {
        skip_bad_lines: true,
        ..ReadOptions::default()
    };
    let result = read_file("usage.csv", &with_field(9, "m")[..], &options, &mut Full);
    assert_eq!(
        result.expect_err("given up").to_string(),
        "usage.csv: no space is left"
    );
}

// Anything at all.

fn truncation() -> impl Strategy<Value = (&'static str, usize)> {
    let names = prop_oneof![
        Just("ai_credit_21_columns.csv"),
        Just("detailed_2025_layout.csv"),
        Just("saved_by_a_spreadsheet.csv"),
        Just("summarized_2025-07.csv"),
    ];
    (names, 0..4000usize)
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read_skipping(&bytes);
        let _ = read_skipping(&[HEADER.as_bytes(), b"\n", &bytes].concat());
        let _ = read_skipping(&[&[0x1f, 0x8b], &bytes[..]].concat());
        let _ = read_skipping(&[&[0x28, 0xb5, 0x2f, 0xfd], &bytes[..]].concat());
    }

    #[test]
    fn almost_csv_never_panics(text in "[\",\r\n0-9a.\u{e9}-]{0,300}") {
        let _ = read_skipping(format!("{HEADER}\n{text}").as_bytes());
    }

    /// The output of another CSV writer is split correctly.
    #[test]
    fn fields_are_split_as_they_were_joined(
        fields in proptest::collection::vec("[a\"\u{e9}, ]{0,8}", 2..8), always: bool,
    ) {
        let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let mut writer = csv::WriterBuilder::new().quote_style(style).from_writer(Vec::new());
        writer.write_record(&fields).expect("memory");
        let line = String::from_utf8(writer.into_inner().expect("memory")).expect("text");
        let line = line.trim_end_matches('\n');
        let mut split = Fields::default();
        prop_assert_eq!(split.split(line), Ok(()), "{}", line);
        let found: Vec<&str> = (0..split.len()).map(|at| split.get(line, at)).collect();
        prop_assert_eq!(found, fields);
    }

    /// However a file is truncated, the lines read are a prefix of the complete file's lines.
    #[test]
    fn a_cut_file_gives_no_wrong_number((name, length) in truncation()) {
        let bytes = fixture(name);
        let (_, whole) = good(&bytes);
        if let Ok((summary, kept)) = read_skipping(&bytes[..length.min(bytes.len())]) {
            prop_assert_eq!(&kept.lines[..], &whole.lines[..kept.lines.len()]);
            prop_assert!(summary.skipped_lines <= 1);
        }
    }

    #[test]
    fn columns_may_come_in_any_order(order in Just((0..15usize).collect::<Vec<_>>()).prop_shuffle()) {
        let text = String::from_utf8(fixture("detailed_2025_layout.csv")).expect("text");
        let shuffled: String = text
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split(',').collect();
                let fields: Vec<&str> = order.iter().map(|at| fields[*at]).collect();
                fields.join(",") + "\n"
            })
            .collect();
        let (summary, kept) = good(shuffled.as_bytes());
        prop_assert_eq!(summary.layout, Layout::Detailed);
        prop_assert_eq!(kept.lines, good(text.as_bytes()).1.lines);
    }
}
