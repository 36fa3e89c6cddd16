//! The register, and how gateways register elsewhere.

mod support;

use std::time::Duration;

use gatewayworker_devgateway::Config;
use serde_json::json;
use support::{Cluster, RegisterLink, wait_until};

fn without_gateways() -> Cluster {
    Cluster::with(Config { gateways: Vec::new(), ..Config::default() })
}

#[test]
fn a_worker_is_told_the_gateways_at_once() {
    let any = "127.0.0.1:0".parse().expect("an address");
    let other = "127.0.77.1:0".parse().expect("an address");
    let cluster = Cluster::with(Config { gateways: vec![any, other], ..Config::default() });
    let (_, addresses) = RegisterLink::worker(cluster.register());
    assert_eq!(addresses, json!([cluster.gateway(0).internal, cluster.gateway(1).internal]));
    assert!(cluster.gateway(1).text.to_string().starts_with("127.0.77.1:"));
}

#[test]
fn every_worker_hears_of_every_change() {
    let cluster = without_gateways();
    let (mut first, addresses) = RegisterLink::worker(cluster.register());
    assert_eq!(addresses, json!([]));
    let (mut second, _) = RegisterLink::worker(cluster.register());
    let connect = |address: &str| {
        let mut gateway = RegisterLink::connect(cluster.register());
        gateway.send(&json!({"event": "gateway_connect", "address": address, "secret_key": ""}).to_string());
        gateway
    };
    let a = connect("127.0.0.1:1");
    for worker in [&mut first, &mut second] {
        assert_eq!(worker.addresses(), json!(["127.0.0.1:1"]));
    }
    let _again = connect("127.0.0.1:1");
    assert_eq!(first.addresses(), json!(["127.0.0.1:1"]));
    let _b = connect("127.0.0.1:2");
    // As the original's array_unique() leaves it.
    assert_eq!(first.addresses(), json!({"0": "127.0.0.1:1", "2": "127.0.0.1:2"}));
    drop(a);
    assert_eq!(first.addresses(), json!(["127.0.0.1:1", "127.0.0.1:2"]));
}

#[test]
fn a_line_that_is_no_event_closes_the_connection() {
    let cluster = without_gateways();
    for line in ["rubbish", "{}", r#"{"event":""}"#] {
        let mut link = RegisterLink::connect(cluster.register());
        link.send(line);
        assert!(link.last_line().contains("register"));
    }
    for line in [r#"{"event":"unknown"}"#, r#"{"event":"gateway_connect","secret_key":""}"#] {
        let mut link = RegisterLink::connect(cluster.register());
        link.send(line);
        assert!(link.is_closed());
    }
}

#[test]
fn a_connection_that_says_nothing_is_closed_in_time() {
    // Long enough for the first line of the other one on a busy machine.
    let config =
        Config { register_timeout: Duration::from_secs(1), gateways: Vec::new(), ..Config::default() };
    let cluster = Cluster::with(config);
    let (mut worker, _) = RegisterLink::worker(cluster.register());
    let mut silent = RegisterLink::connect(cluster.register());
    assert!(silent.is_closed());
    // The first line lifts the limit.
    cluster.control(json!({"cmd": "add_address", "address": "127.0.0.1:1"}));
    assert_eq!(worker.addresses(), json!(["127.0.0.1:1"]));
}

#[test]
fn pings_and_connections_are_counted() {
    let cluster = without_gateways();
    let (mut worker, _) = RegisterLink::worker(cluster.register());
    worker.send(r#"{"event":"ping"}"#);
    wait_until("a ping", || {
        cluster.control(json!({"cmd": "stats"}))["register"]
            == json!({"connections_open": 1, "connections_total": 1, "worker_connects": 1, "pings": 1})
    });
}

#[test]
fn gateways_register_at_a_register_elsewhere_and_ping_it() {
    let elsewhere = without_gateways();
    let (mut worker, _) = RegisterLink::worker(elsewhere.register());
    let cluster = Cluster::with(Config {
        register: None,
        join: vec![elsewhere.register().to_string()],
        ping_interval: Duration::from_millis(20),
        ..Config::default()
    });
    assert!(cluster.0.addresses().register.is_none());
    let internal = json!([cluster.gateway(0).internal]);
    assert_eq!(worker.addresses(), internal);
    wait_until("pings", || {
        elsewhere.control(json!({"cmd": "stats"}))["register"]["pings"].as_u64() >= Some(2)
    });
    cluster.control(json!({"cmd": "stop_gateway", "gateway": 0}));
    assert_eq!(worker.addresses(), json!([]));
    cluster.control(json!({"cmd": "start_gateway", "gateway": 0}));
    assert_eq!(worker.addresses(), internal);
}

#[test]
fn a_gateway_registers_again_when_the_register_is_back() {
    let elsewhere = without_gateways();
    let join = vec![elsewhere.register().to_string()];
    let cluster = Cluster::with(Config { register: None, join, ..Config::default() });
    let (mut worker, first) = RegisterLink::worker(elsewhere.register());
    if first == json!([]) {
        worker.addresses();
    }
    elsewhere.control(json!({"cmd": "stop_register"}));
    assert!(worker.is_closed());
    elsewhere.control(json!({"cmd": "start_register"}));
    let (mut worker, mut addresses) = RegisterLink::worker(elsewhere.register());
    if addresses == json!([]) {
        addresses = worker.addresses();
    }
    assert_eq!(addresses, json!([cluster.gateway(0).internal]));
}
