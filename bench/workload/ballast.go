package main

// node and item are what else a heap is full of. No map can be reached from them.
type node struct {
	left, right *node
	name        string
	blob        []byte
}

type item struct {
	next  *item
	key   string
	count [3]int
}

var ballast struct {
	roots []*node
	items *item
}

// fillBallast holds about so many bytes of nodes, items (of a map header's size), strings and
// slices of bytes beside the maps.
func fillBallast(bytes int) {
	const each = 64 + 48 + 2*16 + 160
	for n := 0; n < bytes/each; n++ {
		leaf := &node{name: text("node-", n), blob: make([]byte, 64+n%192)}
		ballast.items = &item{next: ballast.items, key: text("item-", n)}
		if n%16 == 0 {
			ballast.roots = append(ballast.roots, leaf)
			continue
		}
		root := ballast.roots[len(ballast.roots)-1]
		leaf.left, root.left = root.left, leaf
	}
}
