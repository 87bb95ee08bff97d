//go:build ceph

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"varve/volume/rbdvolume/rbdtest"
)

// TestScriptCeph runs testdata/ceph, beside a cluster in which there is a pool called vms.
func TestScriptCeph(t *testing.T) {
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

// What arguments for Ceph's commands name is what rbd understands of them.
func TestCephArguments(t *testing.T) {
	tests := map[string]struct{ arguments, conf, user string }{
		"none":             {},
		"others":           {arguments: "--keyring /k --rbd-cache=false"},
		"short":            {arguments: "-c /a.conf -n client.b", conf: "/a.conf", user: "client.b"},
		"long":             {arguments: "--conf /a.conf --id b", conf: "/a.conf", user: "b"},
		"joined":           {arguments: "--conf=/a.conf -c=/b.conf --user=b", conf: "/b.conf", user: "b"},
		"the last one":     {arguments: "-c /a.conf --id b -c /c.conf --id d", conf: "/c.conf", user: "d"},
		"without a value":  {arguments: "--id b -c", user: "b"},
		"value of another": {arguments: "-c --id --id b", conf: "--id", user: "b"},
		"after the end":    {arguments: "--id b -- -c /a.conf", user: "b"},
	}
	for name, test := range tests {
		if conf, user := namedIn(test.arguments); conf != test.conf || user != test.user {
			t.Errorf("%s: %q names %q and %q, want %q and %q", name, test.arguments, conf, user, test.conf, test.user)
		}
	}
}
