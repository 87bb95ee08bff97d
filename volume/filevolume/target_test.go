package filevolume_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"varve/volume"
	"varve/volume/filevolume"
)

func TestNewTargetAppearsAtCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	target := openTarget(t, path, 10<<20, filevolume.TargetOptions{})
	if !target.Fresh() {
		t.Error("a new file is not fresh")
	}
	if _, err := target.WriteAt([]byte("data"), 5<<20); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, path)
	if err := target.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, path+".varve-partial")
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() != 10<<20 {
		t.Errorf("size %d, want %d", info.Size(), 10<<20)
	}
	if stored := info.Sys().(*syscall.Stat_t).Blocks * 512; stored > 1<<20 {
		t.Errorf("it takes %d bytes: holes are not kept", stored)
	}
}

func wantAbsent(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there (%v), and should not be", path, err)
	}
}

func TestTargetGivenUp(t *testing.T) {
	path := writeFile(t, []byte("old"))
	target := openTarget(t, path, 100, filevolume.TargetOptions{Force: true})
	if _, err := target.WriteAt([]byte("new"), 0); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, path+".varve-partial")
	if got := readFile(t, path); string(got) != "old" {
		t.Errorf("it holds %q, want the old content", got)
	}
}

func TestReplacingKeepsOwnerAndMode(t *testing.T) {
	path := writeFile(t, []byte("old"))
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(path, 12, 34); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	target := openTarget(t, path, 3, filevolume.TargetOptions{Force: true})
	closeAtEnd(t, target)
	if err := target.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	was, is := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t)
	if was.Uid != is.Uid || was.Gid != is.Gid || was.Mode != is.Mode {
		t.Errorf("owner %d:%d mode %o, want %d:%d %o", is.Uid, is.Gid, is.Mode, was.Uid, was.Gid, was.Mode)
	}
}

func TestTargetBehindLink(t *testing.T) {
	path := writeFile(t, []byte("old"))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	target := openTarget(t, link, 3, filevolume.TargetOptions{Force: true})
	closeAtEnd(t, target)
	if _, err := target.WriteAt([]byte("new"), 0); err != nil {
		t.Fatal(err)
	}
	if err := target.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, path); string(got) != "new" {
		t.Errorf("what the link leads to holds %q, want %q", got, "new")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := filevolume.OpenTarget(link, 3, filevolume.TargetOptions{}); err == nil {
		t.Error("a link that leads nowhere became a target")
	}
}

func TestTargetThatSomebodyMakesMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	target := openTarget(t, path, 3, filevolume.TargetOptions{})
	if err := os.WriteFile(path, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := target.Commit(t.Context()); !errors.Is(err, volume.ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, path+".varve-partial")
	if got := readFile(t, path); string(got) != "theirs" {
		t.Errorf("it holds %q, want theirs", got)
	}
}

func TestPartialOfAnotherRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	first := openTarget(t, path, 3, filevolume.TargetOptions{})
	if _, err := filevolume.OpenTarget(path, 3, filevolume.TargetOptions{}); !errors.Is(err, volume.ErrBusy) {
		t.Errorf("while another run writes it: got %v, want ErrBusy", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	// A dead one has left its file, here with a second name: that must not change.
	stale, other := path+".varve-partial", path+".other"
	if err := os.WriteFile(stale, []byte("stale"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(stale, other); err != nil {
		t.Fatal(err)
	}
	second := openTarget(t, path, 3, filevolume.TargetOptions{})
	closeAtEnd(t, second)
	if err := second.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, path); !bytes.Equal(got, make([]byte, 3)) {
		t.Errorf("the target holds %q, want zeros", got)
	}
	if got := readFile(t, other); string(got) != "stale" {
		t.Errorf("the other name of the stale file holds %q, want it untouched", got)
	}
}

// To look whether a target could be written changes nothing, be it a file that is to be made, replaced or written in place.
func TestCheckTarget(t *testing.T) {
	device, _ := newDevice(t, make([]byte, 1<<20))
	tests := map[string]struct {
		there   bool
		size    int64
		opts    filevolume.TargetOptions
		refused error
	}{
		"new":               {size: 3},
		"replaced":          {there: true, size: 3, opts: filevolume.TargetOptions{Force: true}},
		"in place":          {there: true, size: 1000, opts: filevolume.TargetOptions{InPlace: true}},
		"nobody allowed it": {there: true, size: 3, refused: volume.ErrExists},
		"nothing is there":  {size: 3, opts: filevolume.TargetOptions{InPlace: true}, refused: volume.ErrNoTarget},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "disk.img")
			held := map[string]string{path + ".partial": "theirs", path + ".varve-partial": "of a dead run"}
			if tt.there {
				held[path] = "old"
			}
			for name, content := range held {
				if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if surplus, err := filevolume.CheckTarget(path, tt.size, tt.opts); !errors.Is(err, tt.refused) || surplus != 0 {
				t.Errorf("got a surplus of %d and %v, want %v", surplus, err, tt.refused)
			}
			for name, content := range held {
				if got := readFile(t, name); string(got) != content {
					t.Errorf("%s holds %q, want %q", name, got, content)
				}
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != len(held) {
				t.Errorf("there are %v (%v)", entries, err)
			}
		})
	}
	if surplus, err := filevolume.CheckTarget(device, 1<<20-100, filevolume.TargetOptions{Force: true}); err != nil || surplus != 100 {
		t.Errorf("a larger device: surplus %d, %v", surplus, err)
	}
	tooSmall, noRoom := new(volume.SizeError), new(volume.SpaceError)
	if _, err := filevolume.CheckTarget(device, 1<<20+1, filevolume.TargetOptions{Force: true}); !errors.As(err, &tooSmall) {
		t.Errorf("a smaller device: %v", err)
	}
	if _, err := filevolume.CheckTarget(t.TempDir()+"/x", 1<<60, filevolume.TargetOptions{Needed: 1 << 59}); !errors.As(err, &noRoom) {
		t.Errorf("no room: %v", err)
	}
	if _, err := filevolume.CheckTarget("/proc/self/x", 1, filevolume.TargetOptions{}); err == nil {
		t.Error("a file could be made in /proc")
	}
}

// A file that happens to be called .partial is somebody else's.
func TestPartialOfSomebodyElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path+".partial", []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	target := openTarget(t, path, 3, filevolume.TargetOptions{})
	closeAtEnd(t, target)
	if err := target.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, path+".partial"); string(got) != "theirs" {
		t.Errorf("it holds %q, want theirs", got)
	}
}

func TestInPlaceChangesNothingBeforeTheFirstWrite(t *testing.T) {
	before := bytes.Repeat([]byte("before"), 2000)
	for _, size := range []int64{100, 50_000} {
		path := writeFile(t, before)
		target := openTarget(t, path, size, filevolume.TargetOptions{InPlace: true})
		got := make([]byte, size)
		if _, err := target.ReadAt(got, 0); err != nil {
			t.Fatal(err)
		}
		want := make([]byte, size)
		copy(want, before)
		if !bytes.Equal(got, want) {
			t.Error("it does not read as the file, then zeros")
		}
		if err := target.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(readFile(t, path), before) {
			t.Error("the file changed")
		}
	}
}

