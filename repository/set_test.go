package repository_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// storeSet makes a set of these volumes, each of one image.
func storeSet(ctx context.Context, r *repository.Repository, im *image, names ...revision.Name) (made []*revision.Statement, err error) {
	return storeSetAs(ctx, r, r.NewSet("shop"), im, names...)
}

func storeSetAs(
	ctx context.Context, r *repository.Repository, set repository.Set, im *image, names ...revision.Name,
) (made []*revision.Statement, err error) {
	var backups []*repository.Backup
	defer func() {
		for _, b := range backups {
			err = errors.Join(err, b.Close())
		}
	}()
	for _, name := range names {
		b, err := r.BeginBackup(ctx, repository.BackupOptions{Volume: name, Set: set.ID})
		if err != nil {
			return nil, err
		}
		backups = append(backups, b)
		s := &storing{repo: r, backup: b, im: im}
		if err := s.fill(ctx, storeOptions{}); err != nil {
			return nil, err
		}
		st, err := b.Prepare(ctx, s.rows, statement(im, storeOptions{}))
		if err != nil {
			return nil, err
		}
		made = append(made, st)
	}
	if _, err := r.CommitSet(ctx, set, backups); err != nil {
		return made, err
	}
	for _, b := range backups {
		if err := b.Finished(); err != nil {
			return made, err
		}
	}
	return made, nil
}

// setOf has two volumes with a revision each, and a set of them.
func setOf(t *testing.T) (p *place, r *repository.Repository, im *image, made []*revision.Statement) {
	t.Helper()
	p = newPlace(t)
	r = p.open()
	im = randomImage(1, 3)
	p.mustStore(r, "root", im)
	p.mustStore(r, "data", im)
	im = im.clone()
	im.write(5, []byte("the set"))
	made, err := storeSet(t.Context(), r, im, "root", "data")
	if err != nil {
		t.Fatal(err)
	}
	return p, r, im, made
}

// halfSet is setOf, and power was cut before the set had its file.
func halfSet(t *testing.T) (p *place, im *image, made []*revision.Statement) {
	t.Helper()
	p, r, im, made := setOf(t)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	p.remove("sets/" + made[0].Set + ".json")
	p.remove("sets/" + made[0].Set + ".copy")
	return p, im, made
}

func (p *place) count(r *repository.Repository, name revision.Name) int {
	p.t.Helper()
	return len(p.revisions(r, name))
}

func (p *place) allTrash(r *repository.Repository) []repository.Trashed {
	p.t.Helper()
	trash, err := r.Trash()
	if err != nil {
		p.t.Fatal(err)
	}
	return trash
}

func (p *place) mustCollect(r *repository.Repository, opts repository.GCOptions) *repository.GCResult {
	p.t.Helper()
	result, err := r.CollectGarbage(p.t.Context(), opts)
	if err != nil {
		p.t.Fatal(err)
	}
	return result
}

func TestASetIsThereAtOnce(t *testing.T) {
	t.Parallel()
	p, r, im, made := setOf(t)
	for _, st := range made {
		if p.count(r, st.Volume.Name) != 2 || st.Set == "" {
			t.Errorf("%s: %d revisions, of set %q", st.Volume.Name, p.count(r, st.Volume.Name), st.Set)
		}
		p.checkImage(r, st, im)
	}
	sets, err := r.Sets()
	if err != nil || len(sets) != 1 || sets[0].Name != "shop" || len(sets[0].Members) != 2 {
		t.Fatalf("the sets are %+v, %v", sets, err)
	}
	for i, m := range sets[0].Members {
		st := made[i]
		if m.Volume != st.Volume.UUID || m.Name != st.Volume.Name || m.Revision != st.ID || m.Sequence != st.Sequence || m.Digest != st.Digest {
			t.Errorf("member %d is %+v, want %s", i, m, st.ID)
		}
	}
	for range 5 { // of one second, perhaps
		if _, err := storeSet(t.Context(), r, im, "root", "data"); err != nil {
			t.Fatal(err)
		}
	}
	if sets, err = r.Sets(); err != nil || !slices.IsSortedFunc(sets, func(a, b repository.Set) int {
		return int(a.Members[0].Sequence) - int(b.Members[0].Sequence)
	}) {
		t.Errorf("the sets are in another order than their revisions: %+v, %v", sets, err)
	}
	if _, err := store(t.Context(), r, "root", im, storeOptions{}); err != nil {
		t.Fatal(err)
	}
	if revs := p.revisions(r, "root"); revs[2].Statement.Parent.ID != made[0].ID {
		t.Error("a revision of a set is no parent")
	}
}

