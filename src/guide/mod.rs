//! Pages of documentation, without code of their own.

#[doc = include_str!("wire.md")]
pub mod wire {}
