package repository_test

import (
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// checkLookup makes sure that who looks up names, or one revision, learns what the listing tells.
func checkLookup(t *testing.T, r *repository.Repository, v repository.Volume, more ...revision.ID) (sure bool) {
	t.Helper()
	want, err := r.Revisions(v)
	if err != nil {
		t.Fatal(err)
	}
	names, sure, err := r.RevisionNames(v)
	if listed := ids(want); sure && !slices.Equal(names, slices.Sorted(slices.Values(listed))) || err != nil {
		t.Errorf("there are %q, %v; want %q", names, err, listed)
	}
	for _, rev := range want {
		if got, err := r.Revision(v, rev.ID); !reflect.DeepEqual(got, rev) || err != nil {
			t.Errorf("revision %s is %+v, %v; want %+v", rev.ID, got, err, rev)
		}
	}
	for _, id := range append(more, "20010101T000000Z-none") {
		if got, err := r.Revision(v, id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("revision %s, which is not visible, is %+v, %v", id, got, err)
		}
	}
	return sure
}

func TestLookupTellsWhatTheListingDoes(t *testing.T) {
	t.Parallel()
	h := newSeries(t, 5)
	r := h.repo
	v, err := r.Volume("db")
	if err != nil {
		t.Fatal(err)
	}
	if !checkLookup(t, r, v) {
		t.Error("of revisions that are all well, names are not sure")
	}
	rev, err := r.Revision(v, h.made[1].ID)
	if err == nil {
		err = r.Mark(t.Context(), rev, func(i *repository.Info) { i.State, i.Tags = repository.Suspect, []string{"t"} })
	}
	if err != nil {
		t.Fatal(err)
	}
	h.mustRemove(3)
	if !checkLookup(t, r, v, h.made[3].ID) {
		t.Error("with one in the trash, names are not sure")
	}
	if _, _, err := r.RevisionNames(repository.Volume{Name: "none"}); !errors.Is(err, repository.ErrNoVolume) {
		t.Errorf("of no volume: %v", err)
	}
	for _, file := range []string{repository.RevisionName("db", h.made[0].ID), repository.CopyName(v.UUID, h.made[0].ID)} {
		h.flip(file, 100)
	}
	checkLookup(t, r, v) // what builds on it is damaged
	h.place.remove(repository.RevisionName("db", h.made[4].ID))
	if checkLookup(t, r, v) {
		t.Error("with a file that is gone, names are sure")
	}
	h.mustRename("db", "db2")
	checkLookup(t, r, v)
}

func TestLookupOfHalfASet(t *testing.T) {
	t.Parallel()
	p, _, made := halfSet(t)
	r := p.open()
	for _, st := range made {
		v, err := r.Volume(st.Volume.Name)
		if err != nil {
			t.Fatal(err)
		}
		if checkLookup(t, r, v, st.ID) {
			t.Errorf("%s: with one that waits, names are sure", v.Name)
		}
	}
}

// A revision is found as it is, whenever its volume is renamed meanwhile.
func TestLookupDuringARename(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	for at := range 40 {
		p := copyOf(t, h.place)
		r := p.open()
		rev := p.revisions(r, "db1")[1]
		if err := r.Mark(t.Context(), rev, func(i *repository.Info) { i.State = repository.Suspect }); err != nil {
			t.Fatal(err)
		}
		var calls atomic.Int64
		renamed := false
		slow := p.openOn(durabletest.NewWatched(p.tree(), func(_, name string) error {
			if strings.HasPrefix(name, "volumes/") && calls.Add(1) == int64(at) {
				renamed = true
				p.mustRename("db1", "db2")
			}
			return nil
		}))
		got, err := slow.Revision(rev.Volume, rev.ID)
		if err != nil || got.Info.State != repository.Suspect {
			t.Fatalf("renamed at call %d: %+v, %v", at, got, err)
		}
		if !renamed && at > 0 {
			return
		}
	}
	t.Error("a look never ended before the rename")
}