// Power was cut when all revisions of a set had their names, and the set not yet. None of
// them is there for anybody, and nothing of them is lost.
func TestTrapHalfASet(t *testing.T) {
	t.Parallel()
	p, im, made := halfSet(t)
	r := p.open()
	for _, st := range made {
		if p.count(r, st.Volume.Name) != 1 {
			t.Errorf("%s: %d revisions are listed", st.Volume.Name, p.count(r, st.Volume.Name))
		}
		v, err := r.Volume(st.Volume.Name)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := r.Summary(v); err != nil || s.Revisions != 1 || s.Newest.ID == st.ID || len(s.Waiting) != 1 || s.Waiting[0].ID != st.ID {
			t.Errorf("%s: the summary counts %d, and %d that wait, %v", st.Volume.Name, s.Revisions, len(s.Waiting), err)
		}
		if err := compare(t.Context(), r, st, im); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the revision that waits is read: %v", st.Volume.Name, err)
		}
	}
	if result := p.mustCollect(r, repository.GCOptions{Threshold: 1e-9}); len(result.Findings) > 0 || len(result.Purged) > 0 {
		t.Errorf("gc finds %v and purges %d", result.Findings, len(result.Purged))
	}
	next := im.clone()
	next.write(9, []byte("next"))
	st := p.mustStore(r, "root", next)
	if st.Sequence != 3 || st.Parent.ID == made[0].ID {
		t.Errorf("the next run has number %d and builds on %s", st.Sequence, st.Parent.ID)
	}
	trash := p.allTrash(r)
	if len(trash) != 1 || trash[0].ID != made[0].ID || trash[0].Op != repository.OpSet || !trash[0].Until.After(time.Now().Add(24*time.Hour)) {
		t.Fatalf("in the trash are %+v", trash)
	}
	p.mustCollect(r, repository.GCOptions{Threshold: 1e-9})
	p.checkImage(r, st, next)
	if _, err := r.Undelete(t.Context(), trash[0], 0); err != nil {
		t.Fatal(err)
	}
	revs := p.revisions(r, "root")
	if len(revs) != 3 || revs[1].ID != made[0].ID || revs[1].Statement.Set != "" {
		t.Errorf("after undelete, %+v are listed", ids(revs))
	}
	p.checkImage(r, made[0], im) // of no set any more
	p.checkNoTemps()
}

// Whoever takes something away, brings it back or removes the volume finds what waits.
func TestWhatWaitsIsInNobodysWay(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(p *place, r *repository.Repository, v repository.Volume) error{
		"rm": func(p *place, r *repository.Repository, v repository.Volume) error {
			_, err := r.Remove(t.Context(), v, ids(p.revisions(r, v.Name)), repository.RemoveOptions{Op: repository.OpRemove, Undelete: time.Hour})
			return err
		},
		"rm of all": func(_ *place, r *repository.Repository, v repository.Volume) error {
			_, err := r.Remove(t.Context(), v, nil, repository.RemoveOptions{Op: repository.OpRemove, Undelete: time.Hour, All: true})
			return err
		},
		"a synthetic full": func(p *place, r *repository.Repository, v repository.Volume) error {
			_, err := r.Flatten(t.Context(), v, ids(p.revisions(r, v.Name)), 0)
			return err
		},
	} {
		p, _, made := halfSet(t)
		r := p.open()
		v, err := r.Volume("root")
		if err != nil {
			t.Fatal(err)
		}
		if err := do(p, r, v); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		trash := p.allTrash(r)
		if !slices.ContainsFunc(trash, func(t repository.Trashed) bool { return t.ID == made[0].ID }) {
			t.Errorf("%s: what waited is not in the trash", name)
		}
		for _, trashed := range slices.Backward(trash) {
			if _, err := r.Undelete(t.Context(), trashed, 0); err != nil {
				t.Errorf("%s: undelete of %s: %v", name, trashed.ID, err)
			}
		}
		if n := p.count(r, "root"); n != 2 {
			t.Errorf("%s: %d revisions are listed at last", name, n)
		}
		p.checkNoTemps()
	}
}

