// Workload is the program that mapscope and its peers are measured on: 200,000 small maps held by
// structs in slices and in a map, 200 maps of 50,000 entries and one of 5,000,000 strings, some
// 20 million objects in about 2 GB. When all is built it prints READY and stands idle but for its
// heartbeat, which tells how long it was kept from running.
//
// On stdin it takes lines: "gaps" prints the heartbeat's record since the last such line as JSON,
// "quit" ends it, and so does the end of the input. "nil" and "race" have it die on a map.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
)

func main() {
	scale := flag.Int("scale", 1, "build one part in so many of each number of maps or entries")
	ballast := flag.Int("ballast", 0, "bytes of other objects to hold beside the maps")
	owners := flag.Bool("owners", false, "let every record of the middling maps point to an owner of a small map")
	flag.Parse()
	if *scale < 1 || *ballast < 0 {
		fmt.Fprintln(os.Stderr, "workload: -scale is at least 1, -ballast at least 0")
		os.Exit(2)
	}
	build(*scale, *ballast, *owners)
	beats := startHeartbeat()
	fmt.Printf("TRUTH %s\n", truth())
	fmt.Println("READY")
	answer(beats)
}

// build fills the maps and lets the heap settle: no cycle of the collector is pending after it.
func build(scale, ballast int, owners bool) {
	// The heap is to be the maps, not what was left behind by their growth.
	debug.SetGCPercent(25)
	fillSessions(200_000 / scale)
	if owners {
		fillOwnerTables(200, 50_000/scale)
	} else {
		fillTables(200, 50_000/scale)
	}
	fillWords(5_000_000 / scale)
	fillBallast(ballast)
	runtime.GC()
	debug.FreeOSMemory()
	debug.SetGCPercent(-1)
}

// truth is what an inspector has to find, as JSON.
func truth() string {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	maps := len(sessions) + len(registry.byID) + 1 + len(tables) + 1
	return fmt.Sprintf(`{"go":%q,"maps":%d,"words":%d,"objects":%d,"heap":%d}`,
		runtime.Version(), maps, len(words), stats.Mallocs-stats.Frees, stats.HeapAlloc)
}

func answer(beats *heartbeat) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch lines.Text() {
		case "gaps":
			fmt.Println(beats.take())
		case "nil", "race":
			die(lines.Text())
		case "quit":
			return
		}
	}
}

// text is a string of its own, as if it had been read from somewhere.
func text(prefix string, n int) string {
	return prefix + strconv.Itoa(n)
}
