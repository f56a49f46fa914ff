//! Real processes and real cores.

mod common;
mod core;
mod live;
mod namespaces;
mod recording;
mod synthetic;

/// The children that the tests start: this program again, with a role. No test of its own.
#[test]
fn role() {
    let role = std::env::var(common::ROLE).unwrap_or_default();
    match role.split_once(' ') {
        None if role == "count" => live::count(),
        None if role == "crash" || role == "sit" => core::dumpee(&role),
        Some(("hold", pid)) => live::hold(pid.parse().unwrap()),
        None if role == "stuck" => live::stuck(),
        Some(("core", path)) => namespaces::open_core(path),
        Some(("open", pid)) => live::open(pid.parse().unwrap()),
        _ => {}
    }
}
