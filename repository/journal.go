package repository

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"varve/internal/durable"
	"varve/revision"
)

// Event is one line of the journal: one operation, when it had ended.
type Event struct {
	Time     time.Time        `json:"time"`
	Op       string           `json:"op"`     // the command: "backup", "init"
	Result   string           `json:"result"` // "ok", "findings" or "failed"
	Volume   revision.Name    `json:"volume,omitempty"`
	UUID     *revision.UUID   `json:"uuid,omitempty"`
	Revision revision.ID      `json:"revision,omitempty"`
	Sequence uint64           `json:"sequence,omitempty"`
	Kind     string           `json:"kind,omitempty"`
	Digest   *revision.Digest `json:"digest,omitempty"`  // of the image of Revision, which a backup made
	Set      string           `json:"set,omitempty"`     // the id of the set that Revision is of
	Stored   int64            `json:"stored,omitempty"`  // bytes added to packs
	Read     int64            `json:"read,omitempty"`    // bytes read from the source
	Seconds  float64          `json:"seconds,omitempty"` // it took
	Detail   string           `json:"detail,omitempty"`  // what exactly was done, for people
	Error    string           `json:"error,omitempty"`
	Warnings []string         `json:"warnings,omitempty"`
	Alarms   []string         `json:"alarms,omitempty"` // of Warnings, those that somebody has to look at
	Findings []string         `json:"findings,omitempty"`
	Holder   Holder           `json:"who"`
	Prev     string           `json:"prev"` // xxh3-128 of the line before, without its newline
}

// Operations that the journal names.
const (
	OpInit     = "init"
	OpBackup   = "backup"   // Revision became visible
	OpSet      = "set"      // in the trash only: Revision never became visible, for its set was not complete
	OpUndelete = "undelete" // Revision became visible again
	OpRemove   = "rm"       // Revision was taken away
	OpPrune    = "prune"    // likewise
	OpMerge    = "merge"    // likewise, into its children
	OpRestore  = "restore"
	OpCopy     = "cp" // files of Revision were copied to this host; Detail tells which, and where to
	OpVerify   = "verify"
	OpDrill    = "drill" // Revision was used; Detail tells what it came to
	OpAdopt    = "adopt"
	OpTag      = "tag"       // Revision's tags or note were changed; Detail says how
	OpPin      = "pin"       // Revision was pinned
	OpUnpin    = "unpin"     // Revision's pin was taken off
	OpDistrust = "distrust"  // Revision was called suspect
	OpRename   = "rename"    // Volume has that name now; Detail tells the one before
	OpRetire   = "retire"    // Volume is not expected to be backed up any more
	OpUnretire = "unretire"  // it is again
	OpSnapshot = "snapshots" // snapshots of Volume's source went that were kept for it; Detail tells which
	OpGC       = "gc"        // Detail tells what was freed
	OpScrub    = "scrub"     // Detail tells how much was read, and what that came to
)

// visible tells by how much an operation that went well changes how often its revision became visible:
// one that did more often than it went was committed, and not removed. It is counted, for the order
// of events is only as good as the clocks.
func (e *Event) visible() int {
	switch e.Op {
	case OpBackup, OpUndelete:
		return 1
	case OpRemove, OpPrune, OpMerge, OpSet:
		return -1
	}
	return 0
}

// Results of an event.
const (
	ResultOK       = "ok"
	ResultFindings = "findings"
	ResultFailed   = "failed"
)

const journalExt = ".jsonl"

// maxJournalLine bounds one line, and maxJournalTail how much of a month's end
// is read to find the last one.
const (
	maxJournalLine = 256 << 10
	maxJournalTail = 2 * maxJournalLine
)

