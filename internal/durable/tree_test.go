package durable_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"varve/internal/durable"
)

func newTree(t *testing.T) (*durable.Tree, string) {
	t.Helper()
	dir := t.TempDir()
	tree, err := durable.OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, tree) })
	return tree, dir
}

func mustClose(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func mustWrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTreeFollowsNoLinks(t *testing.T) {
	t.Parallel()
	tree, dir := newTree(t)
	outside := t.TempDir()
	mustWrite(t, filepath.Join(outside, "secret"), "secret")
	if err := os.MkdirAll(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(dir, "real", "file"), "x")
	links := map[string]string{
		"file-out": filepath.Join(outside, "secret"), "file-in": "real/file",
		"dir-out": outside, "dir-in": "real",
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"file-out", "file-in", "dir-out/secret", "dir-in/file"} {
		if f, err := tree.Open(name); err == nil {
			mustClose(t, f)
			t.Errorf("Open(%q) succeeded through a link", name)
		}
		if f, err := tree.OpenWrite(name); err == nil {
			mustClose(t, f)
			t.Errorf("OpenWrite(%q) succeeded through a link", name)
		}
	}
	for _, name := range []string{"dir-out", "dir-in"} {
		if _, err := tree.ReadDir(name); !errors.Is(err, durable.ErrLink) {
			t.Errorf("ReadDir(%q) = %v, want ErrLink", name, err)
		}
		if err := tree.SyncDir(name); !errors.Is(err, durable.ErrLink) {
			t.Errorf("SyncDir(%q) = %v, want ErrLink", name, err)
		}
		if f, err := tree.Create(name + "/new"); err == nil {
			mustClose(t, f)
			t.Errorf("Create(%q) succeeded through a link", name+"/new")
		}
		if err := tree.RenameNew("real/file", name+"/moved"); err == nil {
			t.Errorf("RenameNew into %q succeeded through a link", name)
		}
	}
	for _, name := range []string{"../x", "/etc/passwd", "real/../../x", ""} {
		if f, err := tree.Open(name); err == nil {
			mustClose(t, f)
			t.Errorf("Open(%q) succeeded", name)
		}
	}
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	tree, dir := newTree(t)
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tree.Mkdir("dir"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe", "dir"} {
		if _, err := tree.Open(name); !errors.Is(err, durable.ErrNotRegular) {
			t.Errorf("Open(%q) = %v, want ErrNotRegular", name, err)
		}
	}
	if _, err := tree.Open("absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of an absent file = %v, want ErrNotExist", err)
	}
}

func TestRenameNewNeverReplaces(t *testing.T) {
	t.Parallel()
	tree, dir := newTree(t)
	mustWrite(t, filepath.Join(dir, "a"), "a")
	mustWrite(t, filepath.Join(dir, "b"), "b")
	if err := tree.RenameNew("a", "b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("RenameNew onto a taken name = %v, want ErrExist", err)
	}
	if err := tree.RenameNew("a", "c"); err != nil {
		t.Errorf("RenameNew onto a free name: %v", err)
	}
	for name, want := range map[string]string{"b": "b", "c": "a"} {
		got, err := durable.ReadFile(tree, name, 100)
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q (%v), want %q", name, got, err, want)
		}
	}
}

func TestADirectoryThatBecomesALinkIsNoticed(t *testing.T) {
	t.Parallel()
	tree, dir := newTree(t)
	for _, d := range []string{"d", "other"} {
		if err := tree.Mkdir(d); err != nil {
			t.Fatal(err)
		}
	}
	mustWrite(t, filepath.Join(dir, "other", "x"), "other")
	if _, err := tree.ReadDir("d"); err != nil { // now d is known to be real
		t.Fatal(err)
	}
	if err := tree.Remove("d"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("other", filepath.Join(dir, "d")); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Open("d/x"); !errors.Is(err, durable.ErrLink) {
		t.Errorf("Open through the new link = %v, want ErrLink", err)
	}
}

func TestIsTellsWhetherANameStillLeadsHere(t *testing.T) {
	t.Parallel()
	tree, dir := newTree(t)
	mustWrite(t, filepath.Join(dir, "a"), "a")
	f, err := tree.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, f)
	check := func(when string, want bool) {
		t.Helper()
		if got, err := f.Is("a"); err != nil || got != want {
			t.Errorf("%s: Is = %v, %v, want %v", when, got, err, want)
		}
	}
	check("untouched", true)
	mustWrite(t, filepath.Join(dir, "b"), "b")
	if err := tree.Rename("b", "a"); err != nil {
		t.Fatal(err)
	}
	check("replaced", false)
	if err := tree.Remove("a"); err != nil {
		t.Fatal(err)
	}
	check("removed", false)
}

// What is for all may be read by all, and nothing else.
func TestForAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, want := range map[string]fs.FileMode{"own": 0o640, "all": 0o644} {
		tree, err := durable.OpenTree(dir)
		if err != nil {
			t.Fatal(err)
		}
		if name == "all" {
			tree = tree.ForAll()
		}
		if err := durable.Replace(tree, durable.NewTemps("test"), name, []byte("text")); err != nil {
			t.Error(err)
		}
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm()&^0o644 != 0 || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
		}
	}
}
