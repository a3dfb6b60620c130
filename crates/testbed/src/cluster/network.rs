//! Links, addresses and routes of a cluster.
//!
//! Every place has one link to a bridge of the host, which carries the host's address. For each
//! of the cluster's ranges the host has an `unreachable` route with a worse metric, and a place
//! has no default route but `unreachable`: no packet for or from the cluster leaves the machine,
//! not even when a link is cut.

use super::process::CLUSTER_MARK;
use super::record::{
    INDEX_LIMIT, Place, Record, address, bridge, cidr, host_address, link, node_pod_range,
    node_range, overlap, pod_range, service_range,
};
use crate::TestbedError;
use crate::error::tail;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Metric of the guard routes: worse than any route that a link brings.
const GUARD_METRIC: u32 = 9999;
/// A route of the host with a prefix up to this long is a wide one (a VPN's `10.0.0.0/8`): a
/// cluster's longer prefixes win over it for as long as the cluster is there.
const WIDE_PREFIX: u8 = 12;

/// Whether this host uses an address of the ranges that belong to `index`.
pub(crate) fn is_taken(index: u8, host_routes: &[(Ipv4Addr, u8)]) -> bool {
    let ranges = [node_range(index), service_range(index), pod_range(index)];
    host_routes
        .iter()
        .filter(|route| route.1 > WIDE_PREFIX)
        .any(|route| ranges.iter().any(|range| overlap(*range, *route)))
}

/// Destinations of the host's routes.
pub(crate) fn host_routes() -> Vec<(Ipv4Addr, u8)> {
    parse_routes(&std::fs::read_to_string("/proc/net/route").unwrap_or_default())
}

/// Prepares the host for the cluster: guards first, then the bridge.
pub(crate) fn raise_host(record: &Record) -> Result<(), TestbedError> {
    let index = record.index;
    let bridge = bridge(index);
    let mut lines = guards(index, "replace");
    lines.push(format!("link add name {bridge} type bridge"));
    lines.push(format!("addr add {}/24 dev {bridge}", host_address(index)));
    lines.push(format!("link set {bridge} up"));
    batch(record, None, &lines)
}

/// Links a place to the bridge; `pid` is its first process.
pub(crate) fn connect(record: &Record, place: Place, pid: i32) -> Result<(), TestbedError> {
    let index = record.index;
    let (link, bridge, own) = (link(index, place), bridge(index), address(index, place));
    // The same hardware address after a restart: neighbours need not learn it anew.
    let [_, _, third, fourth] = own.octets();
    let hardware = format!("02:6f:72:00:{third:02x}:{fourth:02x}");
    batch(
        record,
        None,
        &[
            format!("link add {link} type veth peer name eth0 address {hardware} netns {pid}"),
            format!("link set {link} master {bridge}"),
            format!("link set {link} up"),
        ],
    )?;
    let mut lines = vec![
        "link set lo up".to_owned(),
        format!("addr add {own}/24 dev eth0"),
        "link set eth0 up".to_owned(),
        "route add unreachable default".to_owned(),
    ];
    if place != Place::Control {
        // Services are answered by rules, but a process of the node needs a route to begin with.
        lines.push(format!("route add {} dev eth0", cidr(service_range(index))));
    }
    batch(record, Some(pid), &lines)
}

/// Routes from the host to pods and Services.
pub(crate) fn route_host(record: &Record) -> Result<(), TestbedError> {
    let index = record.index;
    batch(record, None, &pod_routes(index, record.nodes, None))
}

/// Routes from a place to the pods of the (other) nodes, and from the control plane to Services.
pub(crate) fn route_place(record: &Record, place: Place, pid: i32) -> Result<(), TestbedError> {
    let index = record.index;
    batch(record, Some(pid), &pod_routes(index, record.nodes, Some(place)))
}

/// Takes a place's link down or up again.
pub(crate) fn set_link(record: &Record, place: Place, up: bool) -> Result<(), TestbedError> {
    let index = record.index;
    let state = if up { "up" } else { "down" };
    batch(record, None, &[format!("link set {} {state}", link(index, place))])
}

/// Removes the link of a place that has ended.
pub(crate) fn disconnect(record: &Record, place: Place) -> Result<(), TestbedError> {
    let index = record.index;
    let link = link(index, place);
    if !exists(&link) {
        return Ok(());
    }
    let removed = batch(record, None, &[format!("link del {link}")]);
    // The kernel removes it with the namespace: then it is gone meanwhile.
    if exists(&link) { removed } else { Ok(()) }
}

