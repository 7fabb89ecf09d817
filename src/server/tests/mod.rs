//! The server compared with a model, sockets that other code has set up, and `Debug` of the types.

mod adopted_sockets;
mod debug;
mod interleavings;
