package hook

import (
	"fmt"
	"strings"
	"time"
)

// An Error reports a hook that failed, or could not be run.
type Error struct {
	Hook    string // its name
	Command string
	Err     error  // *exec.ExitError, *TimeoutError, that of the context, or in words
	Output  string // the last 4 KiB of what it wrote
}

func (e *Error) Error() string {
	text := fmt.Sprintf("hook %s (%s): %v", e.Hook, e.Command, e.Err)
	if said := lastLine(e.Output); said != "" {
		text += fmt.Sprintf("; it said %q", said)
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// maxSaid bounds what an error's text has of a hook's output, in bytes.
const maxSaid = 200

func lastLine(output string) string {
	output = strings.TrimSpace(output)
	line := strings.TrimSpace(output[strings.LastIndexByte(output, '\n')+1:])
	if over := len(line) - maxSaid; over > 0 {
		line = strings.ToValidUTF8(line[over:], "")
	}
	return line
}

// A TimeoutError reports a command that was ended because it took too long.
type TimeoutError struct{ Limit time.Duration }

func (e *TimeoutError) Error() string { return fmt.Sprintf("it took longer than %s", e.Limit) }
