package main

import (
	"io"
	"sync"
)

// screen is standard error: what is written there first takes the bar away that
// may stand on its last line.
type screen struct {
	mu  sync.Mutex
	w   io.Writer
	bar bool
}

const clearLine = "\r\x1b[K"

// Write implements [io.Writer].
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.clear(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}

// draw puts a bar in the place of the one before; empty: none.
func (s *screen) draw(bar string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.clear(); err != nil || bar == "" {
		return err
	}
	s.bar = true
	_, err := io.WriteString(s.w, bar)
	return err
}

func (s *screen) clear() error {
	if !s.bar {
		return nil
	}
	s.bar = false
	_, err := io.WriteString(s.w, clearLine)
	return err
}
