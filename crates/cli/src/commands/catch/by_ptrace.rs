//! Watching by breakpoints.

use mapscope_probe::{Event, Traced};
use mapscope_target::Target;

use super::Args;
use super::start::{Subject, await_end};
use super::watch::{TICK, Watch, may_live, say};
use crate::exit::Outcome;
use crate::failure::Failure;

pub(super) fn run(mut subject: Subject, mut watch: Watch, args: &Args) -> anyhow::Result<Outcome> {
    if args.follow {
        return Err(Failure::new("--follow wants BPF: ptrace watches the one process").into());
    }
    let addresses = subject.program.addresses(&subject.live.auxv())?;
    let traced = Traced::arm(subject.pid, subject.launched.as_mut(), &addresses);
    let mut traced = traced.map_err(|why| subject.not_armed(why.into()))?;
    watch.begin()?;
    say(&format!(
        "armed: process {}, {}, {} places, by ptrace: each of its signals takes a way around by \
         mapscope",
        subject.pid,
        subject.program.exe.display(),
        addresses.len()
    ));
    while watch.goes_on() {
        match traced.next(TICK)? {
            Event::Nothing => {}
            Event::Ended => break,
            Event::Hit(hit) => {
                let threads = traced.threads();
                let taken = watch.keeper.take_held(&hit, &subject.program.name(), &threads);
                traced.go_on(&hit, may_live(subject.program.kind_at(hit.at)));
                watch.death(&subject.program, &hit, taken.map(|taken| taken.until_now()));
            }
        }
    }
    let status = traced.status();
    drop(traced);
    match (status, subject.launched.take()) {
        (Some(status), _) => say(&format!("the process has ended: {}", words(status))),
        (None, Some(launched)) => await_end(&watch, launched.into_child()),
        (None, None) if subject.process.has_ended() => say("the process has ended"),
        (None, None) => {}
    }
    Ok(watch.outcome)
}

fn words(status: i32) -> std::process::ExitStatus {
    std::os::unix::process::ExitStatusExt::from_raw(status)
}
