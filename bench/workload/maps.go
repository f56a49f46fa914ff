package main

import "strconv"

// session holds a small map as a field, as programs do.
type session struct {
	id     uint64
	user   string
	attrs  map[string]string
	parent *session
}

// record is an elem of the middling maps. No map can be reached from it.
type record struct {
	id    uint64
	name  string
	sizes [9]uint64
	next  *record
}

// owned is a record from which a map can be reached: a tool that follows types has to visit each.
type owned struct {
	id    uint64
	owner *session
	name  string
	sizes [8]uint64
	next  *owned
}

// table is a named owner of a middling map of one kind or the other.
type table struct {
	name   string
	rows   map[uint64]*record
	owners map[uint64]*owned
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
			last = &record{id: uint64(t)<<32 | uint64(r), name: tab.name, next: last}
			tab.rows[last.id] = last
		}
		tables = append(tables, tab)
	}
}

func fillOwnerTables(count, rows int) {
	for t := 0; t < count; t++ {
		tab := &table{name: text("table-", t), owners: make(map[uint64]*owned)}
		var last *owned
		for r := 0; r < rows; r++ {
			owner := sessions[r%len(sessions)]
			last = &owned{id: uint64(t)<<32 | uint64(r), owner: owner, name: tab.name, next: last}
			tab.owners[last.id] = last
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
