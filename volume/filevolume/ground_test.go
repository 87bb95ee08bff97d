package filevolume

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Which disks a pool of ZFS has, the kernel does not tell: that there is one is noticed.
func TestGroundInPool(t *testing.T) {
	anonymous := deviceID(unix.Mkdev(0, 77))
	mounts := []mount{
		{id: deviceID(unix.Mkdev(0, 76)), point: "/other", fsType: "btrfs", source: "/dev/none"},
		{id: anonymous, point: "/tank", fsType: "zfs", source: "tank/backups"},
	}
	for id, want := range map[deviceID]bool{anonymous: true, mounts[0].id: false} {
		g := ground{devices: map[deviceID]bool{}}
		g.addFileSystem(id, mounts)
		if g.pooled != want || !g.devices[id] {
			t.Errorf("%s: %+v, want pooled %v", id, g, want)
		}
	}
}

func TestPlaceIsIn(t *testing.T) {
	tests := []struct {
		at, of string
		want   bool
	}{
		{"/srv/varve", "/srv/varve", true}, {"/srv/varve/packs", "/srv/varve", true}, {"/srv/varve2", "/srv/varve", false},
		{"/srv", "/srv/varve", false}, {"/srv", "/", true}, {"/", "/", true},
	}
	for _, test := range tests {
		if got := (place{1, test.at}).isIn(place{1, test.of}); got != test.want {
			t.Errorf("%s in %s: %v", test.at, test.of, got)
		}
	}
	if (place{1, "/a/b"}).isIn(place{2, "/a"}) {
		t.Error("a place on another file system is taken for one within")
	}
}

// TestPooledTarget refuses a disk of any pool when the repository lies in one.
func TestPooledTarget(t *testing.T) {
	members := []member{{}}
	members[0].What = "an LVM physical volume"
	if mayHoldPool(members) {
		t.Error("LVM is taken for a pool")
	}
	members[0].What = "a disk of a ZFS pool"
	if !mayHoldPool(members) {
		t.Error("the pool is not noticed")
	}
}
