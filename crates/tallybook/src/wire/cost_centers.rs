//! The bodies of `cost-centers` and of one cost center.
//!
//! Invariant: `has_next_page` is present only when paging was requested, and `azure_subscription`
//! only for linked centers, as in the schemas.

use serde::Serialize;
use utoipa::ToSchema;

/// Whether usage can still be allocated to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CostCenterState {
    /// It can.
    Active,
    /// It was deleted; its history stays.
    Deleted,
}

impl CostCenterState {
    /// The state of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "active" => Some(Self::Active),
            "deleted" => Some(Self::Deleted),
            _ => None,
        }
    }
}

/// What is allocated to a center.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Resource {
    /// `User`, `Team`, `Repo` or `Org`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// A login, a team's name, or `owner/name`.
    pub name: String,
}

/// One cost center.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CostCenter {
    /// A UUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is in use.
    pub state: CostCenterState,
    /// The page of its resources.
    pub resources: Vec<Resource>,
    /// Whether its usage draws on a part of the AI credits of its own.
    pub ai_credit_pool_enabled: bool,
    /// Only when a page was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub has_next_page: Option<bool>,
}

/// Every cost center of an enterprise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CostCenters {
    /// By name.
    #[serde(rename = "costCenters")]
    pub cost_centers: Vec<CostCenter>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_schema() {
        let center = CostCenter {
            id: "3ffb9ffe-6903-11ee-8c99-0242ac120003".to_owned(),
            name: "Another Cost Center".to_owned(),
            state: CostCenterState::Active,
            resources: vec![Resource {
                kind: "Repo",
                name: "octocat/hello-world".to_owned(),
            }],
            ai_credit_pool_enabled: false,
            has_next_page: None,
        };
        let list = CostCenters {
            cost_centers: vec![center.clone()],
        };
        let expected = concat!(
            r#"{"costCenters":[{"id":"3ffb9ffe-6903-11ee-8c99-0242ac120003","#,
            r#""name":"Another Cost Center","state":"active","#,
            r#""resources":[{"type":"Repo","name":"octocat/hello-world"}],"#,
            r#""ai_credit_pool_enabled":false}]}"#,
        );
        assert_eq!(serde_json::to_string(&list).unwrap(), expected);
        let paged = CostCenter {
            has_next_page: Some(false),
            ..center
        };
        assert!(
            serde_json::to_string(&paged)
                .unwrap()
                .ends_with(r#","has_next_page":false}"#)
        );
    }
}
