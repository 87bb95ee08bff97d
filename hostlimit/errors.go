package hostlimit

import (
	"fmt"
	"strings"

	"varve/internal/human"
)

// A BusyError reports that every slot of this host is taken, or spoken for.
type BusyError struct {
	Jobs    int
	Holders []Holder // of the slots
	Ahead   []Holder // who waits for one, and came before
}

func (e *BusyError) Error() string {
	text := fmt.Sprintf("all %d slots of this host are taken, by %s", e.Jobs, JoinHolders(e.Holders))
	if e.Jobs == 1 {
		text = "the only slot of this host is taken, by " + JoinHolders(e.Holders)
	}
	if len(e.Holders) == 0 {
		text = "the slots of this host are spoken for"
	}
	if len(e.Ahead) > 0 {
		text += "; ahead in the queue: " + JoinHolders(e.Ahead)
	}
	return text
}

// JoinHolders says who several are in one line.
func JoinHolders(holders []Holder) string {
	texts := make([]string, len(holders))
	for i, h := range holders {
		texts[i] = h.String()
	}
	return strings.Join(texts, "; ")
}

// A StateError reports that the directory by which runs know of each other cannot be
// used, perhaps because it is another user's (then it wraps fs.ErrPermission). No
// limit is kept; whether to go on without is for the caller.
type StateError struct {
	Dir string
	Err error
}

func (e *StateError) Error() string {
	return fmt.Sprintf("the limits of this host are kept in %q, which cannot be used: %v", e.Dir, e.Err)
}

func (e *StateError) Unwrap() error { return e.Err }

// A FullError reports less free space than is to stay free.
type FullError struct {
	Available, Total int64 // bytes
	Min              MinFree
}

func (e *FullError) Error() string {
	return fmt.Sprintf("%s of %s are free, and %s are to stay free", human.Size(e.Available), human.Size(e.Total), e.Min)
}
