package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"varve/backup"
	"varve/chunkstore"
	"varve/drill"
	"varve/internal/durable"
	"varve/job"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// TestErrors tells for each kind of error the exit code, and that there is advice.
func TestErrors(t *testing.T) {
	rev := repository.Revision{Volume: repository.Volume{Name: "v"}, ID: "20261124T010003Z-k3f9"}
	tests := []struct {
		err  error
		want int
	}{
		{&usageError{Text: "x"}, exitUsage},
		{&volume.UnsupportedError{What: "x"}, exitUsage},
		{errNoRepository, exitUsage},
		{&job.NoSetError{Set: "s"}, exitUsage},
		{&backup.LooseSetError{Set: "s"}, exitUsage},
		{&backup.MovedError{Reason: "x"}, exitFailed},
		{repository.ErrNoRepository, exitUsage},
		{repository.ErrNoVolume, exitUsage},
		{&selectionError{Volume: "v", Err: &revision.NoRevisionError{}}, exitUsage},
		{&selectionError{Volume: "v", Err: &revision.AmbiguousError{}}, exitUsage},
		{&selectionError{Volume: "v", Trashed: rev.ID, Err: repository.ErrNoVolume}, exitUsage},
		{&repository.NotInTrashError{Volume: "v", ID: "k3f9"}, exitUsage},
		{&repository.SeveralInTrashError{ID: "k3f9", N: 2}, exitUsage},
		{errTerminal, exitFailed},
		{repository.ErrExists, exitFailed},
		{repository.ErrNotEmpty, exitFailed},
		{repository.ErrReadOnly, exitFailed},
		{repository.ErrLostGround, exitFailed},
		{&repository.FormatError{Format: 9}, exitFailed},
		{&revision.UnsupportedError{}, exitFailed},
		{durable.ErrNoFlock, exitFailed},
		{volume.ErrExists, exitFailed},
		{volume.ErrRepository, exitFailed},
		{volume.ErrNotVolume, exitFailed},
		{volume.ErrChanged, exitFailed},
		{&volume.InUseError{}, exitFailed},
		{&volume.InUseError{Uses: []volume.Use{{Kind: volume.Member, By: "a LUKS encrypted disk"}}}, exitFailed},
		{&unmountedError{Dir: "/srv/varve", Point: "/srv"}, exitUsage},
		{&backup.WrongSourceError{Volume: "v"}, exitUsage},
		{volume.ErrOwnSource, exitUsage},
		{&volume.SizeError{}, exitFailed},
		{&volume.SizeError{Part: true}, exitFailed},
		{&volume.NoDeviceError{Target: "/dev/x"}, exitFailed},
		{volume.ErrNoTarget, exitFailed},
		{&volume.SpaceError{}, exitFailed},
		{syscall.ENOSPC, exitFailed},
		{syscall.EIO, exitFailed},
		{fs.ErrPermission, exitFailed},
		{fs.ErrNotExist, exitFailed},
		{&backup.DamageError{Cause: errors.New("x")}, exitDamage},
		{&backup.DifferenceError{}, exitDamage},
		{&distrustedError{Revision: rev}, exitDamage},
		{&distrustedError{Revision: rev, Good: rev.ID}, exitDamage},
		{&findingsError{}, exitDamage},
		{&repository.DamagedRevisionError{Volume: "v", Cause: errors.New("x")}, exitDamage},
		{&repository.BusyError{What: "x"}, exitBusy},
		{volume.ErrBusy, exitBusy},
	}
	for _, test := range tests {
		wrapped := fmt.Errorf("doing something: %w", errors.Join(test.err, nil))
		if got := exitCode(wrapped); got != test.want {
			t.Errorf("%T %v: exit code %d, want %d", test.err, test.err, got, test.want)
		}
		if hint(wrapped, about{}) == "" {
			t.Errorf("%T %v: no hint", test.err, test.err)
		}
	}
	for _, err := range []error{
		&backup.DigestError{Got: revision.Digest{}, Want: revision.Digest{}},
		&chunkstore.CorruptError{Cause: errors.New("x")},
		&revision.CorruptError{Cause: errors.New("x")},
		&repository.DamagedFileError{Cause: errors.New("x")},
	} {
		if got := exitCode(err); got != exitDamage {
			t.Errorf("%T: exit code %d, want %d", err, got, exitDamage)
		}
	}
	if got := exitCode(errors.New("x")); got != exitFailed {
		t.Errorf("any error: exit code %d, want %d", got, exitFailed)
	}
}

func TestInterruptionDecidesTheCode(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&signalError{signal: syscall.SIGTERM})
	quiet := func() *session {
		s := newSession(nil, discard{}, discard{})
		s.globals.quiet = true
		return s
	}
	tests := map[string]struct {
		err  error
		want int
	}{
		"stopped by it":         {fmt.Errorf("read: %w", ctx.Err()), 143},
		"failed because of it":  {errors.New("broken off"), 143},
		"done before it":        {nil, 0},
		"damage was found":      {&backup.DamageError{Cause: errors.New("x")}, exitDamage},
		"it was wrong from the": {&usageError{}, exitUsage},
	}
	for name, test := range tests {
		if got := quiet().report(ctx, nil, test.err); got != test.want {
			t.Errorf("%s: exit code %d, want %d", name, got, test.want)
		}
	}
	if got := quiet().report(t.Context(), nil, context.Canceled); got != exitFailed {
		t.Errorf("without a signal: exit code %d, want %d", got, exitFailed)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestAnotherDrillIsProposedAsThisOneWas(t *testing.T) {
	a := about{volume: "v", exec: "test -e /x"}
	err := &drillError{Result: &drill.Result{Outcome: drill.Failed, Parts: []drill.Part{{Outcome: drill.Failed}}}}
	if got := hint(err, a); !strings.Contains(got, "varve drill 'v@latest~1' --exec 'test -e /x'.") {
		t.Errorf("hint: %s", got)
	}
	a.exec = ""
	if got := hint(err, a); strings.Contains(got, "--exec") {
		t.Errorf("without a command: %s", got)
	}
}
