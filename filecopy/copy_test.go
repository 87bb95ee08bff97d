package filecopy_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"varve/filecopy"
	"varve/internal/durable"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func has(t testing.TB, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s has %q, %v, want %q", path, got, err, want)
	}
}

// TestCopyReplacesOnlyWhatItMay: nothing without Force, and no directory ever.
func TestCopyReplacesOnlyWhatItMay(t *testing.T) {
	fsys := open(t, image(t, func(dir string) {
		write(t, dir+"/file", "new")
		write(t, dir+"/dir/f", "new")
		write(t, dir+"/free", "new")
	}))
	to := t.TempDir()
	write(t, to+"/file", "old")
	write(t, to+"/dir/other", "old")
	for _, test := range []struct {
		force    bool
		paths    []string
		refuses  bool
		fileHas  string
		freeIsIn bool
	}{
		{false, []string{"/free", "/file"}, true, "old", false}, // nothing is made, also what comes before
		{false, []string{"/dir"}, true, "old", false},
		{true, []string{"/free", "/dir"}, true, "old", false},
		{true, []string{"/file", "/free"}, false, "new", true},
	} {
		report, err := copied(t.Context(), t, fsys, to, filecopy.Options{Force: test.force}, test.paths...)
		exists := new(filecopy.ExistsError)
		if refused := errors.As(err, &exists) && errors.Is(err, fs.ErrExist); refused != test.refuses || !refused && err != nil {
			t.Errorf("%v, force %v: %v", test.paths, test.force, err)
		}
		has(t, to+"/file", test.fileHas)
		has(t, to+"/dir/other", "old")
		if _, err := os.Lstat(to + "/free"); (err == nil) != test.freeIsIn {
			t.Errorf("%v: free: %v, report %+v", test.paths, err, report)
		}
	}
	// A file takes the place of a link, and not of what that leads to; a directory none of a file.
	write(t, to+"/elsewhere", "mine")
	if err := errors.Join(os.Remove(to+"/free"), os.Symlink("elsewhere", to+"/free"), os.RemoveAll(to+"/dir"), os.WriteFile(to+"/dir", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := copied(t.Context(), t, fsys, to, filecopy.Options{Force: true}, "/free"); err != nil {
		t.Error(err)
	}
	has(t, to+"/free", "new")
	has(t, to+"/elsewhere", "mine")
	if _, err := copied(t.Context(), t, fsys, to, filecopy.Options{Force: true}, "/dir"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a directory in the place of a file: %v", err)
	}
	if err := errors.Join(os.Remove(to+"/free"), unix.Mkfifo(to+"/free", 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := copied(t.Context(), t, fsys, to, filecopy.Options{Force: true}, "/free"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file in the place of a pipe: %v", err)
	}
	if _, err := copied(t.Context(), t, fsys, t.TempDir(), filecopy.Options{}, "/dir/f", "/file", "/../file"); !errors.As(err, new(*filecopy.SameNameError)) {
		t.Errorf("two of one name: %v", err)
	}
}

// TestCopyAroundDamage: what cannot be read is left out and told, everything else is there.
func TestCopyAroundDamage(t *testing.T) {
	path := image(t, func(dir string) {
		write(t, dir+"/tree/early", "early")
		for i := range 10 {
			write(t, fmt.Sprintf("%s/tree/big%d", dir, i), strings.Repeat(fmt.Sprintf("%07d\n", i), 500_000))
		}
		write(t, dir+"/tree/last/late", "late")
	})
	fsys := open(t, path)
	if err := os.Truncate(path, 24<<20); err != nil { // under the mount: the rest of the disk has gone
		t.Fatal(err)
	}
	to := t.TempDir()
	report, err := copied(t.Context(), t, fsys, to, filecopy.Options{}, "/tree")
	if err != nil {
		t.Fatal(err)
	}
	lost := map[string]bool{}
	for _, p := range report.Problems {
		if p.Kind != filecopy.Unreadable || !strings.Contains(p.Text, "input/output error") {
			t.Errorf("%+v", p)
		}
		lost[p.Path] = true
	}
	if len(lost) == 0 || len(lost) > 10 {
		t.Fatalf("lost is %v", lost)
	}
	has(t, to+"/tree/early", "early")
	for i := range 10 {
		name := fmt.Sprintf("/tree/big%d", i)
		if !lost[name] {
			has(t, to+name, strings.Repeat(fmt.Sprintf("%07d\n", i), 500_000))
		} else if _, err := os.Lstat(to + name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s cannot be read, and is there: %v", name, err)
		}
	}
	for name := range lost {
		if !strings.HasPrefix(name, "/tree/big") {
			continue
		}
		report, err := copied(t.Context(), t, fsys, to, filecopy.Options{}, name)
		if err != nil || len(report.Problems) != 1 || len(report.Made) != 0 {
			t.Errorf("%s alone: %v, %+v", name, err, report)
		}
		break
	}
	if got := names(t, to); len(got) != 1 {
		t.Errorf("there is %q", got)
	}
}

// TestCopyToWhatIsFull fails, and leaves nothing of what is not complete.
func TestCopyToWhatIsFull(t *testing.T) {
	fsys := open(t, image(t, func(dir string) {
		write(t, dir+"/small", "small")
		write(t, dir+"/tree/big", strings.Repeat("x", 4<<20))
	}))
	to := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "-o", "size=1M", "none", to)
	defer run(t, "umount", to)
	report, err := copied(t.Context(), t, fsys, to, filecopy.Options{}, "/small", "/tree")
	if !durable.IsFull(err) || len(report.Made) != 1 {
		t.Errorf("%v, %+v", err, report)
	}
	if got := names(t, to); len(got) != 1 || got[0] != "small" {
		t.Errorf("there is %q", got)
	}
}

// TestCopyToWhatKeepsLess tells what the host's file system does not take, once for all files of a kind.
func TestCopyToWhatKeepsLess(t *testing.T) {
	fsys := open(t, image(t, func(dir string) {
		for i := range 3 {
			name := fmt.Sprintf("%s/tree/f%d", dir, i)
			write(t, name, "text")
			if err := unix.Setxattr(name, "user.color", []byte("red"), 0); err != nil {
				t.Fatal(err)
			}
		}
	}))
	to := t.TempDir()
	run(t, "mount", "-t", "ramfs", "none", to)
	defer run(t, "umount", to)
	report, err := copied(t.Context(), t, fsys, to, filecopy.Options{}, "/tree")
	if err != nil || len(report.Problems) != 1 {
		t.Fatalf("%v, %+v", err, report.Problems)
	}
	if p := report.Problems[0]; p.Kind != filecopy.NotKept || p.Count != 3 || p.Path != "/tree/f0" || !strings.Contains(p.Text, "user.color") {
		t.Errorf("%+v", p)
	}
	has(t, to+"/tree/f2", "text")
}

// TestCopyInterrupted leaves nothing.
func TestCopyInterrupted(t *testing.T) {
	fsys := open(t, image(t, func(dir string) { write(t, dir+"/tree/f", "text") }))
	to := t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := copied(ctx, t, fsys, to, filecopy.Options{}, "/tree"); !errors.Is(err, cause) {
		t.Errorf("it ends with %v", err)
	}
	if got := names(t, to); len(got) != 0 {
		t.Errorf("there is %q", got)
	}
}

// TestLeftovers: what a dead run left is taken away, links in it are not followed; what another run is making, or what is no
// directory, is left.
func TestLeftovers(t *testing.T) {
	fsys := open(t, image(t, func(dir string) { write(t, dir+"/f", "text") }))
	to := t.TempDir()
	write(t, to+"/precious/f", "mine")
	write(t, to+"/f.varve-partial/some/thing", "left")
	if err := os.Symlink("../precious", to+"/f.varve-partial/link"); err != nil {
		t.Fatal(err)
	}
	if _, err := copied(t.Context(), t, fsys, to, filecopy.Options{}, "/f"); err != nil {
		t.Fatal(err)
	}
	has(t, to+"/f", "text")
	has(t, to+"/precious/f", "mine")

	dir, err := durable.OpenDir(to)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, dir)
	stage, err := dir.Stage("f.varve-partial")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := copied(t.Context(), t, fsys, to, filecopy.Options{Force: true}, "/f"); !errors.Is(err, durable.ErrStaged) {
		t.Errorf("while another run is at it: %v", err)
	}
	if err := errors.Join(stage.Close(), dir.RemoveAll("f.varve-partial"), os.Symlink("precious", to+"/f.varve-partial")); err != nil {
		t.Fatal(err)
	}
	if _, err := copied(t.Context(), t, fsys, to, filecopy.Options{Force: true}, "/f"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("with a link in its place: %v", err)
	}
	has(t, to+"/precious/f", "mine")
}

// TestCopyOfTheLongestName: what it is called meanwhile is not longer.
func TestCopyOfTheLongestName(t *testing.T) {
	name := "/" + strings.Repeat("n", 255)
	fsys := open(t, image(t, func(dir string) { write(t, dir+name, "text") }))
	to := t.TempDir()
	if _, err := copied(t.Context(), t, fsys, to, filecopy.Options{}, name); err != nil {
		t.Fatal(err)
	}
	has(t, to+name, "text")
}

// TestCopiesOfLinksStayLinks: a tree with links that lead out of it is copied as it is, and nothing comes with it.
func TestCopiesOfLinksStayLinks(t *testing.T) {
	fsys := open(t, image(t, func(dir string) {
		for name, target := range map[string]string{"/tree/etc": "/etc", "/tree/up": "../../../..", "/tree/passwd": "/etc/passwd", "/tree/self": "self"} {
			write(t, dir+"/tree/f", "text")
			if err := os.Symlink(target, dir+name); err != nil {
				t.Fatal(err)
			}
		}
	}))
	to := t.TempDir()
	report, err := copied(t.Context(), t, fsys, to, filecopy.Options{}, "/tree")
	if err != nil || report.Links != 4 || report.Files != 1 || report.Directories != 1 || len(report.Problems) != 0 {
		t.Errorf("%v, %+v", err, report)
	}
}
