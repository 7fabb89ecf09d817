//! `urpc bench`: that it measures, not what.

use urpc::Service;
use urpc::json::Value;

use crate::run::{Served, urpc};

fn number(value: &Value) -> f64 {
    value.to_string().parse().unwrap()
}

#[test]
fn without_an_address_calls_are_compared_with_the_bare_exchange() {
    let line =
        urpc(&["bench", "--json", "--seconds=20ms", "--clients=2", "--files=3", "--size=1K"]);
    let summary: Value = urpc::json::from_str(&line.success()).unwrap();
    assert_eq!((number(&summary["clients"]), number(&summary["files"])), (2.0, 3.0));
    assert_eq!(number(&summary["argument_bytes"]), 1026.0);
    for kind in ["calls", "bare"] {
        let times = &summary[kind];
        assert!(number(&times["count"]) >= 1.0);
        assert!(number(&times["median_ns"]) <= number(&times["p99_ns"]));
        assert!(number(&times["p99_ns"]) <= number(&times["longest_ns"]));
    }
    assert!(number(&summary["ratio"]) > 0.0);
}

#[test]
fn people_get_a_table_and_a_histogram() {
    let text = urpc(&["bench", "--seconds", "20ms"]).success();
    for part in ["median", "calls", "bare", "times that of", "#"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn another_server_is_measured_and_its_errors_are_shown() {
    let host = Served::new(
        "bench",
        Service::new("Host", ())
            .method("Add", |(), number: i64| Ok::<_, String>(number + 1))
            .method("Fail", |(), (): ()| Err::<(), _>("out of order")),
    );
    let text = urpc(&["bench", "--seconds=10ms", &host.path, "Host.Add", "1"]).success();
    assert!(text.contains("calls") && !text.contains("bare"), "{text}");
    let error = urpc(&["bench", "--seconds=10ms", &host.path, "Host.Fail"]).failure(1);
    assert!(error.contains("out of order"), "{error}");
    let error = urpc(&["bench", "/no/such.sock", "Host.Add"]).failure(3);
    assert!(error.contains("/no/such.sock"), "{error}");
}
