//go:build ceph

package rbdvolume_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
	"varve/volume/rbdvolume"
	"varve/volume/rbdvolume/rbdtest"
	"varve/volume/volumetest"
)

var targets atomic.Int64

func TestTarget(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	for name, inPlace := range map[string]bool{"new": false, "in place": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var at volume.Image
			var length int64
			volumetest.TestTarget(t, volumetest.TargetSuite{
				MaxSize: 3 << 20,
				Open: func(t *testing.T, size int64) volume.Target {
					length = size
					at = volume.Image{Pool: g.Pool, Name: fmt.Sprintf("target%d", targets.Add(1))}
					if inPlace {
						at = g.Image(t, 2<<20, 20, rbdtest.Fast)
						g.Write(t, at, bytes.Repeat([]byte("old"), 600_000), 0)
					}
					target, err := rbdvolume.OpenTarget(t.Context(), rbdtest.Cluster(), at, size, rbdvolume.TargetOptions{InPlace: inPlace, NoUndo: true})
					if err != nil {
						t.Fatal(err)
					}
					return target
				},
				Content: func(t *testing.T) []byte { return g.Content(t, at, length) },
			})
		})
	}
}

// What is zeroed reads as zeros, whatever the image or its pool has set, and whole objects take no room.
func TestTrapZerosWhateverIsSet(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	const size = 8 << 20
	settings := []string{"rbd_skip_partial_discard", "true", "rbd_discard_granularity_bytes", "1048576"}
	cases := map[string]func(at volume.Image, option, value string) []string{
		"nothing": nil,
		"on the image": func(at volume.Image, option, value string) []string {
			return []string{"config", "image", "set", at.String(), option, value}
		},
		"on the pool": func(at volume.Image, option, value string) []string {
			return []string{"config", "pool", "set", at.Pool, option, value}
		},
	}
	for _, name := range []string{"nothing", "on the image", "on the pool"} { // the last one concerns all
		t.Run(name, func(t *testing.T) {
			at := g.Image(t, size, 20, rbdtest.Fast)
			for i := 0; cases[name] != nil && i < len(settings); i += 2 {
				rbdtest.Do(t, "rbd", cases[name](at, settings[i], settings[i+1])...)
			}
			want := bytes.Repeat([]byte("old data"), size/8)
			g.Write(t, at, want, 0)
			target, err := rbdvolume.OpenTarget(t.Context(), rbdtest.Cluster(), at, size, rbdvolume.TargetOptions{InPlace: true, NoUndo: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range []volume.Extent{{Offset: 4096, Length: 65536}, {Offset: 1<<20 + 7, Length: 11}, {Offset: 2<<20 - 4096, Length: 8192}, {Offset: 3<<20 + 1, Length: 3<<20 + 5000}, {Offset: 7<<20 + 1, Length: 1<<20 - 1}} {
				if err := target.Zero(e.Offset, e.Length); err != nil {
					t.Fatal(err)
				}
				clear(want[e.Offset:e.End()])
			}
			if err := errors.Join(target.Commit(t.Context()), target.Close()); err != nil {
				t.Fatal(err)
			}
			if got := g.Content(t, at, size); !bytes.Equal(got, want) {
				t.Errorf("byte %d is not what it must be", rbdtest.Difference(got, want))
			}
			if used := strings.Fields(rbdtest.Do(t, "rados", "-p", at.Pool, "ls", "--all")); slices.Contains(used, g.Object(t, at, 4)) {
				t.Error("a whole object of zeros is there still")
			}
		})
	}
}

// What was committed has reached the cluster, also where what is written may stay in a cache for long: whoever is killed
// then has lost nothing of it.
func TestCommitReachesTheCluster(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	const size = 4 << 20
	at := g.Image(t, size, 20, rbdtest.Plain)
	for option, value := range map[string]string{
		"rbd_cache_policy": "writeback", "rbd_cache_writethrough_until_flush": "false", "rbd_cache_max_dirty_age": "600",
	} {
		rbdtest.Do(t, "rbd", "config", "image", "set", at.String(), option, value)
	}
	target, err := rbdvolume.OpenTarget(t.Context(), rbdtest.Cluster(), at, size, rbdvolume.TargetOptions{InPlace: true, NoUndo: true})
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, size)
	copy(want[12_345:], "written")
	if _, err := target.WriteAt([]byte("written"), 12_345); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(g.Content(t, at, size), want) {
		t.Fatal("nothing stays in the cache: nothing is tried")
	}
	if err := target.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := g.Content(t, at, size); !bytes.Equal(got, want) {
		t.Errorf("byte %d has not reached the cluster", rbdtest.Difference(got, want))
	}
	if err := target.Close(); err != nil {
		t.Error(err)
	}
}

func TestANewImageIsThereOnlyWhenItIsWhole(t *testing.T) {
	t.Parallel()
	pool := rbdtest.Pool(t)
	at := volume.Image{Pool: pool, Name: "new"}
	open := func() *rbdvolume.Target {
		t.Helper()
		target, err := rbdvolume.OpenTarget(t.Context(), rbdtest.Cluster(), at, 4<<20, rbdvolume.TargetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return target
	}
	list := func() []string { return strings.Fields(rbdtest.Do(t, "rbd", "ls", pool)) }
	given := open()
	if _, err := given.WriteAt([]byte("x"), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := rbdvolume.OpenTarget(t.Context(), rbdtest.Cluster(), at, 4<<20, rbdvolume.TargetOptions{}); !errors.Is(err, volume.ErrBusy) {
		t.Errorf("while it is written: %v", err)
	}
	if got := list(); len(got) != 1 || got[0] != "new.varve-partial" {
		t.Errorf("while it is written there are %v", got)
	}
	if err := given.Close(); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got) != 0 {
		t.Errorf("given up, there are %v", got)
	}
	rbdtest.Do(t, "rbd", "create", "--size", "1M", pool+"/new.varve-partial") // as a run that was killed leaves one
	whole := open()
	if err := whole.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := whole.Close(); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got) != 1 || got[0] != "new" {
		t.Errorf("when it is whole there are %v", got)
	}
	if _, err := rbdvolume.OpenTarget(t.Context(), rbdtest.Cluster(), at, 4<<20, rbdvolume.TargetOptions{}); !errors.Is(err, volume.ErrExists) {
		t.Errorf("where there is one: %v", err)
	}
}

func TestLayoutsAreKept(t *testing.T) {
	t.Parallel()
	pool, data := rbdtest.Pool(t), rbdtest.Pool(t)
	rbdtest.Do(t, "rbd", "create", "--size", "8M", "--object-size", "1M", "--data-pool", data, "--image-feature", "layering,striping,exclusive-lock",
		"--stripe-unit", "64K", "--stripe-count", "4", pool+"/first")
	layout, err := rbdvolume.ParseLayout(mustOpen(t, volume.Image{Pool: pool, Name: "first"}).Layout())
	if err != nil {
		t.Fatal(err)
	}
	at := volume.Image{Pool: pool, Name: "second"}
	target, err := rbdvolume.OpenTarget(t.Context(), rbdtest.Cluster(), at, 8<<20, rbdvolume.TargetOptions{Layout: layout})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(target.Commit(t.Context()), target.Close()); err != nil {
		t.Fatal(err)
	}
	made := func(name string) string {
		var kept []string
		for _, line := range strings.Split(rbdtest.Do(t, "rbd", "info", pool+"/"+name), "\n") {
			for _, word := range []string{"order", "data_pool", "\tfeatures", "stripe", "size"} {
				if strings.Contains(line, word) {
					kept = append(kept, line)
					break
				}
			}
		}
		return strings.ReplaceAll(strings.Join(kept, "\n"), name, "NAME")
	}
	if first, second := made("first"), made("second"); first != second || !strings.Contains(first, data) || !strings.Contains(first, "stripe count: 4") {
		t.Errorf("made like\n%s\nwant\n%s", second, first)
	}
}

func TestInPlaceIsGuardedAndCanBeUndone(t *testing.T) {
	t.Parallel()
	g := rbdtest.NewGuest(t, rbdtest.Pool(t))
	at := g.Image(t, 8<<20, 20, rbdtest.Fast)
	g.Write(t, at, []byte("before"), 0)
	options := rbdvolume.TargetOptions{InPlace: true, Now: time.Date(2026, 11, 29, 1, 2, 3, 0, time.UTC)}
	g.With(t, at, func(*rbd.Image) error { // it is watched now
		_, err := rbdvolume.OpenTarget(t.Context(), rbdtest.Cluster(), at, 4<<20, options)
		used := new(volume.InUseError)
		if !errors.As(err, &used) || used.Uses[0].Kind != volume.Watched {
			t.Errorf("while somebody has it open: %v", err)
		}
		return nil
	})
	if n := len(g.Snapshots(t, at)); n != 0 {
		t.Errorf("a refusal left %d snapshots", n)
	}
	surplus, err := rbdvolume.CheckTarget(t.Context(), rbdtest.Cluster(), at, 4<<20, options)
	if err != nil || surplus != 4<<20 || len(g.Snapshots(t, at)) != 0 {
		t.Errorf("checked: surplus %d, %v", surplus, err)
	}
	target, err := rbdvolume.OpenTarget(t.Context(), rbdtest.Cluster(), at, 4<<20, options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := target.WriteAt([]byte("after!"), 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(target.Commit(t.Context()), target.Close()); err != nil {
		t.Fatal(err)
	}
	if target.Undo() != "varve-undo.20261129T010203Z" || target.Surplus() != 4<<20 {
		t.Errorf("undo %q, surplus %d", target.Undo(), target.Surplus())
	}
	rbdtest.Do(t, "rbd", "snap", "rollback", at.String()+"@"+target.Undo())
	if got := g.Content(t, at, 6); string(got) != "before" {
		t.Errorf("rolled back to %q", got)
	}
	if _, err := rbdvolume.OpenTarget(t.Context(), rbdtest.Cluster(), volume.Image{Pool: g.Pool, Name: "none"}, 1, options); !errors.Is(err, volume.ErrNoTarget) {
		t.Errorf("in place of nothing: %v", err)
	}
}
