package repository_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"syscall"
	"testing"
	"time"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

func TestRevisionsAreOrderedByTheirNumbers(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	im := newImage(0)
	var want []revision.ID
	for i, begun := range []string{"2026", "2036", "2036", "2026", "2025"} { // the clock, ten years ahead for a while
		id := revision.ID(begun + "1124T010003Z-k" + fmt.Sprintf("%03d", i))
		p.forge(r, "db1", im, id)
		want = append(want, id)
	}
	if got := ids(p.revisions(r, "db1")); !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	st := p.mustStore(r, "db1", im)
	if st.Sequence != 6 || st.Parent == nil || st.Parent.ID != want[4] {
		t.Errorf("the next revision has number %d and parent %+v", st.Sequence, st.Parent)
	}
}

// forge makes a revision with an id of the test's choice: as if the clock had been
// wrong.
func (p *place) forge(r *repository.Repository, name revision.Name, im *image, id revision.ID) *revision.Statement {
	p.t.Helper()
	st := p.mustStore(r, name, im)
	for _, file := range []string{repository.RevisionName(name, st.ID), repository.CopyName(st.Volume.UUID, st.ID)} {
		changed := p.rewrite(file, func(s *revision.Statement) { s.ID = id })
		p.remove(file)
		p.write(path.Join(path.Dir(file), string(id)+".rev"), changed)
	}
	st.ID = id
	return st
}

