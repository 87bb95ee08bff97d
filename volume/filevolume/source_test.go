package filevolume_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"varve/volume"
	"varve/volume/filevolume"
)

func TestOpenRefusesWhatIsNoVolume(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: "a directory", link: "a directory", pipe: "a named pipe", "/dev/null": "a character device",
	} {
		_, err := filevolume.Open(path)
		if !errors.Is(err, volume.ErrNotVolume) || !strings.Contains(err.Error(), want) {
			t.Errorf("open %s: got %v, want ErrNotVolume that says %q", path, err, want)
		}
		_, err = filevolume.OpenTarget(path, 1, filevolume.TargetOptions{Force: true})
		if !errors.Is(err, volume.ErrNotVolume) || !strings.Contains(err.Error(), want) {
			t.Errorf("open target %s: got %v, want ErrNotVolume that says %q", path, err, want)
		}
	}
	if _, err := filevolume.Open(filepath.Join(dir, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open what is not there: got %v, want ErrNotExist", err)
	}
}

func TestSourceIsCutShortWhileRead(t *testing.T) {
	const size, cut = 3 << 20, 1<<20 + 100
	path := writeFile(t, bytes.Repeat([]byte("x"), size))
	snapshot := freeze(t, path)
	buf := make([]byte, 1<<20)
	if _, err := snapshot.ReadAt(buf, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, cut); err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{1 << 20, 2 << 20} {
		_, err := snapshot.ReadAt(buf, off)
		var readErr *volume.ReadError
		if !errors.As(err, &readErr) || !errors.Is(err, volume.ErrChanged) {
			t.Fatalf("read at %d: got %v, want a *ReadError of ErrChanged", off, err)
		}
		if want := max(off, cut); readErr.Offset != want || readErr.Volume != path {
			t.Errorf("read at %d: error names %q at %d, want %q at %d", off, readErr.Volume, readErr.Offset, path, want)
		}
	}
	var last error
	for _, err := range snapshot.(volume.HoleFinder).Data(t.Context(), volume.Extent{Length: snapshot.Size()}) {
		last = err
	}
	if !errors.Is(last, volume.ErrChanged) {
		t.Errorf("holes: got %v, want ErrChanged: what was cut off is no hole", last)
	}
	wantLive(t, snapshot, "size changed")
}

func TestSourceGrowsWhileRead(t *testing.T) {
	path := writeFile(t, []byte("short"))
	snapshot := freeze(t, path)
	if err := os.WriteFile(path, []byte("longer than that"), 0o600); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := snapshot.ReadAt(buf, 0); n != len("short") || err != io.EOF {
		t.Errorf("got %d, %v, want 5 bytes and io.EOF: the size is that of the beginning", n, err)
	}
	wantLive(t, snapshot, "size changed")
}

func TestDeviceFailsWhileRead(t *testing.T) {
	const size, cut = 4 << 20, 2 << 20
	device, backing := newDevice(t, bytes.Repeat([]byte("x"), size))
	snapshot := freeze(t, device)
	if err := os.Truncate(backing, cut); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	if _, err := snapshot.ReadAt(buf, cut-1<<20); err != nil {
		t.Errorf("read what is left: %v", err)
	}
	_, err := snapshot.ReadAt(buf, cut)
	var readErr *volume.ReadError
	if !errors.As(err, &readErr) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v, want a *ReadError of EIO", err)
	}
	if readErr.Offset != cut || readErr.Volume != device {
		t.Errorf("error names %q at %d, want %q at %d", readErr.Volume, readErr.Offset, device, cut)
	}
}

// What the kernel cached of a device does not hide what the storage holds now.
func TestDeviceIsReadPastItsStaleCache(t *testing.T) {
	before, after := bytes.Repeat([]byte("old."), 1<<18), bytes.Repeat([]byte("new!"), 1<<18)
	device, backing := newDevice(t, before)
	// As long as somebody has a device open, such as a mount, its pages stay.
	user, err := os.Open(device)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, user)
	if got := readFile(t, device); !bytes.Equal(got, before) {
		t.Fatal("the device does not hold what its file does")
	}
	f, err := os.OpenFile(backing, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(after, 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, device); !bytes.Equal(got, before) {
		t.Fatal("the page cache is not stale: this tests nothing")
	}
	got := make([]byte, len(after))
	if _, err := freeze(t, device).ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, after) {
		t.Error("read from the stale page cache")
	}
	target := openTarget(t, device, int64(len(after)), filevolume.TargetOptions{InPlace: true})
	closeAtEnd(t, target)
	if _, err := target.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, after) {
		t.Error("a target is compared with its stale page cache")
	}
}

// What was written to a device and not flushed yet is read too, and was not written under the read.
func TestDeviceIsReadWithItsDirtyPages(t *testing.T) {
	device, _ := newDevice(t, make([]byte, 1<<20))
	want := bytes.Repeat([]byte("dirty"), 1000)
	f, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, f)
	if _, err := f.WriteAt(want, 100); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := freeze(t, device).ReadAt(got, 100); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("read without the dirty pages")
	}
}

func TestDeviceWithoutMedium(t *testing.T) {
	need(t, "losetup")
	device := run(t, "losetup", "--find")
	_, err := openSource(t, device).Snapshot(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no medium") {
		t.Errorf("got %v, want an error that says there is no medium", err)
	}
}
