package filevolume_test

import (
	"os"
	"testing"

	"varve/volume"
)

// wantChanged makes sure that a snapshot tells what happened from what could have.
func wantChanged(t *testing.T, snapshot volume.Snapshot, want string) {
	t.Helper()
	if what, err := snapshot.(volume.Witness).Changed(); what != want || err != nil {
		t.Errorf("changed: %q, %v, want %q", what, err, want)
	}
}

func TestAFileTellsWhatHappenedFromWhatCouldHave(t *testing.T) {
	path := writeFile(t, []byte("content"))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, f)
	snapshot := freeze(t, path)
	wantLive(t, snapshot, "open for writing")
	wantChanged(t, snapshot, "")
	if _, err := f.WriteAt([]byte("C"), 0); err != nil {
		t.Fatal(err)
	}
	wantLive(t, snapshot, "open for writing")
	wantChanged(t, snapshot, "it was written while it was read")
	if err := f.Truncate(1); err != nil {
		t.Fatal(err)
	}
	wantChanged(t, snapshot, "its size changed while it was read")
}

func TestADeviceTellsWhatHappenedFromWhatCouldHave(t *testing.T) {
	device := newLoop(t, newExt4(t))
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, f)
	snapshot := freeze(t, device)
	wantLive(t, snapshot, "open for writing")
	wantChanged(t, snapshot, "")
	if _, err := f.WriteAt(make([]byte, 4096), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	wantChanged(t, snapshot, "it was written while it was read")
}
