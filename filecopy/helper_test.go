package filecopy_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"varve/disk"
	"varve/filecopy"
	"varve/loopmount"
)

// image has a function fill a new ext4, and gives the path of its file.
func image(t testing.TB, fill func(dir string)) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, for loop devices and mounts")
	}
	for _, command := range []string{"mkfs.ext4", "mount", "losetup"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skipf("needs %s", command)
		}
	}
	dir := t.TempDir()
	path, point := filepath.Join(dir, "disk"), filepath.Join(dir, "point")
	run(t, "truncate", "-s", "64M", path)
	run(t, "mkfs.ext4", "-q", "-b", "4096", "-N", "8192", path)
	run(t, "mkdir", point)
	run(t, "mount", "-o", "loop,noatime", path, point)
	func() {
		defer run(t, "umount", point)
		fill(point)
	}()
	return path
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// open opens the file system of an image.
func open(t testing.TB, path string) *loopmount.FileSystem {
	t.Helper()
	part := disk.Part{Content: disk.Content{Kind: disk.Ext4}}
	part.Length = 64 << 20
	f, err := loopmount.Open(path, part)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, f)
	return f
}

func closeAtEnd(t testing.TB, c io.Closer) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// copied copies files of an image, by their paths, into a directory.
func copied(ctx context.Context, t testing.TB, f *loopmount.FileSystem, dir string, opts filecopy.Options, paths ...string) (*filecopy.Report, error) {
	t.Helper()
	var sources []filecopy.Source
	for _, path := range paths {
		n, err := f.Lookup(path, true)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}()
		sources = append(sources, filecopy.Source{Node: n, Name: filepath.Base(path)})
	}
	return filecopy.Copy(ctx, dir, sources, opts)
}

// snapshot says everything of a tree, a line for each file of it, by its name.
func snapshot(t testing.TB, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	first := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		text := fmt.Sprintf("%v %d:%d %d.%09d %d.%09d rdev %x", info.Mode(), st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec, st.Atim.Sec, st.Atim.Nsec, st.Rdev)
		switch info.Mode().Type() {
		case 0:
			text += fmt.Sprintf(" size %d links %d %s", info.Size(), st.Nlink, content(t, path))
		case fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + target
		}
		if !info.IsDir() && st.Nlink > 1 {
			if _, known := first[st.Ino]; !known {
				first[st.Ino] = name
			}
			text += " the same as " + first[st.Ino]
		}
		all[name] = text + extended(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// content says what a file holds, and where its data are.
func content(t testing.TB, path string) string {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOATIME, 0)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%x", sha256.Sum256(data))[:12]
	for off := int64(0); ; {
		begin, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if err != nil {
			break
		}
		if off, err = unix.Seek(int(f.Fd()), begin, unix.SEEK_HOLE); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf(" %d-%d", begin, off)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return text
}

func extended(t testing.TB, path string) (text string) {
	t.Helper()
	list := make([]byte, 4096)
	n, err := unix.Llistxattr(path, list)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		t.Fatal(err)
	}
	names := strings.Split(string(list[:max(n, 0)]), "\x00")
	slices.Sort(names)
	for _, name := range names {
		if name == "" {
			continue
		}
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf(" %s=%x", name, value[:n])
	}
	return text
}

// differ says how trees differ.
func differ(want, got map[string]string) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			all = append(all, fmt.Sprintf("%s is\n  %s, and was\n  %s", name, got[name], want[name]))
		}
	}
	for name := range got {
		if want[name] == "" {
			all = append(all, name+" was not there")
		}
	}
	return all
}

func names(t testing.TB, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
