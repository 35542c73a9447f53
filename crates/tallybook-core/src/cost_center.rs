//! Cost centers that reports name.

use crate::name::Name;

/// The namespace of cost-center ids: UUIDv5 of this name in the DNS namespace.
const NAMESPACE_NAME: &[u8] = b"cost-center.tallybook.dev";

/// The id of the cost center called `name` in `enterprise`, as a UUID.
///
/// A UUIDv5 of the two folded names, so it is stable across imports and servers.
#[must_use]
pub fn id(enterprise: &Name, name: &str) -> String {
    let namespace = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, NAMESPACE_NAME);
    // A slug has no slash, so the two parts cannot run into each other.
    let subject = format!("{}/{}", enterprise.folded(), name.to_ascii_lowercase());
    uuid::Uuid::new_v5(&namespace, subject.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_depends_on_both_names_and_not_on_their_case() {
        let octo = Name::from("octo-ent");
        assert_eq!(
            id(&octo, "Flint Anchor"),
            id(&Name::from("OCTO-ENT"), "flint anchor")
        );
        assert_ne!(id(&octo, "Flint Anchor"), id(&octo, "Quiet Sparrow"));
        assert_ne!(
            id(&octo, "Flint Anchor"),
            id(&Name::from("other"), "Flint Anchor")
        );
    }

    #[test]
    fn the_id_never_changes() {
        let id = id(&Name::from("octo-ent"), "Flint Anchor");
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "5", "version 5");
    }
}
