//go:build ceph

package rbdvolume_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
	"varve/volume/rbdvolume"
	"varve/volume/rbdvolume/rbdtest"
)

// night takes the snapshot of a backup.
func night(t *testing.T, s *rbdvolume.Source, n int) *rbdvolume.Snapshot {
	t.Helper()
	snap, err := s.SnapshotFor(t.Context(), volume.Label{Repository: "r", Volume: "v", Revision: fmt.Sprint(n)})
	if err != nil {
		t.Fatal(err)
	}
	return snap.(*rbdvolume.Snapshot)
}

// content reads all of a snapshot.
func content(t *testing.T, snap *rbdvolume.Snapshot) []byte {
	t.Helper()
	all := make([]byte, snap.Size())
	if len(all) > 0 {
		if _, err := snap.ReadAt(all, 0); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// told asks what changed since base.
func told(t *testing.T, snap *rbdvolume.Snapshot, base string) []volume.Extent {
	t.Helper()
	changes, err := snap.Since(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	return extents(t, snap, changes.Changed(t.Context(), volume.Extent{Length: snap.Size()}))
}

// blocks asks which blocks changed since base, which have to lie within what is told to have changed.
func blocks(t *testing.T, snap *rbdvolume.Snapshot, base string) (all []volume.Extent) {
	t.Helper()
	changes, err := snap.Since(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range told(t, snap, base) {
		for _, b := range extents(t, snap, changes.(volume.Precise).Blocks(t.Context(), e)) {
			if b.Offset < e.Offset || b.End() > e.End() || b.Offset%4096 != 0 || b.Length%4096 != 0 && b.End() != snap.Size() {
				t.Fatalf("blocks %+v of %+v", b, e)
			}
			all = append(all, b)
		}
	}
	return all
}

// extents makes sure that they are in order.
func extents(t *testing.T, snap *rbdvolume.Snapshot, told iter.Seq2[volume.Extent, error]) []volume.Extent {
	t.Helper()
	var all []volume.Extent
	end := int64(-1)
	for e, err := range told {
		if err != nil {
			t.Fatal(err)
		}
		if e.Length <= 0 || e.Offset <= end || e.End() > snap.Size() {
			t.Fatalf("extent %+v after %d in %d bytes", e, end, snap.Size())
		}
		end = e.End()
		all = append(all, e)
	}
	return all
}

// untold is the first block that differs and was not told; -1: none.
func untold(before, now []byte, told []volume.Extent) int64 {
	for off := int64(0); off < int64(len(now)); off += 4096 {
		end := min(off+4096, int64(len(now)))
		was := make([]byte, end-off)
		if off < int64(len(before)) {
			copy(was, before[off:])
		}
		if bytes.Equal(was, now[off:end]) {
			continue
		}
		known := false
		for _, e := range told {
			known = known || e.Offset <= off && off < e.End()
		}
		if !known {
			return off
		}
	}
	return -1
}

// Whatever is done to an image, all that differs is told, night after night. What was removed is put back where
// rolling back did it, which fast-diff alone does not notice.
func TestAllThatDiffersIsTold(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	for name, features := range map[string]uint64{"plain": rbdtest.Plain, "fast-diff": rbdtest.Fast} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			for round := range uint64(3) {
				random := rand.New(rand.NewPCG(seed, round))
				m := &rbdtest.Meddler{
					Guest: g, At: g.Image(t, 8<<20, 20, features), Largest: 12 << 20, Alone: round%2 == 0,
					Draw: func(_ string, n int64) int64 { return random.Int64N(n) },
				}
				s := mustOpen(t, m.At)
				before := night(t, s, 0)
				for n := range 4 {
					for range 1 + random.IntN(4) {
						m.Meddle(t)
					}
					now := night(t, s, n+1)
					was, is := content(t, before), content(t, now)
					if off := untold(was, is, blocks(t, now, before.Base())); off >= 0 {
						t.Fatalf("seed %d, round %d: what differs at byte %d was not told after\n%s", seed, round, off, strings.Join(m.Did, "\n"))
					}
					for range random.IntN(3) { // while it is read
						m.Meddle(t)
						rollBackOurs(t, m)
					}
					before.Keep()
					if err := before.Close(); err != nil {
						t.Fatal(err)
					}
					if random.IntN(2) == 0 { // or tidying fails
						if _, err := s.Tidy(t.Context(), volume.Label{Repository: "r", Volume: "v"}, now.Base()); err != nil {
							t.Fatal(err)
						}
						m.Did = append(m.Did, "tidied")
					}
					before = now
				}
				if err := before.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// rollBackOurs rolls the image back to a snapshot that Varve keeps, sometimes.
func rollBackOurs(t *testing.T, m *rbdtest.Meddler) {
	t.Helper()
	all := m.Snapshots(t, m.At)
	all = slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, "varve.") })
	if i := m.Draw("ours", int64(len(all)+1)); i < int64(len(all)) {
		m.Did = append(m.Did, "back to "+all[i])
		m.With(t, m.At, func(im *rbd.Image) error { return im.GetSnapshot(all[i]).Rollback() })
	}
}

// The image is rolled back to a snapshot that is older than the one that is counted from, which fast-diff misses.
func TestTrapRolledBackBelowTheBase(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	for name, cleared := range map[string]bool{"to one that is there": false, "to one that is gone since": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := g.Image(t, 8<<20, 20, rbdtest.Fast)
			g.Write(t, at, bytes.Repeat([]byte("old"), 1<<20), 0)
			take := func(name string) {
				g.With(t, at, func(im *rbd.Image) error { _, err := im.CreateSnapshot(name); return err })
			}
			take("before")
			take("weekly")
			g.Write(t, at, []byte("new"), 3<<20-5)
			s := mustOpen(t, at)
			base := night(t, s, 1)
			defer func() { _ = base.Close() }()
			g.With(t, at, func(im *rbd.Image) error { return im.GetSnapshot("weekly").Rollback() })
			if cleared {
				for _, name := range []string{"weekly", "before"} {
					g.With(t, at, func(im *rbd.Image) error { return im.GetSnapshot(name).Remove() })
				}
			}
			now := night(t, s, 2)
			defer func() { _ = now.Close() }()
			was, is := content(t, base), content(t, now)
			if bytes.Equal(was, is) {
				t.Fatal("nothing was rolled back")
			}
			if off := untold(was, is, blocks(t, now, base.Base())); off >= 0 {
				t.Errorf("what differs at byte %d was not told", off)
			}
		})
	}
}

// A backup whose tidying failed leaves two snapshots of the volume's own to the next one. Somebody rolls the image back to the
// newer of them while that runs, and both go when it has ended: nothing is left to see of it.
func TestTrapRolledBackToAnOwnSnapshotThatIsGone(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	at := g.Image(t, 8<<20, 20, rbdtest.Fast)
	g.Write(t, at, bytes.Repeat([]byte("old"), 1<<20), 0)
	s := mustOpen(t, at)
	first, second := night(t, s, 1), night(t, s, 2)
	g.Write(t, at, []byte("new"), 3<<20-5)
	base := night(t, s, 3)
	defer func() { _ = base.Close() }()
	rbdtest.Do(t, "rbd", "snap", "rollback", at.String()+"@varve.r.v.2")
	for _, snap := range []*rbdvolume.Snapshot{first, second} {
		snap.Keep()
		if err := snap.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if gone, err := s.Tidy(t.Context(), volume.Label{Repository: "r", Volume: "v", Revision: "3"}, base.Base()); err != nil || len(gone) != 2 {
		t.Fatalf("tidied %v, %v", gone, err)
	}
	now := night(t, s, 4)
	defer func() { _ = now.Close() }()
	was, is := content(t, base), content(t, now)
	if bytes.Equal(was, is) {
		t.Fatal("nothing was rolled back")
	}
	if off := untold(was, is, blocks(t, now, base.Base())); off >= 0 {
		t.Errorf("what differs at byte %d was not told", off)
	}
}

// A snapshot that somebody takes while the image is smaller hides from fast-diff what was beyond its end.
func TestTrapASmallerSnapshotBetween(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	at := g.Image(t, 8<<20, 20, rbdtest.Fast)
	g.Write(t, at, bytes.Repeat([]byte("old"), 2<<20), 0)
	s := mustOpen(t, at)
	base := night(t, s, 1)
	defer func() { _ = base.Close() }()
	g.With(t, at, func(im *rbd.Image) error {
		_, err := im.CreateSnapshot("none")
		return errors.Join(err, im.Resize(2<<20))
	})
	g.With(t, at, func(im *rbd.Image) error {
		_, err := im.CreateSnapshot("small")
		return errors.Join(err, im.Resize(8<<20))
	})
	now := night(t, s, 2)
	defer func() { _ = now.Close() }()
	was, is := content(t, base), content(t, now)
	if bytes.Equal(was, is) {
		t.Fatal("nothing changed")
	}
	if off := untold(was, is, blocks(t, now, base.Base())); off >= 0 {
		t.Errorf("what differs at byte %d was not told", off)
	}
}

// By valid object maps whole objects are told; by others, which are made when the feature is enabled and not built yet,
// what changed in them.
func TestFastDiffIsUsedWhereItIsRight(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	for name, valid := range map[string]bool{"valid": true, "not valid": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			features := uint64(rbdtest.Fast)
			if !valid {
				features = rbdtest.Plain | rbd.FeatureExclusiveLock
			}
			at := g.Image(t, 64<<20, 22, features)
			g.Write(t, at, bytes.Repeat([]byte("x"), 10<<20), 0)
			if !valid {
				rbdtest.Do(t, "rbd", "feature", "enable", at.String(), "object-map", "fast-diff")
			}
			s := mustOpen(t, at)
			base := night(t, s, 1)
			defer func() { _ = base.Close() }()
			g.Write(t, at, []byte("y"), 9<<20)
			now := night(t, s, 2)
			defer func() { _ = now.Close() }()
			want := volume.Extent{Offset: 8 << 20, Length: 4 << 20}
			if !valid {
				want = volume.Extent{Offset: 9 << 20, Length: 64 << 10}
			}
			if got := told(t, now, base.Base()); len(got) != 1 || got[0] != want {
				t.Errorf("told %+v, want %+v", got, want)
			}
			if err := base.Close(); err != nil { // the next one counts from what had this one before it
				t.Fatal(err)
			}
			g.Write(t, at, []byte("z"), 9<<20)
			third := night(t, s, 3)
			defer func() { _ = third.Close() }()
			if got := told(t, third, now.Base()); len(got) != 1 || got[0] != want {
				t.Errorf("in the third night told %+v, want %+v", got, want)
			}
		})
	}
}

