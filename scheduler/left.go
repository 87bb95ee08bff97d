package scheduler

import (
	"errors"
	"io/fs"
	"time"

	"varve/internal/durable"
	"varve/internal/process"
)

// Left is what a scheduler left in its directory, for those who cannot ask it.
type Left struct {
	Process   *process.Identity // that runs, or was killed; nil: it ended in order
	Heartbeat time.Time         // when it last wrote
	Stopped   time.Time         // when it ended in order; zero: it did not, or never ran
	Paused    time.Time         // until when nothing is begun; zero: it is not paused
	Failing   []Failing
}

// ReadLeft reads what a scheduler left; nil without an error: there never was one here.
func ReadLeft(dir string, now time.Time) (*Left, error) {
	tree, err := durable.OpenTree(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = tree.Close() }() // it was only read
	s, err := readState(tree)
	if s == nil || err != nil {
		return nil, err
	}
	l := &Left{Process: s.Process, Heartbeat: s.Heartbeat, Stopped: s.Stopped}
	if s.Pause.Holds(now) {
		l.Paused = s.Pause.Until
	}
	if l.Process == nil && l.Stopped.IsZero() {
		return nil, nil // only such as ran once
	}
	l.Failing = s.failing(now)
	return l, nil
}

// EndPause ends the pause that a scheduler left which does not run any more. Without one, the error is [ErrNone];
// where a scheduler runs, a [*TakenError].
func EndPause(opts Options) (err error) {
	left, err := ReadLeft(Dir(opts.StateDir, opts.Repository), time.Now())
	switch {
	case err != nil:
		return err
	case left == nil || left.Paused.IsZero():
		return ErrNone
	}
	s, err := Open(opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	s.state.Pause = Pause{}
	return s.state.write(s.tree, s.temps)
}
