package main

import (
	"io"
	"os"
	"strings"
	"sync"
)

// screen is standard error: what is written there first takes the bar away that
// may stand on its last line.
type screen struct {
	mu  sync.Mutex
	w   io.Writer
	bar bool

	blanks int // what takes the bar away, where codes for terminals are not understood
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

// draw puts a bar in the place of the one before; empty: none. Plain ones are
// overwritten with blanks, without a code for terminals.
func (s *screen) draw(bar string, plain bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.clear(); err != nil || bar == "" {
		return err
	}
	s.bar = true
	if plain {
		s.blanks = textWidth(bar)
	}
	_, err := io.WriteString(s.w, bar)
	return err
}

// canErase tells whether a line can be taken away again where w goes.
func canErase(w any) bool { return isTerminal(w) && os.Getenv("TERM") != "dumb" }

func (s *screen) clear() error {
	if !s.bar {
		return nil
	}
	erase := clearLine
	if s.blanks > 0 {
		erase = "\r" + strings.Repeat(" ", s.blanks) + "\r"
	}
	s.bar, s.blanks = false, 0
	_, err := io.WriteString(s.w, erase)
	return err
}
