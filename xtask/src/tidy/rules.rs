//! The rules as data: which words a folder must not have, and the rules for every file.

use super::Finding;
use super::source::{Source, has_word};

const MOST_LINES: usize = 500;
const MOST_COLUMNS: usize = 100;

/// Words that must not stand in the code of a folder (tests and comments apart).
struct Ban {
    /// The folder (or file) by the beginning of its path.
    folder: &'static str,
    /// Files in it that may.
    except: &'static [&'static str],
    words: &'static [&'static str],
    /// What to do instead.
    instead: &'static str,
}

const SQL: &[&str] = &[
    "rusqlite",
    "SELECT ",
    "INSERT INTO",
    "UPDATE ",
    "DELETE FROM",
    "PRAGMA ",
];

const BANS: &[Ban] = &[
    Ban {
        folder: "crates/tallybook-core/src/",
        except: &[],
        words: &["f32", "f64"],
        instead: "money is integers: use Quantity, Amount or Price, or exact integer arithmetic",
    },
    Ban {
        folder: "crates/tallybook-core/src/",
        except: &[],
        words: &[
            "tokio",
            "async fn",
            ".await",
            "std::thread",
            "std::sync::mpsc",
        ],
        instead: "the core is synchronous: put what waits into the engine and call the core there",
    },
    Ban {
        folder: "crates/tallybook-core/src/",
        except: &[],
        words: &[
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
            "std::io",
            "println!",
        ],
        instead: "the core does no I/O: take the bytes as an argument and give bytes back",
    },
    Ban {
        folder: "crates/tallybook-core/src/",
        except: &[],
        words: &["serde", "serde_json", "tracing"],
        instead: "the core has no wire format and no logs: shapes belong into wire, logs into the \
                  engine",
    },
    Ban {
        folder: "crates/tallybook-core/src/",
        except: &[],
        words: &[
            "SystemTime",
            "std::time",
            "Timestamp::now",
            "Zoned::now",
            "getrandom",
        ],
        instead: "the core knows neither clock nor chance: take `now` or the random bytes as an \
                  argument",
    },
    Ban {
        folder: "crates/tallybook-store/src/",
        except: &[],
        words: &["serde", "serde_json", "axum", "http::"],
        instead: "the store keeps bytes and rows: encode and decode in the engine",
    },
    Ban {
        folder: "crates/tallybook-store/src/",
        except: &[],
        words: &[
            "tallybook_core::money",
            "tallybook_core::catalog",
            "tallybook_core::report",
        ],
        instead: "the store does not know what bytes mean: decide in the core, join in the engine",
    },
    Ban {
        folder: "crates/tallybook/src/jobs/",
        except: &[],
        words: &[
            "crate::http",
            "crate::wire",
            "crate::cli",
            "axum",
            "rusqlite",
        ],
        instead: "jobs are made over the engine: what clients see belongs into http and wire",
    },
    Ban {
        folder: "crates/tallybook/src/engine/",
        except: &[],
        words: &[
            "crate::http",
            "crate::wire",
            "crate::cli",
            "axum",
            "rusqlite",
        ],
        instead: "the engine joins core and store: what clients see belongs into http and wire",
    },
    Ban {
        folder: "crates/tallybook/src/wire/",
        except: &[],
        words: &[
            "crate::engine",
            "tallybook_store",
            "crate::http",
            "rusqlite",
        ],
        instead: "wire only shapes what it is given: load in the handler and pass it in",
    },
    Ban {
        folder: "crates/tallybook/src/http/",
        except: &[],
        words: SQL,
        instead: "handlers ask the engine: add a method there (and SQL only in tallybook-store)",
    },
    Ban {
        folder: "crates/tallybook/src/",
        except: &[],
        words: &["rusqlite"],
        instead: "only tallybook-store knows the database: go through its trait",
    },
    Ban {
        folder: "crates/tallybook/src/import/",
        except: &[],
        words: &["crate::http", "crate::wire", "crate::cli", "axum"],
        instead: "import reads reports and asks the engine: faces call it, never the other way",
    },
    Ban {
        folder: "crates/tallybook/src/importing/",
        except: &[],
        words: &["crate::http", "crate::cli", "axum"],
        instead: "the command line and the HTTP API import through here, never the other way",
    },
    Ban {
        folder: "crates/tallybook/src/events/",
        except: &[],
        words: &["crate::http", "crate::cli", "axum", "f32", "f64"],
        instead: "the command line and the HTTP API read events through here, never the other way, \
                  and a quantity is its digits",
    },
    Ban {
        folder: "crates/",
        except: &["crates/tallybook/src/clock.rs"],
        words: &[
            "SystemTime::now",
            "Instant::now",
            "Timestamp::now",
            "Zoned::now",
        ],
        instead: "only clock.rs reads the clock: take `now` as an argument, a `Clock`, or a \
                  `Stopwatch`",
    },
    Ban {
        folder: "crates/tallybook/src/",
        except: &["crates/tallybook/src/cli/"],
        words: &["std::env::var", "env::var_os", "std::env::vars"],
        instead: "settings come from cli/arguments.rs (flag, TALLYBOOK_ variable, file, default)",
    },
];

