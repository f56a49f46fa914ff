//! Live processes: reading them, holding them still and letting them go.

use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use mapscope_target::{
    Addr, Freeze, FreezeError, Live, Memory, MemoryExt, Obstacle, OpenLiveError, Progress, Target,
    WhenFull, Why,
};

use crate::common::{Actor, say, skip, state, until_stdin_closes, wait_for, wait_for_state};

const THREADS: usize = 6;

/// What the counting child shows: a counter of each thread, kept a page apart.
#[repr(align(4096))]
struct Page(AtomicU64);
static COUNTERS: [Page; THREADS] = [const { Page(AtomicU64::new(0)) }; THREADS];
/// How many threads it has made so far that live for a moment only.
static BORN: Page = Page(AtomicU64::new(0));
/// How many signals it has got.
static SIGNALS: Page = Page(AtomicU64::new(0));
/// Nothing of it is read before a freeze.
static UNREAD: [Page; 64] = [const { Page(AtomicU64::new(7)) }; 64];

/// A child with threads that count and threads that come and go.
pub(crate) fn count() -> ! {
    extern "C" fn on_signal(_: i32) {
        SIGNALS.0.fetch_add(1, SeqCst);
    }
    let handler = on_signal as extern "C" fn(i32);
    // SAFETY: the handler only adds to an atomic, which a signal handler may.
    unsafe { libc::signal(libc::SIGRTMIN() + 3, handler as libc::sighandler_t) };
    for counter in &COUNTERS {
        std::thread::spawn(|| {
            loop {
                counter.0.fetch_add(1, SeqCst);
                std::hint::black_box(());
            }
        });
    }
    std::thread::spawn(|| {
        loop {
            std::thread::spawn(|| BORN.0.fetch_add(1, SeqCst)).join().unwrap();
        }
    });
    let at = |page: &Page| &raw const *page as u64;
    let addrs = [at(&COUNTERS[0]), at(&BORN), at(&SIGNALS), at(&UNREAD[32])];
    say(format_args!("ready {} {} {} {}", addrs[0], addrs[1], addrs[2], addrs[3]));
    until_stdin_closes()
}

/// A child that holds another.
pub(crate) fn hold(pid: u32) -> ! {
    let live = Live::open(pid).unwrap();
    let pause = live.freeze(Freeze::Stop, &Progress::default()).unwrap();
    say(format_args!("ready {}", pause.is_stopped()));
    until_stdin_closes()
}

/// A child that tries to open another.
pub(crate) fn open(pid: u32) {
    match Live::open(pid) {
        Ok(_) => say(format_args!("ready opened")),
        Err(e) => say(format_args!("ready {e}")),
    }
}

/// A child with a thread that waits in the kernel for a child of its own, as one does that has
/// called vfork: nothing but a signal that kills gets it out of there.
pub(crate) fn stuck() -> ! {
    std::thread::spawn(|| {
        let flags = libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: without CLONE_VM this is fork, except that we wait. The child calls nothing but
        // what a signal handler may, and never returns.
        unsafe {
            if libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) == 0 {
                let mut byte = 0u8;
                libc::read(0, (&raw mut byte).cast(), 1);
                libc::_exit(0);
            }
        }
    });
    let tasks = || std::fs::read_dir("/proc/self/task").unwrap();
    wait_for("the thread to be stuck", || {
        tasks()
            .any(|task| state(task.unwrap().file_name().to_str().unwrap().parse().unwrap()) == 'D')
    });
    say(format_args!("ready "));
    until_stdin_closes()
}

/// A counting child, opened.
struct Counting {
    actor: Actor,
    live: Live,
    counters: Vec<Addr>,
    born: Addr,
    signals: Addr,
    unread: Addr,
}

impl Counting {
    fn start() -> Counting {
        let (actor, said) = Actor::start("count");
        let addrs: Vec<u64> = said.split(' ').map(|word| word.parse().unwrap()).collect();
        let counters = (0..THREADS as u64).map(|i| Addr(addrs[0] + i * 4096)).collect();
        let live = Live::open(actor.pid).unwrap();
        let [born, signals, unread] = [addrs[1], addrs[2], addrs[3]].map(Addr);
        Counting { actor, live, counters, born, signals, unread }
    }

