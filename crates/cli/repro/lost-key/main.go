// A key that no lookup finds: a NaN is not equal to itself, so that each write adds another entry.
//
// Go 1.19 to 1.27 end with exit code 0 and tell what is there:
//
//	3 entries, and a lookup finds none
//
// Nothing but clear (since Go 1.21) takes them out again.
package main

import (
	"fmt"
	"math"
	"os"
)

func main() {
	m := map[float64]int{}
	for i := 0; i < 3; i++ {
		m[math.NaN()] = i
	}
	if _, found := m[math.NaN()]; found || len(m) != 3 {
		fmt.Println("a lookup finds it")
		os.Exit(1)
	}
	fmt.Printf("%d entries, and a lookup finds none\n", len(m))
}
