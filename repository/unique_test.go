package repository_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"testing"

	"varve/chunkstore"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// What is unique is compared with what comes out if every stack is put together.
func TestUnique(t *testing.T) {
	t.Parallel()
	seeds := uint64(4)
	if durabletest.Race {
		seeds = 2
	}
	for seed := range seeds {
		p := newPlace(t)
		r := p.open()
		random := rand.New(rand.NewPCG(seed, 7))
		images := map[revision.Name]*image{"a": randomImage(seed, 4), "b": randomImage(seed, 3), "c": randomImage(seed+100, 2)}
		for range 12 {
			name := []revision.Name{"a", "b", "c"}[random.IntN(3)]
			im := images[name].clone()
			switch random.IntN(6) {
			case 0:
				im.resize(int64(random.IntN(6 * chunkSize)))
			case 1: // what another has, or will have
				im.chunks[uint64(random.IntN(3))] = images["a"].at(0, chunkSize)
				im.size = max(im.size, 3*chunkSize)
			case 2:
				delete(im.chunks, uint64(random.IntN(4)))
			default:
				if im.size > 4096 {
					im.write(random.Int64N(im.size-4096), randomImage(random.Uint64(), 1).at(0, 4096))
				}
			}
			images[name] = im
			p.mustStoreWith(r, name, im, storeOptions{full: random.IntN(5) == 0})
		}
		checkUnique(p, r)
		checkUniqueVolumes(p, r)
		checkFreed(p, r, random)
		for range 3 { // and after any mixture of merges
			for _, name := range []revision.Name{"a", "b", "c"} {
				revs := ids(p.revisions(r, name))
				random.Shuffle(len(revs), func(i, j int) { revs[i], revs[j] = revs[j], revs[i] })
				if _, err := r.Remove(t.Context(), p.revisions(r, name)[0].Volume, revs[:len(revs)/3], repository.RemoveOptions{Op: repository.OpPrune}); err != nil {
					t.Fatal(err)
				}
			}
			checkUnique(p, r)
			checkFreed(p, r, random)
		}
	}
}

