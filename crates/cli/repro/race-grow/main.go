// Two goroutines write new keys to one map, which grows all the time.
//
// Go 1.19 to 1.27 end with exit code 2 and
//
//	fatal error: concurrent map writes
//
// Nothing can recover from it, and deferred functions do not run. Growth that two goroutines are in may
// break the map before either notices: Go 1.19 to 1.23 may end with
//
//	fatal error: bad map state
//
// Go 1.24 to 1.26 with
//
//	fatal error: small map with no empty slot (concurrent map writes?)
//
// and all of them with a nil pointer or an index out of range in the runtime, or without a word after two
// seconds.
package main

import (
	"time"
)

// m is used by two goroutines without a lock.
var m = map[int]int{}

//go:noinline
func write(i int) {
	m[i] = i
}

//go:noinline
func fill(i int) {
	m[-i] = i
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
	go forever(write)
	go forever(fill)
	time.Sleep(2 * time.Second)
}
