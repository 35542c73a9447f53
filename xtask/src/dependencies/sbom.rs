//! The software bill of materials of the program that is shipped, as CycloneDX 1.5.

use super::graph::{self, Package};
use anyhow::Context;
use serde_json::{Value, json};
use std::path::Path;

/// Writes `target/sbom.json`.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    let shipped = graph::shipped(root)?;
    let components: Vec<Value> = shipped.iter().map(component).collect();
    let count = components.len();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "tallybook",
                "version": env!("CARGO_PKG_VERSION"),
                "licenses": [{ "expression": "Apache-2.0" }],
            },
        },
        "components": components,
    });
    let path = root.join("target/sbom.json");
    std::fs::create_dir_all(root.join("target"))?;
    let text = serde_json::to_string_pretty(&document)?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("Wrote {} packages to {}.", count, path.display());
    Ok(())
}

fn component(package: &Package) -> Value {
    let Package { name, version, .. } = package;
    let license = package.license.as_deref().unwrap_or("NOASSERTION");
    json!({
        "type": "library",
        "name": name,
        "version": version,
        "purl": format!("pkg:cargo/{name}@{version}"),
        "licenses": [{ "expression": license.replace('/', " OR ") }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_says_what_it_is() {
        let package = Package {
            name: "bytes".to_owned(),
            version: "1.2.3".to_owned(),
            license: Some("MIT/Apache-2.0".to_owned()),
            elsewhere: None,
        };
        let component = component(&package);
        assert_eq!(component["purl"], "pkg:cargo/bytes@1.2.3");
        assert_eq!(component["licenses"][0]["expression"], "MIT OR Apache-2.0");
    }
}
