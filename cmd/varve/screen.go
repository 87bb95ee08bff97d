package main

import (
	"fmt"
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

	width int  // of the bar, in columns
	plain bool // codes for terminals are not understood, and blanks take the bar away
}

// clearLine takes away the line that the cursor is on; clearBelow what comes below it too.
const (
	clearLine  = "\r\x1b[K"
	clearBelow = "\r\x1b[J"
)

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
	s.bar, s.width, s.plain = true, textWidth(bar), plain
	_, err := io.WriteString(s.w, bar)
	return err
}

// canErase tells whether a line can be taken away again where w goes.
func canErase(w any) bool { return isTerminal(w) && os.Getenv("TERM") != "dumb" }

func (s *screen) clear() error {
	if !s.bar {
		return nil
	}
	s.bar = false
	_, err := io.WriteString(s.w, erase(s.width, columnsOf(s.w), s.plain))
	return err
}

// erase is what takes a bar away, at the end of which the cursor is. Where the terminal
// has become narrower since, it goes over several lines; on one that cuts lines instead,
// what stands above is lost.
func erase(width, columns int, plain bool) string {
	switch {
	case plain:
		return "\r" + strings.Repeat(" ", width) + "\r"
	case columns > 0 && width > columns:
		return fmt.Sprintf("\x1b[%dA", (width-1)/columns) + clearBelow
	}
	return clearLine
}
