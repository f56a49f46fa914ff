// A field of an elem that is not in the map: the lookup gives a nil pointer.
//
// Go 1.19 to 1.27 end with exit code 2 and
//
//	panic: runtime error: invalid memory address or nil pointer dereference
//
// A deferred function can recover from it.
package main

import "fmt"

// User is what the map points to.
type User struct {
	id   int
	name string
}

//go:noinline
func name(users map[string]*User, key string) string {
	return users[key].name
}

func main() {
	users := map[string]*User{"ann": {id: 1, name: "Ann"}}
	fmt.Println(name(users, "ann"))
	fmt.Println(name(users, "bob"))
}
