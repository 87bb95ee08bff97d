//go:build ceph

package rbdvolume_test

import (
	"os"
	"testing"

	"varve/volume/rbdvolume/rbdtest"
)

func TestMain(m *testing.M) { os.Exit(rbdtest.Main(m)) }
