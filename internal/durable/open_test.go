package durable

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// trees gives a tree as it is, and as it is where the kernel cannot open a name at once.
func trees(t *testing.T, dir string) map[string]*Tree {
	t.Helper()
	all := map[string]*Tree{}
	for _, name := range []string{"at once", "step by step"} {
		tree, err := OpenTree(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(tree.Close(), tree.Close()); err != nil {
				t.Error(err)
			}
		})
		if tree.opener == nil {
			t.Skip("this kernel has no openat2, or it may not be called")
		}
		if all[name] = tree; name == "step by step" {
			if err := tree.opener.close(); err != nil {
				t.Error(err)
			}
			tree.opener = nil
		}
	}
	return all
}

// Both ways to open refuse the same things, for the same reasons.
func TestWaysToOpenAgree(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir := filepath.Join(top, "tree")
	for _, name := range []string{"tree/d/deep", "outside"} {
		if err := os.MkdirAll(filepath.Join(top, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"tree/d/file", "outside/secret"} {
		if err := os.WriteFile(filepath.Join(top, name), []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"out": "../outside", "in": "d", "d/link": "file", "d/loop": "loop", "d/nowhere": "absent"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "d/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "d/s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	for name, want := range map[string]error{
		"d/file": nil, "d/absent": fs.ErrNotExist, "absent/file": fs.ErrNotExist,
		"d/link": ErrLink, "d/loop": ErrLink, "d/nowhere": ErrLink, "in/file": ErrLink, "out/secret": ErrLink,
		"d/pipe": ErrNotRegular, "d/s": ErrNotRegular, "d/deep": ErrNotRegular, "d": ErrNotRegular,
		"d/file/x": unix.ENOTDIR, "../outside/secret": fs.ErrInvalid, "d/../d/file": fs.ErrInvalid, "": fs.ErrInvalid, "/etc/passwd": fs.ErrInvalid,
	} {
		for way, tree := range trees(t, dir) {
			f, err := tree.Open(name)
			if err == nil {
				if f.Name() != name {
					t.Errorf("%s: the name of %q is %q", way, name, f.Name())
				}
				err = f.Close()
			}
			if !errors.Is(err, want) {
				t.Errorf("%s: opening %q: %v, want %v", way, name, err, want)
			}
		}
	}
	for name, want := range map[string]error{
		".": nil, "d": nil, "d/deep": nil, "in": ErrLink, "out": ErrLink, "in/deep": ErrLink, "d/file": unix.ENOTDIR,
		"absent": fs.ErrNotExist, "..": fs.ErrInvalid, "": fs.ErrInvalid,
	} {
		for way, tree := range trees(t, dir) {
			entries, err := tree.ReadDir(name)
			for _, e := range entries {
				info, ierr := e.Info()
				if ierr != nil || info.Name() != e.Name() || info.Mode().Type() != e.Type() {
					t.Errorf("%s: entry %q of %q: %v, %v", way, e.Name(), name, info, ierr)
				}
			}
			if !errors.Is(err, want) {
				t.Errorf("%s: reading %q: %v, want %v", way, name, err, want)
			}
		}
	}
}

// What is closed opens nothing, and least of all what has its number now.
func TestNothingOpensAfterClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tree, err := OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err := tree.Open("file"); err == nil {
		_ = f.Close()
		t.Error("a closed tree opened a file")
	}
}
