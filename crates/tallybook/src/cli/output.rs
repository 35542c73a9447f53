//! What commands print: tables for people, errors in one line.

use std::io::{self, Write};

/// Prints rows under a header, columns two spaces apart. Characters that could affect a terminal
/// are escaped.
pub(crate) fn table(out: &mut dyn Write, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| escaped(cell)).collect())
        .collect();
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|it| it.chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            text.push_str(&format!("{cell:<width$}  "));
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(&mut head.iter().copied())?;
    for row in &rows {
        line(&mut row.iter().map(String::as_str))?;
    }
    Ok(())
}

/// A text with all characters escaped that would affect a terminal or disguise the text.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match acts(character) {
            true => out.extend(character.escape_unicode()),
            false => out.push(character),
        }
    }
    out
}

/// The same for JSON of several lines: such characters occur only within its strings.
pub(crate) fn escaped_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        match character != '\n' && acts(character) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => out.push(character),
        }
    }
    out
}

/// Whether a terminal does anything other than show a character: control characters, invisible ones
/// and those that change text direction. All are in the basic plane.
fn acts(character: char) -> bool {
    let is_format = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    );
    character.is_control() || is_format
}

/// An error and its causes as one line.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    let mut last = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors repeat their cause in their own text.
        if last.contains(&cause) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&cause.split_whitespace().collect::<Vec<_>>().join(" "));
        last = cause;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["1".to_owned(), "é".to_owned()],
            vec!["100".to_owned(), String::new()],
        ];
        let mut out = Vec::new();
        table(&mut out, &["id", "name"], &rows).expect("written");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(text, "id   name\n1    é\n100\n");
    }

    #[test]
    fn nothing_in_a_cell_acts_on_the_terminal() {
        let hostile = "\u{1b}[2J\r\n\u{9b}31m\u{202e}é\u{7f}\t";
        let mut out = Vec::new();
        let rows = [vec![hostile.to_owned(), "x".to_owned()]];
        table(&mut out, &["a", "b"], &rows).expect("written");
        let text = String::from_utf8(out).expect("UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        let shown = r"\u{1b}[2J\u{d}\u{a}\u{9b}31m\u{202e}é\u{7f}\u{9}  x";
        assert_eq!(lines[1], shown);
        assert_eq!(
            lines[0].find('b'),
            lines[1].chars().position(|it| it == 'x')
        );

        let json = serde_json::to_string_pretty(&serde_json::json!({"name": hostile}));
        let json = escaped_json(&json.expect("JSON"));
        assert!(
            !json.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{7f}']),
            "{json}"
        );
        let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read["name"], hostile);
    }

    #[test]
    fn causes_follow_in_the_same_line_once() {
        let inner = io::Error::other("disk on\nfire");
        let error = Err::<(), _>(inner)
            .context("cannot read x")
            .expect_err("an error");
        assert_eq!(one_line(&error), "cannot read x: disk on fire");
        let error = anyhow::anyhow!("no space").context("cannot write: no space");
        assert_eq!(one_line(&error), "cannot write: no space");
    }
}
