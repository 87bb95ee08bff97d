//go:build ceph

package rbdvolume

import (
	"fmt"
	"strconv"
	"strings"

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

// settable are the features that an image can be made with.
const settable = rbd.FeatureLayering | rbd.FeatureStripingV2 | rbd.FeatureExclusiveLock | rbd.FeatureObjectMap | rbd.FeatureFastDiff |
	rbd.FeatureDeepFlatten | rbd.FeatureJournaling

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
	set := rbd.FeatureSet(features & settable)
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

// options are what librbd makes an image by. The caller destroys them.
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
		order := uint64(0)
		for int64(1)<<order < l.ObjectSize {
			order++
		}
		if int64(1)<<order != l.ObjectSize {
			return nil, fmt.Errorf("an object size of %d bytes is no power of two", l.ObjectSize)
		}
		set(rbd.ImageOptionOrder, order)
	}
	if len(l.Features) > 0 {
		set(rbd.ImageOptionFeatures, uint64(rbd.FeatureSetFromNames(l.Features))&settable)
	}
	if l.StripeCount > 1 || l.StripeUnit > 0 && l.StripeUnit != l.ObjectSize {
		set(rbd.ImageOptionStripeUnit, uint64(l.StripeUnit))
		set(rbd.ImageOptionStripeCount, uint64(l.StripeCount))
	}
	if err == nil && l.DataPool != "" {
		err = o.SetString(rbd.ImageOptionDataPool, l.DataPool)
	}
	return o, err
}

// hasPool tells whether there is a pool of that name.
func hasPool(conn *rados.Conn, name string) bool {
	_, err := conn.GetPoolByName(name)
	return err == nil
}
