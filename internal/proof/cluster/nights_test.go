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

// owner is everybody who uses an image, but Varve.
type owner struct {
	*rbdtest.Guest
	at      volume.Image
	largest int64 // that the image gets
	clone   bool  // that is not flattened yet
	taken   []string
	number  int
}

// newOwner makes an image of a kind that is drawn: its objects, stripes, features, its pool of data; and it may be a clone.
func newOwner(t *rapid.T, g *rbdtest.Guest, data string, number int) *owner {
	o := &owner{Guest: g, at: volume.Image{Pool: g.Pool, Name: fmt.Sprintf("nights%d", number)}}
	order := rapid.IntRange(12, 25).Draw(t, "order") // 4 KiB to 32 MiB
	object := int64(1) << order
	o.largest = max(min(object*64, 3<<20), 600_000) // librbd makes small objects one by one
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
	size := fmt.Sprintf("%dB", rapid.Int64Range(1, o.largest).Draw(t, "size"))
	if o.clone = rapid.Bool().Draw(t, "clone"); !o.clone {
		do(t, slices.Concat([]string{"create", "--size", size}, kind, []string{o.at.String()})...)
		return o
	}
	parent := volume.Image{Pool: g.Pool, Name: o.at.Name + "-parent"}
	do(t, slices.Concat([]string{"create", "--size", size}, kind, []string{parent.String()})...)
	g.With(t, parent, func(im *rbd.Image) error { return o.write(t, im) })
	do(t, "snap", "create", "--no-progress", parent.String()+"@golden")
	do(t, "snap", "protect", parent.String()+"@golden")
	do(t, slices.Concat([]string{"clone"}, kind, []string{parent.String() + "@golden", o.at.String()})...)
	return o
}

// write writes something somewhere, unless the image is empty.
func (o *owner) write(t *rapid.T, im *rbd.Image) error {
	off, length, err := o.spot(t, im)
	if err != nil || length == 0 {
		return err
	}
	o.number++
	p := make([]byte, length)
	for i := range p {
		p[i] = byte(o.number + i*i>>4)
	}
	_, err = im.WriteAt(p, off)
	return err
}

func (o *owner) spot(t *rapid.T, im *rbd.Image) (off, length int64, err error) {
	size, err := im.GetSize()
	if err != nil || size == 0 {
		return 0, 0, err
	}
	off = rapid.Int64Range(0, int64(size)-1).Draw(t, "offset")
	return off, rapid.Int64Range(1, min(int64(size)-off, 300_000)).Draw(t, "length"), nil
}

// meddle does one thing that guests and operators do.
func (o *owner) meddle(t *rapid.T) {
	what := rapid.SampledFrom([]string{"write", "write", "write", "discard", "resize", "snapshot", "roll back", "remove", "flatten"}).Draw(t, "what")
	o.With(t, o.at, func(im *rbd.Image) error {
		switch what {
		case "write":
			return o.write(t, im)
		case "discard":
			off, length, err := o.spot(t, im)
			if err == nil && length > 0 {
				_, err = im.Discard(uint64(off), uint64(length))
			}
			return err
		case "resize":
			return im.Resize(uint64(rapid.Int64Range(0, o.largest).Draw(t, "new size")))
		case "snapshot":
			o.number++
			o.taken = append(o.taken, fmt.Sprintf("theirs%d", o.number))
			_, err := im.CreateSnapshot(o.taken[len(o.taken)-1])
			return err
		case "roll back":
			if len(o.taken) > 0 {
				return im.GetSnapshot(rapid.SampledFrom(o.taken).Draw(t, "to")).Rollback()
			}
		case "remove":
			if len(o.taken) > 0 {
				i := rapid.IntRange(0, len(o.taken)-1).Draw(t, "which")
				name := o.taken[i]
				o.taken = slices.Delete(o.taken, i, i+1)
				return im.GetSnapshot(name).Remove()
			}
		case "flatten":
			if o.clone {
				o.clone = false
				return im.Flatten()
			}
		}
		return nil
	})
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
		o := newOwner(t, g, data, tries)
		w := newWorld(t, dir, o.at)
		w.night(t)
		for range rapid.IntRange(1, 4).Draw(t, "nights") {
			for range rapid.IntRange(1, 5).Draw(t, "things") {
				o.meddle(t)
			}
			if result := w.night(t); result.Statement.Plan.Since != "" {
				counted++
			}
			for _, name := range o.taken {
				if left := o.Snapshots(t, o.at); !slices.Contains(left, name) {
					t.Fatalf("%s is gone: %v", name, left)
				}
			}
		}
	})
	if counted == 0 {
		t.Error("no night counted what changed")
	}
	t.Logf("%d images, %d nights that counted what changed", tries, counted)
}
