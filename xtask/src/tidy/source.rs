//! One file as the rules see it: its lines, which of them are tests, and its code without comments.

/// A file of the workspace.
pub(super) struct Source<'a> {
    /// Relative to the workspace, with `/` between folders.
    pub(super) file: &'a str,
    /// Every line.
    pub(super) lines: Vec<&'a str>,
    /// How many lines come before the tests; all of them when there are none.
    pub(super) end_of_code: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let is_test = |line: &&str| line.trim_start().starts_with("#[cfg(test)]");
        // A test module that stands in a file of its own is named at the top: only a module with a
        // body ends the code.
        let begins_tests = |index: usize| {
            let module = lines[index..].iter().find(|line| line.contains("mod "));
            is_test(&lines[index]) && module.is_some_and(|line| line.trim_end().ends_with('{'))
        };
        let end_of_code = if is_test_file(file) {
            0
        } else {
            (0..lines.len())
                .find(|index| begins_tests(*index))
                .unwrap_or(lines.len())
        };
        Self {
            file,
            lines,
            end_of_code,
        }
    }

    pub(super) fn is_rust(&self) -> bool {
        self.file.ends_with(".rs")
    }

    /// The lines before the tests, numbered from 1, without comments.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let lines = self.lines[..self.end_of_code].iter().enumerate();
        lines.map(|(index, line)| (index + 1, without_comment(line)))
    }
}

fn is_test_file(file: &str) -> bool {
    let mut parts = file.split('/');
    parts.any(|part| matches!(part, "tests" | "tests.rs" | "testing" | "benches"))
}

/// The line up to its comment. `//` in a URL is no comment.
fn without_comment(line: &str) -> &str {
    let mut from = 0;
    while let Some(offset) = line[from..].find("//") {
        let at = from + offset;
        if !line[..at].ends_with(':') {
            return &line[..at];
        }
        from = at + 2;
    }
    line
}

/// Whether `text` has `word`, not as a part of a longer name.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let opens = word.starts_with(is_name) && before.is_some_and(is_name);
        let closes = word.ends_with(is_name) && after.is_some_and(is_name);
        !opens && !closes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_code() {
        assert_eq!(without_comment("let a = 1; // f64"), "let a = 1; ");
        assert_eq!(without_comment("\"http://x\" // y"), "\"http://x\" ");
        assert_eq!(without_comment("//! f64"), "");
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("a: f64,", "f64"));
        assert!(!has_word("buf64", "f64"));
        assert!(!has_word("f64_bits", "f64"));
        assert!(has_word("use std::fs;", "std::fs"));
        assert!(has_word("panic!()", "panic!"));
    }

    #[test]
    fn tests_at_the_end_are_apart() {
        let text = "//! x\n\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(Source::new("crates/a/src/a.rs", text).end_of_code, 4);
        let text = "//! x\n#[cfg(test)]\nmod tests;\n\nfn a() {}\n";
        assert_eq!(Source::new("crates/a/src/a.rs", text).end_of_code, 5);
        assert_eq!(
            Source::new("crates/a/src/a/tests.rs", "//! x\n").end_of_code,
            0
        );
    }
}
