package main

import (
	"fmt"
	"math/bits"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// pulse is how long the heartbeat sleeps between two beats; the kernel adds its timer slack.
const pulse = 50 * time.Microsecond

// heartbeat records how far its beats lie apart. A beat that comes late was kept from running:
// what is beyond the usual gap is the time that the program stood still.
type heartbeat struct {
	mu      sync.Mutex
	beats   uint64
	longest time.Duration
	late    time.Duration // The sum of all gaps over a millisecond.
	powers  [64]uint64    // How many gaps had so many bits, in nanoseconds.
}

func startHeartbeat() *heartbeat {
	beats := new(heartbeat)
	go beats.run()
	return beats
}

// run sleeps in the kernel on a thread of its own, without the scheduler's help: whatever delays
// it delays any thread of the program.
func (h *heartbeat) run() {
	runtime.LockOSThread()
	sleep := syscall.NsecToTimespec(int64(pulse))
	last := time.Now()
	for {
		syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&sleep)), 0, 0)
		now := time.Now()
		h.beat(now.Sub(last))
		last = now
	}
}

func (h *heartbeat) beat(gap time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beats++
	h.powers[bits.Len64(uint64(gap))%64]++
	h.longest = max(h.longest, gap)
	if gap >= time.Millisecond {
		h.late += gap
	}
}

// take answers with the record as JSON, in nanoseconds, and begins a new one.
func (h *heartbeat) take() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := fmt.Sprintf(`{"beats":%d,"longest":%d,"late":%d,"p50":%d,"p99":%d,"p9999":%d}`,
		h.beats, h.longest, h.late, h.below(0.5), h.below(0.99), h.below(0.9999))
	h.beats, h.longest, h.late, h.powers = 0, 0, 0, [64]uint64{}
	return text
}

// below is a bound, a power of two, that this share of the gaps does not reach.
func (h *heartbeat) below(share float64) uint64 {
	want, seen := uint64(share*float64(h.beats)), uint64(0)
	for power, count := range h.powers {
		if seen += count; seen >= want {
			return 1 << power
		}
	}
	return 0
}
