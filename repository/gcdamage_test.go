package repository_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/zeebo/xxh3"

	"varve/chunkstore"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// fileOf is the name of a revision's file, or of its copy.
func (w *gcWorld) fileOf(volume, dir string) string {
	w.t.Helper()
	for _, all := range []map[*revision.Statement]*image{w.kept, w.held} {
		for st := range all {
			if st.Volume.Name != revision.Name(volume) {
				continue
			}
			switch dir {
			case "volumes":
				return repository.RevisionName(st.Volume.Name, st.ID)
			case "trash":
				return repository.TrashName(st.Volume.UUID, st.ID)
			}
			return repository.CopyName(st.Volume.UUID, st.ID)
		}
	}
	w.t.Fatalf("no revision of %s", volume)
	return ""
}

// future gives a revision file the version of a program to come.
func future(file []byte) []byte {
	out := bytes.Clone(file)
	binary.LittleEndian.PutUint16(out[8:], 2)
	binary.LittleEndian.PutUint64(out[56:], xxh3.Hash(out[:56]))
	return out
}

func flipped(file []byte, at int) []byte {
	out := bytes.Clone(file)
	out[at] ^= 1
	return out
}

// What cannot be read may name anything: nothing is condemned, and nothing is freed.
func TestGCCondemnsNothingThatAnUnreadableMapMayName(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	for _, place := range []string{"volumes", "trash", "copies"} {
		volume := map[string]string{"volumes": "half", "trash": "held", "copies": "half"}[place]
		name := w.fileOf(volume, place)
		whole := w.disk.Files()[name]
		for what, content := range map[string][]byte{
			"a flipped bit in a page":     flipped(whole, 80),
			"a flipped bit in its header": flipped(whole, 20),
			"a file cut short":            whole[:len(whole)-40],
			"an empty file":               {},
			"a file of a later version":   future(whole),
		} {
			disk := w.disk.Copy()
			if err := disk.SetFile(name, content); err != nil {
				t.Fatal(err)
			}
			before := w.packsOn(disk)
			result, err := w.collectOn(disk)
			if err != nil {
				t.Errorf("%s in %s: %v", what, place, err)
				continue
			}
			text := fmt.Sprint(result.Findings)
			if unread := place == "copies" && (strings.Contains(what, "page") || strings.Contains(what, "short")); unread {
				if len(result.Findings) > 0 { // it was known by its header, and not read
					t.Errorf("%s in %s: findings are %s", what, place, text)
				}
			} else if len(result.Findings) != 1 || !strings.Contains(text, name) {
				t.Errorf("%s in %s: findings are %s, want one about %s", what, place, text, name)
			}
			hides := place != "copies" || strings.Contains(what, "later version") // a damaged copy of a whole one hides nothing
			if g := w.generationOn(disk); hides != result.Incomplete || hides && (len(w.packsOn(disk)) != len(before) || g.Number != 0) {
				t.Errorf("%s in %s: incomplete is %v, %d packs of %d, %+v", what, place, result.Incomplete, len(w.packsOn(disk)), len(before), g)
			}
			if !hides && result.FreedPacks < 3 {
				t.Errorf("%s in %s: %+v", what, place, result)
			}
		}
	}
	for what, break_ := range map[string]func(disk *durabletest.Disk) (string, error){
		"a copy alone that is damaged": func(disk *durabletest.Disk) (string, error) {
			name := w.fileOf("half", "copies")
			return name, errors.Join(disk.Remove(w.fileOf("half", "volumes")), disk.SetFile(name, []byte("x")))
		},
		"what another builds on is gone, and its copy": func(disk *durabletest.Disk) (string, error) {
			for st := range w.kept {
				if st.Parent != nil {
					return repository.RevisionName(st.Volume.Name, st.ID), errors.Join(
						disk.Remove(repository.RevisionName(st.Volume.Name, st.Parent.ID)), disk.Remove(repository.CopyName(st.Volume.UUID, st.Parent.ID)))
				}
			}
			return "", errors.New("nothing builds on another")
		},
		"a name that is none of a revision": func(disk *durabletest.Disk) (string, error) {
			return "volumes/half/strange.rev", disk.SetFile("volumes/half/strange.rev", []byte("x"))
		},
	} {
		disk := w.disk.Copy()
		name, err := break_(disk)
		if err != nil {
			t.Fatal(err)
		}
		result, err := w.collectOn(disk)
		if err != nil || !result.Incomplete || result.FreedPacks > 0 || !strings.Contains(fmt.Sprint(result.Findings), name) {
			t.Errorf("%s: %+v, %v", what, result, err)
		}
	}
	watched := durabletest.NewWatched(w.disk.Copy(), func(op, name string) error {
		if op == "readdir" && name == "volumes/half" {
			return syscall.EACCES
		}
		return nil
	})
	if result, err := w.collectOn(watched); err == nil || result.FreedPacks > 0 {
		t.Errorf("a volume that may not be read: %+v, %v", result, err)
	}
}

