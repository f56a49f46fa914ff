//! Every read fails once: goroutines and stacks become incomplete, and nothing panics.

use std::cell::Cell;

use mapscope_binary::Elf;
use mapscope_runtime::goroutine::Scheduler;
use mapscope_runtime::{Go, Image};
use mapscope_target::{
    Addr, Fault, Freeze, Live, Memory, Progress, Target, Thread, Why, delegate_target,
};

use crate::zoo::{Zoo, zoos};

/// A target whose read number `fails` fails, counted from when it was set.
struct Failing<'a> {
    inner: &'a Live,
    fails: Cell<Option<usize>>,
}

impl Memory for Failing<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        match self.fails.get() {
            Some(0) => {
                self.fails.set(None);
                Err(Fault::new(addr, Why::Unmapped))
            }
            left => {
                self.fails.set(left.map(|left| left - 1));
                self.inner.read(addr, buf)
            }
        }
    }
}

impl Target for Failing<'_> {
    delegate_target!(self => self.inner);
}

/// How many goroutines were read, how many stacks whole, and how many things could not be read.
fn survey(go: &Go<'_>, scheduler: &Scheduler, threads: &[Thread]) -> (usize, usize, usize) {
    let Ok(goroutines) = scheduler.goroutines(go) else { return (0, 0, 1) };
    let unwinder = scheduler.unwinder(go, threads).unwrap();
    let (mut whole, mut broken) = (0, goroutines.unreadable.len());
    for goroutine in &goroutines.all {
        let mut walk = unwinder.goroutine(goroutine);
        let frames = walk.by_ref().count();
        match walk.outcome() {
            Ok(()) => whole += 1,
            Err(_) if goroutine.is_alive() => broken += 1,
            Err(_) => assert_eq!(frames, 0),
        }
    }
    (goroutines.all.len(), whole, broken)
}

#[test]
fn every_read_fails_once() {
    let Some((_, exe)) = zoos().pop() else { return };
    let zoo = Zoo::start(&exe);
    let live = Live::open(zoo.pid()).unwrap();
    let progress = Progress::default();
    let _pause = live.freeze(Freeze::Stop, &progress).unwrap();
    let data = std::fs::read(&exe).unwrap();
    let elf = Elf::parse(&data).unwrap();
    let image = Image::parse(&elf).unwrap();
    let target = Failing { inner: &live, fails: Cell::new(None) };
    let go = Go::open(&image, &target, &progress).unwrap();
    let scheduler = Scheduler::open(&go).unwrap();
    let threads = live.threads();
    let (all, whole, broken) = survey(&go, &scheduler, &threads);
    assert!(whole > 3 && broken == 0);
    for n in 0.. {
        target.fails.set(Some(n));
        let now = survey(&go, &scheduler, &threads);
        if target.fails.take().is_some() {
            assert!(n > all, "{n} reads for {all} goroutines");
            break;
        }
        // A read that fails is seen: something is missing, and something says so. The one
        // exception is a read whose answer only serves to trust another.
        assert!(now.2 > 0 || now == (all, whole, 0), "read {n}: {now:?}");
        assert!(now.0 <= all && now.1 <= whole, "read {n}: {now:?}");
    }
}