    fn counts(&self) -> Vec<u64> {
        self.counters.iter().map(|&addr| self.live.u64(addr).unwrap()).collect()
    }

    fn count_of(&self, addr: Addr) -> u64 {
        self.live.forget();
        self.live.u64(addr).unwrap()
    }

    /// Without touching what is kept: a second view of the same process.
    fn assert_other_threads_run(&self) {
        let live = Live::open(self.actor.pid).unwrap();
        let read = || {
            live.forget();
            self.counters.iter().map(|&addr| live.u64(addr).unwrap()).collect::<Vec<_>>()
        };
        let before = read();
        wait_for("the counters to go on", || read().iter().zip(&before).all(|(now, b)| now > b));
    }

    fn assert_all_run(&self) {
        for &addr in self.counters.iter().chain([&self.born]) {
            let before = self.count_of(addr);
            wait_for("a thread to go on", || self.count_of(addr) > before);
        }
    }
}

/// Whether this machine lets us trace our own children; says so if not.
pub(crate) fn may_trace(test: &str) -> bool {
    let (actor, _) = Actor::start("count");
    let Ok(live) = Live::open(actor.pid) else {
        skip(test, "may not open a child");
        return false;
    };
    match live.freeze(Freeze::Stop, &Progress::default()) {
        Ok(_) => true,
        Err(e) => {
            skip(test, &e.to_string());
            false
        }
    }
}

#[test]
fn frozen_memory_stands_still_and_stays_readable() {
    if !may_trace("frozen_memory_stands_still_and_stays_readable") {
        return;
    }
    let child = Counting::start();
    let rehearsed = child.counts();
    child.assert_other_threads_run();
    let pause = child.live.freeze(Freeze::Stop, &Progress::default()).unwrap();
    let frozen = child.counts();
    assert_ne!(rehearsed, frozen, "the rehearsed pages were not read again");
    let mut direct = [0; 8];
    for (&addr, &count) in child.counters.iter().zip(&frozen) {
        let file = std::fs::File::open(format!("/proc/{}/mem", child.actor.pid)).unwrap();
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut direct, addr.0).unwrap();
        assert_eq!(u64::from_le_bytes(direct), count, "what is kept is not what is there");
    }
    let registers = child.live.threads();
    assert!(registers.len() >= THREADS + 2, "{registers:?}");
    assert!(registers.iter().all(|t| t.registers.is_some_and(|r| r.rip != 0 && r.fs_base != 0)));
    assert_eq!(registers[0].tid, child.actor.pid);
    assert!(pause.is_stopped());
    let stopped = pause.finish();
    assert!(!stopped.is_zero());
    child.assert_other_threads_run();
    assert_eq!(child.counts(), frozen, "what was read in the freeze must not change after it");
    let fault = child.live.u64(child.unread).unwrap_err();
    assert_eq!((fault.addr, fault.why), (child.unread, Why::Thawed));
    assert_eq!(child.live.u64(Addr(8)).unwrap_err().why, Why::Unmapped);
    child.live.forget();
    assert_eq!(child.live.u64(child.unread), Ok(7));
    child.assert_all_run();
}

