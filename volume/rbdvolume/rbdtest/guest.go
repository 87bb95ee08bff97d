//go:build ceph

package rbdtest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/ceph/go-ceph/rados"
	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
)

var images atomic.Int64

// T is what testing.T and rapid.T have in common.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Guest is what uses the images of a pool: it writes, resizes, takes snapshots.
type Guest struct {
	Pool  string
	IOCtx *rados.IOContext
}

// NewGuest connects a guest to a pool, until the test ends.
func NewGuest(t testing.TB, pool string) *Guest {
	t.Helper()
	conn, err := rados.NewConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.ReadConfigFile(Conf()); err != nil {
		t.Fatal(err)
	}
	for option, value := range map[string]string{"admin_socket": "", "librados_thread_count": "1", "rbd_op_threads": "1"} {
		if err := conn.SetConfigOption(option, value); err != nil {
			t.Fatal(err)
		}
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
	return &Guest{Pool: pool, IOCtx: ioctx}
}

// Image makes an image with the features, of objects of 2^order bytes.
func (g *Guest) Image(t T, size int64, order uint64, features uint64) volume.Image {
	t.Helper()
	name := fmt.Sprintf("image%d", images.Add(1))
	options := rbd.NewRbdImageOptions()
	defer options.Destroy()
	for option, value := range map[rbd.ImageOption]uint64{rbd.ImageOptionOrder: order, rbd.ImageOptionFeatures: features} {
		if err := options.SetUint64(option, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := rbd.CreateImage(g.IOCtx, name, uint64(size), options); err != nil {
		t.Fatal(err)
	}
	return volume.Image{Pool: g.Pool, Name: name}
}

// Features of images.
const (
	Plain = rbd.FeatureLayering
	Fast  = rbd.FeatureLayering | rbd.FeatureExclusiveLock | rbd.FeatureObjectMap | rbd.FeatureFastDiff | rbd.FeatureDeepFlatten
)

// With opens an image for use.
func (g *Guest) With(t T, at volume.Image, use func(im *rbd.Image) error) {
	t.Helper()
	im, err := rbd.OpenImage(g.IOCtx, at.Name, rbd.NoSnapshot)
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

// Write writes p to an image.
func (g *Guest) Write(t T, at volume.Image, p []byte, off int64) {
	t.Helper()
	g.With(t, at, func(im *rbd.Image) error {
		_, err := im.WriteAt(p, off)
		return err
	})
}

// Snapshots lists the names of an image's snapshots.
func (g *Guest) Snapshots(t T, at volume.Image) (names []string) {
	t.Helper()
	g.With(t, at, func(im *rbd.Image) error {
		all, err := im.GetSnapshotNames()
		for _, s := range all {
			names = append(names, s.Name)
		}
		return err
	})
	return names
}

// Lockers lists who holds a lock of an image.
func (g *Guest) Lockers(t T, at volume.Image) (all []rbd.Locker) {
	t.Helper()
	im, err := rbd.OpenImageReadOnly(g.IOCtx, at.Name, rbd.NoSnapshot)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = im.Close() }() // it was only looked at
	if _, all, err = im.ListLockers(); err != nil && !errors.Is(err, rbd.ErrNotFound) {
		t.Fatal(err)
	}
	return all
}

// Content reads the first size bytes of an image.
func (g *Guest) Content(t T, at volume.Image, size int64) []byte {
	t.Helper()
	all := make([]byte, size)
	g.With(t, at, func(im *rbd.Image) error {
		if size == 0 {
			return nil
		}
		_, err := im.ReadAt(all, 0)
		return err
	})
	return all
}

// Difference is the first byte that differs, or where the shorter one ends.
func Difference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// Object is the name of one of an image's objects.
func (g *Guest) Object(t T, at volume.Image, n int) (name string) {
	t.Helper()
	g.With(t, at, func(im *rbd.Image) error {
		info, err := im.Stat()
		if err == nil {
			name = fmt.Sprintf("%s.%016x", info.Block_name_prefix, n)
		}
		return err
	})
	return name
}
