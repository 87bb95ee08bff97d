package repository_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// mustRename renames a volume, with another handle than the test's.
func (p *place) mustRename(from, to revision.Name) repository.Volume {
	p.t.Helper()
	v, err := p.open().Rename(p.t.Context(), from, to, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

func TestRename(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	before := h.revisions(r, "db1")
	pin := &revision.Pin{Reason: "audit"}
	if err := r.Mark(t.Context(), before[0], func(i *repository.Info) { i.Pin = pin }); err != nil {
		t.Fatal(err)
	}
	v := h.mustRename("db1", "vms/db.1")
	if v.Name != "vms/db.1" || v.UUID != before[0].Volume.UUID {
		t.Errorf("the renamed volume is %+v", v)
	}
	if _, err := r.Volume("db1"); !errors.Is(err, repository.ErrNoVolume) {
		t.Errorf("the old name gives %v", err)
	}
	after := h.revisions(r, "vms/db.1")
	if !slices.Equal(ids(after), ids(before)) {
		t.Errorf("listed %q, want %q", ids(after), ids(before))
	}
	if got := after[0].Info.Pin; got == nil || *got != *pin {
		t.Errorf("what was noted is %+v", got)
	}
	for i, rev := range after {
		if rev.Statement.Volume.Name != "db1" {
			t.Errorf("revision %s says that it was made of %q", rev.ID, rev.Statement.Volume.Name)
		}
		st := *rev.Statement
		st.Volume.Name = "vms/db.1"
		h.checkImage(r, &st, h.images[i])
	}
	next := h.next()
	st := h.mustStore(r, "vms/db.1", next)
	if st.Parent == nil || st.Parent.ID != before[len(before)-1].ID || st.Volume.Name != "vms/db.1" {
		t.Errorf("the next backup has parent %+v and is of %q", st.Parent, st.Volume.Name)
	}
	h.checkImage(r, st, next)
	anew := h.mustStore(r, "db1", next)
	if anew.Volume.UUID == v.UUID || anew.Parent != nil {
		t.Errorf("the old name is still that of volume %s", v.UUID)
	}
	h.checkNoTemps()
}

func TestRenameRefuses(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	im := randomImage(1, 1)
	p.mustStore(r, "db1", im)
	trashed := p.mustStore(r, "trashed", im)
	if err := os.MkdirAll(p.path("trash/"+trashed.Volume.UUID.String()), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(p.path(repository.RevisionName("trashed", trashed.ID)), p.path(repository.TrashName(trashed.Volume.UUID, trashed.ID))); err != nil {
		t.Fatal(err)
	}
	p.mustStore(r, "hurt", im)
	for _, name := range p.files("volumes/hurt/") {
		p.write(name, []byte("rot"))
	}
	if err := os.MkdirAll(p.path("volumes/full"), 0o750); err != nil {
		t.Fatal(err)
	}
	p.write("volumes/full/something", nil)
	for _, c := range []struct {
		from, to revision.Name
		want     error
	}{
		{"db1", "trashed", repository.ErrVolumeExists},
		{"db1", "hurt", repository.ErrVolumeExists},
		{"db1", "full", repository.ErrVolumeExists},
		{"db1", "db1", repository.ErrVolumeExists},
		{"none", "db2", repository.ErrNoVolume},
	} {
		if _, err := r.Rename(t.Context(), c.from, c.to, 0); !errors.Is(err, c.want) {
			t.Errorf("%s to %s: %v, want %v", c.from, c.to, err, c.want)
		}
	}
	b, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"})
	if err != nil {
		t.Fatal(err)
	}
	busy := new(repository.BusyError)
	if _, err := r.Rename(t.Context(), "db1", "db2", 0); !errors.As(err, &busy) || busy.Holder.Command != "backup" {
		t.Errorf("while it is backed up: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(p.path("volumes/db2"), 0o750); err != nil { // of a volume that was never made
		t.Fatal(err)
	}
	p.mustRename("db1", "db2")
	if got := p.revisions(r, "db2"); len(got) != 1 {
		t.Errorf("after all, there are %d revisions", len(got))
	}
}

// Whoever looked a volume up before it was renamed goes on, also while another
// volume has the name, and not by way of the copies.
func TestReadersOutliveARename(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	revs := h.revisions(r, "db1")
	v, last := revs[0].Volume, revs[len(revs)-1]
	rd, err := r.NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, rd)
	opened, err := rd.Image(t.Context(), v, last.ID)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, opened)
	h.mustRename("db1", "db2")
	for _, name := range h.files("copies/") {
		h.remove(name)
	}
	check := func(what string) {
		t.Helper()
		im, err := rd.Image(t.Context(), v, last.ID)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := errors.Join(compareImage(im, h.images[len(revs)-1]), im.Close()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got, err := r.Revisions(v); err != nil || !slices.Equal(ids(got), ids(revs)) {
			t.Errorf("%s: listed %q, want %q, %v", what, ids(got), ids(revs), err)
		}
		err = r.Mark(t.Context(), last, func(i *repository.Info) { i.Note = what })
		if got := h.revisions(r, "db2"); err != nil || got[len(got)-1].Info.Note != what {
			t.Errorf("%s: a note is %q, %v", what, got[len(got)-1].Info.Note, err)
		}
	}
	check("renamed")
	if err := compareImage(opened, h.images[len(revs)-1]); err != nil {
		t.Errorf("an image that was open: %v", err)
	}
	h.mustStore(r, "db1", randomImage(9, 1))
	check("renamed, and another has its name")
	if got := h.files("volumes/db1/"); len(got) != 2 { // its own, and a revision
		t.Errorf("the other volume has %q", got)
	}
}

// A volume that is renamed while it is listed loses nothing of what was noted.
func TestListingDuringARename(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	for at := range 40 {
		p := copyOf(t, h.place)
		r := p.open()
		revs := p.revisions(r, "db1")
		for _, rev := range revs {
			if err := r.Mark(t.Context(), rev, func(i *repository.Info) { i.State = repository.Suspect }); err != nil {
				t.Fatal(err)
			}
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
		got, err := slow.Revisions(revs[0].Volume)
		if err != nil || !slices.Equal(ids(got), ids(revs)) {
			t.Fatalf("renamed at call %d: listed %q, want %q, %v", at, ids(got), ids(revs), err)
		}
		for _, rev := range got {
			if rev.Info.State != repository.Suspect {
				t.Fatalf("renamed at call %d: revision %s is %s", at, rev.ID, rev.Info.State)
			}
		}
		if !renamed && at > 0 {
			return
		}
	}
	t.Error("a listing never ended before the rename")
}

// Whichever step fails, the volume has one of its names, and the old one unless
// nothing can be undone.
func TestEnumerateRenameFaults(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	for step := 0; ; step++ {
		p := copyOf(t, h.place)
		calls, failed, armed := 0, "", false
		forGood := step%2 == 1 // whether the disk fails from then on
		r := p.openOn(durabletest.NewWatched(p.tree(), func(op, name string) error {
			if !armed {
				return nil
			}
			calls++
			if calls-1 == step/2 || forGood && calls-1 > step/2 {
				if failed == "" {
					failed = op + " " + name
				}
				return syscall.EIO
			}
			return nil
		}))
		armed = true
		_, err := r.Rename(t.Context(), "db1", "db2", 0)
		armed = false
		p.checkNamed(fmt.Sprintf("step %d, %s", step/2, failed), err)
		if failed == "" {
			return
		}
	}
}

// checkNamed makes sure that a volume has one name, and the one that the error says.
func (p *place) checkNamed(what string, err error) {
	p.t.Helper()
	r := p.open()
	list, listErr := r.Volumes()
	if listErr != nil || len(list) != 1 {
		p.t.Fatalf("%s: the volumes are %+v, %v", what, list, listErr)
	}
	if n := len(p.revisions(r, list[0].Name)); n != 2 {
		p.t.Errorf("%s: there are %d revisions", what, n)
	}
	switch {
	case errors.Is(err, repository.ErrNameUndecided):
	case err == nil && list[0].Name != "db2":
		p.t.Errorf("%s: renamed, and its name is %q", what, list[0].Name)
	case err != nil && list[0].Name != "db1":
		p.t.Errorf("%s: its name is %q, although: %v", what, list[0].Name, err)
	}
}

// A rename that reports an error and took effect is undone.
func TestARenameThatLiesIsUndone(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.openOn(&lyingDirRename{h.tree()})
	_, err := r.Rename(t.Context(), "db1", "db2", 0)
	if err == nil {
		t.Error("a rename that reported an error is a success")
	}
	h.checkNamed("a lie", err)
}

type lyingDirRename struct{ durable.FS }

func (l *lyingDirRename) Rename(oldName, newName string) error {
	err := l.FS.Rename(oldName, newName)
	if err == nil && newName == "volumes/db2" {
		return syscall.EIO
	}
	return err
}

// A volume whose own file lies beside another's revisions, or beside none, is where
// its revisions are.
func TestAVolumesFileThatWentAstrayMovesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	im := randomImage(1, 2)
	st := p.mustStore(r, "b", im)
	p.mustStore(r, "gone", randomImage(2, 1))
	for _, name := range p.files("volumes/gone/") {
		if !strings.HasSuffix(name, "volume.json") {
			p.remove(name)
		}
	}
	p.write("volumes/gone/volume.json", p.read("volumes/b/volume.json"))
	p.remove("volumes/b/volume.json")
	all := p.revisions(r, "b")
	if len(all) != 1 || all[0].Volume.Name != "b" || all[0].Info.State != repository.Good {
		t.Errorf("revisions of b: %+v", all)
	}
	p.checkImage(r, st, im)
}