// What cannot be counted from is refused, and it is said why.
func TestNoBase(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	at := g.Image(t, 8<<20, 20, rbdtest.Fast)
	s := mustOpen(t, at)
	base := night(t, s, 1)
	if err := base.Close(); err != nil { // it is not kept
		t.Fatal(err)
	}
	again := night(t, s, 1) // of the same name
	defer func() { _ = again.Close() }()
	now := night(t, s, 2)
	defer func() { _ = now.Close() }()
	for _, text := range []string{base.Base(), "", "nonsense", "12", again.Base() + "x", "1 " + strings.SplitN(again.Base(), " ", 2)[1]} {
		none := new(volume.NoBaseError)
		if _, err := now.Since(t.Context(), text); !errors.As(err, &none) || none.Why == "" {
			t.Errorf("since %q: %v", text, err)
		}
	}
	if _, err := now.Since(t.Context(), again.Base()); err != nil {
		t.Error(err)
	}
}

// A clone's data may lie in its parent; what is flattened or written is told.
func TestClones(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	parent := g.Image(t, 8<<20, 20, rbdtest.Fast)
	golden := bytes.Repeat([]byte("golden"), 1<<20)[:6<<20]
	g.Write(t, parent, golden, 0)
	rbdtest.Do(t, "rbd", "snap", "create", parent.String()+"@golden")
	rbdtest.Do(t, "rbd", "snap", "protect", parent.String()+"@golden")
	at := volume.Image{Pool: parent.Pool, Name: "clone"}
	rbdtest.Do(t, "rbd", "clone", parent.String()+"@golden", at.String())
	g.Write(t, at, []byte("its own"), 2<<20)
	s := mustOpen(t, at)
	base := night(t, s, 1)
	defer func() { _ = base.Close() }()
	is := content(t, base)
	if !bytes.Equal(is[4<<20:6<<20], golden[4<<20:]) || !bytes.HasPrefix(is[2<<20:], []byte("its own")) {
		t.Error("the clone does not hold what it must")
	}
	var data []volume.Extent
	for e, err := range base.Data(t.Context(), volume.Extent{Length: base.Size()}) {
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, e)
	}
	if off := untold(nil, is, data); off >= 0 {
		t.Errorf("data at byte %d is called a hole: %v", off, data)
	}
	g.With(t, at, func(im *rbd.Image) error { return im.Flatten() })
	g.Write(t, at, []byte("more of its own"), 5<<20)
	now := night(t, s, 2)
	defer func() { _ = now.Close() }()
	if off := untold(is, content(t, now), blocks(t, now, base.Base())); off >= 0 { // deep-flatten took the base along
		t.Errorf("what differs at byte %d was not told", off)
	}
}

