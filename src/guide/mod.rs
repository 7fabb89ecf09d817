//! A guide in four pages, with programs that the documentation's tests compile and run, and the
//! specification of the protocol.
//!
//! | page | what it is about |
//! | --- | --- |
//! | [`files`] | send open files, take them, check them |
//! | [`limits`] | what a peer may use, and which error says that it used more |
//! | [`sandbox`] | a child process that has nothing but one socket |
//! | [`stop`] | end a server without losing a call |
//! | [`wire`] | the specification of urpc |
//!
//! These modules contain text only.

#[doc = include_str!("files.md")]
pub mod files {}

#[doc = include_str!("limits.md")]
pub mod limits {}

#[doc = include_str!("sandbox.md")]
pub mod sandbox {}

#[doc = include_str!("stop.md")]
pub mod stop {}

#[doc = include_str!("wire.md")]
pub mod wire {}