func (w *gcWorld) generationOn(disk *durabletest.Disk) repository.Generation {
	w.t.Helper()
	return w.generation(w.openWith(disk, ""))
}

// The copy of a revision may be of another writing of it than its file, as after a merge
// that died halfway: what only the copy names lives too.
func TestGCMarksACopyThatIsAnother(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	parent, child := h.made[0], h.made[1]
	merged := h.fold(child)
	h.write(repository.CopyName(child.Volume.UUID, child.ID), merged)
	h.remove(repository.RevisionName("db1", parent.ID))
	h.remove(repository.CopyName(parent.Volume.UUID, parent.ID))
	if result := h.collect(repository.GCOptions{Threshold: 1e-9}); result.Dead != 0 || result.FreedPacks != 0 {
		t.Errorf("%+v", result)
	}
	h.write(repository.RevisionName("db1", child.ID), merged)
	if err := compare(t.Context(), h.open(), child, h.images[1]); err != nil {
		t.Error(err)
	}
}

// Two copies of each object, and one of them is rotten, each in turn: neither is the
// other's excuse. What is left in the end has a good copy of everything.
func TestTrapGCOfTwoCopiesOneRotten(t *testing.T) {
	t.Parallel()
	original := newPlace(t)
	r := original.open()
	im := randomImage(3, 3)
	first := original.mustStore(r, "db1", im)
	packs := original.packsOf()
	second := original.mustStoreWith(r, "db2", im, storeOptions{full: true})
	for _, pack := range original.packsOf() {
		if !slices.Contains(packs, pack) {
			packs = append(packs, pack)
		}
	}
	objects, err := r.Contents(t.Context(), packs[0])
	if err != nil || len(packs) != 2 || len(objects) != 4 {
		t.Fatalf("%d packs, %d objects, %v", len(packs), len(objects), err)
	}
	for _, known := range []bool{false, true} {
		for _, pack := range packs {
			for _, e := range objects {
				p := copyOf(t, original)
				name := repository.PackName(pack)
				p.write(name, flipped(p.read(name), int(e.Offset)+e.Stored-1))
				if known {
					if err := p.open().RecordDamage(t.Context(), &chunkstore.CorruptError{Pack: pack, ID: e.ID, Kind: e.Kind}); err != nil {
						t.Fatal(err)
					}
				}
				for try := range 3 {
					result, err := p.open().CollectGarbage(t.Context(), repository.GCOptions{Threshold: 1e-9})
					if err != nil {
						t.Fatal(err)
					}
					for _, st := range []*revision.Statement{first, second} {
						if err := compare(t.Context(), p.open(), st, im); err != nil {
							t.Fatalf("known %v, try %d, %+v: %v", known, try, result, err)
						}
					}
				}
				if got := len(p.packsOf()); got != 1 {
					t.Errorf("known %v: %d packs are left", known, got)
				}
				if left := p.files("damage/"); len(left) > 0 {
					t.Errorf("known %v: of packs that are gone, %q tell", known, left)
				}
			}
		}
	}
}

// The only copy of something is hurt: its pack stays as it is, however sparse.
func TestGCLeavesTheOnlyCopyThatIsHurt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := randomImage(1, 6), randomImage(1, 6)
	for i := range 3 {
		b.chunks[uint64(i)] = randomImage(9, 6).chunks[uint64(i)]
	}
	first := p.mustStore(p.open(), "db1", a)
	pack := p.packsOf()[0]
	p.mustStore(p.open(), "db2", b)
	p.trash(first, testTime)
	entries, err := p.open().Contents(t.Context(), pack)
	if err != nil {
		t.Fatal(err)
	}
	h := p.open().Hasher()
	hurt := slices.IndexFunc(entries, func(e chunkstore.Entry) bool { return e.ID == h.ChunkID(a.chunks[4]) })
	p.write(repository.PackName(pack), flipped(p.read(repository.PackName(pack)), int(entries[hurt].Offset)+entries[hurt].Stored-1))
	for try := range 2 {
		result, err := p.open().CollectGarbage(t.Context(), repository.GCOptions{Now: testTime})
		if err != nil || result.FreedPacks != 0 || (len(result.Findings) == 1) != (try == 0) {
			t.Errorf("try %d: %+v, %v", try, result, err)
		}
		if !slices.Contains(p.packsOf(), pack) || len(p.packsOf()) != 2 || len(p.files("damage/")) != 1 || len(p.files("gc/moved/")) > 0 {
			t.Errorf("try %d: packs %v, damage %q, moves %q", try, p.packsOf(), p.files("damage/"), p.files("gc/moved/"))
		}
	}
}

