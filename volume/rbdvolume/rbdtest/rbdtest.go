//go:build ceph

// Package rbdtest gives tests a real Ceph cluster, and images in it.
package rbdtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"varve/volume/rbdvolume"
)

// dir is where the cluster of this test binary is; empty: there is none.
var dir string

// Main runs the tests of a package beside a cluster, and returns what to exit with.
func Main(m *testing.M) int {
	down, err := Up()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer down()
	return m.Run()
}

// Up brings up a cluster for this test binary, and returns what ends it.
func Up() (down func(), err error) {
	script, err := findScript()
	if err != nil {
		return nil, err
	}
	parent, err := os.MkdirTemp(memory(), "varve-ceph")
	if err != nil {
		return nil, err
	}
	dir = filepath.Join(parent, "ceph")
	hold := exec.Command(script, "hold", dir) // it ends the cluster also when this process is killed
	held, err := hold.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := hold.Start(); err != nil {
		return nil, err
	}
	down = func() {
		_ = held.Close()
		_ = hold.Wait()
		_ = os.RemoveAll(parent)
	}
	if out, err := exec.Command(script, "up", dir).CombinedOutput(); err != nil {
		down()
		return nil, fmt.Errorf("bring up a Ceph cluster: %w\n%s", err, out)
	}
	return down, nil
}

// memory is a directory in memory, if there is one.
func memory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func findScript() (string, error) {
	at, err := os.Getwd()
	for err == nil && at != "/" {
		script := filepath.Join(at, "scripts", "ceph-cluster")
		if _, serr := os.Stat(script); serr == nil {
			return script, nil
		}
		at = filepath.Dir(at)
	}
	return "", fmt.Errorf("scripts/ceph-cluster is not found: %w", err)
}

// Cluster tells how the cluster is reached, by its administrator.
func Cluster() rbdvolume.Cluster { return rbdvolume.Cluster{Conf: Conf()} }

// Conf is the configuration of the cluster.
func Conf() string { return filepath.Join(dir, "ceph.conf") }

// Do runs rbd, ceph or rados with the arguments, and returns what it says. The cluster is its.
func Do(t T, command string, args ...string) string {
	t.Helper()
	cmd := exec.Command(command, args...)
	cmd.Env = append(os.Environ(), "CEPH_CONF="+Conf())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", command, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// Daemon kills, stops or starts a daemon of the cluster: mon, mgr or osd.
func Daemon(t testing.TB, what, daemon string) {
	t.Helper()
	script, err := findScript()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(script, what, daemon, dir).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", what, daemon, err, out)
	}
}

var pools atomic.Int64

// Pool makes a pool that goes with the test.
func Pool(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("pool%d", pools.Add(1))
	Do(t, "ceph", "osd", "pool", "create", name, "8")
	Do(t, "rbd", "pool", "init", name)
	t.Cleanup(func() { Do(t, "ceph", "osd", "pool", "rm", name, name, "--yes-i-really-really-mean-it") })
	return name
}
