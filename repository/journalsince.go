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

// monthMemo is what was read of one month of a host's journal.
type monthMemo struct {
	inode  uint64
	read   time.Time // when it was begun: it ages from then
	since  time.Time // no event before that is in events
	end    int64     // all lines before that say something, and what they say is in events
	within bool      // that is within a line, the rest of which is to be passed over
	events []Event
}

// longestMemo is how much of a month is read at once to be remembered, in bytes of the file: of more, nothing new is.
const longestMemo = 64 << 20

// monthSince gives what a month's file says since some time, and reads no more of it than what
// was added since the last call. Nobody waits for another's reading, which may hang.
func (m *Memory) monthSince(f durable.File, size int64, inode uint64, since, now time.Time) ([]Event, error) {
	m.mu.Lock()
	known, seen := m.months[f.Name()]
	m.mu.Unlock()
	if !seen || known.inode != inode || size < known.end || since.Before(known.since) || now.Sub(known.read) >= memoryAges {
		from, err := lastOlder(f, size, since)
		if err != nil {
			return nil, err
		}
		known = monthMemo{inode: inode, read: now, end: from, within: from > 0}
	}
	if size-known.end > longestMemo {
		return readEvents(slices.Clip(known.events), io.NewSectionReader(f, known.end, size-known.end), nil, f.Name())
	}
	known.since = since
	if slices.ContainsFunc(known.events, isBefore(since)) {
		known.events = slices.DeleteFunc(slices.Clone(known.events), isBefore(since)) // others may be reading it
	}
	known.events = slices.Clip(known.events)
	fresh, err := known.readOn(f, size)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.months == nil {
		m.months = map[string]monthMemo{}
	}
	if last := m.months[f.Name()]; last.inode != inode || last.end <= known.end {
		m.months[f.Name()] = known
	}
	return slices.Concat(known.events, fresh), nil
}

func isBefore(t time.Time) func(Event) bool { return func(e Event) bool { return e.Time.Before(t) } }

// readOn reads the lines behind those that are known. What lies behind one that says nothing yet
// is not known by it: somebody may be writing it.
func (known *monthMemo) readOn(f durable.File, size int64) (fresh []Event, err error) {
	data := make([]byte, size-known.end)
	if n, err := f.ReadAt(data, known.end); n < len(data) && err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	} else if data = data[:n]; known.within {
		_, rest, _ := bytes.Cut(data, []byte("\n"))
		known.end, known.within = known.end+int64(len(data)-len(rest)), false
		data = rest
	}
	settled := true
	for line := range bytes.Lines(data) {
		said := appendEvent(nil, line)
		if settled = settled && len(said) > 0 && line[len(line)-1] == '\n'; settled {
			known.events, known.end = append(known.events, said...), known.end+int64(len(line))
		} else {
			fresh = append(fresh, said...)
		}
	}
	return fresh, nil
}
