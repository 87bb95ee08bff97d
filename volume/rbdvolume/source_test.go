//go:build ceph

package rbdvolume_test

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
	"varve/volume/rbdvolume"
	"varve/volume/rbdvolume/rbdtest"
	"varve/volume/volumetest"
)

func mustOpen(t *testing.T, at volume.Image) *rbdvolume.Source {
	t.Helper()
	s, err := rbdvolume.Open(t.Context(), rbdtest.Cluster(), at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSource(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	for name, features := range map[string]uint64{"plain": rbdtest.Plain, "fast-diff": rbdtest.Fast} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			volumetest.TestSource(t, 1, func(t *testing.T, content []byte) volume.Source {
				at := g.Image(t, int64(len(content)), 22, features)
				if len(content) > 0 {
					g.Write(t, at, content, 0)
				}
				return mustOpen(t, at)
			})
		})
	}
}

// A snapshot is one moment: what is written later is not in it, and it goes with Close.
func TestASnapshotIsOneMoment(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	at := g.Image(t, 8<<20, 22, rbdtest.Fast)
	g.Write(t, at, []byte("before"), 1000)
	snap, err := mustOpen(t, at).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.Write(t, at, []byte("after!"), 1000)
	g.With(t, at, func(im *rbd.Image) error { return im.Resize(4 << 20) })
	got := make([]byte, 6)
	if _, err := snap.ReadAt(got, 1000); err != nil || string(got) != "before" || snap.Size() != 8<<20 {
		t.Errorf("read %q, %v, of %d bytes", got, err, snap.Size())
	}
	if c, _, err := snap.Consistency(); c != volume.Snapshotted || err != nil {
		t.Errorf("consistency %s, %v", c, err)
	}
	if n := len(g.Snapshots(t, at)); n != 1 {
		t.Errorf("%d snapshots while it is read", n)
	}
	if err := snap.Close(); err != nil {
		t.Fatal(err)
	}
	if left := g.Snapshots(t, at); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// What was given as a snapshot is read as it is, and stays.
func TestASnapshotOfSomebodyElse(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	at := g.Image(t, 8<<20, 22, rbdtest.Fast)
	g.Write(t, at, []byte("then"), 0)
	g.With(t, at, func(im *rbd.Image) error { _, err := im.CreateSnapshot("weekly"); return err })
	g.Write(t, at, []byte("now!"), 0)
	at.Snapshot = "weekly"
	snap, err := mustOpen(t, at).SnapshotFor(t.Context(), volume.Label{Repository: "r", Volume: "v", Revision: "1"})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := snap.ReadAt(got, 0); err != nil || string(got) != "then" {
		t.Errorf("read %q, %v", got, err)
	}
	if base := snap.(volume.Differ).Base(); base != "" {
		t.Errorf("it can be kept, as %q", base)
	}
	if err := snap.Close(); err != nil {
		t.Fatal(err)
	}
	if left := g.Snapshots(t, at); !slices.Equal(left, []string{"weekly"}) {
		t.Errorf("left: %v", left)
	}
}

// Each volume of each repository has its own snapshots, and touches no others.
func TestTidyTouchesNoOthers(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	at := g.Image(t, 8<<20, 22, rbdtest.Fast)
	s := mustOpen(t, at)
	label := func(repository, vol, rev string) volume.Label {
		return volume.Label{Repository: repository, Volume: vol, Revision: rev}
	}
	keep := func(l volume.Label) (base string) {
		snap, err := s.SnapshotFor(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		snap.(volume.Differ).Keep()
		if err := snap.Close(); err != nil {
			t.Fatal(err)
		}
		return snap.(volume.Differ).Base()
	}
	keep(label("r", "v", "1"))
	second := keep(label("r", "v", "2"))
	keep(label("r", "w", "1"))
	keep(label("q", "v", "1"))
	g.With(t, at, func(im *rbd.Image) error { _, err := im.CreateSnapshot("varve"); return err })
	before := g.Snapshots(t, at)
	removed, err := s.Tidy(t.Context(), label("r", "v", "3"), second)
	if err != nil || !slices.Equal(removed, []string{"varve.r.v.1"}) {
		t.Errorf("removed %v, %v", removed, err)
	}
	if left := g.Snapshots(t, at); len(left) != len(before)-1 || slices.Contains(left, "varve.r.v.1") {
		t.Errorf("left: %v of %v", left, before)
	}
	if removed, err = s.Tidy(t.Context(), label("r", "v", "3")); err != nil || !slices.Equal(removed, []string{"varve.r.v.2"}) {
		t.Errorf("then removed %v, %v", removed, err)
	}
}

// All that is taken is listed with what it is for, whoever takes it; nothing else is. What is dropped is what was listed, and no
// other that has its name since.
func TestKept(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	at := g.Image(t, 8<<20, 22, rbdtest.Fast)
	s := mustOpen(t, at)
	take := func(name string) {
		g.With(t, at, func(im *rbd.Image) error { _, err := im.CreateSnapshot(name); return err })
	}
	revision := volume.Label{Repository: "r", Volume: "v", Revision: "1"}
	reading := volume.Label{Repository: "r", Volume: "v"}
	snap, err := s.SnapshotFor(t.Context(), revision)
	if err != nil {
		t.Fatal(err)
	}
	read, err := s.SnapshotFor(t.Context(), reading)
	if err != nil {
		t.Fatal(err)
	}
	if base := read.(volume.Differ).Base(); base != "" {
		t.Errorf("what is only read can be counted from, by %q", base)
	}
	for _, name := range []string{"weekly", "varve", "varve.other", "varve-reading.a.b", "varve-undo.20261129T010203Z", "varve-reading.X"} {
		take(name)
	}
	list := func() []volume.KeptSnapshot {
		t.Helper()
		all, err := rbdvolume.Kept(t.Context(), rbdtest.Cluster(), at)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	want := []volume.KeptSnapshot{{For: volume.ForRevision, Label: revision}, {For: volume.ForReading, Label: reading}, {For: volume.ForUndo}, {For: volume.ForReading}}
	got := list()
	if len(got) != len(want) {
		t.Fatalf("listed %+v", got)
	}
	for i, k := range got {
		if k.For != want[i].For || k.Label != want[i].Label || k.Image != at || k.Size != 8<<20 || k.Created.IsZero() || k.Stable != s.Describe().Stable {
			t.Errorf("listed %+v, want %+v", k, want[i])
		}
	}
	if base := snap.(volume.Differ).Base(); !got[0].IsNamed(base) || !got[0].IsNamed(base+" older") || got[0].IsNamed(base+"x") {
		t.Errorf("%+v is the one that is recorded as %q, and no other", got[0], base)
	}
	if removed, err := s.Tidy(t.Context(), volume.Label{Repository: "r", Volume: "v", Revision: "2"}, snap.(volume.Differ).Base()); err != nil || len(removed) != 0 {
		t.Errorf("what is being read was tidied: %v, %v", removed, err)
	}
	if err := errors.Join(snap.Close(), read.Close()); err != nil {
		t.Fatal(err)
	}
	take(got[0].Name) // anew
	if err := rbdvolume.Drop(t.Context(), rbdtest.Cluster(), got[0]); err != nil {
		t.Error(err)
	}
	now := list()
	if len(now) != 3 || now[2].Name != got[0].Name {
		t.Fatalf("another of the name was taken away: %+v", now)
	}
	if err := rbdvolume.Drop(t.Context(), rbdtest.Cluster(), now[2]); err != nil || len(list()) != 2 {
		t.Errorf("dropped: %v, left %+v", err, list())
	}
}

// A place is an image, or all of a namespace, or of a pool with its namespaces.
func TestFind(t *testing.T) {
	t.Parallel()
	pool := rbdtest.Pool(t)
	rbdtest.Do(t, "rbd", "namespace", "create", pool+"/space")
	for _, image := range []string{pool + "/a", pool + "/b", pool + "/space/c"} {
		rbdtest.Do(t, "rbd", "create", "--size", "4M", image)
	}
	a, b := volume.Image{Pool: pool, Name: "a"}, volume.Image{Pool: pool, Name: "b"}
	c := volume.Image{Pool: pool, Namespace: "space", Name: "c"}
	cases := map[string]struct {
		at   volume.Image
		want []volume.Image
	}{
		"pool":           {volume.Image{Pool: pool}, []volume.Image{a, b, c}},
		"namespace":      {volume.Image{Pool: pool, Namespace: "space"}, []volume.Image{c}},
		"namespace's":    {volume.Image{Pool: pool, Name: "space"}, []volume.Image{c}},
		"image":          {b, []volume.Image{b}},
		"of a namespace": {c, []volume.Image{c}},
	}
	for name, test := range cases {
		found, err := rbdvolume.Find(t.Context(), rbdtest.Cluster(), test.at)
		var got []volume.Image
		for _, f := range found {
			if got = append(got, f.At); f.Err != nil || f.Size != 4<<20 || f.Identity != mustOpen(t, f.At).Describe() {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, test.want)
		}
	}
	for at, want := range map[volume.Image]volume.MissingPart{
		{Pool: pool, Name: "none"}:                     volume.MissingImage,
		{Pool: pool, Namespace: "none"}:                volume.MissingNamespace,
		{Pool: pool, Namespace: "space", Name: "none"}: volume.MissingImage,
	} {
		missing := new(volume.NoImageError)
		if got, err := rbdvolume.Find(t.Context(), rbdtest.Cluster(), at); !errors.As(err, &missing) || missing.Missing != want {
			t.Errorf("what is not there: %v, %v", got, err)
		}
	}
}

// A guest that holds the image's lock and does not answer, as one on a hung host, holds nothing up for long.
func TestTidyEndsInTime(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	at := g.Image(t, 64<<20, 22, rbdtest.Fast)
	s := mustOpen(t, at)
	snap, err := s.SnapshotFor(t.Context(), volume.Label{Repository: "r", Volume: "v", Revision: "1"})
	if err != nil {
		t.Fatal(err)
	}
	hung := exec.Command("rbd", "--conf", rbdtest.Conf(), "bench", "--io-type", "write", "--io-size", "4K", "--io-total", "1T", at.String())
	if err := hung.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = hung.Process.Kill(), hung.Wait() }() // it never ends by itself
	for deadline := time.Now().Add(5 * time.Minute); len(g.Lockers(t, at)) == 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("nobody takes the lock")
		}
	}
	if err := hung.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	short := rbdtest.Cluster()
	short.Timeout = 2 * time.Second
	hasty, err := rbdvolume.Open(t.Context(), short, at)
	if err != nil {
		t.Fatal(err)
	}
	none := new(volume.NoClusterError)
	if _, err := hasty.Tidy(context.Background(), volume.Label{Repository: "r", Volume: "v", Revision: "2"}); !errors.As(err, &none) {
		t.Errorf("tidied while nobody answered: %v", err)
	}
	snap.(volume.Differ).Keep()
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	pool := rbdtest.Pool(t)
	g := rbdtest.NewGuest(t, pool)
	at := g.Image(t, 1<<20, 22, rbdtest.Plain)
	trashed := g.Image(t, 1<<20, 22, rbdtest.Plain)
	if err := rbd.GetImage(g.IOCtx, trashed.Name).Trash(0); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		at   volume.Image
		part volume.MissingPart
	}{
		"pool":      {volume.Image{Pool: "nopool", Name: at.Name}, volume.MissingPool},
		"namespace": {volume.Image{Pool: pool, Namespace: "nospace", Name: at.Name}, volume.MissingNamespace},
		"image":     {volume.Image{Pool: pool, Name: "noimage"}, volume.MissingImage},
		"snapshot":  {volume.Image{Pool: pool, Name: at.Name, Snapshot: "nosnapshot"}, volume.MissingSnapshot},
		"trashed":   {trashed, volume.MissingTrashed},
	}
	for name, c := range cases {
		_, err := rbdvolume.Open(t.Context(), rbdtest.Cluster(), c.at)
		missing := new(volume.NoImageError)
		if !errors.As(err, &missing) || missing.Missing != c.part {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
