//! `Debug` of the public types.

use std::time::Duration;

use crate::client::Client;
use crate::server::Server;
use crate::service::{CallContext, Service};
use crate::socket::Socket;
use crate::test_limit::limit_test;

#[test]
fn a_server_a_service_and_a_call_show_what_they_are() {
    limit_test();
    let service = Service::new("Peer", ())
        .method_with_context("Show", |_: &(), _: (), call: &CallContext<'_>| {
            Ok::<_, String>(format!("{call:?}"))
        });
    let shown = format!("{service:?}");
    assert!(shown.contains(r#"name: "Peer", methods: ["Show"], stop_callbacks: 0"#), "{shown}");
    let builder = Server::builder().after_call(|| ());
    let shown = format!("{builder:?}");
    assert!(shown.contains("observe: false, authorize: false, after_call: true"), "{shown}");
    let server = builder.build();
    server.register(service);
    let (ours, theirs) = Socket::pair().unwrap();
    server.start_handling(theirs).unwrap();
    let client = Client::new(ours);
    let shown: String = client.call("Peer.Show", &()).unwrap();
    assert!(shown.contains(r#"method: "Peer.Show", client: 1, "#), "{shown}");
    assert!(shown.ends_with("client_gone: false, stopping: false }"), "{shown}");
    let shown = format!("{server:?}");
    assert!(shown.contains(r#"methods: ["Peer.Show"], clients: 1, stopping: false"#), "{shown}");
    assert!(format!("{client:?}").contains("finished: None"));
    client.close();
    assert!(format!("{client:?}").contains("finished: Some(Closed)"));
    server.stop(Duration::ZERO);
    assert!(format!("{server:?}").contains("clients: 0, stopping: true"));
}
