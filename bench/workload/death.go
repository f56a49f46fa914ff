package main

import "time"

// tally is made without its map.
type tally struct {
	name string
	seen map[string]int
}

//go:noinline
func (t *tally) count(word string) {
	t.seen[word]++
}

// label is called without a lock by goroutines that do not know of each other.
//
//go:noinline
func (s *session) label(name, value string) {
	s.attrs[name] = value
}

// die ends the program on one of its maps: by a write to a nil one, or by goroutines that race for one.
func die(how string) {
	if how == "nil" {
		(&tally{name: "tally"}).count("word")
	}
	s := registry.byID[1]
	for range [2]int{} {
		go func() {
			for {
				s.label("lang", "en")
			}
		}()
	}
	time.Sleep(time.Minute)
}
