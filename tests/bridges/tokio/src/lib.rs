//! urpc in a program with tokio: calls from async code, methods that await, and an orderly stop.
//!
//! A [`Client`] blocks, so its calls run on tokio's threads for blocking work. A call that nobody
//! waits for any more is ended by closing its client: a urpc connection has no other way to cancel
//! a call. So a task that may be cancelled has a client of its own.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};
use urpc::json::{FromJson, ToJson};
use urpc::{Address, Client, Error, Server};

/// A client whose calls are awaited.
#[derive(Clone)]
pub struct AsyncClient(Arc<Client>);

/// Closes the client if the call's future is dropped before the call has ended.
struct CloseOnDrop(Option<Arc<Client>>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.iter().for_each(|client| client.close());
    }
}

impl AsyncClient {
    pub async fn connect(address: impl Into<Address>) -> Result<AsyncClient, Error> {
        let address = address.into();
        unless_panicked(spawn_blocking(|| Client::connect(address)).await)
            .map(|client| AsyncClient(Arc::new(client)))
    }

    /// Calls a method. If the future is dropped meanwhile, the client is closed: the call ends at
    /// once, and further calls fail with [`Error::Closed`].
    pub async fn call<R: FromJson + Default + Send + 'static>(
        &self,
        method: &'static str,
        arg: impl ToJson + Send + 'static,
    ) -> Result<R, Error> {
        let mut guard = CloseOnDrop(Some(Arc::clone(&self.0)));
        let client = Arc::clone(&self.0);
        let called = spawn_blocking(move || client.call(method, &arg)).await;
        guard.0 = None;
        unless_panicked(called)
    }
}

fn unless_panicked<T>(joined: Result<T, JoinError>) -> T {
    joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Makes a method of an async function. It runs on the server's thread for the client, which waits
/// for it; what it awaits is driven by the runtime.
pub fn wait<T, A, R, E, F>(
    runtime: Handle,
    function: impl Fn(&T, A) -> F + Send + Sync + 'static,
) -> impl Fn(&T, A) -> Result<R, E> + Send + Sync + 'static
where
    F: Future<Output = Result<R, E>>,
{
    move |object, arg| runtime.block_on(function(object, arg))
}

/// Stops a server without blocking the runtime. Gives how many methods still run.
pub async fn stop(server: Server, grace: Duration, deadline: Duration) -> usize {
    unless_panicked(spawn_blocking(move || server.stop_within(grace, deadline)).await)
}
