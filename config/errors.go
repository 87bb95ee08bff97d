package config

import (
	"fmt"
	"strings"
)

// A Problem is one thing that is wrong in the file.
type Problem struct {
	Path   string // of the file
	Line   int    // from 1; 0: of the file as a whole
	Column int    // from 1
	Key    string // such as volumes.db1.window; may be empty
	Text   string

	Missing bool  // there is nothing of a pattern, or it cannot be looked for
	Clash   bool  // what a pattern claims is another one's
	Err     error // why it cannot be looked for; nil: there is nothing
}

func (p *Problem) Error() string {
	place := p.Path
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d", p.Path, p.Line)
	}
	if p.Key != "" {
		place += ": " + p.Key
	}
	return place + ": " + p.Text
}

func (p *Problem) Unwrap() error { return p.Err }

// An Error reports everything that is wrong in a file, by line.
type Error struct {
	Path     string
	Problems []Problem
}

// Error gives each problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i := range e.Problems {
		lines[i] = e.Problems[i].Error()
	}
	return strings.Join(lines, "\n")
}
