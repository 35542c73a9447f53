//! The cost centers of an enterprise that its reports name.
//!
//! Invariant: a center's id is a function of the enterprise and the center's name, so it is stable
//! across imports. Reports name centers, but not what is allocated to them: `resources` is empty,
//! and every center is active.

pub mod get;
pub mod list;

use crate::wire::cost_centers::{CostCenter, CostCenterState};
use crate::wire::summary::CostCenterEcho;

fn cost_center(center: CostCenterEcho, has_next_page: Option<bool>) -> CostCenter {
    CostCenter {
        id: center.id,
        name: center.name,
        state: CostCenterState::Active,
        resources: Vec::new(),
        ai_credit_pool_enabled: false,
        has_next_page,
    }
}
