package repository_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"varve/chunkstore"
	"varve/internal/durable/durabletest"
	"varve/repository"
)

// packsOf lists the packs there are.
func (p *place) packsOf() (packs []chunkstore.PackID) {
	p.t.Helper()
	for _, name := range p.files(".pack") {
		id, err := chunkstore.ParsePackID(name[len("packs/xx/") : len(name)-len(".pack")])
		if err != nil {
			p.t.Fatal(err)
		}
		packs = append(packs, id)
	}
	return packs
}

func (p *place) generation(r *repository.Repository) repository.Generation {
	p.t.Helper()
	g, err := r.CurrentGeneration()
	if err != nil {
		p.t.Fatal(err)
	}
	return g
}

func condemn(t testing.TB, r *repository.Repository, number uint64, packs ...chunkstore.PackID) {
	t.Helper()
	list := map[chunkstore.PackID]uint64{}
	for _, p := range packs {
		list[p] = number
	}
	if err := r.Publish(number, list); err != nil {
		t.Fatal(err)
	}
}

func TestGenerations(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	if g := p.generation(r); g.Number != 0 || g.Opaque || len(g.Condemned) != 0 {
		t.Errorf("a new repository has %+v", g)
	}
	a, b := chunkstore.PackID{1}, chunkstore.PackID{2}
	condemn(t, r, 9, a)
	condemn(t, r, 10, a, b)
	if g := p.generation(r); g.Number != 10 || g.Opaque || len(g.Condemned) != 2 || g.Condemned[b] != 10 {
		t.Errorf("read %+v", g)
	}
	before := p.read("gc/10.json")
	if err := r.Publish(10, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("publishing a number again = %v, want ErrExist", err)
	}
	if !bytes.Equal(p.read("gc/10.json"), before) {
		t.Error("a generation was replaced")
	}
	p.checkNoTemps()
	for _, name := range []string{"gc/011.json", "gc/+12.json", "gc/13", "gc/x.json", "gc/99999999999999999999.json"} {
		p.write(name, before)
	}
	if g := p.generation(r); g.Number != 10 || g.Opaque {
		t.Errorf("names that are none gave %+v", g)
	}
}

func TestAnUnreadableGenerationIsOpaque(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	condemn(t, h.open(), 3)
	whole := h.read("gc/3.json")
	for name, damage := range map[string]func() error{
		"flipped":     func() error { return os.WriteFile(h.path("gc/4.json"), append([]byte("x"), whole[1:]...), 0o600) },
		"empty":       func() error { return os.WriteFile(h.path("gc/4.json"), nil, 0o600) },
		"another's":   func() error { return os.WriteFile(h.path("gc/4.json"), whole, 0o600) },
		"a directory": func() error { return os.Mkdir(h.path("gc/4.json"), 0o700) },
		"a link":      func() error { return os.Symlink("3.json", h.path("gc/4.json")) },
		"oversize": func() error {
			return errors.Join(os.WriteFile(h.path("gc/4.json"), nil, 0o600), os.Truncate(h.path("gc/4.json"), 1<<30))
		},
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		r := h.open()
		if g := h.generation(r); g.Number != 4 || !g.Opaque {
			t.Errorf("%s: read %+v, want an opaque 4", name, g)
		}
		h.checkKept(r, name)
		h.remove("gc/4.json")
	}
	r := h.openOn(durabletest.NewWatched(h.tree(), func(op, name string) error {
		if op == "read" && name == "gc/3.json" {
			return syscall.EIO
		}
		return nil
	}))
	if g := h.generation(r); g.Number != 3 || !g.Opaque {
		t.Errorf("a bad sector: read %+v, want an opaque 3", g)
	}
}

// Against an opaque generation nothing of others is relied on, and a later one,
// that can be read, is relied on again.
func TestOpaqueMeansNothingOfOthers(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	h.write("gc/4.json", []byte("x"))
	packs := len(h.packsOf())
	st := h.mustStore(r, "db2", h.images[0])
	h.checkImage(r, st, h.images[0])
	if got := len(h.packsOf()); got != packs+1 {
		t.Errorf("%d packs are new, want 1: something of others was relied on", got-packs)
	}
	condemn(t, r, 5)
	packs = len(h.packsOf())
	h.mustStore(r, "db4", h.images[0])
	if got := len(h.packsOf()); got != packs {
		t.Errorf("%d packs are new, want none", got-packs)
	}
}