// The files of a set are lost or damaged, and its revisions stay what they are.
func TestALostSetHidesNothing(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(p *place, id string, uuid *revision.UUID, st *revision.Statement){
		"the file": func(p *place, id string, _ *revision.UUID, _ *revision.Statement) { p.remove("sets/" + id + ".json") },
		"the copy": func(p *place, id string, _ *revision.UUID, _ *revision.Statement) { p.remove("sets/" + id + ".copy") },
		"damaged": func(p *place, id string, _ *revision.UUID, _ *revision.Statement) {
			p.write("sets/"+id+".json", []byte("x"))
		},
		"both, and the journal knows": func(p *place, id string, uuid *revision.UUID, st *revision.Statement) {
			event := repository.Event{
				Op: repository.OpBackup, Result: repository.ResultOK, Volume: "data", UUID: uuid, Revision: st.ID, Set: id,
			}
			if err := p.open().Record(t.Context(), event); err != nil {
				t.Fatal(err)
			}
			p.remove("sets/" + id + ".json")
			p.remove("sets/" + id + ".copy")
		},
		"both, and a child knows": func(p *place, id string, _ *revision.UUID, _ *revision.Statement) {
			for _, name := range []revision.Name{"root", "data"} {
				p.mustStore(p.open(), name, randomImage(9, 2))
			}
			p.remove("sets/" + id + ".json")
			p.remove("sets/" + id + ".copy")
		},
	} {
		p, _, im, made := setOf(t)
		harm(p, made[0].Set, &made[1].Volume.UUID, made[1])
		r := p.open()
		for _, st := range made {
			if !slices.Contains(ids(p.revisions(r, st.Volume.Name)), st.ID) {
				t.Errorf("%s: %s is not listed", name, st.Volume.Name)
			}
			p.checkImage(r, st, im)
		}
		p.mustCollect(r, repository.GCOptions{})
		if strings.HasPrefix(name, "both") {
			continue
		}
		if second := p.read("sets/" + made[0].Set + ".copy"); string(second) != string(p.read("sets/"+made[0].Set+".json")) {
			t.Errorf("%s: gc did not mend it", name)
		}
	}
}

// Of two sets with one id, which two hosts may give in one second, the later one is none, and takes nothing of the other.
func TestTwoSetsOfOneID(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	im, set := randomImage(1, 2), r.NewSet("shop")
	made, err := storeSetAs(t.Context(), r, set, im, "root", "data")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storeSetAs(t.Context(), r, set, im, "mail"); !errors.Is(err, repository.ErrLostGround) {
		t.Errorf("another set of this id: %v", err)
	}
	p.remove("sets/" + set.ID + ".copy")
	for _, st := range made {
		p.checkImage(r, st, im)
		if p.count(r, st.Volume.Name) != 1 {
			t.Errorf("%s is not listed", st.Volume.Name)
		}
	}
	if v, err := r.Volume("mail"); err == nil && p.count(r, v.Name) != 0 {
		t.Error("what was not committed is listed")
	}
}

// While the journal cannot be read, which may know of a set, nothing that waits for it is put away.
func TestWhatWaitsStaysWhileTheJournalCannotBeRead(t *testing.T) {
	t.Parallel()
	p, im, made := halfSet(t)
	blind, err := repository.Open(durabletest.NewWatched(p.tree(), func(op, name string) error {
		if op == "read" && strings.HasPrefix(name, "journal/") {
			return syscall.EIO
		}
		return nil
	}), repository.Options{StateDir: p.state, Command: "backup"})
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, blind)
	if _, err := store(t.Context(), blind, "root", im, storeOptions{}); !errors.Is(err, syscall.EIO) {
		t.Errorf("a backup beside it: %v", err)
	}
	if !p.exists(repository.RevisionName("root", made[0].ID)) {
		t.Error("it is in the trash")
	}
}

