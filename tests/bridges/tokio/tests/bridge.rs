//! Calls that are awaited and cancelled, methods that await, and a stop that does not block the
//! runtime.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_bridge::{AsyncClient, stop, wait};
use urpc::{CallContext, Error, Listener, Server, Service};

/// A server whose methods double, wait for each other, and wait until their client is gone.
struct Served {
    server: Server,
    path: PathBuf,
    begun: UnboundedReceiver<()>,
    gone: mpsc::Receiver<()>,
}

async fn double(_: &'static (), n: i64) -> Result<i64, String> {
    tokio::task::yield_now().await;
    n.checked_mul(2).ok_or_else(|| "too large".to_owned())
}

fn wait_until_gone(
    begin: UnboundedSender<()>,
    tell: mpsc::Sender<()>,
) -> impl Fn(&CallContext<'_>) {
    move |call| {
        begin.send(()).unwrap();
        while !call.is_client_gone() {
            std::thread::yield_now();
        }
        tell.send(()).unwrap();
    }
}

fn serve(name: &str) -> Served {
    let path = std::env::temp_dir().join(format!("tokio-bridge-{name}-{}", std::process::id()));
    let ((begin, begun), (tell, gone)) = (unbounded_channel(), mpsc::channel());
    let wait_until_gone = wait_until_gone(begin, tell);
    let server = Server::new();
    server.register(
        Service::new("Peer", ())
            .method("Double", wait(Handle::current(), |_: &(), n| double(&(), n)))
            .method_with_context("WaitUntilGone", move |_: &(), _: (), call: &CallContext<'_>| {
                wait_until_gone(call);
                Ok::<_, String>(())
            }),
    );
    server.start_serving(Listener::bind(&path).unwrap()).unwrap();
    Served { server, path, begun, gone }
}

#[test]
fn many_tasks_call_methods_that_await() {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let served = serve("many");
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let path = served.path.clone();
                tokio::spawn(async move {
                    let client = AsyncClient::connect(path).await?;
                    client.call::<i64>("Peer.Double", n).await
                })
            })
            .collect();
        for (n, task) in (0..).zip(tasks) {
            assert_eq!(task.await.unwrap().unwrap(), 2 * n);
        }
        let client = AsyncClient::connect(served.path.clone()).await.unwrap();
        let error = client.call::<i64>("Peer.Double", i64::MAX).await.unwrap_err();
        assert_eq!(error.to_string(), "Peer.Double: remote error: too large");
        assert_eq!(stop(served.server, Duration::ZERO, Duration::from_secs(60)).await, 0);
        assert!(!served.path.exists());
    });
}

#[test]
fn a_call_whose_task_is_cancelled_ends_on_both_sides() {
    let runtime = Runtime::new().unwrap();
    let gone = runtime.block_on(async {
        let mut served = serve("cancelled");
        let client = AsyncClient::connect(served.path.clone()).await.unwrap();
        let other = client.clone();
        let task = tokio::spawn(async move { other.call::<()>("Peer.WaitUntilGone", ()).await });
        served.begun.recv().await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        let error = client.call::<()>("Peer.Double", 1).await.unwrap_err();
        assert!(matches!(error, Error::Closed), "{error:?}");
        served.gone
    });
    gone.recv().unwrap();
    // This waits for the thread on which the call ran.
    drop(runtime);
}

#[test]
fn a_time_limit_of_tokios_ends_a_call() {
    let runtime = Runtime::new().unwrap();
    let gone = runtime.block_on(async {
        let served = serve("late");
        let client = AsyncClient::connect(served.path.clone()).await.unwrap();
        let call = client.call::<()>("Peer.WaitUntilGone", ());
        let late = tokio::time::timeout(Duration::from_millis(20), call).await;
        assert!(late.is_err());
        served.gone
    });
    // A call that had not begun is not seen by the server.
    let _ = gone.recv();
    drop(runtime);
}
