package loopmount_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/disk"
	"varve/loopmount"
)

func need(t testing.TB, commands ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, for loop devices and mounts")
	}
	for _, command := range commands {
		if _, err := exec.LookPath(command); err != nil {
			t.Skipf("needs %s", command)
		}
	}
}

// image has a script make the file "disk", and gives its path.
func image(t testing.TB, script string, needs ...string) string {
	t.Helper()
	need(t, needs...)
	dir := t.TempDir()
	// filled: mounts the disk on m and has the commands after it run there.
	const prelude = `set -e
truncate -s 64M disk; mkdir m
filled() { mount -o loop disk m; (cd m; "$@") || { umount m; exit 1; }; umount m; }
`
	cmd := exec.Command("bash", "-c", prelude+script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "disk")
}

// closeAtEnd closes what may be closed by then.
func closeAtEnd(t testing.TB, c io.Closer) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
			t.Error(err)
		}
	})
}

func look(t testing.TB, path string) disk.Layout {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, f)
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	l, err := disk.Look(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// mounted opens the first part of an image that holds a file system.
func mounted(t testing.TB, path string) *loopmount.FileSystem {
	t.Helper()
	l := look(t, path)
	i := slices.IndexFunc(l.Parts, func(p disk.Part) bool { return p.Kind.IsFileSystem() })
	if i < 0 {
		t.Fatalf("found %+v", l)
	}
	f, err := loopmount.Open(path, l.Parts[i])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if left := lastingLoopsOver(path); left != "" {
			t.Errorf("left behind: %s", left)
		}
	})
	return f
}