func TestCondemnedPacksAreNotReliedOn(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	before := h.packsOf()
	condemn(t, r, 1, before...)
	st := h.mustStore(r, "db2", h.images[0])
	if got := len(h.packsOf()); got != len(before)+1 {
		t.Errorf("%d packs are new, want 1", got-len(before))
	}
	if g := h.generation(r); g.Number != 1 || len(g.Condemned) != len(before) {
		t.Errorf("the generation became %+v", g)
	}
	h.checkKept(r, "condemned and still there") // read from if there is nothing else
	for _, pack := range before {
		h.remove(repository.PackName(pack))
	}
	h.checkImage(r, st, h.images[0])
}

// A pack that a backup relies on is condemned before its commit: the commit takes
// it off the list, in a generation of its own, and the others stay.
func TestCommitSparesWhatItReliesOn(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r, collector := h.open(), h.open()
	other := chunkstore.PackID{0xee}
	st, err := store(t.Context(), r, "db2", h.images[0], storeOptions{before: func(b *repository.Backup) {
		relied := b.Chunks().Relied()
		if len(relied) != 1 {
			t.Errorf("relies on %v, want one found pack", relied)
		}
		condemn(t, collector, 7, append(relied, other)...)
	}})
	if err != nil {
		t.Fatal(err)
	}
	g := h.generation(r)
	if _, still := g.Condemned[other]; g.Number != 8 || len(g.Condemned) != 1 || !still || g.Condemned[other] != 7 {
		t.Errorf("after the commit the generation is %+v", g)
	}
	h.checkImage(r, st, h.images[0])
}

// The generation that spares a pack cannot be made durable: no revision.
func TestCommitThatCannotSpareFails(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	var failing bool
	r := h.openOn(durabletest.NewWatched(h.tree(), func(op, name string) error {
		if failing && op == "fsync directory" && name == "gc" {
			return syscall.EIO
		}
		return nil
	}))
	_, err := store(t.Context(), r, "db2", h.images[0], storeOptions{before: func(b *repository.Backup) {
		condemn(t, h.open(), 7, b.Chunks().Relied()...)
		failing = true
	}})
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("Commit = %v, want EIO", err)
	}
	if left := h.files("volumes/db2/2"); len(left) > 0 {
		t.Errorf("a revision is there: %q", left)
	}
	if _, err := store(t.Context(), h.open(), "db2", h.images[0], storeOptions{}); err != nil {
		t.Errorf("the next backup: %v", err)
	}
}

// A run takes a pack off the list and dies before that is durable. The next one
// relies on the pack: the list is synced before its revision becomes visible.
func TestWhoeverSparedAPackMayHaveDied(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.mustStore(p.open(), "db1", randomImage(9, 2))
	condemn(t, p.open(), 1, p.packsOf()...)
	killed := false
	dying := p.openOn(durabletest.NewWatched(p.tree(), func(op, name string) error {
		killed = killed || op == "fsync directory" && name == "gc"
		if killed {
			return syscall.EIO
		}
		return nil
	}))
	if err := dying.Publish(2, nil); err == nil || !killed {
		t.Fatalf("Publish = %v, killed is %v", err, killed)
	}
	if g := p.generation(p.open()); g.Number != 2 || len(g.Condemned) != 0 {
		t.Fatalf("the current generation is %+v", g)
	}
	synced, visible := false, false
	r := p.openOn(durabletest.NewWatched(p.tree(), func(op, name string) error {
		synced = synced || op == "fsync directory" && name == "gc"
		if op == "rename" && strings.HasPrefix(name, "volumes/db2/") && strings.HasSuffix(name, ".rev") {
			visible = true
			if !synced {
				t.Error("the revision becomes visible before the list that spares its pack is durable")
			}
		}
		return nil
	}))
	p.mustStore(r, "db2", randomImage(9, 2))
	if !visible || len(p.packsOf()) != 1 {
		t.Errorf("visible is %v, packs are %q", visible, p.packsOf())
	}
}
