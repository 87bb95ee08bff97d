package repository_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
)

// The clock is ten years ahead for one night. Revisions go by their numbers: what
// comes after that night is newer than it, and nothing is in the way of anything.
func TestTrapClockTenYearsAhead(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	im := randomImage(3, 3)
	var want []revision.ID
	var images []*image
	var made []*revision.Statement
	future := revision.ID("20361124T010003Z-zzzz")
	for night := range 5 {
		im = im.clone()
		im.write(int64(night)*1000, []byte("changed"))
		st := (*revision.Statement)(nil)
		if night == 1 {
			st = p.forge(r, "db1", im, future)
			event := repository.Event{
				Time: time.Date(2036, 11, 24, 1, 0, 3, 0, time.UTC), Op: repository.OpBackup, Result: repository.ResultOK,
				Volume: "db1", UUID: &st.Volume.UUID, Revision: st.ID, Sequence: st.Sequence,
			}
			if err := r.Record(t.Context(), event); err != nil {
				t.Fatal(err)
			}
		} else {
			st = p.mustStore(r, "db1", im)
		}
		if st.Sequence != uint64(night+1) || night > 0 && (st.Parent == nil || st.Parent.ID != want[night-1]) {
			t.Errorf("night %d has number %d and parent %+v", night, st.Sequence, st.Parent)
		}
		want, images, made = append(want, st.ID), append(images, im), append(made, st)
	}
	check := func(when string) {
		t.Helper()
		revs := p.revisions(p.open(), "db1")
		if got := ids(revs); !slices.Equal(got, want) {
			t.Errorf("%s: listed %q, want %q", when, got, want)
		}
		var candidates []revision.Candidate
		for _, rev := range revs {
			candidates = append(candidates, rev.Candidate())
		}
		newest, err := revision.Select(revision.Selector{}, candidates, revision.Strict)
		if err != nil || newest.ID != want[len(want)-1] {
			t.Errorf("%s: the newest is %s, %v", when, newest.ID, err)
		}
		for i := range made {
			p.checkImage(p.open(), made[i], images[i])
		}
	}
	check("after five nights")
	for _, id := range []revision.ID{future, want[4]} { // the journal knows that they were, whatever its times say
		p.remove(repository.RevisionName("db1", id))
		check("without the file of " + string(id))
	}
	im = im.clone()
	im.write(0, []byte("the night after"))
	if st := p.mustStore(p.open(), "db1", im); st.Sequence != 6 || st.Parent.ID != want[4] {
		t.Errorf("the night after has number %d and parent %+v", st.Sequence, st.Parent)
	}
	events, err := p.open().Events()
	if err != nil || len(events) != 7 { // the forged one has two
		t.Errorf("%d events, %v", len(events), err)
	}
}

// Under the name of the parent lies, at the commit, another image.
func TestTrapParentBecomesAnotherImage(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	parent := h.made[1]
	other := h.mustStore(h.open(), "db2", randomImage(8, 3))
	forged := h.rewrite(repository.RevisionName("db2", other.ID), func(st *revision.Statement) {
		st.ID, st.Sequence, st.Volume = parent.ID, parent.Sequence, parent.Volume
	})
	_, err := store(t.Context(), h.open(), "db1", h.next(), storeOptions{before: func(*repository.Backup) {
		h.write(repository.RevisionName("db1", parent.ID), forged)
		h.write(repository.CopyName(parent.Volume.UUID, parent.ID), forged)
	}})
	if !errors.Is(err, repository.ErrLostGround) {
		t.Errorf("Commit = %v, want ErrLostGround", err)
	}
}

// A merge rewrites a child's map. Whoever has the old one open, in memory or by its
// handle, goes on with it; where only one of the two copies was rewritten before
// power was cut, either gives the image.
func TestTrapRewrittenMapInTheCacheOnly(t *testing.T) {
	t.Parallel()
	original := newHistory(t)
	parent, child := original.made[0], original.made[1]
	full := original.mustStoreWith(original.open(), "db1", original.images[1], storeOptions{full: true})
	file, second := repository.RevisionName("db1", child.ID), repository.CopyName(child.Volume.UUID, child.ID)
	before := original.read(file)
	merged := original.rewrite(repository.RevisionName("db1", full.ID), func(st *revision.Statement) {
		st.ID, st.Sequence = child.ID, child.Sequence
	})

	h := original.copy(t)
	r := h.open()
	resolved, opened := h.openImage(r, child), h.openImage(r, child)
	if err := compareImage(resolved, h.images[1]); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{second, file} { // the copy first, as in a commit
		h.remove(name) // and not written over: whoever has the old file open keeps it
		h.write(name, merged)
	}
	for _, name := range []string{repository.RevisionName("db1", parent.ID), repository.CopyName(parent.Volume.UUID, parent.ID)} {
		h.remove(name)
	}
	for name, im := range map[string]*repository.Image{"resolved": resolved, "opened": opened, "new": h.openImage(r, child)} {
		if err := compareImage(im, h.images[1]); err != nil {
			t.Errorf("an image that was %s before the merge: %v", name, err)
		}
	}

	for name, files := range map[string][2][]byte{
		"copy rewritten":              {before, merged},
		"file rewritten":              {merged, before},
		"copy rewritten, file gone":   {nil, merged},
		"copy rewritten, file broken": {before[:len(before)-9], merged},
		"file rewritten, copy gone":   {merged, nil},
		"copy old, file broken":       {merged[:len(merged)-9], before},
	} {
		h := original.copy(t)
		for i, name := range []string{file, second} {
			if h.remove(name); files[i] != nil {
				h.write(name, files[i])
			}
		}
		h.checkKept(h.open(), name)
		st, err := store(t.Context(), h.open(), "db1", h.next(), storeOptions{})
		if err != nil {
			t.Errorf("%s: the next backup: %v", name, err)
			continue
		}
		h.checkImage(h.open(), st, h.next())
	}
}
