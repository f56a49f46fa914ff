// One goroutine deletes from a map while another clones it.
//
// Go 1.21 to 1.23, and 1.25 to 1.27, end with exit code 2 and
//
//	fatal error: concurrent map clone and map write
//
// and Go 1.24 with
//
//	fatal error: concurrent map iteration and map write
//
// Nothing can recover from it, and deferred functions do not run. The check is one byte that a delete sets
// for as long as it lasts: a run may also end without a word after two seconds, or of what the race has
// broken (a nil pointer in the runtime).
package main

import (
	"maps"
	"time"
)

// m is used by two goroutines without a lock.
var m = map[int]int{}

//go:noinline
func remove(i int) {
	// Keys that are not there: the map stays as it is, and the mark is set all the same.
	delete(m, 100+i%100)
}

//go:noinline
func copied(i int) {
	c := maps.Clone(m)
	c[i] = i
}

func forever(do func(int)) {
	for i := 0; ; i++ {
		do(i)
	}
}

func main() {
	for i := 0; i < 100; i++ {
		m[i] = i
	}
	go forever(remove)
	go forever(copied)
	time.Sleep(2 * time.Second)
}