// A pack that is condemned and yet holds what a revision names is condemned no more.
func TestGCSparesWhatIsCondemnedAndNeeded(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	condemn(t, h.open(), 3, h.packsOf()...)
	result := h.collect(repository.GCOptions{})
	if g := h.generation(h.open()); result.FreedPacks != 0 || len(g.Condemned) != 0 || g.Number < 4 {
		t.Errorf("%+v, %+v", result, g)
	}
	h.checkKept(h.open(), "after gc")
}

// The highest generation cannot be read: it begins anew with a number above all that
// anybody has seen, and nothing is condemned by what is not known.
func TestGCAfterAnOpaqueGeneration(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	r := w.openWith(w.disk, "")
	rd, err := r.NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Publish(11, nil); err != nil {
		t.Fatal(err)
	}
	late, err := r.NewReader(t.Context()) // it knows of 11
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.disk.Remove("gc/11.json"), w.disk.SetFile("gc/7.json", []byte("x"))); err != nil {
		t.Fatal(err)
	}
	result, err := w.collectOn(w.disk)
	if err != nil || len(result.Findings) != 1 || !strings.Contains(result.Findings[0].Error(), "gc/7.json") || result.FreedPacks > 0 || len(result.Blockers) != 2 {
		t.Errorf("%+v, %v", result, err)
	}
	for pack, since := range w.generationOn(w.disk).Condemned {
		if since <= 12 {
			t.Errorf("pack %s is condemned since %d", pack, since)
		}
	}
	if err := errors.Join(rd.Close(), late.Close(), w.check(w.disk), w.finish(w.disk)); err != nil {
		t.Error(err)
	}
}

// While it looks, a newer program takes the repository over: nothing is condemned.
func TestGCStopsBeforeANewerProgram(t *testing.T) {
	t.Parallel()
	w := newGCWorld(t)
	d := w.openWith(w.disk, "").Descriptor()
	d.Serial++
	d.Features = append(d.Features, "of-tomorrow")
	newer, err := repository.Seal(d)
	if err != nil {
		t.Fatal(err)
	}
	disk := w.disk.Copy()
	_, _, err = w.interleaved(disk, func(passage int) {
		if passage == 3 {
			if err := errors.Join(disk.SetFile("varve.json", newer), disk.SetFile("varve.json.copy", newer)); err != nil {
				t.Error(err)
			}
		}
	})
	format := new(repository.FormatError)
	if !errors.As(err, &format) {
		t.Errorf("CollectGarbage = %v, want a FormatError", err)
	}
	if got, want := len(w.packsOn(disk)), len(w.packsOn(w.disk)); got != want {
		t.Errorf("%d packs of %d are left", got, want)
	}
}

// A pack that nobody can look into, and one of another repository, are left alone.
func TestGCLeavesStrangePacksAlone(t *testing.T) {
	t.Parallel()
	w, other := newGCWorld(t), newGCWorld(t)
	foreign := ""
	for name, content := range other.disk.Files() {
		if strings.HasSuffix(name, ".pack") {
			foreign = name
			if err := w.disk.SetFile(name, content); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	torn := repository.PackName(chunkstore.PackID{1, 2, 3})
	if err := w.disk.SetFile(torn, []byte("torn")); err != nil {
		t.Fatal(err)
	}
	result, err := w.collectOn(w.disk)
	if err != nil || len(result.Findings) != 1 || !strings.Contains(result.Findings[0].Error(), torn) || result.FreedPacks < 3 {
		t.Errorf("%+v, %v", result, err)
	}
	names := slices.Collect(maps.Keys(w.disk.Files()))
	if !slices.Contains(names, foreign) || !slices.Contains(names, torn) {
		t.Error("one of them is gone")
	}
	if err := w.check(w.disk); err != nil {
		t.Error(err)
	}
}
