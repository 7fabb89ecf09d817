//! Signals that interrupt calls which the kernel does not restart: a process that is stopped and
//! continued gets `EINTR` from a receive with a timeout, even without a handler (signal(7)).

use crate::subject::{Setup, assert_carries};

#[test]
fn a_server_that_is_stopped_and_goes_on_loses_no_client_and_no_call() {
    let server = Setup::default().start("signals");
    let idle = server.client();
    assert_carries(&idle);
    for _ in 0..20 {
        server.signal("STOP");
        server.signal("CONT");
        assert_carries(&idle);
    }
    drop(idle);
    server.assert_unharmed("twenty stops");
    server.finish();
}
