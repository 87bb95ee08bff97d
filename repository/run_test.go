package repository_test

import (
	"os"
	"testing"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

func TestWhichPacksMayBeReliedOn(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	mine, others := revision.UUID{1}, revision.UUID{2}
	own := [16]byte(r.ID())
	run := func(n byte, kind string, volume revision.UUID) [16]byte {
		id := [16]byte{n}
		sealed, err := repository.Seal(repository.RunRecord{Run: id[:], Kind: kind, Volume: volume, Sequence: 1})
		if err != nil {
			t.Fatal(err)
		}
		p.write(repository.RunName(id), sealed)
		return id
	}
	dead := run(1, "backup", mine)
	living := run(2, "backup", others)
	collecting := run(3, "gc", revision.UUID{})
	merging := run(4, "merge", mine)
	misplaced := [16]byte{5}
	p.write(repository.RunName(misplaced), p.read(repository.RunName(dead)))
	unreadable := [16]byte{6}
	p.write(repository.RunName(unreadable), []byte("torn"))
	oversize := run(7, "backup", mine)
	if err := os.Truncate(p.path(repository.RunName(oversize)), 2<<20); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what       string
		run        [16]byte
		repository [16]byte
		want       bool
	}{
		{"of a run whose record is gone", [16]byte{99}, own, true},
		{"of a dead run of the same volume", dead, own, true},
		{"of a run of another volume", living, own, false},
		{"of a collection", collecting, own, false},
		{"of a merge of the same volume", merging, own, false},
		{"of a run whose record is another's", misplaced, own, false},
		{"of a run whose record is torn", unreadable, own, false},
		{"of a run whose record is oversize", oversize, own, false},
		{"of another repository", [16]byte{99}, [16]byte{8}, false},
		{"of no repository", [16]byte{99}, [16]byte{}, false},
	} {
		if got := r.Usable(chunkstore.PackInfo{Run: test.run, Repository: test.repository}, mine); got != test.want {
			t.Errorf("a pack %s: usable = %v, want %v", test.what, got, test.want)
		}
	}
	if _, err := r.AdoptCopy(t.Context()); err != nil {
		t.Fatal(err)
	}
	adopted := p.open()
	if !adopted.Usable(chunkstore.PackInfo{Run: [16]byte{99}, Repository: own}, mine) {
		t.Error("a pack of the repository that this one was copied from is refused")
	}
	if adopted.Usable(chunkstore.PackInfo{Run: living, Repository: own}, mine) {
		t.Error("a pack of a living run of the former repository is accepted")
	}
}

// While a run of another volume lives, what it stored is not relied on; once its
// record is gone, it is.
func TestPacksOfALivingRunAreLeftAlone(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	im := randomImage(9, 2)
	_, err := store(t.Context(), r, "db1", im, storeOptions{before: func(b *repository.Backup) {
		if err := b.Chunks().Barrier(t.Context()); err != nil {
			t.Error(err)
		}
		p.mustStore(p.open(), "db2", im)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(p.packsOf()); got != 2 {
		t.Errorf("there are %d packs, want one for each run", got)
	}
	p.mustStore(r, "db3", im)
	if got := len(p.packsOf()); got != 2 {
		t.Errorf("there are %d packs, want nothing stored again", got)
	}
	if left := p.files("runs/"); len(left) != 0 {
		t.Errorf("run records left are %q", left)
	}
}

// A record that survived its run's success, as after a power cut, is superseded. It
// is in nobody's way, and not for a later run to remove.
func TestASupersededRunIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	sealed, err := repository.Seal(repository.RunRecord{Run: make([]byte, 16), Kind: "backup", Volume: h.made[0].Volume.UUID, Sequence: 2})
	if err != nil {
		t.Fatal(err)
	}
	h.write(repository.RunName([16]byte{}), sealed)
	if _, err := store(t.Context(), h.open(), "db1", h.next(), storeOptions{}); err != nil {
		t.Fatal(err)
	}
	if !h.exists(repository.RunName([16]byte{})) {
		t.Error("another run's record was removed")
	}
}
