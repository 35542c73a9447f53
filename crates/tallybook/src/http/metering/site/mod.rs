//! What concerns the whole site, for its administrators: apply, verify, backup.

pub mod apply;
pub mod backup;
pub mod verify;
