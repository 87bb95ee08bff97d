//go:build ceph

package rbdvolume_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/ceph/go-ceph/rados"
	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
	"varve/volume/rbdvolume/rbdtest"
)

var images atomic.Int64

// tester is what testing.T and rapid.T have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
}

// guest is what uses images: it writes, resizes, takes snapshots.
type guest struct {
	t     testing.TB
	pool  string
	ioctx *rados.IOContext
}

func newGuest(t testing.TB, pool string) *guest {
	t.Helper()
	conn, err := rados.NewConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.ReadConfigFile(rbdtest.Conf()); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetConfigOption("admin_socket", ""); err != nil {
		t.Fatal(err)
	}
	if err := conn.Connect(); err != nil {
		t.Fatal(err)
	}
	ioctx, err := conn.OpenIOContext(pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ioctx.Destroy()
		conn.Shutdown()
	})
	return &guest{t: t, pool: pool, ioctx: ioctx}
}

// image makes an image with the features, of objects of 2^order bytes.
func (g *guest) image(t tester, size int64, order uint64, features uint64) volume.Image {
	t.Helper()
	name := fmt.Sprintf("image%d", images.Add(1))
	options := rbd.NewRbdImageOptions()
	defer options.Destroy()
	for option, value := range map[rbd.ImageOption]uint64{rbd.ImageOptionOrder: order, rbd.ImageOptionFeatures: features} {
		if err := options.SetUint64(option, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := rbd.CreateImage(g.ioctx, name, uint64(size), options); err != nil {
		t.Fatal(err)
	}
	return volume.Image{Pool: g.pool, Name: name}
}

const (
	plain = rbd.FeatureLayering
	fast  = rbd.FeatureLayering | rbd.FeatureExclusiveLock | rbd.FeatureObjectMap | rbd.FeatureFastDiff | rbd.FeatureDeepFlatten
)

// with opens an image for use.
func (g *guest) with(t tester, at volume.Image, use func(im *rbd.Image) error) {
	t.Helper()
	im, err := rbd.OpenImage(g.ioctx, at.Name, rbd.NoSnapshot)
	if err != nil {
		t.Fatal(err)
	}
	if err := use(im); err != nil {
		t.Fatal(err)
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
}

func (g *guest) write(t tester, at volume.Image, p []byte, off int64) {
	t.Helper()
	g.with(t, at, func(im *rbd.Image) error {
		_, err := im.WriteAt(p, off)
		return err
	})
}

// snapshots lists the names of an image's snapshots.
func (g *guest) snapshots(t tester, at volume.Image) (names []string) {
	t.Helper()
	g.with(t, at, func(im *rbd.Image) error {
		all, err := im.GetSnapshotNames()
		for _, s := range all {
			names = append(names, s.Name)
		}
		return err
	})
	return names
}
