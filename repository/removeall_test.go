package repository_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"varve/repository"
)

func TestRemoveTheVolume(t *testing.T) {
	h := newSeries(t, 3)
	if _, err := h.remove(repository.RemoveOptions{Op: repository.OpRemove, Undelete: time.Hour, All: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.repo.Volume("db"); !errors.Is(err, repository.ErrNoVolume) {
		t.Fatalf("the volume that went gives %v", err)
	}
	if got := h.trash(); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("%v are in the trash", got)
	}
	former := h.volume.UUID
	h.undelete(1)
	h.check(1)
	if h.volume.UUID != former {
		t.Error("the volume came back as another")
	}
}

// Of a volume that is to go, nothing goes if something came since somebody agreed.
func TestRemoveTheVolumeAsItWasListed(t *testing.T) {
	h := newSeries(t, 3)
	opts := repository.RemoveOptions{Op: repository.OpRemove, Undelete: time.Hour, All: true, Listed: true}
	if _, err := h.remove(opts, 0, 1); !errors.Is(err, repository.ErrLostGround) {
		t.Errorf("a revision that came gives %v", err)
	}
	h.check(0, 1, 2)
	h.write("volumes/db/notes.txt", []byte("do not lose me"))
	foreign := new(repository.ForeignFileError)
	if _, err := h.remove(opts, 0, 1, 2); !errors.As(err, &foreign) || foreign.Path != "volumes/db/notes.txt" {
		t.Errorf("a foreign file gives %v", err)
	}
	h.check(0, 1, 2)
	h.place.remove("volumes/db/notes.txt")
	if _, err := h.remove(opts, 0, 1, 2); err != nil {
		t.Fatal(err)
	}
	if h.exists("volumes/db") {
		t.Error("the volume is there still")
	}
}
