package repository_test

import (
	"errors"
	"testing"

	"varve/repository"
	"varve/revision"
)

// What is done while a volume is idle keeps a backup out, and is kept out by one; its error is its own.
func TestWhileIdle(t *testing.T) {
	p := newPlace(t)
	r := p.open()
	b, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "v"})
	if err != nil {
		t.Fatal(err)
	}
	v := b.Volume()
	busy := new(repository.BusyError)
	did := false
	if err := r.WhileIdle(t.Context(), v, 0, func() error { did = true; return nil }); !errors.As(err, &busy) || did {
		t.Errorf("during a backup: %v, done %t", err, did)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	own := errors.New("its own")
	err = r.WhileIdle(t.Context(), v, 0, func() error {
		if err := r.WhileIdle(t.Context(), v, 0, func() error { return nil }); !errors.As(err, &busy) {
			t.Errorf("twice at once: %v", err)
		}
		return own
	})
	if !errors.Is(err, own) {
		t.Errorf("got %v", err)
	}
	gone := repository.Volume{Name: "gone", UUID: revision.UUID{1}}
	if err := r.WhileIdle(t.Context(), gone, 0, func() error { return nil }); err != nil {
		t.Errorf("of a volume that is not there: %v", err)
	}
}