#[test]
fn what_is_expected_is_kept_without_what_lies_around_it() {
    if !may_trace("what_is_expected_is_kept_without_what_lies_around_it") {
        return;
    }
    let child = Counting::start();
    let around = |addr: Addr| child.live.u64(Addr(addr.0 + 2048)).map_err(|fault| fault.why);
    // Some can be read and some cannot.
    let mut pieces: Vec<(Addr, usize)> = child.counters.iter().map(|addr| (*addr, 8)).collect();
    pieces.extend([(Addr(8), 8), (Addr(u64::MAX - 3), 9), (child.unread, 8)]);
    child.live.expect(&pieces);
    let rehearsed = child.counts();
    assert_eq!(child.live.kept(), 0, "no whole page");
    child.assert_other_threads_run();
    let pause = child.live.freeze(Freeze::Stop, &Progress::default()).unwrap();
    let frozen = child.counts();
    assert!(rehearsed.iter().zip(&frozen).all(|(before, now)| before < now), "not read again");
    let late = Addr(child.unread.0 - 8 * 4096);
    child.live.expect(&[(late, 8)]);
    pause.finish();
    child.assert_other_threads_run();
    child.live.expect(&[(Addr(child.unread.0 + 4096), 8)]);
    assert_eq!(child.counts(), frozen, "what was expected must not change after the freeze");
    assert_eq!(child.live.u64(child.unread), Ok(7));
    assert_eq!(child.live.u64(late), Ok(7));
    assert_eq!(around(child.unread), Err(Why::Thawed));
    assert_eq!(around(child.unread.checked_add(2048).unwrap()), Err(Why::Thawed));
    child.live.forget();
    assert!(child.counts().iter().zip(&frozen).all(|(now, then)| now > then));
    child.assert_all_run();
}

#[test]
fn a_process_is_held_no_longer_than_it_may() {
    if !may_trace("a_process_is_held_no_longer_than_it_may") {
        return;
    }
    let child = Counting::start();
    let longest = Duration::from_millis(300);
    child.live.set_max_pause(Some(longest));
    child.counts();
    let pause = child.live.freeze(Freeze::Stop, &Progress::default()).unwrap();
    let frozen = child.counts();
    wait_for("the time to be over", || pause.expired());
    // It goes on although we would still hold it.
    child.assert_other_threads_run();
    assert_eq!(child.counts(), frozen, "what was read in the freeze must not change after it");
    assert_eq!(child.live.u64(child.unread).unwrap_err().why, Why::Thawed);
    assert_eq!(child.live.missed(), 1);
    let enough = child.live.enough();
    assert!(enough.is_some_and(|enough| enough > longest), "{enough:?}");
    let stopped = pause.finish();
    assert!(stopped >= longest, "{stopped:?}");
    // The next one begins anew.
    child.live.learn();
    assert_eq!(child.live.enough(), None);
    child.live.set_max_pause(None);
    let pause = child.live.freeze(Freeze::Stop, &Progress::default()).unwrap();
    assert!(!pause.expired());
    assert_eq!(child.live.u64(child.unread), Ok(7));
    drop(pause);
    child.assert_all_run();
}

#[test]
fn many_freezes_hold_every_thread_and_let_all_go() {
    if !may_trace("many_freezes_hold_every_thread_and_let_all_go") {
        return;
    }
    let child = Counting::start();
    for _ in 0..200 {
        let pause = child.live.freeze(Freeze::Stop, &Progress::default()).unwrap();
        let tids: Vec<u32> = child.live.threads().iter().map(|t| t.tid).collect();
        for task in std::fs::read_dir(format!("/proc/{}/task", child.actor.pid)).unwrap() {
            let tid: u32 = task.unwrap().file_name().to_str().unwrap().parse().unwrap();
            assert!(matches!(state(tid), 't' | 'Z' | 'X' | '?'), "thread {tid} runs");
            assert!(tids.contains(&tid) || state(tid) != 't');
        }
        drop(pause);
    }
    child.assert_all_run();
    for thread in child.live.threads() {
        wait_for("no thread to be stopped", || !matches!(state(thread.tid), 't' | 'T'));
    }
}

#[test]
fn no_signal_is_lost() {
    if !may_trace("no_signal_is_lost") {
        return;
    }
    const SENT: u64 = 1000;
    let child = Counting::start();
    let over = AtomicBool::new(false);
    let pid = child.actor.pid;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..SENT {
                // Real-time signals queue, so each one counts.
                // SAFETY: kill takes no memory of ours.
                while unsafe { libc::kill(pid as i32, libc::SIGRTMIN() + 3) } != 0 {
                    std::thread::yield_now();
                }
                std::thread::yield_now();
            }
            over.store(true, SeqCst);
        });
        while !over.load(SeqCst) {
            child.live.freeze(Freeze::Stop, &Progress::default()).unwrap().finish();
        }
    });
    wait_for("the last signal", || child.count_of(child.signals) >= SENT);
    assert_eq!(child.count_of(child.signals), SENT);
}

