//! What the fuzz targets share. `cargo xtask fuzz` builds and runs them; `targets/` has one a file.

use std::sync::Arc;
use tallybook_core::names::Dictionary;

/// A dictionary of some names, so that codes in random bytes find something.
#[must_use]
pub fn dictionary() -> Dictionary {
    let mut names = Dictionary::default();
    let known = [
        "",
        "actions_linux",
        "actions",
        "minutes",
        "octo-org",
        "api",
        "mona",
        "GPT-5",
    ];
    for name in known {
        names.push(Some(Arc::from(name)));
    }
    for number in 0..40 {
        names.push(Some(Arc::from(format!("name {number}"))));
    }
    // A name that was deleted.
    names.push(None);
    names
}