// The file of a set stays as long as any of its revisions can come back.
func TestTheFileOfASetGoesLast(t *testing.T) {
	t.Parallel()
	p, r, im, made := setOf(t)
	file := "sets/" + made[0].Set + ".json"
	for i, st := range made {
		v, err := r.Volume(st.Volume.Name)
		if err != nil {
			t.Fatal(err)
		}
		opts := repository.RemoveOptions{Op: repository.OpPrune, Undelete: time.Hour}
		if _, err := r.Remove(t.Context(), v, []revision.ID{st.ID}, opts); err != nil {
			t.Fatal(err)
		}
		p.mustCollect(r, repository.GCOptions{EmptyTrash: i == 0})
		if !p.exists(file) {
			t.Fatalf("the file of the set went with revision %d", i)
		}
	}
	if _, err := r.Undelete(t.Context(), p.allTrash(r)[0], 0); err != nil {
		t.Fatal(err)
	}
	if revs := p.revisions(r, "data"); len(revs) != 2 || revs[1].Statement.Set != made[1].Set {
		t.Errorf("what came back is %+v", ids(revs))
	}
	p.checkImage(r, made[1], im)
	v, err := r.Volume("data")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Remove(t.Context(), v, []revision.ID{made[1].ID}, repository.RemoveOptions{Op: repository.OpRemove}); err != nil {
		t.Fatal(err)
	}
	p.mustCollect(r, repository.GCOptions{EmptyTrash: true})
	if p.exists(file) || p.exists("sets/"+made[0].Set+".copy") {
		t.Error("the file of a set stays of which nothing is left")
	}
}

// A revision of a set comes back while a collection takes its set for one of which
// nothing is left.
func TestTrapASetComesBackWhileItIsCollected(t *testing.T) {
	t.Parallel()
	p, r, _, made := setOf(t)
	file := "sets/" + made[0].Set + ".json"
	kept := map[string][]byte{}
	for _, st := range made { // as after a collection that was killed before it came to sets
		for _, name := range []string{repository.RevisionName(st.Volume.Name, st.ID), repository.CopyName(st.Volume.UUID, st.ID)} {
			kept[name] = p.read(name)
			p.remove(name)
		}
	}
	looks := 0 // for what revisions name, until that is known of all
	count := func(op, name string) error {
		if op == "readdir" && name == "copies" {
			looks++
		}
		return nil
	}
	other := copyOf(t, p)
	other.mustCollect(other.openOn(durabletest.NewWatched(other.tree(), count)), repository.GCOptions{Threshold: 2})
	if other.exists(file) {
		t.Fatal("the file of a set stays of which nothing is left")
	}
	last, back := looks, false
	looks = 0
	watched := durabletest.NewWatched(p.tree(), func(op, name string) error {
		_ = count(op, name)
		if op == "open for writing" && name == repository.GateName && looks == last && !back {
			back = true
			return r.AtGate(t.Context(), func() error {
				for name, data := range kept {
					p.write(name, data)
				}
				return nil
			})
		}
		return nil
	})
	p.mustCollect(p.openOn(watched), repository.GCOptions{Threshold: 2})
	if !back || !p.exists(file) {
		t.Fatalf("the set's file is gone, and its revisions came back: %t", back)
	}
}

// What fails at the last step leaves neither revision, and the next run goes on.
func TestASetThatFailsIsNone(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"volumes/data/", "sets/"} {
		p := newPlace(t)
		r := p.open()
		im := randomImage(1, 2)
		failing := durabletest.NewWatched(p.tree(), func(op, name string) error {
			if op == "rename" && strings.HasPrefix(name, at) {
				return syscall.EIO
			}
			return nil
		})
		if _, err := storeSet(t.Context(), p.openOn(failing), im, "root", "data"); !errors.Is(err, syscall.EIO) || errors.Is(err, repository.ErrUndecided) {
			t.Fatalf("%s: %v", at, err)
		}
		if left := append(p.files(".rev"), p.files("sets/")...); len(left) > 0 {
			t.Errorf("%s: %q are left", at, left)
		}
		p.checkNoTemps()
		made, err := storeSet(t.Context(), r, im, "root", "data")
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range made {
			p.checkImage(r, st, im)
		}
	}
}

// A set is of volumes that are prepared for it.
func TestCommitSetRefuses(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	set := r.NewSet("shop")
	if _, err := r.CommitSet(t.Context(), set, nil); err == nil {
		t.Error("a set of nothing was made")
	}
	b, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "root"})
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, b)
	if _, err := r.CommitSet(t.Context(), set, []*repository.Backup{b}); err == nil {
		t.Error("a set was made of what was not prepared")
	}
	if len(p.files("sets/")) > 0 {
		t.Error("a set has a file")
	}
}