#[test]
fn a_killed_tracer_leaves_the_process_running() {
    if !may_trace("a_killed_tracer_leaves_the_process_running") {
        return;
    }
    let child = Counting::start();
    let (mut tracer, said) = Actor::start(&format!("hold {}", child.actor.pid));
    assert_eq!(said, "true");
    assert_eq!(state(child.actor.pid), 't');
    let refused = child.live.freeze(Freeze::Stop, &Progress::default()).unwrap_err();
    assert!(matches!(refused, FreezeError::Traced { .. }), "{refused}");
    let before = child.count_of(child.counters[0]);
    assert_eq!(child.count_of(child.counters[0]), before);
    tracer.child.kill().unwrap();
    tracer.child.wait().unwrap();
    child.assert_all_run();
}

#[test]
fn a_stopped_process_stays_stopped() {
    if !may_trace("a_stopped_process_stays_stopped") {
        return;
    }
    let child = Counting::start();
    let pid = child.actor.pid as i32;
    // SAFETY: kill takes no memory of ours.
    unsafe { libc::kill(pid, libc::SIGSTOP) };
    wait_for_state(child.actor.pid, "T");
    let pause = child.live.freeze(Freeze::Stop, &Progress::default()).unwrap();
    let frozen = child.counts();
    pause.finish();
    wait_for_state(child.actor.pid, "T");
    child.live.forget();
    assert_eq!(child.counts(), frozen);
    // SAFETY: as above.
    unsafe { libc::kill(pid, libc::SIGCONT) };
    child.assert_all_run();
}

#[test]
fn a_process_that_dies_while_it_is_frozen() {
    if !may_trace("a_process_that_dies_while_it_is_frozen") {
        return;
    }
    let child = Counting::start();
    let counts = child.counts();
    let pause = child.live.freeze(Freeze::Stop, &Progress::default()).unwrap();
    // SAFETY: kill takes no memory of ours.
    unsafe { libc::kill(child.actor.pid as i32, libc::SIGKILL) };
    wait_for_state(child.actor.pid, "Z");
    assert_eq!(child.live.u64(child.unread).unwrap_err().why, Why::Gone);
    assert!(child.counts().iter().zip(&counts).all(|(now, before)| now >= before));
    drop(pause);
    let again = child.live.freeze(Freeze::Stop, &Progress::default());
    assert!(matches!(again, Err(FreezeError::Gone { .. })), "{again:?}");
}

#[test]
fn a_thread_that_cannot_be_interrupted() {
    if !may_trace("a_thread_that_cannot_be_interrupted") {
        return;
    }
    let (actor, _) = Actor::start("stuck");
    let live = Live::open(actor.pid).unwrap();
    let frozen = live.freeze(Freeze::Stop, &Progress::default());
    assert!(matches!(frozen, Err(FreezeError::Stuck { state: 'D', .. })), "{frozen:?}");
    let tracer = std::fs::read_to_string(format!("/proc/{}/status", actor.pid)).unwrap();
    assert!(tracer.contains("TracerPid:\t0"), "{tracer}");
    wait_for_state(actor.pid, "SR");
}

#[test]
fn cancelled_before_it_stopped() {
    if !may_trace("cancelled_before_it_stopped") {
        return;
    }
    let child = Counting::start();
    let progress = Progress::default();
    progress.cancel();
    let frozen = child.live.freeze(Freeze::Stop, &progress);
    assert!(matches!(frozen, Err(FreezeError::Cancelled)), "{frozen:?}");
    child.assert_all_run();
}

