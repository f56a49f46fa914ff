// A map keeps its storage when its entries are deleted: it never shrinks.
//
// Go 1.19 to 1.27 end with exit code 0 and tell how much is left:
//
//	len 0, and the storage of a million entries is still there
//
// clear does not free it either. A new map does.
package main

import (
	"fmt"
	"os"
	"runtime"
)

var m = map[int][16]byte{}

func inUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse
}

func main() {
	before := inUse()
	for i := 0; i < 1_000_000; i++ {
		m[i] = [16]byte{}
	}
	full := inUse() - before
	for i := range m {
		delete(m, i)
	}
	left := inUse() - before
	if left < full/2 {
		fmt.Println("the storage was freed")
		os.Exit(1)
	}
	fmt.Printf("len %d, and the storage of a million entries is still there\n", len(m))
	runtime.KeepAlive(m)
}
