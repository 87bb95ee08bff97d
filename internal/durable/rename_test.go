package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// stubborn is a tree from which a name cannot be removed.
type stubborn struct {
	*Tree
	name string
}

func (s stubborn) Remove(name string) error {
	if name == s.name {
		return fs.ErrPermission
	}
	return s.Tree.Remove(name)
}

// Where renaming without replacing is two steps, the first is undone if the second fails.
func TestRenameByLinkIsUndone(t *testing.T) {
	dir := t.TempDir()
	tree, err := OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tree.Close() }()
	if err := os.WriteFile(filepath.Join(dir, "old"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := renameByLink(stubborn{tree, "old"}, "old", "new"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v, want the error of the removal", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the new name is there after a rename that failed: %v", err)
	}
	if err := renameByLink(tree, "old", "new"); err != nil {
		t.Fatal(err)
	}
	if err := renameByLink(tree, "new", "new"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto a name that is taken: got %v", err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "new")); string(got) != "content" {
		t.Errorf("got %q, %v", got, err)
	}
}
