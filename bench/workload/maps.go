package main

import "strconv"

// session holds a small map as a field, as programs do.
type session struct {
	id     uint64
	user   string
	attrs  map[string]string
	parent *session
}

// record is an elem of the middling maps.
type record struct {
	id    uint64
	owner *session
	name  string
	sizes [4]uint64
	next  *record
}

// table is a named owner of a middling map.
type table struct {
	name string
	rows map[uint64]*record
}

// Half of the small maps hang on a slice, half on a map.
var (
	sessions []*session
	registry struct {
		version int
		byID    map[uint64]*session
	}
	tables []*table
	words  map[string]string
)

var attrNames = [...]string{"lang", "zone", "theme", "agent", "cart", "tier", "ref", "seen", "ab", "geo"}

func newSession(n int) *session {
	s := &session{id: uint64(n), user: text("user-", n), attrs: map[string]string{}}
	for i := 0; i < 1+n%len(attrNames); i++ {
		s.attrs[attrNames[i]] = text("v", n+i)
	}
	return s
}

func fillSessions(count int) {
	registry.byID = make(map[uint64]*session)
	for n := 0; n < count; n++ {
		s := newSession(n)
		if n%2 == 0 {
			sessions = append(sessions, s)
			continue
		}
		s.parent = sessions[n/2]
		registry.byID[s.id] = s
	}
}

func fillTables(count, rows int) {
	for t := 0; t < count; t++ {
		tab := &table{name: text("table-", t), rows: make(map[uint64]*record)}
		var last *record
		for r := 0; r < rows; r++ {
			id := uint64(t)<<32 | uint64(r)
			last = &record{id: id, owner: sessions[r%len(sessions)], name: tab.name, next: last}
			tab.rows[id] = last
		}
		tables = append(tables, tab)
	}
}

func fillWords(count int) {
	words = make(map[string]string)
	for n := 0; n < count; n++ {
		words["word/"+strconv.FormatUint(uint64(n)*0x9e3779b97f4a7c15, 36)] = text("", n)
	}
}
