//! The names by which usage is told apart.

/// Dimensions of a line that are texts, in the order in which lines are sorted (after hour and
/// SKU).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The organization's login.
    Organization,
    /// The repository's own name.
    Repository,
    /// The user's login.
    User,
    /// The AI model.
    Model,
    /// The workflow's path; the only one that is compared with case.
    Workflow,
    /// The cost center's name.
    CostCenter,
}

impl Dimension {
    /// Every dimension, in sorting order.
    pub const ALL: [Self; 6] = [
        Self::Organization,
        Self::Repository,
        Self::User,
        Self::Model,
        Self::Workflow,
        Self::CostCenter,
    ];

    /// The form in which two names of this dimension are compared.
    #[must_use]
    pub fn fold(self, text: &str) -> String {
        match self {
            Self::Workflow => text.to_owned(),
            _ => text.to_ascii_lowercase(),
        }
    }
}
