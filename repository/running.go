package repository

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"varve/internal/durable"
	"varve/revision"
)

// Running is an operation under way.
type Running struct {
	Holder Holder
	Volume revision.Name // empty: it is about no volume, or about several
	Done   int64         // bytes of Total that it has gone through
	Total  int64         // zero: it has not said
	Heard  time.Time     // when it last said how far it is
}

// silence is after how long an operation of another host is taken to be gone: those
// that can say how far they are do so much more often.
const silence = 2 * time.Minute

// maxLease bounds a lease's file.
const maxLease = 64 << 10

// Running lists the operations under way that read or write the repository, by
// volume. It locks nothing: of this host it looks for the process, of others for
// a sign of life.
func (r *Repository) Running() ([]Running, error) {
	entries, err := r.fsys.ReadDir(leasesDir)
	if err != nil {
		return nil, err
	}
	var running []Running
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), infoExt) || durable.IsTemp(e.Name()) {
			continue
		}
		if run, alive := r.readLease(path.Join(leasesDir, e.Name())); alive {
			running = append(running, run)
		}
	}
	slices.SortFunc(running, func(a, b Running) int {
		return cmp.Or(cmp.Compare(a.Volume, b.Volume), a.Holder.Since.Compare(b.Holder.Since))
	})
	return running, nil
}

// readLease reads what a lease says. One that ended meanwhile, that is being
// written, or that may not be read, says nothing.
func (r *Repository) readLease(name string) (run Running, alive bool) {
	record, rest, heard, ok := r.leaseAt(name)
	if !ok {
		return run, false
	}
	run = Running{Holder: record.Holder, Volume: revision.Name(record.Volume), Heard: heard}
	_, _ = fmt.Sscanf(string(rest), progressForm, &run.Done, &run.Total) // without: zeros
	if record.Holder.Host != r.me.Host {
		return run, r.opts.Now().Sub(run.Heard) < silence
	}
	return run, record.Boot == r.boot && record.Holder.Runs()
}

// leaseAt reads a lease: its record, what stands below that, and when it was last written.
func (r *Repository) leaseAt(name string) (record leaseRecord, rest []byte, heard time.Time, ok bool) {
	f, err := r.fsys.Open(name)
	if err != nil {
		return record, nil, heard, false
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil || info.Size() > maxLease {
		return record, nil, heard, false
	}
	content := make([]byte, info.Size())
	if n, err := f.ReadAt(content, 0); err != nil && (err != io.EOF || n < len(content)) {
		return record, nil, heard, false
	}
	first, rest, _ := bytes.Cut(content, []byte("\n"))
	data, err := unsealData(append(first, '\n'))
	if err != nil || json.Unmarshal(data, &record) != nil { // a newer program's fields are passed over
		return leaseRecord{}, nil, heard, false
	}
	return record, rest, info.ModTime(), true
}

// progressForm is the line below a lease's record that says how far its holder is.
// It has always the same length.
const progressForm = "%16x %16x\n"

// Progress tells those who ask what is running how far this backup is, in bytes of
// the volume. It is not durable and need not be: errors are the lease's own trouble.
func (b *Backup) Progress(done, total int64) error { return b.lease.progress(done, total) }

func (l *lease) progress(done, total int64) error {
	_, err := l.file.WriteAt(fmt.Appendf(nil, progressForm, max(done, 0), max(total, 0)), l.length)
	return err
}
