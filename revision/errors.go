package revision

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrOverlay is the cause of a [*CorruptError] when each map of a chain is whole
// by itself, but together they do not give the region that the newest records.
var ErrOverlay = errors.New("the chain's maps do not give the region's recorded hash")

// A CorruptError reports a revision file whose bytes are not what was written.
// Reading again will not help; a copy of the file may.
type CorruptError struct {
	Revision ID     // empty where the damage hides it
	Part     string // what was being read: footer, statement, map page …
	Offset   int64  // where that part begins in the file
	Cause    error
}

func (e *CorruptError) Error() string {
	if e.Revision == "" {
		return fmt.Sprintf("damaged revision file, %s at %d: %v", e.Part, e.Offset, e.Cause)
	}
	return fmt.Sprintf("damaged revision file %s, %s at %d: %v", e.Revision, e.Part, e.Offset, e.Cause)
}

func (e *CorruptError) Unwrap() error { return e.Cause }

// An UnsupportedError reports a format version or a feature that this program
// does not know. The file may be perfectly good.
type UnsupportedError struct {
	What  string // "format" or "feature"
	Found string
	Known string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("revision file needs %s %s, this program reads %s", e.What, e.Found, e.Known)
}

// A ChainError reports two maps that do not follow one another. After a merge
// or a removal this happens to whoever still holds the older files: the chain has
// to be looked up again.
type ChainError struct {
	Revision ID // the newer of the two
	Cause    error
}

func (e *ChainError) Error() string {
	return fmt.Sprintf("chain of revision %s: %v", e.Revision, e.Cause)
}

func (e *ChainError) Unwrap() error { return e.Cause }

// A SelectorError reports text that names no revision in any of the known forms.
type SelectorError struct {
	Text   string
	Reason string
}

func (e *SelectorError) Error() string {
	return fmt.Sprintf("bad revision selector %q: %s", e.Text, e.Reason)
}

// A NoRevisionError reports that a selector found nothing, and what there is.
type NoRevisionError struct {
	Selector string
	Reason   string // what was looked for, in words
	Count    int    // how many revisions there are
	Oldest   Candidate
	Newest   Candidate
	Zone     *time.Location // in which times are told, that of the selector; nil: UTC
}

func (e *NoRevisionError) Error() string {
	have := "there are no revisions"
	switch {
	case e.Count == 1:
		have = "there is one, " + e.describe(e.Newest)
	case e.Count > 1:
		have = fmt.Sprintf("there are %d, from %s to %s", e.Count, e.describe(e.Oldest), e.describe(e.Newest))
	}
	return fmt.Sprintf("no revision %q: %s; %s", e.Selector, e.Reason, have)
}

// An AmbiguousError reports a short id that several revisions share.
type AmbiguousError struct {
	Selector string
	Matches  []ID // ascending by sequence number
}

func (e *AmbiguousError) Error() string {
	names := make([]string, len(e.Matches))
	for i, id := range e.Matches {
		names[i] = string(id)
	}
	return fmt.Sprintf("revision %q is ambiguous: it may be %s", e.Selector, strings.Join(names, " or "))
}

func (e *NoRevisionError) describe(c Candidate) string {
	zone := e.Zone
	if zone == nil {
		zone = time.UTC
	}
	return fmt.Sprintf("%s (%s)", c.ID.Short(), c.Begun.In(zone).Format(time.RFC3339))
}
