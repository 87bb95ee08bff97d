//go:build ceph

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"varve/volume/rbdvolume/rbdtest"
)

// TestCeph runs testdata/ceph, beside a cluster in which there is a pool called vms.
func TestCeph(t *testing.T) {
	down, err := rbdtest.Up()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(down)
	params := scripts(filepath.Join("testdata", "ceph"))
	setup := params.Setup
	params.Setup = func(env *testscript.Env) error {
		if err := setup(env); err != nil {
			return err
		}
		env.Setenv("CEPH_CONF", rbdtest.Conf())
		env.Setenv("CEPH_DIR", filepath.Dir(rbdtest.Conf()))
		script, err := filepath.Abs(filepath.Join("..", "..", "scripts", "ceph-cluster"))
		if err != nil {
			return err
		}
		env.Setenv("CEPH_CLUSTER", script)
		env.Setenv("PATH", os.Getenv("PATH"))
		return nil
	}
	rbdtest.Do(t, "ceph", "osd", "pool", "create", "vms", "8")
	rbdtest.Do(t, "rbd", "pool", "init", "vms")
	testscript.Run(t, params)
}
