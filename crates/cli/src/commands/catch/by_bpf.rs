//! Watching by probes in the kernel.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mapscope_probe::{Armed, Bpf, Guardian, Hit, Process};

use super::Args;
use super::program::Program;
use super::start::{Subject, await_end, found_at};
use super::watch::{TICK, Watch, may_live, say};
use crate::exit::Outcome;

/// How often a path is looked at for another executable.
const REPLACED: Duration = Duration::from_secs(1);
/// Executables that are armed at a time: of a path where new ones come and old ones still run.
const MOST: usize = 8;

/// Programs, armed.
struct Probes<'a> {
    bpf: Bpf,
    args: &'a Args,
    programs: Vec<(Program, Armed)>,
    /// Processes that began to die and are not stopped again.
    done: HashMap<u32, Process>,
}

pub(super) fn run(
    bpf: Bpf,
    mut subject: Subject,
    mut watch: Watch,
    args: &Args,
) -> anyhow::Result<Outcome> {
    let _guardian = Guardian::start(&bpf)?;
    watch.begin()?;
    let mut probes = Probes { bpf, args, programs: Vec::new(), done: HashMap::new() };
    let only = (!args.follow).then_some(subject.pid);
    let armed = probes.bpf.arm(&subject.program.path(), only, &subject.program.offsets());
    let armed = armed.map_err(|why| subject.not_armed(why.into()))?;
    tell(&subject.program, only);
    probes.programs.push((subject.program, armed));
    if let Some(launched) = &mut subject.launched {
        launched.let_go();
    }
    let mut looked = Instant::now();
    while watch.goes_on() {
        // Whether it has ended is asked before: what it did until then has come by then.
        let ended = !args.follow && subject.process.has_ended();
        match probes.bpf.next(if ended { Duration::ZERO } else { TICK }) {
            Some(hit) => probes.hit(&hit, &mut watch)?,
            None if ended => break,
            None => {}
        }
        if args.follow && looked.elapsed() > REPLACED {
            looked = Instant::now();
            probes.replaced(&subject.path);
        }
    }
    if probes.bpf.lost() > 0 {
        say(&format!("{} more deaths came too fast to be caught", probes.bpf.lost()));
    }
    drop(probes);
    match subject.launched.take() {
        Some(launched) => await_end(&watch, launched.into_child()),
        None if subject.process.has_ended() => say("the process has ended"),
        None => {}
    }
    Ok(watch.outcome)
}

fn tell(program: &Program, only: Option<u32>) {
    let (exe, places) = (program.exe.display(), program.offsets().len());
    match only {
        Some(pid) => say(&format!("armed: process {pid}, {exe}, {places} places")),
        None => say(&format!("armed: every process of {exe}, {places} places")),
    }
}

impl Probes<'_> {
    /// Deals with a hit: a process that it stopped is copied and let go.
    fn hit(&mut self, hit: &Hit, watch: &mut Watch) -> anyhow::Result<()> {
        if let Some(error) = hit.refused {
            say(&format!("process {} could not be stopped: error {error}", hit.pid));
        }
        if !hit.stopped {
            return Ok(());
        }
        let exe = std::fs::metadata(format!("/proc/{}/exe", hit.pid));
        let of = |program: &&(Program, Armed)| exe.as_ref().is_ok_and(|exe| program.0.is(exe));
        let known = self.programs.iter().find(of).or(self.programs.first());
        let Some((program, _)) = known else { return Ok(()) };
        let again = may_live(program.kind_at(hit.at));
        let taken = watch.keeper.take_stopped(hit, &program.name(), &mut self.bpf, again);
        if !again && let Ok(process) = Process::open(hit.pid) {
            self.done.insert(hit.pid, process);
        }
        watch.death(program, hit, taken);
        let ended = self.done.iter().filter(|(_, process)| process.has_ended());
        for pid in ended.map(|(pid, _)| *pid).collect::<Vec<_>>() {
            self.done.remove(&pid);
            // Another process may get its number.
            self.bpf.let_go(pid, true)?;
        }
        Ok(())
    }

    /// Arms another executable that has come to lie at `path`.
    fn replaced(&mut self, path: &std::path::Path) {
        let Ok(file) = std::fs::metadata(path) else { return };
        if self.programs.iter().any(|(program, _)| program.is(&file)) {
            return;
        }
        // It may be half written yet: it is tried again.
        let Ok(program) = found_at(path, self.args) else { return };
        match self.bpf.arm(&program.path(), None, &program.offsets()) {
            Ok(armed) => {
                tell(&program, None);
                self.programs.push((program, armed));
                let old = self.programs.len().saturating_sub(MOST);
                self.programs.drain(..old);
            }
            Err(why) => say(&format!("{} could not be armed: {why}", path.display())),
        }
    }
}
