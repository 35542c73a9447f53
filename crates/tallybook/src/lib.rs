//! The program behind `tallybook`: reading usage reports, and the demo's enterprise.
//!
//! A library so that tests, benchmarks and fuzz targets reach what the binary runs.
//! Look next: [`import`].

pub mod demo;
pub mod import;
