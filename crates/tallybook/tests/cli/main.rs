//! The program as people meet it: its commands, and its servers.
//!
//! Every command is given the time and its own directory; no variable of the environment reaches
//! it, and ports are free ones. Look next: `program.rs` for how the binary is run.

#[cfg(unix)]
mod access;
mod audit;
mod catalog;
mod commands;
mod export;
mod program;
mod robust;
mod send;
mod serve;
