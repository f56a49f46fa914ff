// Hot is the program that `mapscope catch` is measured on: goroutines that do nothing but work on maps,
// beside as much other memory as is asked for.
//
// On stdin it takes lines: "rate MS" prints how many operations of maps it did in so many milliseconds,
// as JSON; "die" writes to a nil map; "quit" ends it, and so does the end of the input.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

func main() {
	workers := flag.Int("workers", 1, "goroutines that work on maps")
	held := flag.Int("held", 0, "bytes of other memory to hold")
	flag.Parse()
	hold(*held)
	counts := make([]count, *workers)
	for i := range counts {
		go work(&counts[i])
	}
	fmt.Println("READY")
	answer(counts)
}

// count is what one worker has done, on cache lines of its own.
type count struct {
	done uint64
	_    [120]byte
}

// batch is how many operations a worker does before it says so.
const batch = 1024

// work writes to, reads from and deletes from maps of its own, as long as the program lives.
func work(done *count) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = "session-" + strconv.Itoa(i)
	}
	byName := make(map[string]int)
	byNumber := make(map[int]int)
	for i := 0; ; i += batch {
		for j := i; j < i+batch; j += 4 {
			name := names[j%len(names)]
			byName[name]++
			byNumber[j%5000] += byName[name]
			delete(byNumber, j*7%5000)
		}
		atomic.AddUint64(&done.done, batch)
	}
}

// object is a piece of the other memory: the collector has to follow it, and its bytes differ.
type object struct {
	next  *object
	bytes [1016]byte
}

var held *object

func hold(bytes int) {
	state := uint64(88172645463325252)
	for ; bytes > 0; bytes -= 1024 {
		one := &object{next: held}
		for i := range one.bytes {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			one.bytes[i] = byte(state)
		}
		held = one
	}
}

// store is what dies.
type store struct {
	name  string
	byKey map[string]int
}

//go:noinline
func (s *store) put(key string) {
	s.byKey[key]++
}

func answer(counts []count) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "rate":
			ms, _ := strconv.Atoi(rest)
			fmt.Println(rate(counts, time.Duration(ms)*time.Millisecond))
		case "die":
			(&store{name: "sessions"}).put("last")
		case "quit":
			return
		}
	}
}

// rate is how many operations all workers did in a time, and how long that time was.
func rate(counts []count, patience time.Duration) string {
	began, before := time.Now(), sum(counts)
	time.Sleep(patience)
	done, took := sum(counts)-before, time.Since(began)
	return fmt.Sprintf(`{"operations":%d,"ns":%d}`, done, took.Nanoseconds())
}

func sum(counts []count) uint64 {
	all := uint64(0)
	for i := range counts {
		all += atomic.LoadUint64(&counts[i].done)
	}
	return all
}
