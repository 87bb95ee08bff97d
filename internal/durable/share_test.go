package durable_test

import (
	"bufio"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve/internal/durable"
)

func TestShareDir(t *testing.T) {
	root := filepath.Join(t.TempDir(), "state")
	for range 2 {
		if err := durable.ShareDir(root, "id/scheduler", os.Getegid()); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]fs.FileMode{"": 0o711, "id": 0o711, "id/scheduler": 0o750 | fs.ModeSetgid} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode() &^ fs.ModeDir; got != want {
			t.Errorf("%q has mode %v, want %v", name, got, want)
		}
	}
	if info, err := os.Stat(filepath.Dir(root)); err != nil || info.Mode()&0o011 != 0o011 && info.Mode()&fs.ModePerm != 0o700 {
		t.Errorf("what lies above the root was changed: %v, %v", info.Mode(), err)
	}
	alone := filepath.Join(t.TempDir(), "alone")
	if err := durable.ShareDir(alone, "id", -1); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(alone); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("without a group, the mode is %v, %v", info.Mode(), err)
	}
}

// A socket may have a long path, and takes the place of one that somebody left.
func TestListenUnix(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l, err := durable.ListenUnix(dir, "control")
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(dir, "control")); err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		go func() {
			if conn, err := l.Accept(); err == nil {
				_, _ = conn.Write([]byte("here\n"))
				_ = conn.Close()
			}
		}()
		t.Chdir(dir)
		conn, err := net.Dial("unix", "control")
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "here\n" {
			t.Errorf("%q, %v", line, err)
		}
		_ = conn.Close()
		_ = l.Close()
	}
}
