package repository_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"syscall"
	"testing"

	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

func TestACopyStandsInForAMissingFile(t *testing.T) {
	t.Parallel()
	original := newHistory(t)
	for i := range original.made {
		h := original.copy(t)
		h.remove(repository.RevisionName("db1", h.made[i].ID))
		r := h.open()
		h.checkKept(r, "without a file")
		st, err := store(t.Context(), r, "db1", h.next(), storeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if st.Sequence != 3 || st.Parent.ID != h.made[1].ID {
			t.Errorf("the next revision has number %d and parent %s", st.Sequence, st.Parent.ID)
		}
		h.checkKept(r, "after the next")
		if err := compare(t.Context(), r, st, h.next()); err != nil {
			t.Error(err)
		}
	}
}

// The journal and the children say which copies are of lost revisions.
func TestWhichCopiesStandIn(t *testing.T) {
	t.Parallel()
	original := newHistory(t)
	newest, oldest := original.made[1], original.made[0]
	event := func(op string) func(h *history) {
		return func(h *history) {
			err := h.open().Record(t.Context(), repository.Event{
				Op: op, Result: repository.ResultOK, UUID: &newest.Volume.UUID, Revision: newest.ID, Time: testTime.AddDate(-20, 0, 0),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	gone := func(h *history) { h.remove(repository.RevisionName("db1", newest.ID)) }
	for name, test := range map[string]struct {
		do   []func(h *history)
		want []revision.ID
	}{
		"committed, by the journal": {[]func(*history){gone}, []revision.ID{oldest.ID, newest.ID}},
		"verified since":            {[]func(*history){gone, event(repository.OpVerify)}, []revision.ID{oldest.ID, newest.ID}},
		"removed, by a wrong clock": {[]func(*history){gone, event(repository.OpRemove)}, []revision.ID{oldest.ID}},
		"removed and undeleted":     {[]func(*history){gone, event(repository.OpUndelete), event(repository.OpRemove)}, []revision.ID{oldest.ID, newest.ID}},
		"in the trash": {[]func(*history){func(h *history) {
			trash := repository.TrashName(newest.Volume.UUID, newest.ID)
			if err := os.MkdirAll(path.Dir(h.path(trash)), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(h.path(repository.RevisionName("db1", newest.ID)), h.path(trash)); err != nil {
				t.Fatal(err)
			}
		}}, []revision.ID{oldest.ID}},
		"never committed": {[]func(*history){gone, func(h *history) {
			if err := os.RemoveAll(h.path("journal")); err != nil {
				t.Fatal(err)
			}
		}}, []revision.ID{oldest.ID}},
		"named by a child": {[]func(*history){func(h *history) {
			h.remove(repository.RevisionName("db1", oldest.ID))
			if err := os.RemoveAll(h.path("journal")); err != nil {
				t.Fatal(err)
			}
		}}, []revision.ID{oldest.ID, newest.ID}},
	} {
		h := original.copy(t)
		for _, do := range test.do {
			do(h)
		}
		r := h.open()
		got := h.revisions(r, "db1")
		if !slices.Equal(ids(got), test.want) {
			t.Errorf("%s: listed %q, want %q", name, ids(got), test.want)
		}
		for i, st := range h.made {
			err := compare(t.Context(), r, st, h.images[i])
			if listed := slices.Contains(test.want, st.ID); listed != (err == nil) {
				t.Errorf("%s: revision %d, listed %v, opens with %v", name, i, listed, err)
			}
		}
	}
}

func TestAParentWithoutFileAndCopyIsDamage(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	oldest := h.made[0]
	h.remove(repository.RevisionName("db1", oldest.ID))
	h.remove(repository.CopyName(oldest.Volume.UUID, oldest.ID))
	r := h.open()
	revs := h.revisions(r, "db1")
	if len(revs) != 2 || revs[0].ID != oldest.ID || revs[0].Info.State != repository.Damaged || revs[0].Statement != nil {
		t.Fatalf("listed %+v", revs)
	}
	if child := revs[1]; child.Info.State != repository.Damaged || child.Candidate().Trusted || child.Statement == nil {
		t.Errorf("its child, which cannot be read without it, is listed as %+v", child.Info)
	}
	damaged := new(repository.DamagedRevisionError)
	for i, st := range h.made {
		if err := compare(t.Context(), r, st, h.images[i]); !errors.As(err, &damaged) {
			t.Errorf("revision %d opens with %v, want a DamagedRevisionError", i, err)
		}
	}
	b, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"})
	if err != nil {
		t.Fatal(err)
	}
	if b.Parent() != nil || len(b.PassedOver()) != 2 {
		t.Errorf("parent %v, passed over %v", b.Parent(), b.PassedOver())
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := store(t.Context(), r, "db1", h.next(), storeOptions{})
	if err != nil || st.Kind != revision.Full || st.Sequence != 4 {
		t.Errorf("the next backup is %+v, %v", st, err)
	}
}

// Every byte of a map, damaged, gives the right bytes by the copy; with a copy
// that is as bad, an error, and never wrong bytes. Others read on.
func TestEnumerateCorruptMaps(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	other := h.mustStore(r, "db2", h.images[0])
	for n, st := range h.made {
		file, second := repository.RevisionName("db1", st.ID), repository.CopyName(st.Volume.UUID, st.ID)
		whole := h.read(file)
		for i := range whole {
			bad := bytes.Clone(whole)
			bad[i] ^= 0x40
			h.write(file, bad)
			if err := compare(t.Context(), r, h.made[1], h.images[1]); err != nil {
				t.Fatalf("revision %d, byte %d: %v", n, i, err)
			}
			if i%16 != 0 {
				continue
			}
			h.write(second, bad)
			err := compare(t.Context(), r, h.made[1], h.images[1])
			damaged := new(repository.DamagedRevisionError)
			if err != nil && !errors.As(err, &damaged) {
				t.Errorf("revision %d, byte %d of both: %v", n, i, err)
			}
			if len(h.revisions(r, "db1")) != 2 {
				t.Errorf("revision %d, byte %d of both: not all are listed", n, i)
			}
			h.write(second, whole)
		}
		h.write(file, whole)
	}
	h.checkImage(r, other, h.images[0])
}

func TestDamagedMapsAreListed(t *testing.T) {
	t.Parallel()
	original := newHistory(t)
	for name, content := range map[string][]byte{
		"empty": {}, "one byte": {0}, "cut": original.read(repository.RevisionName("db1", original.made[1].ID))[:300],
		"noise": bytes.Repeat([]byte{0xa5}, 5000), "of another revision": original.read(repository.RevisionName("db1", original.made[0].ID)),
	} {
		h := original.copy(t)
		newest := h.made[1]
		h.write(repository.RevisionName("db1", newest.ID), content)
		r := h.open()
		h.checkKept(r, name)
		h.write(repository.CopyName(newest.Volume.UUID, newest.ID), content)
		revs := h.revisions(r, "db1")
		if len(revs) != 2 || revs[1].ID != newest.ID || revs[1].Info.State != repository.Damaged || revs[1].Info.Reason == "" {
			t.Errorf("%s: listed %+v", name, revs)
		}
		if c := revs[1].Candidate(); c.Trusted {
			t.Errorf("%s: a damaged revision is trusted", name)
		}
		h.checkImage(r, h.made[0], h.images[0])
		b, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"})
		if err != nil {
			t.Fatal(err)
		}
		if b.Parent() == nil || b.Parent().Statement().ID != h.made[0].ID || len(b.PassedOver()) != 1 {
			t.Errorf("%s: parent %v, passed over %v", name, b.Parent(), b.PassedOver())
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if st, err := store(t.Context(), r, "db1", h.next(), storeOptions{}); err != nil || st.Sequence != 3 {
			t.Errorf("%s: the next backup is %+v, %v", name, st, err)
		}
	}
}

func TestAMapOfAnotherVolumeIsRefused(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	other := h.mustStore(r, "db2", newImage(0))
	for _, file := range []string{repository.RevisionName("db1", other.ID), repository.CopyName(h.made[0].Volume.UUID, other.ID)} {
		h.write(file, h.read(repository.RevisionName("db2", other.ID)))
	}
	rd, err := r.NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, rd)
	_, err = rd.Image(t.Context(), repository.Volume{Name: "db1", UUID: h.made[0].Volume.UUID}, other.ID)
	if damaged := new(repository.DamagedRevisionError); !errors.As(err, &damaged) {
		t.Errorf("Image = %v, want a DamagedRevisionError", err)
	}
}

// What a disk cannot read any more is damage; the copy is on another sector.
func TestABadSectorCostsNoChain(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	for _, bad := range []string{"open", "read", "stat"} {
		for i, st := range h.made {
			r := h.openOn(durabletest.NewWatched(h.tree(), func(op, name string) error {
				if op == bad && name == repository.RevisionName("db1", st.ID) {
					return syscall.EIO
				}
				return nil
			}))
			h.checkKept(r, fmt.Sprintf("revision %d does not %s", i, bad))
		}
	}
	r := h.openOn(durabletest.NewWatched(h.tree(), func(op, name string) error {
		if op == "open" && name == repository.RevisionName("db1", h.made[1].ID) {
			return syscall.EMFILE
		}
		return nil
	}))
	v := repository.Volume{Name: "db1", UUID: h.made[0].Volume.UUID}
	if _, err := r.Revisions(v); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("Revisions without file handles = %v, want EMFILE and no verdict", err)
	}
}

func TestMarkWithoutAFile(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	revisions := h.revisions(r, "db1")
	lost := revisions[0] // the next one is its child
	h.remove(repository.RevisionName("db1", lost.ID))
	if err := r.Mark(t.Context(), lost, func(info *repository.Info) { info.State = repository.Suspect }); err != nil {
		t.Fatal(err)
	}
	if got := h.revisions(r, "db1")[0]; got.ID != lost.ID || got.Info.State != repository.Suspect {
		t.Errorf("revision %s is %s", got.ID, got.Info.State)
	}
}

// A child that only its copy and the journal know builds on what is gone with its copy.
func TestALostChildsLostParentIsListed(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	parent, child := h.made[0], h.made[1]
	r := h.open()
	err := r.Record(t.Context(), repository.Event{
		Op: repository.OpBackup, Result: repository.ResultOK, Volume: "db1", UUID: &child.Volume.UUID, Revision: child.ID,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.remove(repository.RevisionName("db1", parent.ID))
	h.remove(repository.RevisionName("db1", child.ID))
	h.remove(repository.CopyName(parent.Volume.UUID, parent.ID))
	listed := h.revisions(r, "db1")
	if len(listed) != 2 || listed[0].ID != parent.ID || listed[1].ID != child.ID {
		t.Fatalf("listed %+v, want the parent and the child", listed)
	}
	for _, rev := range listed {
		if rev.Info.State != repository.Damaged {
			t.Errorf("%s is listed as %s, and cannot be read", rev.ID, rev.Info.State)
		}
	}
}
