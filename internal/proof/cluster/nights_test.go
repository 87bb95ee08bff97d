//go:build ceph

package cluster

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ceph/go-ceph/rbd"
	"pgregory.net/rapid"

	"varve/internal/durable/durabletest"
	"varve/volume"
	"varve/volume/rbdvolume/rbdtest"
)

// newMeddler makes an image of a kind that is drawn: its objects, stripes, features, its pool of data; and it may be a clone.
func newMeddler(t *rapid.T, g *rbdtest.Guest, data string, number int) *rbdtest.Meddler {
	o := &rbdtest.Meddler{
		Guest: g, At: volume.Image{Pool: g.Pool, Name: fmt.Sprintf("nights%d", number)},
		Draw: func(what string, n int64) int64 { return rapid.Int64Range(0, n-1).Draw(t, what) },
	}
	order := rapid.IntRange(12, 25).Draw(t, "order") // 4 KiB to 32 MiB
	object := int64(1) << order
	o.Largest = max(min(object*64, 3<<20), 600_000) // librbd makes small objects one by one
	features := rapid.SampledFrom([]string{
		"layering", "layering,exclusive-lock", "layering,exclusive-lock,object-map,fast-diff", "layering,exclusive-lock,object-map,fast-diff,deep-flatten",
	}).Draw(t, "features")
	kind := []string{"--object-size", fmt.Sprint(object)}
	if count := rapid.SampledFrom([]int{1, 1, 2, 5}).Draw(t, "stripe count"); count > 1 {
		unit := object >> rapid.IntRange(0, min(order-12, 5)).Draw(t, "stripe unit")
		kind = append(kind, "--stripe-unit", fmt.Sprint(unit), "--stripe-count", fmt.Sprint(count))
		features += ",striping"
	}
	if rapid.Bool().Draw(t, "data pool") {
		kind = append(kind, "--data-pool", data)
	}
	for _, f := range strings.Split(features, ",") {
		kind = append(kind, "--image-feature", f)
	}
	size := fmt.Sprintf("%dB", rapid.Int64Range(1, o.Largest).Draw(t, "size"))
	if o.Clone = rapid.Bool().Draw(t, "clone"); !o.Clone {
		rbdtest.Do(t, "rbd", slices.Concat([]string{"create", "--size", size}, kind, []string{o.At.String()})...)
		return o
	}
	parent := volume.Image{Pool: g.Pool, Name: o.At.Name + "-parent"}
	rbdtest.Do(t, "rbd", slices.Concat([]string{"create", "--size", size}, kind, []string{parent.String()})...)
	g.With(t, parent, func(im *rbd.Image) error {
		size, err := im.GetSize()
		if err != nil {
			return err
		}
		return o.WriteSome(im, int64(size))
	})
	rbdtest.Do(t, "rbd", "snap", "create", "--no-progress", parent.String()+"@golden")
	rbdtest.Do(t, "rbd", "snap", "protect", parent.String()+"@golden")
	rbdtest.Do(t, "rbd", slices.Concat([]string{"clone"}, kind, []string{parent.String() + "@golden", o.At.String()})...)
	return o
}

// Whatever an image is made of and whatever is done to it, each night's revision is what rbd exports of its snapshot, which
// is the only one that Varve leaves, and nobody else's is touched.
func TestNights(t *testing.T) {
	base := durabletest.TempDir(t)
	g, data := rbdtest.NewGuest(t, rbdtest.Pool(t)), rbdtest.Pool(t)
	tries := 0
	counted := 0
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		tries++
		o := newMeddler(t, g, data, tries)
		w := newWorld(t, dir, o.At)
		w.night(t)
		for range rapid.IntRange(1, 4).Draw(t, "nights") {
			for range rapid.IntRange(1, 5).Draw(t, "things") {
				o.Meddle(t)
			}
			if result := w.night(t); result.Statement.Plan.Since != "" {
				counted++
			}
			for _, name := range o.Taken {
				if left := o.Snapshots(t, o.At); !slices.Contains(left, name) {
					t.Fatalf("%s is gone: %v, after\n%s", name, left, strings.Join(o.Did, "\n"))
				}
			}
		}
	})
	if counted == 0 {
		t.Error("no night counted what changed")
	}
	t.Logf("%d images, %d nights that counted what changed", tries, counted)
}
