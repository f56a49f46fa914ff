// A key of an interface type that holds a slice, which has no hash.
//
// Go 1.19 to 1.27 end with exit code 2 and
//
//	panic: runtime error: hash of unhashable type []string
//
// A deferred function can recover from it. Since Go 1.25 a lookup in an empty map says
// `hash of unhashable type: []string`, without `runtime error: `.
package main

import "os"

//go:noinline
func count(seen map[any]int, key any) {
	seen[key]++
}

func main() {
	seen := map[any]int{}
	count(seen, "a string")
	count(seen, os.Args)
}
