package repository

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"varve/internal/durable"
)

// EventsSince returns what all hosts recorded since a time, as [Repository.Events]
// does, but reads no more of the journal than it has to: a line is only looked for
// behind the last one of its month that is older.
func (r *Repository) EventsSince(since time.Time) ([]Event, error) {
	since = since.UTC().Truncate(time.Millisecond)
	hosts, err := r.fsys.ReadDir(journalDir)
	if err != nil {
		return nil, err
	}
	var events []Event
	var errs []error
	for _, host := range hosts {
		if !host.IsDir() {
			continue
		}
		dir := path.Join(journalDir, host.Name())
		months, err := r.fsys.ReadDir(dir)
		if err != nil {
			errs = append(errs, err)
		}
		for _, m := range months {
			month, isMonth := strings.CutSuffix(m.Name(), journalExt)
			if !isMonth || month < since.Format("2006-01") {
				continue
			}
			events, err = r.appendSince(events, path.Join(dir, m.Name()), since)
			if err != nil && !notFound(err) {
				errs = append(errs, err)
			}
		}
	}
	events = slices.DeleteFunc(events, func(e Event) bool { return e.Time.Before(since) })
	slices.SortStableFunc(events, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return events, errors.Join(errs...)
}

// appendSince adds the lines of a month from the last one on that is older.
func (r *Repository) appendSince(events []Event, name string, since time.Time) (_ []Event, err error) {
	f, err := r.fsys.Open(name)
	if err != nil {
		return events, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return events, err
	}
	from, err := lastOlder(f, info.Size(), since)
	if err != nil {
		return events, err
	}
	return readEvents(events, io.NewSectionReader(f, from, info.Size()-from), name)
}

// lastOlder finds, from the end of a month, a place that has the beginning of a line
// older than a time at or behind it, and no such line further on but those near it.
func lastOlder(f durable.File, size int64, since time.Time) (int64, error) {
	block := make([]byte, 2*maxJournalLine)
	for from := size; from > 0; {
		from = max(0, from-maxJournalLine)
		n, err := f.ReadAt(block[:min(int64(len(block)), size-from)], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
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
