package repository

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"path"
	"path/filepath"
	"strings"

	"varve/internal/durable"
)

// tallyName is what was counted of the journal, in the folder that a host's state has
// for the repository. It is derived, and made anew where it is not there.
const tallyName = "tally.json"

// tally is how many backups each file of the journal tells of, by the file's name.
type tally map[string]fileTally

// fileTally is what the lines up to a place in a file tell. Lines are only ever added
// behind it.
type fileTally struct {
	End     int64            `json:"end"` // of the last line that was read, in bytes
	Backups map[string]int64 `json:"backups"`
}

// TallyBackups counts the backups that all hosts recorded, by their results. What was
// counted before is kept below a host's state directory, so that only what has come
// since is read; where nothing can be kept, or with no directory, all is read.
// The sum shrinks only when a part of the journal is taken away.
func (r *Repository) TallyBackups(stateDir string) (map[string]int64, error) {
	state := r.openTallyDir(stateDir)
	known := tally{}
	if state != nil {
		defer func() { _ = state.Close() }() // what is kept there can be had again
		if err := readSmall(state, tallyName, &known); err != nil {
			known = tally{} // gone, or damaged
		}
	}
	now, err := r.tallyJournal(known)
	if err != nil {
		return nil, err
	}
	if state != nil && !maps.EqualFunc(now, known, func(a, b fileTally) bool { return a.End == b.End }) {
		if err := replaceSmall(state, durable.NewTemps("tally-"+randomHex()), tallyName, now); err != nil {
			r.opts.Log.Info("what was counted of the journal cannot be kept", "error", err)
		}
	}
	sum := map[string]int64{}
	for _, file := range now {
		for result, n := range file.Backups {
			sum[result] += n
		}
	}
	return sum, nil
}

// openTallyDir opens the folder of this host for the repository; nil: there can be none.
func (r *Repository) openTallyDir(stateDir string) durable.FS {
	if stateDir == "" {
		return nil
	}
	dir := filepath.Join(stateDir, r.desc.Repository.String())
	if err := durable.EnsureDir(dir); err != nil {
		return nil
	}
	tree, err := durable.OpenTree(dir)
	if err != nil {
		return nil
	}
	return tree
}

// tallyJournal counts what has come since.
func (r *Repository) tallyJournal(known tally) (tally, error) {
	hosts, err := r.fsys.ReadDir(journalDir)
	if err != nil {
		return nil, err
	}
	now := tally{}
	for _, host := range hosts {
		if !host.IsDir() {
			continue
		}
		months, err := r.fsys.ReadDir(path.Join(journalDir, host.Name()))
		if err != nil {
			return nil, err
		}
		for _, m := range months {
			if !strings.HasSuffix(m.Name(), journalExt) {
				continue
			}
			key := path.Join(host.Name(), m.Name())
			if now[key], err = r.tallyMonth(path.Join(journalDir, key), known[key]); err != nil {
				return nil, err
			}
		}
	}
	return now, nil
}

func (r *Repository) tallyMonth(name string, known fileTally) (_ fileTally, err error) {
	info, err := r.fsys.Lstat(name)
	if err != nil || info.Size() == known.End {
		return known, err
	}
	if info.Size() < known.End {
		known = fileTally{} // it was cut short, or is another one
	}
	f, err := r.fsys.Open(name)
	if err != nil {
		return known, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	now := fileTally{End: known.End, Backups: maps.Clone(known.Backups)}
	if now.Backups == nil {
		now.Backups = map[string]int64{}
	}
	return now, now.add(io.NewSectionReader(f, known.End, info.Size()-known.End))
}

// add counts the lines that are finished.
func (t *fileTally) add(part *io.SectionReader) error {
	lines := bufio.NewReaderSize(part, int(min(max(part.Size(), 16), maxJournalLine)))
	at := t.End
	for whole := true; ; {
		line, err := lines.ReadSlice('\n')
		at += int64(len(line))
		begins := whole
		whole = !errors.Is(err, bufio.ErrBufferFull)
		switch {
		case !whole: // it is no line of ours, and goes on
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		default:
			t.End = at
			if !begins {
				break
			}
			for _, e := range appendEvent(nil, line) {
				if e.Op == OpBackup {
					t.Backups[e.Result]++
				}
			}
		}
	}
}