// lastingLoopsOver lists the loop devices over a file that do not go by themselves: the kernel takes them down after what
// used them, when it comes to that.
func lastingLoopsOver(path string) (left string) {
	for range 1000 {
		if left = loopsOver(path); left == "" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return left
}

// loopsOver lists the loop devices over a file.
func loopsOver(path string) string {
	out, err := exec.Command("losetup", "--associated", path).CombinedOutput()
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func node(t testing.TB, f *loopmount.FileSystem, path string) *loopmount.Node {
	t.Helper()
	n, err := f.Lookup(path, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func read(t testing.TB, n *loopmount.Node) string {
	t.Helper()
	f, err := n.Open()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestOpen reads a file of each file system that this kernel knows; of the others it says so.
func TestOpen(t *testing.T) {
	tests := []struct {
		kind   disk.Kind
		script string
		needs  []string
	}{
		{disk.Ext2, "mkfs.ext2 -q disk; filled sh -c 'echo hello >f'", []string{"mkfs.ext2"}},
		{disk.Ext3, "mkfs.ext3 -q disk; filled sh -c 'echo hello >f'", []string{"mkfs.ext3"}},
		{disk.Ext4, "mkfs.ext4 -q disk; filled sh -c 'echo hello >f'", []string{"mkfs.ext4"}},
		{disk.XFS, "truncate -s 320M disk; mkfs.xfs -q disk; filled sh -c 'echo hello >f'", []string{"mkfs.xfs"}},
		{disk.Btrfs, "truncate -s 128M disk; mkfs.btrfs -q disk; filled sh -c 'echo hello >f'", []string{"mkfs.btrfs"}},
		{disk.VFAT, "mkfs.vfat disk", []string{"mkfs.vfat"}},
		{disk.NTFS, "mkntfs -qFQ disk", []string{"mkntfs"}},
		{disk.ISO9660, "echo hello >m/f; genisoimage -quiet -o disk m", []string{"genisoimage"}},
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(string(test.kind), func(t *testing.T) {
			path := image(t, test.script, append(test.needs, "losetup", "mount")...)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			l := look(t, path)
			if len(l.Parts) != 1 || l.Parts[0].Kind != test.kind {
				t.Fatalf("found %+v", l)
			}
			if !strings.Contains(string(known), "\t"+string(test.kind)+"\n") {
				_, err := loopmount.Open(path, l.Parts[0])
				if unknown := new(loopmount.UnknownError); !errors.As(err, &unknown) && err != nil {
					t.Error(err) // a module that is loaded now is fine
				}
				if left := lastingLoopsOver(path); left != "" {
					t.Errorf("left behind: %s", left)
				}
				return
			}
			f := mounted(t, path)
			if got := read(t, node(t, f, "/f")); got != "hello\n" || f.Part.Unclean {
				t.Errorf("read %q; unclean: %v", got, f.Part.Unclean)
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the image is another one now (%v)", err)
			}
		})
	}
}

// TestOpenUnclean opens what was copied while it was mounted: its journal is to be replayed, and is not.
func TestOpenUnclean(t *testing.T) {
	const copied = `; filled sh -c 'echo hello >f'; mount -o loop disk m; echo more >>m/f; sync -d m/f; cp disk copy; umount m; mv copy disk`
	for _, test := range []struct {
		kind   disk.Kind
		script string
	}{
		{disk.Ext4, "mkfs.ext4 -q disk"},
		{disk.XFS, "truncate -s 320M disk; mkfs.xfs -q disk"},
		{disk.Btrfs, "truncate -s 128M disk; mkfs.btrfs -q disk"},
	} {
		t.Run(string(test.kind), func(t *testing.T) {
			path := image(t, test.script+copied, "losetup", "mount", "mkfs."+string(test.kind))
			f := mounted(t, path)
			if got := read(t, node(t, f, "/f")); !strings.HasPrefix(got, "hello\n") {
				t.Errorf("read %q", got)
			}
			if !f.Part.Unclean {
				t.Error("it is told to be clean")
			}
		})
	}
}

// TestOpenBesideTheOriginal opens a copy of a file system that is mounted at the same time.
func TestOpenBesideTheOriginal(t *testing.T) {
	for _, script := range []string{"truncate -s 320M disk; mkfs.xfs -q disk", "truncate -s 128M disk; mkfs.btrfs -q disk", "mkfs.ext4 -q disk"} {
		path := image(t, script+"; filled sh -c 'echo hello >f'; cp disk original", "losetup", "mount", "mkfs.xfs", "mkfs.btrfs")
		dir := filepath.Dir(path)
		if out, err := exec.Command("mount", "-o", "loop", filepath.Join(dir, "original"), filepath.Join(dir, "m")).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Cleanup(func() { _ = exec.Command("umount", filepath.Join(dir, "m")).Run() }) // the directory's removal tells
		if got := read(t, node(t, mounted(t, path), "/f")); got != "hello\n" {
			t.Errorf("read %q", got)
		}
	}
}

// TestPartitions opens each partition of a disk.
func TestPartitions(t *testing.T) {
	path := image(t, `sfdisk -q disk <<<$'label: gpt\nstart=1MiB, size=16MiB\nstart=20MiB, size=16MiB'
for at in 1 20; do
	truncate -s 16M part; mkfs.ext4 -q part; mv disk whole; mv part disk; filled sh -c "echo $at >f"; mv disk part; mv whole disk
	dd if=part of=disk bs=1M seek=$at conv=notrunc status=none; rm part
done`, "sfdisk", "mkfs.ext4", "losetup", "mount")
	for i, part := range look(t, path).Parts {
		f, err := loopmount.Open(path, part)
		if err != nil {
			t.Fatal(err)
		}
		n, err := f.Lookup("/f", false)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, n); got != []string{"1\n", "20\n"}[i] {
			t.Errorf("partition %d has %q", part.Number, got)
		}
		if err := errors.Join(n.Close(), f.Close()); err != nil {
			t.Error(err)
		}
	}
	if left := lastingLoopsOver(path); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// TestOpenRefuses says why something is not opened, and leaves nothing behind.
func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct{ script, want string }{
		{"mkswap disk", "the disk holds no file system: it is swap space"},
		{"", "the disk holds no file system: it is nothing but zeros at its beginning and its end"},
		{"sfdisk -q disk <<<'start=1MiB, size=16MiB'; truncate -s 512K disk", "partition 1 holds no file system: it is nothing that is known; it begins 524288 bytes after the end of the disk"},
		{"mkfs.ext4 -q disk; truncate -s 32M disk", "the kernel does not mount the ext4 of the disk: invalid argument"},
	} {
		path := image(t, test.script, "losetup", "mkfs.ext4", "mkswap", "sfdisk")
		f, err := loopmount.Open(path, look(t, path).Parts[0])
		if err == nil {
			t.Errorf("%s: opened", test.script)
			_ = f.Close()
		} else if !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v", test.script, err)
		}
		if left := lastingLoopsOver(path); left != "" {
			t.Errorf("left behind: %s", left)
		}
	}
}

// TestLinksStayInside has links that lead out of the image, and finds what they lead to within it, or nothing.
func TestLinksStayInside(t *testing.T) {
	path := image(t, `mkfs.ext4 -q disk; filled bash -c '
mkdir -p etc/deep; echo inside >etc/passwd; echo mine >etc/deep/f
ln -s /etc/passwd absolute; ln -s ../../../../etc/passwd relative; ln -s /etc dir; ln -s /proc/self/root/etc proc; ln -s loop loop; ln -s /etc/shadow out
ln -s / etc/deep/up; ln -s ../.. etc/deep/above'`, "losetup", "mount", "mkfs.ext4")
	f := mounted(t, path)
	for name, want := range map[string]string{
		"/absolute": "inside", "/relative": "inside", "/dir/passwd": "inside", "/../../etc/passwd": "inside", "/etc/deep/up/etc/passwd": "inside",
		"/etc/deep/above/../../../dir/deep/f": "mine", "//etc//passwd": "inside", "etc/passwd": "inside",
	} {
		if got := read(t, node(t, f, name)); got != want+"\n" {
			t.Errorf("%s has %q", name, got)
		}
	}
	for _, name := range []string{"/out", "/proc/hostname", "/loop", "/loop/x", "/etc/passwd/x", "/none"} {
		if n, err := f.Lookup(name, true); err == nil {
			t.Errorf("%s leads to %+v", name, n)
		}
	}
	root := node(t, f, "/")
	for _, name := range []string{"..", "/", "/etc", "dir/passwd", "etc/../../x", "absolute/x"} {
		if n, err := root.Child(name); err == nil && name != "" {
			t.Errorf("the child %q is %+v", name, n)
		}
	}
	n, err := f.Lookup("/absolute", false)
	if err != nil || n.Mode.Type() != fs.ModeSymlink {
		t.Fatalf("%+v, %v", n, err)
	}
	if target, err := n.Target(); target != "/etc/passwd" || err != nil {
		t.Errorf("it leads to %q, %v", target, err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	names, err := root.Names()
	if want := "[absolute dir etc loop lost+found out proc relative]"; fmt.Sprint(names) != want || err != nil {
		t.Errorf("%v, %v", names, err)
	}
}

// TestMountIsNotSeen: no other process finds it among the mounts.
func TestMountIsNotSeen(t *testing.T) {
	path := image(t, "mkfs.ext4 -q disk", "losetup", "mount", "mkfs.ext4")
	mounted(t, path)
	device, _, _ := strings.Cut(loopsOver(path), ":")
	for _, file := range []string{"/proc/self/mountinfo", "/proc/1/mountinfo"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if device == "" || strings.Contains(string(text), device+" ") {
			t.Errorf("%s has %q", file, device)
		}
	}
}

// TestKilled has a process that is killed while it has a file system open: nothing stays.
func TestKilled(t *testing.T) {
	if path := os.Getenv("LOOPMOUNT_TEST_IMAGE"); path != "" {
		mounted(t, path)
		fmt.Println("open")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
	}
	path := image(t, "mkfs.ext4 -q disk", "losetup", "mkfs.ext4")
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
	cmd.Env = append(os.Environ(), "LOOPMOUNT_TEST_IMAGE="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, in)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 5)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "open\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if loopsOver(path) == "" {
		t.Error("there is no loop device")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if left := lastingLoopsOver(path); left != "" {
		t.Errorf("left behind: %s", left)
	}
}