// A clone that is shrunk and grows again holds zeros where its parent shone through, and no object tells of it.
func TestTrapACloneThatWasShrunk(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	parent := g.Image(t, 8<<20, 20, rbdtest.Fast)
	g.Write(t, parent, bytes.Repeat([]byte("golden"), 1<<20)[:6<<20], 0)
	rbdtest.Do(t, "rbd", "snap", "create", parent.String()+"@golden")
	rbdtest.Do(t, "rbd", "snap", "protect", parent.String()+"@golden")
	at := volume.Image{Pool: parent.Pool, Name: "clone"}
	rbdtest.Do(t, "rbd", "clone", parent.String()+"@golden", at.String())
	s := mustOpen(t, at)
	base := night(t, s, 1)
	defer func() { _ = base.Close() }()
	g.With(t, at, func(im *rbd.Image) error { return errors.Join(im.Resize(2<<20), im.Resize(8<<20)) })
	now := night(t, s, 2)
	defer func() { _ = now.Close() }()
	if bytes.Equal(content(t, base), content(t, now)) {
		t.Fatal("nothing changed")
	}
	none := new(volume.NoBaseError)
	if _, err := now.Since(t.Context(), base.Base()); !errors.As(err, &none) || none.Why == "" {
		t.Errorf("got %v", err)
	}
}
