package agent

import "sync"

// table gives numbers to the values that the near end speaks of. Numbers start at 1 and are not used twice.
type table[T any] struct {
	mu     sync.Mutex
	last   int
	values map[int]T
	shut   bool
}

// add returns false once the table was drained: the value stays the caller's to close.
func (t *table[T]) add(v T) (int, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shut {
		return 0, false
	}
	if t.values == nil {
		t.values = map[int]T{}
	}
	t.last++
	t.values[t.last] = v
	return t.last, true
}

func (t *table[T]) get(id int) (T, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.values[id]
	return v, ok
}

// take is get that removes the value.
func (t *table[T]) take(id int) (T, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.values[id]
	delete(t.values, id)
	return v, ok
}

// drain takes everything, and no value is added from then on.
func (t *table[T]) drain() []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shut = true
	var all []T
	for id := 1; id <= t.last; id++ {
		if v, ok := t.values[id]; ok {
			all = append(all, v)
		}
	}
	t.values = nil
	return all
}