/// Removes every link and at last the guards; says whether all are gone.
pub(crate) fn clear(record: &Record, places: &[Place]) -> bool {
    let index = record.index;
    let mut gone = places.iter().all(|place| disconnect(record, *place).is_ok());
    let bridge = bridge(index);
    if exists(&bridge) {
        gone &= batch(record, None, &[format!("link del {bridge}")]).is_ok();
    }
    if gone {
        for guard in guards(index, "del") {
            // Each may be gone already.
            let _ = batch(record, None, &[guard]);
        }
    }
    gone && !host_routes()
        .iter()
        .any(|route| [node_range(index), service_range(index), pod_range(index)].contains(route))
}

fn exists(link: &str) -> bool {
    Path::new("/sys/class/net").join(link).exists()
}

fn guards(index: u8, verb: &str) -> Vec<String> {
    [node_range(index), service_range(index), pod_range(index)]
        .iter()
        .map(|range| format!("route {verb} unreachable {} metric {GUARD_METRIC}", cidr(*range)))
        .collect()
}

fn pod_routes(index: u8, nodes: u8, own: Option<Place>) -> Vec<String> {
    let mut lines = Vec::new();
    if nodes > 0 && !matches!(own, Some(Place::Node(_))) {
        let first = address(index, Place::Node(1));
        lines.push(format!("route replace {} via {first}", cidr(service_range(index))));
    }
    for node in (1..=nodes).filter(|node| own != Some(Place::Node(*node))) {
        let range = cidr(node_pod_range(index, node));
        lines.push(format!("route replace {range} via {}", address(index, Place::Node(node))));
    }
    lines
}

/// Runs `ip` over the lines, in the network namespace of `pid` when one is given.
fn batch(record: &Record, pid: Option<i32>, lines: &[String]) -> Result<(), TestbedError> {
    let mut command = match pid {
        Some(pid) => {
            let mut command = Command::new("nsenter");
            command.args(["--target", &pid.to_string(), "--net", "ip"]);
            command
        }
        None => Command::new("ip"),
    };
    // So that a clean-up after a crash ends this one too.
    command.env(CLUSTER_MARK, &record.dir);
    command.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let start = |source| TestbedError::Start { program: "ip".to_owned(), source };
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(start)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all((lines.join("\n") + "\n").as_bytes()).map_err(start)?;
    }
    let output = child.wait_with_output().map_err(start)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let command = format!("ip ({})", lines.join("; "));
    Err(TestbedError::Command { command, tail: tail(&text, 5) })
}

/// `/proc/net/route`: destination and mask are hexadecimal in the machine's byte order.
fn parse_routes(text: &str) -> Vec<(Ipv4Addr, u8)> {
    let parse = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let destination = u32::from_str_radix(fields.nth(1)?, 16).ok()?;
        let mask = u32::from_str_radix(fields.nth(5)?, 16).ok()?;
        let length = u8::try_from(mask.count_ones()).ok()?;
        Some((Ipv4Addr::from(destination.to_ne_bytes()), length))
    };
    text.lines().skip(1).filter_map(parse).collect()
}

/// The first index whose ranges nobody uses.
pub(crate) fn free_index(taken: &[u8], host_routes: &[(Ipv4Addr, u8)]) -> Option<u8> {
    (1..=INDEX_LIMIT).find(|index| !taken.contains(index) && !is_taken(*index, host_routes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth1\t00011FAC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
";

    #[test]
    fn a_range_that_the_host_uses_is_passed_over_and_a_wide_one_is_not() {
        let routes = parse_routes(ROUTES);
        assert_eq!(routes.len(), 3);
        assert_eq!(routes[1], (Ipv4Addr::new(172, 31, 1, 0), 24));
        assert!(is_taken(1, &routes));
        assert!(!is_taken(2, &routes));
        assert_eq!(free_index(&[2, 4], &routes), Some(3));
    }

    #[test]
    fn the_last_range_can_be_used_and_no_range_past_it() {
        let all_but_last: Vec<u8> = (1..INDEX_LIMIT).collect();
        assert_eq!(free_index(&all_but_last, &[]), Some(INDEX_LIMIT));
        let all: Vec<u8> = (1..=INDEX_LIMIT).collect();
        assert_eq!(free_index(&all, &[]), None);
    }
}
