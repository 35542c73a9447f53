//! What commands print: tables for people, errors in one line.

use std::io::{self, Write};

/// Prints rows under a head, columns two spaces apart.
pub(crate) fn table(out: &mut dyn Write, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
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
    for row in rows {
        line(&mut row.iter().map(String::as_str))?;
    }
    Ok(())
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
