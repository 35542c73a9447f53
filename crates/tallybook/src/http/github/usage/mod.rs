//! `usage`, `usage/summary`, `premium_request/usage` and `ai_credit/usage`, of all three kinds of
//! account.
//!
//! Look next: [`read`], the one handler, and [`render`], which writes the body.

pub mod read;
pub mod render;
