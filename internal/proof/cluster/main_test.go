//go:build ceph

package cluster

import (
	"flag"
	"os"
	"testing"

	"varve/volume/rbdvolume/rbdtest"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(mortalVariable); text != "" {
		os.Exit(liveOrDie(text))
	}
	// Each try makes images in a real cluster, and takes seconds.
	if err := flag.Set("rapid.checks", "8"); err != nil {
		panic(err)
	}
	os.Exit(rbdtest.Main(m))
}