// Record appends an event to this host's journal, after those that could not be written
// before, and were kept. Time, who and the hash of the line before are filled in. What
// cannot be written is kept in this host's state until it can. The journal is no input to
// safety: a caller whose work is done reports an error of Record as a warning.
func (r *Repository) Record(ctx context.Context, e Event) error {
	dir := path.Join(journalDir, journalHost(r.me.Host))
	r.addLeft(ctx, dir)
	if e.Time.IsZero() { // after what was added: the journal is in order
		e.Time = r.opts.Now()
	}
	e.Holder = r.me
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	if written, err := r.append(ctx, dir, e); err != nil {
		if !written && (e.Op == OpBackup || !readOnly(err)) { // who only reads has no journal where nothing can be written
			r.leave(e)
		}
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

// RecordEnd records how an operation ended: with a failure, or without one if that is
// nil. What found says of a failure is that it is something that was found. A
// repository that takes no writes has no journal either, which is no error.
func (r *Repository) RecordEnd(ctx context.Context, e Event, failure error, found bool) error {
	switch {
	case failure == nil:
		e.Result = ResultOK
	case found:
		e.Result, e.Findings = ResultFindings, []string{failure.Error()}
	default:
		e.Result, e.Error = ResultFailed, failure.Error()
	}
	if err := r.Record(ctx, e); err != nil && !readOnly(err) {
		return err
	}
	return nil
}

// journalHost makes a host's name a folder's.
func journalHost(host string) string {
	if host == "" {
		host = "unknown"
	}
	return revision.Name(host).Encode()
}

// append adds a line. Written tells whether it is there, be it durable or not.
func (r *Repository) append(ctx context.Context, dir string, e Event) (written bool, err error) {
	if err := durable.MkdirAll(r.fsys, dir); err != nil {
		return false, err
	}
	month := path.Join(dir, e.Time.Format("2006-01")+journalExt)
	ctx, cancel := context.WithTimeout(ctx, gateWait)
	defer cancel()
	f, err := durable.WaitLocked(ctx, r.fsys, month)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, prev, err := r.journalEnd(f, dir)
	if err != nil {
		return false, err
	}
	e.Prev = prev
	line, err := sealEvent(e)
	if err != nil {
		return false, err
	}
	if end.torn { // the newline parts the torn line from ours
		line = append([]byte{'\n'}, line...)
	}
	if _, err := f.WriteAt(line, end.size); err != nil {
		return false, err
	}
	if err := r.syncJournal(f); err != nil {
		return true, err
	}
	if end.size == 0 { // the file is new, or as good as new
		return true, r.fsys.SyncDir(dir)
	}
	return true, nil
}

// syncJournal makes a month's file durable. Once that failed, this process says so of
// every later line: the kernel may have dropped the one, and report the next as done.
func (r *Repository) syncJournal(f durable.File) error {
	r.journalMu.Lock()
	defer r.journalMu.Unlock()
	if err := r.unsynced[f.Name()]; err != nil {
		return fmt.Errorf("%s could not be made durable before: %w", f.Name(), err)
	}
	err := f.Sync()
	if err != nil {
		if r.unsynced == nil {
			r.unsynced = map[string]error{}
		}
		r.unsynced[f.Name()] = err
	}
	return err
}

// sealEvent encodes an event as a line that is not too long: of many findings and
// warnings, the first are kept.
func sealEvent(e Event) ([]byte, error) {
	for {
		line, err := seal(e)
		if err != nil || len(line) <= maxJournalLine {
			return line, err
		}
		switch {
		case len(e.Findings) > 0:
			e.Findings = e.Findings[:len(e.Findings)/2]
		case len(e.Warnings) > 0:
			e.Warnings = e.Warnings[:len(e.Warnings)/2]
		case len(e.Alarms) > 0:
			e.Alarms = e.Alarms[:len(e.Alarms)/2]
		case len(e.Detail) > 0:
			e.Detail = strings.ToValidUTF8(e.Detail[:len(e.Detail)/2], "")
		case len(e.Error) > 0:
			e.Error = strings.ToValidUTF8(e.Error[:len(e.Error)/2], "")
		default:
			return nil, fmt.Errorf("an event of %d bytes is too long", len(line))
		}
	}
}

type journalEnd struct {
	size int64
	torn bool // the last line has no newline
}

// journalEnd finds where to append and the hash of the last valid line, in this
// month or, where it has none yet, in the months before.
func (r *Repository) journalEnd(f durable.File, dir string) (journalEnd, string, error) {
	tail, size, err := readTail(f)
	if err != nil {
		return journalEnd{}, "", err
	}
	end := journalEnd{size: size, torn: len(tail) > 0 && tail[len(tail)-1] != '\n'}
	if hash, ok := lastLineHash(tail); ok {
		return end, hash, nil
	}
	months, err := r.fsys.ReadDir(dir)
	if err != nil {
		return end, "", err
	}
	for _, m := range slices.Backward(months) {
		if name := path.Join(dir, m.Name()); name < f.Name() && strings.HasSuffix(name, journalExt) {
			if hash, ok := r.lastHashOf(name); ok {
				return end, hash, nil
			}
		}
	}
	return end, "", nil
}

func (r *Repository) lastHashOf(name string) (string, bool) {
	f, err := r.fsys.Open(name)
	if err != nil {
		return "", false
	}
	defer func() { _ = f.Close() }() // it is only read
	tail, _, err := readTail(f)
	if err != nil {
		return "", false
	}
	return lastLineHash(tail)
}

func readTail(f durable.File) (tail []byte, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	size = info.Size()
	tail = make([]byte, min(size, maxJournalTail))
	if n, err := f.ReadAt(tail, size-int64(len(tail))); n < len(tail) && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	return tail, size, nil
}

// lastLineHash returns the hash of the last line that is whole. One that lacks
// nothing but its newline is whole: it will get that from the next.
func lastLineHash(tail []byte) (string, bool) {
	for _, line := range slices.Backward(bytes.Split(tail, []byte("\n"))) {
		if _, err := unsealData(append(line[:len(line):len(line)], '\n')); err == nil {
			return checksum(line), true
		}
	}
	return "", false
}

// Events returns what all hosts recorded, in the order of their clocks, oldest
// first. What cannot be read is in the error, which comes with all that can.
func (r *Repository) Events() ([]Event, error) {
	return r.eventsOf(journalPart{})
}

// eventsOf reads a part of the journal.
func (r *Repository) eventsOf(part journalPart) ([]Event, error) {
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
			if !isMonth || part.months != nil && !part.months(month) {
				continue
			}
			events, err = r.appendMonth(events, path.Join(dir, m.Name()), part)
			if err != nil && !notFound(err) {
				errs = append(errs, err)
			}
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return events, errors.Join(errs...)
}

// maxJournalMonth bounds a month's file that is read.
const maxJournalMonth = 1 << 30

func (r *Repository) appendMonth(events []Event, name string, part journalPart) (_ []Event, err error) {
	f, err := r.fsys.Open(name)
	if err != nil {
		return events, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return events, err
	}
	if info.Size() > maxJournalMonth {
		return events, fmt.Errorf("read %s: %w: %d bytes, at most %d expected", name, durable.ErrTooLarge, info.Size(), maxJournalMonth)
	}
	from := int64(0)
	switch {
	case !part.since.IsZero() && r.opts.Memory != nil:
		known, err := r.opts.Memory.monthSince(f, info.Size(), newDirStamp(info).inode, part.since, r.opts.Now())
		return append(events, known...), err
	case !part.since.IsZero():
		if from, err = lastOlder(f, info.Size(), part.since); err != nil {
			return events, err
		}
	}
	return readEvents(events, io.NewSectionReader(f, from, info.Size()-from), part.skip, name)
}

// readEvents adds the lines of a part of a month, but those that are skipped. One that its
// beginning cuts says nothing.
func readEvents(events []Event, part *io.SectionReader, skip func(line []byte) bool, name string) ([]Event, error) {
	lines := bufio.NewReaderSize(part, int(min(part.Size(), maxJournalLine)))
	for whole := true; ; {
		line, err := lines.ReadSlice('\n')
		begins := whole
		whole = !errors.Is(err, bufio.ErrBufferFull)
		if begins && whole && (skip == nil || !skip(line)) {
			events = appendEvent(events, line)
		}
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil && whole {
			return events, fmt.Errorf("read %s: %w", name, err)
		}
	}
}

// appendEvent adds what a line says. One that says nothing was torn by a power
// cut, or is damaged: scrub tells.
func appendEvent(events []Event, line []byte) []Event {
	data, err := unsealData(append(bytes.TrimSuffix(line, []byte("\n")), '\n'))
	if err != nil {
		return events
	}
	var e Event
	if json.Unmarshal(data, &e) != nil {
		return events
	}
	return append(events, e) // a newer program's fields are passed over
}
