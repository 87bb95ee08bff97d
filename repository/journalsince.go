package repository

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"varve/internal/durable"
)

// EventsSince returns what all hosts recorded since a time, as [Repository.Events]
// does, but reads no more of the journal than it has to: a line is only looked for
// behind the last one of its month that is older.
func (r *Repository) EventsSince(since time.Time) ([]Event, error) {
	since = since.UTC().Truncate(time.Millisecond)
	events, err := r.eventsOf(journalPart{
		months: func(month string) bool { return month >= since.Format("2006-01") },
		since:  since,
	})
	return slices.DeleteFunc(events, isBefore(since)), err
}

// lastOlder finds, from the end of a month, a place that has the beginning of a line
// older than a time at or behind it, and no such line further on but those near it.
func lastOlder(f durable.File, size int64, since time.Time) (int64, error) {
	block := make([]byte, 2*maxJournalLine)
	for from := size; from > 0; {
		from = max(0, from-maxJournalLine)
		n, err := f.ReadAt(block[:min(int64(len(block)), size-from)], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read %s: %w", f.Name(), err)
		}
		if from == 0 {
			break
		}
		_, rest, _ := bytes.Cut(block[:n], []byte("\n")) // the first line began before
		for line := range bytes.Lines(rest) {
			if events := appendEvent(nil, line); len(events) > 0 {
				if events[0].Time.Before(since) {
					return from, nil
				}
				break // the lines behind it are younger
			}
		}
	}
	return 0, nil
}

func isBefore(t time.Time) func(Event) bool { return func(e Event) bool { return e.Time.Before(t) } }
