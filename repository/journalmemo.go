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
