package durabletest_test

import (
	"errors"
	"slices"
	"testing"

	"varve/internal/durable/durabletest"
)

// A process that is killed before it syncs something has lost nothing: who syncs that later makes it certain.
func TestStatesAfterAKillBeforeASync(t *testing.T) {
	disk := durabletest.NewDisk()
	rec := disk.Record()
	killed := false
	process := durabletest.NewWatched(disk, func(string, string) error {
		if killed {
			return durabletest.ErrKilled
		}
		return nil
	})
	f, err := process.Create("file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("data"), 0); err != nil {
		t.Fatal(err)
	}
	killed = true
	for _, err := range []error{f.Sync(), process.SyncDir("."), f.Close()} {
		if !errors.Is(err, durabletest.ErrKilled) {
			t.Errorf("a call of one that was killed: %v", err)
		}
	}
	g, err := disk.OpenWrite("file")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(g.Sync(), g.Close(), disk.SyncDir(".")); err != nil {
		t.Fatal(err)
	}
	disk.Mark()
	if got := outcomes(rec, "file", 1); !slices.Equal(got, []string{"data"}) {
		t.Errorf("got %q, want the data", got)
	}
}
