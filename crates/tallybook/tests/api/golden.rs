//! Tables that are reviewed: files of this folder, written by tests on request.

/// Compares a table with the file of this folder that holds it; `TALLYBOOK_BLESS` writes it.
#[track_caller]
pub(crate) fn assert_golden(file: &str, table: &str) {
    let path = format!("{}/tests/api/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("TALLYBOOK_BLESS").is_some() {
        std::fs::write(&path, table).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    let lines = golden.lines().zip(table.lines());
    let different: Vec<_> = lines.filter(|(golden, now)| golden != now).collect();
    assert!(different.is_empty(), "golden and now: {different:#?}");
    assert_eq!(golden, table);
}