/// Marks of unfinished work, in any text that people write.
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "dbg!"];

/// Folders of one machine. In pieces, so that this file is not found itself.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("C:", "\\"),
];

pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    every_text(source, &mut findings);
    if source.is_rust() {
        head_and_size(source, &mut findings);
        for ban in BANS {
            banned_words(source, ban, &mut findings);
        }
    }
    findings
}

fn find(source: &Source<'_>, line: usize, message: String, findings: &mut Vec<Finding>) {
    findings.push(Finding {
        file: source.file.to_owned(),
        line,
        message,
    });
}

fn every_text(source: &Source<'_>, findings: &mut Vec<Finding>) {
    let is_this_file = source.file == "xtask/src/tidy/rules.rs";
    for (index, line) in source.lines.iter().enumerate() {
        for path in MACHINE_PATHS {
            if line.contains(path) {
                let message = format!("'{path}' is a folder of one machine: use a relative path");
                find(source, index + 1, message, findings);
            }
        }
        for mark in UNFINISHED
            .iter()
            .filter(|_| !is_this_file && source.is_rust())
        {
            if has_word(line, mark) {
                let message =
                    format!("'{mark}' marks unfinished work: finish it, or open an issue");
                find(source, index + 1, message, findings);
            }
        }
    }
}

fn head_and_size(source: &Source<'_>, findings: &mut Vec<Finding>) {
    if !source
        .lines
        .first()
        .is_some_and(|line| line.starts_with("//!"))
    {
        let message = "a file begins with //!: what it is, its invariant, where to look next";
        find(source, 1, message.to_owned(), findings);
    }
    if source.end_of_code > MOST_LINES {
        let lines = source.end_of_code;
        let message =
            format!("{lines} lines without tests, {MOST_LINES} at most: split it by noun");
        find(source, 0, message, findings);
    }
    for (index, line) in source.lines[..source.end_of_code].iter().enumerate() {
        let columns = line.chars().count();
        if columns > MOST_COLUMNS {
            let message = format!("{columns} columns, {MOST_COLUMNS} at most: break the line");
            find(source, index + 1, message, findings);
        }
    }
}

fn banned_words(source: &Source<'_>, ban: &Ban, findings: &mut Vec<Finding>) {
    let is_exempt = ban.except.iter().any(|path| source.file.starts_with(path));
    if !source.file.starts_with(ban.folder) || is_exempt {
        return;
    }
    for (line, code) in source.code() {
        for word in ban.words {
            if has_word(code, word) {
                let message = format!("'{}' has no place here: {}", word.trim_end(), ban.instead);
                find(source, line, message, findings);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(file: &str, text: &str) -> Vec<String> {
        let findings = check(&Source::new(file, text));
        let show = |it: Finding| format!("{}: {}", it.line, it.message);
        findings.into_iter().map(show).collect()
    }

    #[test]
    fn a_file_in_order_has_no_findings() {
        let text = "//! Sums.\n\nfn sum(a: i128) {}\n// f64 is not used\n";
        assert_eq!(messages("crates/tallybook-core/src/sum.rs", text), [""; 0]);
    }

    #[test]
    fn what_a_folder_must_not_know_is_found_with_its_line() {
        let found = messages(
            "crates/tallybook-core/src/sum.rs",
            "//! Sums.\nuse std::fs;\n",
        );
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("2: 'std::fs' has no place here: the core does no I/O"));
        let found = messages(
            "crates/tallybook/src/http/x.rs",
            "//! X.\nlet q = \"SELECT 1\";\n",
        );
        assert!(
            found[0].starts_with("2: 'SELECT' has no place here"),
            "{found:?}"
        );
        let clock = "//! X.\nlet t = SystemTime::now();\n";
        assert_eq!(messages("crates/tallybook/src/http/x.rs", clock).len(), 1);
        assert_eq!(messages("crates/tallybook/src/clock.rs", clock), [""; 0]);
    }

    #[test]
    fn tests_may_know_more() {
        let text = "//! X.\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        assert_eq!(messages("crates/tallybook-core/src/x.rs", text), [""; 0]);
        let file = "crates/tallybook-core/src/x/tests.rs";
        assert_eq!(messages(file, "//! X.\nuse std::fs;\n"), [""; 0]);
    }

    #[test]
    fn heads_sizes_and_marks() {
        let file = "crates/tallybook/src/x.rs";
        assert!(messages(file, "fn x() {}\n")[0].starts_with("1: a file begins with //!"));
        let long = format!("//! X.\n{}\n", "x".repeat(101));
        assert!(messages(file, &long)[0].starts_with("2: 101 columns"));
        let tall = format!("//! X.\n{}", "x\n".repeat(500));
        assert!(messages(file, &tall)[0].starts_with("0: 501 lines"));
        let mark = format!("//! X.\n// {}: later\n", concat!("TO", "DO"));
        assert!(messages(file, &mark)[0].contains("marks unfinished work"));
        let path = format!("see {}me/x\n", "/ho");
        assert!(messages("README.md", &path)[0].contains("folder of one machine"));
    }
}
