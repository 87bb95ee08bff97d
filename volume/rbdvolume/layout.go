//go:build ceph

package rbdvolume

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/ceph/go-ceph/rados"
	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
)

// Layout is how an image is made. Its zero value leaves all to the cluster.
type Layout struct {
	ObjectSize  int64    // bytes, a power of two
	Features    []string // as rbd names them
	DataPool    string
	StripeUnit  int64 // bytes; with StripeCount
	StripeCount int64
}

// Words of a layout, as revisions record them.
const (
	wordObjectSize  = "object_size"
	wordFeatures    = "features"
	wordDataPool    = "data_pool"
	wordStripeUnit  = "stripe_unit"
	wordStripeCount = "stripe_count"
)

// layoutOf asks how an image is made.
func (c *connection) layoutOf(im *rbd.Image) (volume.Layout, error) {
	info, err := im.Stat()
	if err != nil {
		return nil, err
	}
	features, err := im.GetFeatures()
	if err != nil {
		return nil, err
	}
	set := rbd.FeatureSet(features) & rbd.FeatureSetFromNames(volume.ImageFeatures())
	layout := volume.Layout{
		wordObjectSize: strconv.FormatUint(info.Obj_size, 10),
		wordFeatures:   strings.Join(set.Names(), ","),
	}
	if features&rbd.FeatureStripingV2 != 0 {
		unit, err := im.GetStripeUnit()
		if err != nil {
			return nil, err
		}
		count, err := im.GetStripeCount()
		if err != nil {
			return nil, err
		}
		layout[wordStripeUnit], layout[wordStripeCount] = strconv.FormatUint(unit, 10), strconv.FormatUint(count, 10)
	}
	if features&rbd.FeatureDataPool != 0 {
		id, err := dataPool(c.ioctx, im.GetName())
		if err != nil {
			return nil, err
		}
		if layout[wordDataPool], err = c.conn.GetPoolByID(id); err != nil {
			return nil, err
		}
	}
	return layout, nil
}

// ParseLayout reads what a revision recorded of an image.
func ParseLayout(from volume.Layout) (l Layout, err error) {
	number := func(word string) (n int64) {
		text, known := from[word]
		if !known || err != nil {
			return 0
		}
		if n, err = strconv.ParseInt(text, 10, 64); err != nil || n < 0 {
			err = fmt.Errorf("%s %q is no number of bytes", word, text)
		}
		return n
	}
	l = Layout{ObjectSize: number(wordObjectSize), StripeUnit: number(wordStripeUnit), StripeCount: number(wordStripeCount), DataPool: from[wordDataPool]}
	if from[wordFeatures] != "" {
		l.Features = strings.Split(from[wordFeatures], ",")
	}
	return l, err
}

// Over lays a layout over that of another image: what it leaves open is as there.
func (l Layout) Over(other Layout) Layout {
	if l.ObjectSize > 0 && l.ObjectSize != other.ObjectSize && other.StripeCount <= 1 {
		other.StripeUnit, other.StripeCount = 0, 0 // a stripe of one object is as large as that
	}
	l.ObjectSize, l.DataPool = cmp.Or(l.ObjectSize, other.ObjectSize), cmp.Or(l.DataPool, other.DataPool)
	l.StripeUnit, l.StripeCount = cmp.Or(l.StripeUnit, other.StripeUnit), cmp.Or(l.StripeCount, other.StripeCount)
	if len(l.Features) == 0 {
		l.Features = other.Features
	}
	return l
}

// striped tells whether stripes are to be other than the objects.
func (l Layout) striped() bool {
	return l.StripeCount > 1 || l.StripeUnit > 0 && l.StripeUnit != l.ObjectSize
}

// needs are the features without which another cannot be.
var needs = []struct{ feature, other string }{
	{rbd.FeatureNameObjectMap, rbd.FeatureNameExclusiveLock},
	{rbd.FeatureNameFastDiff, rbd.FeatureNameObjectMap},
	{rbd.FeatureNameJournaling, rbd.FeatureNameExclusiveLock},
}

// check refuses what no cluster makes.
func (l Layout) check(at volume.Image) error {
	wrong := func(part volume.LayoutPart, format string, args ...any) error {
		return &volume.LayoutError{Image: at, Part: part, Why: fmt.Sprintf(format, args...)}
	}
	if l.ObjectSize != 0 && !volume.IsObjectSize(l.ObjectSize) {
		return wrong(volume.LayoutObjectSize, "an object size of %d bytes is not "+volume.ObjectSizes, l.ObjectSize)
	}
	for _, name := range l.Features {
		if !slices.Contains(volume.ImageFeatures(), name) {
			return wrong(volume.LayoutFeatures, "the feature %q is not known", name)
		}
	}
	for _, n := range needs {
		if slices.Contains(l.Features, n.feature) && !slices.Contains(l.Features, n.other) {
			return wrong(volume.LayoutFeatures, "the feature %s needs %s", n.feature, n.other)
		}
	}
	switch {
	case !l.striped():
	case l.StripeUnit == 0 || l.StripeCount == 0:
		return wrong(volume.LayoutStripes, "stripes have a unit and a count, and one of them is missing")
	case l.ObjectSize > 0 && l.ObjectSize%l.StripeUnit != 0:
		return wrong(volume.LayoutStripes, "objects of %d bytes do not hold whole stripe units of %d", l.ObjectSize, l.StripeUnit)
	}
	return nil
}

// options are what librbd makes an image by, of a layout that was checked. The caller destroys them.
func (l Layout) options() (_ *rbd.ImageOptions, err error) {
	o := rbd.NewRbdImageOptions()
	defer func() {
		if err != nil {
			o.Destroy()
		}
	}()
	set := func(option rbd.ImageOption, n uint64) {
		if err == nil && n > 0 {
			err = o.SetUint64(option, n)
		}
	}
	if l.ObjectSize > 0 {
		set(rbd.ImageOptionOrder, uint64(bits.TrailingZeros64(uint64(l.ObjectSize))))
	}
	if len(l.Features) > 0 {
		set(rbd.ImageOptionFeatures, uint64(rbd.FeatureSetFromNames(l.Features)))
	}
	if l.striped() {
		set(rbd.ImageOptionFeaturesSet, rbd.FeatureStripingV2)
		set(rbd.ImageOptionStripeUnit, uint64(l.StripeUnit))
		set(rbd.ImageOptionStripeCount, uint64(l.StripeCount))
	}
	if err == nil && l.DataPool != "" {
		err = o.SetString(rbd.ImageOptionDataPool, l.DataPool)
	}
	return o, err
}

// explainMake says why an image could not be made.
func (c *connection) explainMake(err error, at volume.Image, l Layout) error {
	refused := &volume.LayoutError{Image: at, Err: err}
	switch {
	case errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EOPNOTSUPP):
		refused.Part, refused.Why = volume.LayoutFeatures, "the cluster lacks one of the features "+strings.Join(l.Features, ", ")
	case errors.Is(err, syscall.EINVAL) && l.DataPool != "":
		refused.Part, refused.Why = volume.LayoutDataPool, fmt.Sprintf("the pool %q may not be one for an image's data", l.DataPool)
	case errors.Is(err, syscall.EINVAL):
		refused.Why = "the cluster does not make it so"
	default:
		return c.cluster.explain(err, at, "make the image "+at.String())
	}
	return refused
}

// hasPool tells whether there is a pool of that name.
func hasPool(conn *rados.Conn, name string) bool {
	_, err := conn.GetPoolByName(name)
	return err == nil
}