// stacks gives the objects that each revision of the repository uses, with their sizes.
func stacks(p *place, r *repository.Repository) map[revision.UUID]map[revision.ID]map[chunkstore.ID]int64 {
	p.t.Helper()
	rd, err := r.NewReader(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	closeAfter(p.t, rd)
	volumes, err := r.Volumes()
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[revision.UUID]map[revision.ID]map[chunkstore.ID]int64{}
	for _, v := range volumes {
		named, err := r.PacksOf(v)
		if err != nil {
			p.t.Fatal(err)
		}
		stored, err := r.StoredSizes(p.t.Context(), named)
		if err != nil {
			p.t.Fatal(err)
		}
		out[v.UUID] = map[revision.ID]map[chunkstore.ID]int64{}
		for _, rev := range p.revisions(r, v.Name) {
			objects := map[chunkstore.ID]int64{}
			out[v.UUID][rev.ID] = objects
			im, err := rd.Image(p.t.Context(), v, rev.ID)
			if err != nil {
				p.t.Fatal(err)
			}
			for _, row := range mustRegions(p.t, im) {
				chunks, err := im.Chunks(row.Region)
				if err != nil {
					p.t.Fatal(err)
				}
				for _, c := range chunks {
					if !c.Stack.Base.ID.IsZero() {
						objects[c.Stack.Base.ID] = stored[c.Stack.Base.ID]
					}
					for _, patch := range c.Stack.Patches {
						objects[patch.ID] = stored[patch.ID]
					}
				}
			}
			if err := im.Close(); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	return out
}

func checkUnique(p *place, r *repository.Repository) {
	p.t.Helper()
	all := stacks(p, r)
	inVolumes, inRevisions := map[chunkstore.ID]int{}, map[chunkstore.ID]int{}
	for _, revs := range all {
		inThis := map[chunkstore.ID]bool{}
		for _, objects := range revs {
			for id := range objects {
				inRevisions[id]++
				inThis[id] = true
			}
		}
		for id := range inThis {
			inVolumes[id]++
		}
	}
	want := map[revision.UUID]int64{}
	for uuid, revs := range all {
		alone, counted := map[revision.ID]int64{}, map[chunkstore.ID]bool{}
		want[uuid] = 0
		for id, objects := range revs {
			alone[id] = 0
			for object, size := range objects {
				if inRevisions[object] == 1 {
					alone[id] += size
				}
				if inVolumes[object] == 1 && !counted[object] {
					want[uuid] += size
					counted[object] = true
				}
			}
		}
		var v repository.Volume
		volumes, _ := r.Volumes()
		for _, v = range volumes {
			if v.UUID == uuid {
				break
			}
		}
		got, err := r.UniqueToRevisions(p.t.Context(), v)
		if err != nil || len(got.Unread) > 0 {
			p.t.Fatalf("%v, %v", err, got.Unread)
		}
		if !maps.Equal(got.Revisions, alone) || got.Volumes[uuid] != want[uuid] {
			p.t.Errorf("%s: alone are %v, want %v; all are %d, want %d", v.Name, got.Revisions, alone, got.Volumes[uuid], want[uuid])
		}
	}
}

// checkUniqueVolumes compares what volumes use alone with what each of them says of itself.
func checkUniqueVolumes(p *place, r *repository.Repository) {
	p.t.Helper()
	want := map[revision.UUID]int64{}
	volumes, err := r.Volumes()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, v := range volumes {
		got, err := r.UniqueToRevisions(p.t.Context(), v)
		if err != nil {
			p.t.Fatal(err)
		}
		want[v.UUID] = got.Volumes[v.UUID]
	}
	for _, most := range []int64{1 << 20, 3} { // in one go, and in many
		got, err := r.UniqueToVolumesIn(p.t.Context(), most)
		if err != nil || len(got.Unread) > 0 {
			p.t.Fatalf("%v, %v", err, got.Unread)
		}
		if !maps.Equal(got.Volumes, want) {
			p.t.Errorf("%d at a time: volumes alone use %v, want %v", most, got.Volumes, want)
		}
	}
}

// checkFreed compares what a set of revisions frees with what nobody else has.
func checkFreed(p *place, r *repository.Repository, random *rand.Rand) {
	p.t.Helper()
	all := stacks(p, r)
	for _, name := range []revision.Name{"a", "b", "c"} {
		revs := p.revisions(r, name)
		going := map[revision.ID]bool{}
		for _, rev := range revs {
			going[rev.ID] = random.IntN(2) == 0
		}
		freed, kept := map[chunkstore.ID]int64{}, map[chunkstore.ID]bool{}
		for uuid, has := range all {
			for id, objects := range has {
				for object, size := range objects {
					if uuid == revs[0].Volume.UUID && going[id] {
						freed[object] = size
					} else {
						kept[object] = true
					}
				}
			}
		}
		want := int64(0)
		for object, size := range freed {
			if !kept[object] {
				want += size
			}
		}
		var list []revision.ID
		for id, goes := range going {
			if goes {
				list = append(list, id)
			}
		}
		if got, _, err := r.Freed(p.t.Context(), revs[0].Volume, list); err != nil || got != want {
			p.t.Errorf("%s: %d of %d revisions free %d, want %d: %v", name, len(list), len(revs), got, want, err)
		}
	}
}

// Two revisions may build on one: the newer could not be read for a while.
func TestUniqueOfBranches(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	im := randomImage(1, 3)
	first := p.mustStore(r, "a", im)
	im = im.clone()
	im.write(5, []byte("two"))
	im.chunks[2] = randomImage(9, 1).at(0, chunkSize) // the third has the first one's still
	second := p.mustStoreWith(r, "a", im, storeOptions{whole: true})
	names := []string{repository.RevisionName("a", second.ID), repository.CopyName(second.Volume.UUID, second.ID)}
	whole := p.read(names[0])
	for _, name := range names {
		p.write(name, []byte("rot"))
	}
	im = randomImage(1, 3)
	im.write(chunkSize+5, []byte("three"))
	if third := p.mustStore(r, "a", im); third.Parent.ID != first.ID {
		t.Fatalf("it builds on %s", third.Parent.ID)
	}
	for _, name := range names {
		p.write(name, whole)
	}
	checkUnique(p, r)
	p.state = "" // and for whoever remembers nothing
	checkUnique(p, p.open())
}

// What is zeros in a full is none of what was there before: that goes with the older ones.
func TestFreedBelowAFullWithZeros(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	im := randomImage(1, 3)
	first := p.mustStore(r, "a", im)
	im = im.clone()
	im.write(5, []byte("two"))
	second := p.mustStore(r, "a", im)
	im = im.clone()
	delete(im.chunks, 1)
	p.mustStoreWith(r, "a", im, storeOptions{full: true})
	revs := p.revisions(r, "a")
	has := stacks(p, r)[revs[0].Volume.UUID]
	kept, want := has[revs[2].ID], int64(0)
	for object, size := range has[second.ID] {
		if _, stays := kept[object]; !stays {
			want += size
		}
	}
	got, _, err := r.Freed(t.Context(), revs[0].Volume, []revision.ID{first.ID, second.ID})
	if err != nil || got != want || want < chunkSize/2 {
		t.Errorf("%d bytes are freed, want %d: %v", got, want, err)
	}
}

// Where maps are hurt, their copies tell; where both are, that is said.
func TestUniqueAroundDamage(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.mustStore(h.open(), "other", h.images[0]) // the same chunks
	h.state = ""                                // remembered is what was there before
	r := h.open()
	v := h.revisions(r, "db1")[0].Volume
	before, err := r.UniqueToRevisions(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	hurt := func(name string) {
		t.Helper()
		data := h.read(name)
		data[70] ^= 1 // in the first page
		if err := os.WriteFile(h.path(name), data, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	hurt(repository.RevisionName("db1", h.made[1].ID))
	hurt(repository.RevisionName("other", h.revisions(r, "other")[0].ID))
	got, err := r.UniqueToRevisions(t.Context(), v)
	if err != nil || len(got.Unread) > 0 || !maps.Equal(got.Revisions, before.Revisions) || !maps.Equal(got.Volumes, before.Volumes) {
		t.Errorf("with copies: %+v, %v, want %+v", got, err, before)
	}
	for _, name := range h.files("copies/") {
		hurt(name)
	}
	got, err = r.UniqueToRevisions(t.Context(), v)
	if err != nil || len(got.Unread) != 2 || got.Volumes[v.UUID] <= before.Volumes[v.UUID] {
		t.Errorf("without: %+v, %v", got, err)
	}
	all, err := r.UniqueToVolumes(t.Context())
	if err != nil || len(all.Unread) != 2 {
		t.Errorf("of all: %+v, %v", all, err)
	}
}