#[test]
fn reading_without_a_freeze() {
    let child = Counting::start();
    let pause = child.live.freeze(Freeze::None, &Progress::default()).unwrap();
    assert!(!pause.is_stopped());
    child.assert_all_run();
    assert!(pause.finish().is_zero());
    assert_eq!(child.live.u64(child.unread), Ok(7));
}

#[test]
fn past_the_limit_of_what_is_kept() {
    let child = Counting::start();
    child.live.set_cache_limit(0, WhenFull::ReadPast);
    child.assert_all_run();
    let mut buf = vec![0; 20 * 4096];
    child.live.read(child.unread, &mut buf).unwrap();
    assert_eq!(buf[4096..4104], 7u64.to_le_bytes());
    assert_eq!(child.live.kept(), 0);
    let hole = Addr(child.live.mappings().last().unwrap().end.0);
    assert_eq!(child.live.u64(hole).unwrap_err().why, Why::Unmapped);
}

#[test]
fn a_small_cache_that_is_recycled() {
    const LIMIT: usize = 4 << 20;
    let child = Counting::start();
    child.live.set_cache_limit(LIMIT, WhenFull::Recycle);
    let mut read = 0;
    let mut buf = [0; 4096];
    for mapping in child.live.mappings() {
        let mut addr = mapping.start;
        while addr < mapping.end && read < 8 * LIMIT && child.live.read(addr, &mut buf).is_ok() {
            addr = Addr(addr.0 + 4096);
            read += 4096;
            assert!(child.live.kept() <= LIMIT as u64);
        }
    }
    assert!(read > 2 * LIMIT, "{read}");
    child.assert_all_run();
}

#[test]
fn every_mapping_reads_or_says_why_not() {
    let child = Counting::start();
    let mut readable = 0;
    for mapping in child.live.mappings().to_vec() {
        let last = Addr(mapping.end.0 - 8);
        match (child.live.u64(mapping.start), child.live.u64(last)) {
            (Ok(_), Ok(_)) => readable += 1,
            (Err(fault), _) => {
                assert_eq!(fault, mapscope_target::Fault::new(mapping.start, Why::Denied))
            }
            (_, Err(fault)) => assert_eq!(fault.addr, last),
        }
    }
    assert!(readable > 10);
    let exe = std::fs::canonicalize(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(child.live.exe_path(), Some(exe.clone()));
    assert!(child.live.mappings().iter().any(|m| m.path.as_ref() == Some(&exe)));
    assert!(child.live.auxv().iter().any(|&(key, _)| key == 9));
}

#[test]
fn processes_that_cannot_be_opened() {
    assert!(matches!(Live::open(u32::MAX >> 1), Err(OpenLiveError::NoSuchProcess { .. })));
    let (mut actor, _) = Actor::start("count");
    actor.child.kill().unwrap();
    wait_for_state(actor.pid, "Z");
    assert!(matches!(Live::open(actor.pid), Err(OpenLiveError::Ended { .. })));
    actor.child.wait().unwrap();
    assert!(matches!(Live::open(actor.pid), Err(OpenLiveError::NoSuchProcess { .. })));
    // SAFETY: gettid takes nothing and cannot fail.
    let thread = unsafe { libc::gettid() } as u32;
    assert!(matches!(Live::open(thread), Err(OpenLiveError::Thread { .. })));
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        assert!(matches!(Live::open(2), Err(OpenLiveError::Kernel { .. })));
    }
}

#[test]
fn without_permission_it_says_what_is_missing() {
    const TEST: &str = "without_permission_it_says_what_is_missing";
    // SAFETY: geteuid takes nothing and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return skip(TEST, "only root can become another user");
    }
    let child = Counting::start();
    let (_other, said) = Actor::start_as(&format!("open {}", child.actor.pid), |command| {
        command.uid(65534).gid(65534);
    });
    let expected = Obstacle::Uid { ours: 65534, theirs: 0 };
    assert!(said.contains(&expected.to_string()), "{said}");
    assert!(said.contains("as root"), "{said}");
}
