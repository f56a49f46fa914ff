// A write to a nil map: a struct that was not made by its constructor.
//
// Go 1.19 to 1.27 end with exit code 2 and
//
//	panic: assignment to entry in nil map
//
// A deferred function can recover from it. Reading, ranging, len and delete are fine on a nil map.
package main

// Service has a map that NewService makes.
type Service struct {
	name  string
	cache map[string]int
}

// NewService makes it whole.
func NewService(name string) *Service {
	return &Service{name: name, cache: map[string]int{}}
}

//go:noinline
func (s *Service) put(key string, value int) {
	s.cache[key] = value
}

func main() {
	NewService("whole").put("key", 1)
	(&Service{name: "without its constructor"}).put("key", 1)
}
