//go:build ceph

package rbdvolume_test

import (
	"flag"
	"os"
	"testing"

	"varve/volume/rbdvolume/rbdtest"
)

func TestMain(m *testing.M) {
	// Each try makes images in a real cluster, and takes half a second.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	os.Exit(rbdtest.Main(m))
}
