//! The server's parts beside a model, and on sockets that others set up.

mod adopted_sockets;
mod interleavings;
