//! Reads the members of a message while it arrives.

use crate::json::Token;

/// What reads meaning into a message while it arrives.
pub(crate) trait Envelope {
    /// Forgets the last message.
    fn clear(&mut self);
    /// Takes in one look what most messages begin with, up to the value of the last member, and
    /// tells how long that is in `text`; 0 if the message begins otherwise.
    fn try_fast_prefix(&mut self, text: &[u8]) -> usize;
    /// Takes the next token; `depth` is how many arrays and objects are open behind it, and `text`
    /// the message as far as it has come.
    fn token(&mut self, token: &Token, depth: usize, text: &[u8]);
}
