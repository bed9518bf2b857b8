// Package undo takes back what was made, newest first.
//
// In: one function for each thing made. Out: the errors of those that could not be taken back, joined. It never skips
// an undo because an earlier one went wrong, and it never runs one twice.
package undo

import (
	"errors"
	"sync"
)

// Stack holds the undos of one piece of work. The zero value is empty and ready. It is not keyed on an error variable,
// which an inner := shadows: whoever builds defers Unwind right away and says Keep when all went well.
//
//	var u undo.Stack
//	defer u.Unwind()
//	...
//	u.Push(link.Delete)
//	...
//	u.Keep()
type Stack struct {
	mu    sync.Mutex
	undos []func() error
}

// Push adds the undo of a thing just made.
func (s *Stack) Push(undo func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undos = append(s.undos, undo)
}

// Keep forgets every undo: what was made stays.
func (s *Stack) Keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undos = nil
}

// Unwind runs every undo, the newest first, and empties the stack. A second Unwind has nothing to do.
func (s *Stack) Unwind() error {
	s.mu.Lock()
	undos := s.undos
	s.undos = nil
	s.mu.Unlock()
	var errs []error
	for i := len(undos) - 1; i >= 0; i-- {
		errs = append(errs, undos[i]())
	}
	return errors.Join(errs...)
}
