//! `/metering/v1/enterprises/{name}/reports`: what GitHub's endpoints for usage reports lack.

pub mod delete;
