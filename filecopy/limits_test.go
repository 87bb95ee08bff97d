package filecopy_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"varve/filecopy"
)

// TestCopyToWhatTakesLess: a file that is larger than the host's file system has any is left out, and an attribute for which
// a file has no room; everything else is copied.
func TestCopyToWhatTakesLess(t *testing.T) {
	fsys := open(t, image(t, func(dir string) {
		write(t, dir+"/tree/a", "a")
		write(t, dir+"/tree/huge", "huge")
		write(t, dir+"/tree/z", "z")
		if err := os.Truncate(dir+"/tree/huge", 5<<40); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setxattr(dir+"/tree/a", "user.long", bytes.Repeat([]byte("x"), 3000), 0); err != nil {
			t.Fatal(err)
		}
	}))
	dir := t.TempDir()
	run(t, "truncate", "-s", "16M", dir+"/disk")
	run(t, "mkfs.ext4", "-q", "-b", "1024", dir+"/disk") // of files up to 4 TiB, with attributes of no more than a block
	run(t, "mkdir", dir+"/to")
	run(t, "mount", "-o", "loop", dir+"/disk", dir+"/to")
	defer run(t, "umount", dir+"/to")
	report, err := copied(t.Context(), t, fsys, dir+"/to", filecopy.Options{}, "/tree")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]filecopy.ProblemKind{}
	for _, p := range report.Problems {
		kinds[p.Path] = p.Kind
	}
	if len(report.Problems) != 2 || kinds["/tree/huge"] != filecopy.NotMade || kinds["/tree/a"] != filecopy.NotKept {
		t.Errorf("problems: %+v", report.Problems)
	}
	has(t, filepath.Join(dir, "to/tree/a"), "a")
	has(t, filepath.Join(dir, "to/tree/z"), "z")
	if _, err := os.Lstat(dir + "/to/tree/huge"); !os.IsNotExist(err) {
		t.Errorf("what is too large: %v", err)
	}
}
