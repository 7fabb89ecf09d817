//! The server beside a model, on sockets that others set up, and what its types show.

mod adopted_sockets;
mod debug;
mod interleavings;
