package repository

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"varve/internal/durable"
	"varve/revision"
)

// What could not be written into the journal is kept in this host's state, in the folder of
// the repository, a small file for each event. Whoever records something next adds it.
const (
	leftDir  = "left"
	leftLock = "lock"
	leftExt  = ".json"
	maxLeft  = 1000 // events; then no more are kept

	leftPatience = 5 * time.Second // how long another is waited for who adds them
	leftTempAge  = 24 * time.Hour  // then nobody writes a temporary file any more
)

// LeaveEvent keeps an event of a repository that cannot be written to now, in a host's
// state. It gets into the journal with the next that is recorded from there: with the time
// of that, so that a journal stays in order, and with its own in Detail.
func LeaveEvent(stateDir string, id revision.UUID, who Holder, e Event) (err error) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Holder = who
	dir := filepath.Join(stateDir, id.String(), leftDir)
	if err := durable.EnsureDir(dir); err != nil {
		return fmt.Errorf("keep what the journal lacks: %w", err)
	}
	tree, err := durable.OpenTree(dir)
	if err != nil {
		return fmt.Errorf("keep what the journal lacks: %w", err)
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	entries, err := tree.ReadDir(".")
	if err != nil {
		return fmt.Errorf("keep what the journal lacks: %w", err)
	}
	if len(entries) > maxLeft {
		return fmt.Errorf("keep what the journal lacks: there are %d events already in %s", len(entries), dir)
	}
	line, err := sealEvent(e) // as short as the journal will want it
	if err != nil {
		return fmt.Errorf("keep what the journal lacks: %w", err)
	}
	name := e.Time.UTC().Format("20060102T150405.000000000Z-") + randomHex() + leftExt
	return durable.WriteNew(tree, durable.NewTemps("left-"+randomHex()), name, line)
}

// leave keeps an event that could not be written; nothing is kept without a state.
func (r *Repository) leave(e Event) {
	if r.opts.StateDir == "" {
		return
	}
	if err := LeaveEvent(r.opts.StateDir, r.desc.Repository, r.me, e); err != nil {
		r.opts.Log.Info("what the journal lacks cannot be kept", "error", err)
	}
}

// addLeft adds to the journal what was kept, in its order, and before anything that comes later. A disk
// that fails, or a power cut in between, may have an event there twice, and never not at all.
func (r *Repository) addLeft(ctx context.Context, dir string) {
	if r.opts.StateDir == "" {
		return
	}
	tree, err := durable.OpenTree(filepath.Join(r.opts.StateDir, r.desc.Repository.String(), leftDir))
	if err != nil {
		return // there is nothing
	}
	defer func() { _ = tree.Close() }()                     // what is kept stays
	waiting, stop := context.WithTimeout(ctx, leftPatience) // what comes later is to stand after what another adds
	lock, err := durable.WaitLocked(waiting, tree, leftLock)
	stop()
	if err != nil {
		return // the next one tries again
	}
	defer func() { _ = lock.Close() }() // likewise
	entries, err := tree.ReadDir(".")
	if err != nil {
		return
	}
	for _, entry := range entries {
		switch {
		case durable.IsTemp(entry.Name()):
			if info, err := entry.Info(); err != nil || r.opts.Now().Sub(info.ModTime()) < leftTempAge {
				continue // somebody may be writing it
			}
		case !strings.HasSuffix(entry.Name(), leftExt):
			continue
		default:
			added, err := r.addOneLeft(ctx, dir, tree, entry.Name())
			if err != nil {
				return // the next one tries again
			}
			if !added {
				continue
			}
		}
		if err := tree.Remove(entry.Name()); err != nil {
			r.opts.Log.Info("what the journal has is kept still", "error", err)
			return
		}
	}
}

// addOneLeft adds an event that was kept. It says false of one that cannot be read now, and stays; what is damaged
// says nothing, and can go.
func (r *Repository) addOneLeft(ctx context.Context, dir string, tree durable.FS, name string) (added bool, err error) {
	var e Event
	if err := readSmall(tree, name, &e); err != nil {
		damaged := new(DamagedFileError)
		return errors.As(err, &damaged) && !errors.Is(err, syscall.EIO), nil
	}
	said := "ended at " + e.Time.UTC().Format(time.RFC3339) + ", when the journal could not be written"
	if e.Detail != "" {
		said = e.Detail + "; " + said
	}
	e.Time, e.Detail = r.opts.Now().UTC().Truncate(time.Millisecond), said
	_, err = r.append(ctx, dir, e)
	return err == nil, err
}