// rewrite writes a map anew with another statement, whole and with right checksums.
func (p *place) rewrite(file string, change func(*revision.Statement)) []byte {
	p.t.Helper()
	data := p.read(file)
	m, err := revision.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		p.t.Fatal(err)
	}
	st := *m.Statement()
	change(&st)
	var out bytes.Buffer
	w, err := revision.NewWriter(&out, revision.Header{ChunkSize: chunkSize, Nonce: st.Nonce})
	if err != nil {
		p.t.Fatal(err)
	}
	for rec, err := range m.Records(0, 1<<40) {
		switch {
		case err != nil:
		case rec.Zeros != nil:
			err = w.AddZeros(rec.Zeros.First, rec.Zeros.Count)
		default:
			err = w.Add(rec.Entry)
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
	rows, err := m.Regions()
	if err == nil {
		err = w.Finish(rows, st)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return out.Bytes()
}

// A disk that fails to read what was noted, once, costs nothing of it.
func TestMarkReplacesNothingUnread(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	note := func(fsys durable.FS) error {
		r, err := repository.Open(fsys, repository.Options{})
		if err != nil {
			return err
		}
		v, err := r.Volume("db1")
		if err != nil {
			return errors.Join(err, r.Close())
		}
		err = r.Mark(t.Context(), repository.Revision{Volume: v, ID: h.made[1].ID, Statement: h.made[1]}, func(i *repository.Info) { i.Tags = append(i.Tags, "t") })
		return errors.Join(err, r.Close())
	}
	marked := 0
	for step := 0; ; step++ {
		faulty := durabletest.NewFaulty(h.tree(), durabletest.Fault{Step: step, Err: syscall.EIO})
		err := note(faulty)
		info := h.revisions(h.open(), "db1")[1].Info
		if err == nil {
			marked++
		}
		if len(info.Tags) < marked || info.State != repository.Good || info.Pin != nil {
			t.Fatalf("%s: of %d tags this is left: %+v", faulty.Fired(), marked, info)
		}
		marked = len(info.Tags)
		if faulty.Fired() == "" {
			break
		}
	}
}

func TestMark(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	st := h.mustStoreWith(r, "db2", newImage(0), storeOptions{tags: []string{"monthly"}})
	rev := h.revisions(r, "db2")[0]
	if rev.Info.State != repository.Good || !slices.Equal(rev.Info.Tags, []string{"monthly"}) {
		t.Errorf("as made: %+v", rev.Info)
	}
	until := testTime.Add(time.Hour)
	for range 2 { // makes the file, then replaces it
		err := r.Mark(t.Context(), rev, func(info *repository.Info) {
			info.Tags = append(info.Tags, "t")
			info.Pin = &revision.Pin{Until: until}
			info.State, info.Reason = repository.Suspect, "a test"
			info.Lost = []repository.Extent{{Offset: 1, Length: 2}}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	info := h.revisions(r, "db2")[0].Info
	if !slices.Equal(info.Tags, []string{"monthly", "t", "t"}) || !info.Pin.Until.Equal(until) || info.State != repository.Suspect || len(info.Lost) != 1 {
		t.Errorf("marked: %+v", info)
	}
	h.checkNoTemps()
	h.write(repository.InfoName("db2", st.ID), []byte("x"))
	if info := h.revisions(r, "db2")[0].Info; info.State != repository.Suspect || info.Reason == "" || !slices.Equal(info.Tags, []string{"monthly"}) {
		t.Errorf("with its file damaged: %+v", info)
	}
	h.remove(repository.RevisionName("db2", st.ID))
	h.remove(repository.CopyName(rev.Volume.UUID, st.ID))
	if err := r.Mark(t.Context(), rev, func(*repository.Info) {}); err == nil {
		t.Error("a revision that is gone was marked")
	}
	damaged := new(repository.DamagedRevisionError)
	if err := r.Mark(t.Context(), repository.Revision{Volume: rev.Volume, ID: rev.ID}, nil); !errors.As(err, &damaged) {
		t.Errorf("Mark of an unreadable revision = %v, want a DamagedRevisionError", err)
	}
}

func TestTheTrashReservesNumbersAndIDs(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	newest := h.made[1]
	trash := repository.TrashName(newest.Volume.UUID, newest.ID)
	if err := os.MkdirAll(path.Dir(h.path(trash)), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.path(repository.RevisionName("db1", newest.ID)), h.path(trash)); err != nil {
		t.Fatal(err)
	}
	r := h.open()
	st := h.mustStore(r, "db1", h.next())
	if st.Sequence != 3 || st.Parent.ID != h.made[0].ID || st.ID.Short() == newest.ID.Short() {
		t.Errorf("number %d, id %s, parent %s", st.Sequence, st.ID, st.Parent.ID)
	}
	h.write(trash, []byte("x"))
	if st := h.mustStore(r, "db1", h.next()); st.Sequence != 5 { // what it had is unknown now
		t.Errorf("with an unreadable one in the trash: number %d, want 5", st.Sequence)
	}
}

// A merge gives a revision another parent and takes that one away, while a reader
// is between the two.
func TestTrapChildBeforeAndParentAfterAMerge(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	parent, child := h.made[0], h.made[1]
	full := h.mustStoreWith(h.open(), "db1", h.images[1], storeOptions{full: true})
	merged := h.rewrite(repository.RevisionName("db1", full.ID), func(st *revision.Statement) {
		st.ID, st.Sequence = child.ID, child.Sequence
	})
	done := false
	r := h.openOn(durabletest.NewWatched(h.tree(), func(op, name string) error {
		if op != "open" || done || name != repository.RevisionName("db1", parent.ID) {
			return nil
		}
		done = true
		h.write(repository.RevisionName("db1", child.ID), merged)
		h.write(repository.CopyName(child.Volume.UUID, child.ID), merged)
		h.remove(repository.RevisionName("db1", parent.ID))
		h.remove(repository.CopyName(parent.Volume.UUID, parent.ID))
		return nil
	}))
	if err := compare(t.Context(), r, child, h.images[1]); err != nil || !done {
		t.Error(err)
	}
}

// Parents that are not what a child was made on, in files with right checksums.
func TestForgedChainsAreRefused(t *testing.T) {
	t.Parallel()
	original := newHistory(t)
	for name, forge := range map[string]func(child, parent *revision.Statement){
		"a circle": func(child, parent *revision.Statement) {
			parent.Kind, parent.Parent = revision.Delta, &revision.Parent{ID: child.ID, Digest: child.Digest}
		},
		"a parent with a higher number": func(_, parent *revision.Statement) { parent.Sequence = 99 },
		"another image": func(child, _ *revision.Statement) {
			child.Parent = &revision.Parent{ID: child.Parent.ID, Digest: revision.Digest{1}}
		},
		"another lineage": func(_, parent *revision.Statement) { parent.Lineage = revision.UUID{1} },
		"another volume":  func(_, parent *revision.Statement) { parent.Volume.UUID = revision.UUID{1} },
		"nobody's child": func(child, _ *revision.Statement) {
			child.Parent = &revision.Parent{ID: "20200101T000000Z-aaaa", Digest: child.Digest}
		},
	} {
		h := original.copy(t)
		child, parent := *h.made[1], *h.made[0]
		forge(&child, &parent)
		for id, st := range map[revision.ID]revision.Statement{h.made[1].ID: child, h.made[0].ID: parent} {
			changed := h.rewrite(repository.RevisionName("db1", id), func(s *revision.Statement) { *s = st })
			h.write(repository.RevisionName("db1", id), changed)
			h.write(repository.CopyName(h.made[0].Volume.UUID, id), changed)
		}
		r := h.open()
		err := compare(t.Context(), r, h.made[1], h.images[1])
		if damaged := new(repository.DamagedRevisionError); !errors.As(err, &damaged) {
			t.Errorf("%s: the child opens with %v, want a DamagedRevisionError", name, err)
		}
		if _, err := store(t.Context(), r, "db1", h.next(), storeOptions{}); err != nil {
			t.Errorf("%s: the next backup: %v", name, err)
		}
	}
}

func TestRevisionsOfNoVolume(t *testing.T) {
	t.Parallel()
	r := newPlace(t).open()
	if _, err := r.Revisions(repository.Volume{Name: "db1"}); !errors.Is(err, repository.ErrNoVolume) {
		t.Errorf("Revisions = %v, want ErrNoVolume", err)
	}
	rd, err := r.NewReader(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, rd)
	if _, err := rd.Image(t.Context(), repository.Volume{Name: "db1"}, "20200101T000000Z-aaaa"); err == nil {
		t.Error("an image of no volume was opened")
	}
}

// betweenFS does something once, after a directory was listed.
type betweenFS struct {
	durable.FS
	listed string
	then   func()
}

func (b *betweenFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := b.FS.ReadDir(name)
	if then := b.then; name == b.listed && then != nil {
		b.then = nil
		then()
	}
	return entries, err
}

// A revision that is committed while the others are listed is not taken for one whose file is gone.
func TestListedWhileOneIsCommitted(t *testing.T) {
	t.Parallel()
	for name, removed := range map[string]bool{"and stays": false, "and is removed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, w := nights(t, nightly(2))
			fsys := &betweenFS{FS: p.tree(), listed: "volumes/db"}
			var log bytes.Buffer
			r, err := repository.Open(fsys, repository.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.Close() }()
			v, err := r.Volume("db")
			if err != nil {
				t.Fatal(err)
			}
			fsys.then = func() {
				st := p.mustStore(w, "db", randomImage(3, 2))
				if removed {
					p.remove(repository.RevisionName("db", st.ID))
				}
			}
			all, err := r.Revisions(v)
			if err != nil || len(all) != 3 || all[2].Info.State == repository.Damaged {
				t.Errorf("listed: %v, %v", all, err)
			}
			if warned := log.Len() > 0; warned != removed {
				t.Errorf("it is told: %s", log.String())
			}
		})
	}
}