func TestRangeInPlace(t *testing.T) {
	tests := []struct{ file, volume, off, n, want int64 }{
		{file: 5000, volume: 10_000, off: 1000, n: 100, want: 5000},
		{file: 6100, volume: 10_000, off: 6000, n: 100, want: 6100},
		{file: 20_000, volume: 10_000, off: 1000, n: 100, want: 20_000},
		{file: 20_000, volume: 10_000, want: 10_000}, // no range: all of it
	}
	for _, tt := range tests {
		path := writeFile(t, make([]byte, tt.file))
		target := openTarget(t, path, tt.volume, filevolume.TargetOptions{
			InPlace: true, Range: volume.Extent{Offset: tt.off, Length: tt.n},
		})
		if err := target.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := target.Close(); err != nil {
			t.Fatal(err)
		}
		if got := int64(len(readFile(t, path))); got != tt.want {
			t.Errorf("%+v: ended with %d bytes", tt, got)
		}
	}
	short := writeFile(t, make([]byte, 6099))
	opts := filevolume.TargetOptions{InPlace: true, Range: volume.Extent{Offset: 6000, Length: 100}}
	tooSmall := new(volume.SizeError)
	if _, err := filevolume.OpenTarget(short, 10_000, opts); !errors.As(err, &tooSmall) || tooSmall.Need != 6100 {
		t.Errorf("a range beyond the end: %v", err)
	}
	if _, err := filevolume.OpenTarget(t.TempDir()+"/x", 10_000, opts); !errors.Is(err, volume.ErrNoTarget) {
		t.Errorf("in place where nothing is: %v", err)
	}
	for _, r := range []volume.Extent{{Offset: -1, Length: 1}, {Offset: 1, Length: 10}, {Offset: 11}, {Offset: 1, Length: 1<<63 - 1}} {
		if _, err := filevolume.OpenTarget(t.TempDir()+"/x", 10, filevolume.TargetOptions{Range: r}); err == nil {
			t.Errorf("the range %+v of a volume of 10 bytes was accepted", r)
		}
	}
}

func TestNoFileAmongDevices(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/dev", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/dev/varve-none", "/dev/../dev/varve-none", link + "/varve-none"} {
		_, err := filevolume.OpenTarget(path, 1, filevolume.TargetOptions{Force: true, InPlace: true})
		if none := new(volume.NoDeviceError); !errors.As(err, &none) {
			t.Errorf("%s: %v", path, err)
		}
		wantAbsent(t, "/dev/varve-none")
		wantAbsent(t, "/dev/varve-none.varve-partial")
	}
}

func TestDeviceSize(t *testing.T) {
	device, _ := newDevice(t, make([]byte, 1<<20))
	force := filevolume.TargetOptions{Force: true}
	_, err := filevolume.OpenTarget(device, 1<<20+1, force)
	var sizeErr *volume.SizeError
	if !errors.As(err, &sizeErr) || sizeErr.Have != 1<<20 || sizeErr.Need != 1<<20+1 {
		t.Errorf("got %v, want a *SizeError with both sizes", err)
	}
	target := openTarget(t, device, 1<<20-100, force)
	if got := target.(volume.Larger).Surplus(); got != 100 {
		t.Errorf("surplus %d, want 100", got)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	force.Range = volume.Extent{Offset: 1000, Length: 1000}
	if err := openTarget(t, device, 1<<30, force).Close(); err != nil {
		t.Error(err)
	}
}

func TestDeviceFailsWhileWritten(t *testing.T) {
	const size, cut = 4 << 20, 2 << 20
	device, backing := newDevice(t, make([]byte, size))
	target := openTarget(t, device, size, filevolume.TargetOptions{Force: true})
	closeAtEnd(t, target)
	if err := os.Truncate(backing, cut); err != nil {
		t.Fatal(err)
	}
	// A loop device makes its file longer when written, and fails to read what is not there: so does a part of a block.
	var writeErr *volume.WriteError
	if _, err := target.WriteAt([]byte("x"), cut+100); !errors.As(err, &writeErr) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v, want a *WriteError of EIO", err)
	}
	if writeErr.Offset != cut+100 || !strings.Contains(writeErr.Error(), device) {
		t.Errorf("the error is %q, want one that names %s at %d", writeErr, device, cut+100)
	}
}

func TestSpaceForNewTarget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	_, err := filevolume.OpenTarget(path, 1<<60, filevolume.TargetOptions{Needed: 1 << 59})
	var spaceErr *volume.SpaceError
	if !errors.As(err, &spaceErr) || spaceErr.Need != 1<<59 || spaceErr.Available <= 0 {
		t.Errorf("got %v, want a *SpaceError with both sizes", err)
	}
	wantAbsent(t, path+".varve-partial")
}
