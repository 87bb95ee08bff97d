package filevolume_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve/volume"
)

func wantLive(t *testing.T, snapshot volume.Snapshot, why string) {
	t.Helper()
	consistency, reason, err := snapshot.Consistency()
	if consistency != volume.Live || !strings.Contains(reason, why) || err != nil {
		t.Errorf("consistency %q (%s), %v, want live because of %q", consistency, reason, err, why)
	}
}

func wantStill(t *testing.T, snapshot volume.Snapshot) {
	t.Helper()
	if consistency, reason, err := snapshot.Consistency(); consistency != volume.Still || err != nil {
		t.Errorf("consistency %q (%s), %v, want still", consistency, reason, err)
	}
}

func TestFileChangesWhileRead(t *testing.T) {
	tests := map[string]struct {
		change func(t *testing.T, path string) error
		want   string
	}{
		"written": {func(t *testing.T, path string) error { return os.WriteFile(path, []byte("CONTENT"), 0o600) }, "written"},
		"mode":    {func(t *testing.T, path string) error { return os.Chmod(path, 0o640) }, "metadata changed"},
		"removed": {func(t *testing.T, path string) error { return os.Remove(path) }, "metadata changed"},
		"moved away": {func(t *testing.T, path string) error {
			return os.Rename(filepath.Dir(path), filepath.Join(t.TempDir(), "elsewhere"))
		}, "replaced or removed"},
		"opened": {func(t *testing.T, path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			closeAtEnd(t, f)
			return err
		}, "open for writing by filevolume.test"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, []byte("content"))
			snapshot := freeze(t, path)
			wantStill(t, snapshot)
			if err := tt.change(t, path); err != nil {
				t.Fatal(err)
			}
			wantLive(t, snapshot, tt.want)
		})
	}
}

func TestFileIsOpenForWritingAtFirst(t *testing.T) {
	path := writeFile(t, []byte("content"))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	snapshot := freeze(t, path)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wantLive(t, snapshot, "open for writing")
}

func TestFileUnderLoopDevice(t *testing.T) {
	image := newExt4(t)
	device := newLoop(t, image)
	wantStill(t, freeze(t, image)) // attached is not used
	point := mount(t, device)
	wantLive(t, freeze(t, image), "mounted read-write on "+point+" through "+filepath.Base(device))
}

func TestMountedDevice(t *testing.T) {
	device := newLoop(t, newExt4(t))
	wantStill(t, freeze(t, device))
	point := mount(t, device)
	wantLive(t, freeze(t, device), "mounted read-write on "+point)
}

func TestDeviceMountedReadOnly(t *testing.T) {
	device := newLoop(t, newExt4(t))
	point := mount(t, device, "-o", "ro")
	snapshot := freeze(t, device)
	wantStill(t, snapshot)
	run(t, "mount", "-o", "remount,rw", point)
	wantLive(t, snapshot, "mounted read-write on "+point)
}

func TestMountedPartition(t *testing.T) {
	need(t, "sfdisk", "partx", "mkfs.ext4")
	disk := writeFile(t, make([]byte, 32<<20))
	run(t, "sh", "-c", "echo 2048,40960 | sfdisk -q "+disk)
	device := newLoop(t, disk)
	part := device + "p1"
	run(t, "partx", "--add", device) // not every kernel looks for them by itself
	t.Cleanup(func() { run(t, "partx", "--delete", device) })
	run(t, "mkfs.ext4", "-q", part)
	point := mount(t, part)
	wantLive(t, freeze(t, device), "mounted read-write on "+point+" through "+filepath.Base(part))
	wantLive(t, freeze(t, part), "mounted read-write on "+point)
}

func TestDeviceIsOpenForWriting(t *testing.T) {
	device, _ := newDevice(t, make([]byte, 1<<20))
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	snapshot := freeze(t, device)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wantLive(t, snapshot, "open for writing by filevolume.test")
}

func TestDeviceIsWrittenWhileRead(t *testing.T) {
	device, _ := newDevice(t, make([]byte, 1<<20))
	snapshot := freeze(t, device)
	wantStill(t, snapshot)
	f, err := os.OpenFile(device, os.O_RDWR|os.O_SYNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("changed"), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wantLive(t, snapshot, "written while it was read")
}

func TestHeldDevice(t *testing.T) {
	device, _ := newDevice(t, make([]byte, 1<<20))
	name := "varve-test-" + filepath.Base(device)
	if drivers, err := os.ReadFile("/proc/misc"); err != nil || !strings.Contains(string(drivers), "device-mapper") {
		t.Skip("needs a kernel with the device mapper")
	}
	need(t, "dmsetup")
	run(t, "dmsetup", "create", name, "--table", "0 2048 linear "+device+" 0")
	t.Cleanup(func() { run(t, "dmsetup", "remove", name) })
	wantLive(t, freeze(t, device), "held by dm-")
}

// A mount that only another namespace sees holds the device all the same.
func TestDeviceMountedElsewhere(t *testing.T) {
	need(t, "unshare")
	device := newLoop(t, newExt4(t))
	point := t.TempDir()
	mounted, done := pipes(t)
	elsewhere := beside("unshare", "--mount", "sh", "-c",
		"mount "+device+" "+point+" && echo mounted && { read done; umount "+point+"; }")
	elsewhere.Stdout, elsewhere.Stdin = mounted.write, done.read
	if err := elsewhere.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := elsewhere.Wait(); err != nil {
			t.Error(err)
		}
	})
	closeAtEnd(t, done.write)
	if _, err := mounted.read.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	wantLive(t, freeze(t, device), "held by something that cannot be seen")
}

func TestSwap(t *testing.T) {
	need(t, "mkswap", "swapon", "swapoff")
	device, _ := newDevice(t, make([]byte, 1<<20))
	run(t, "mkswap", device)
	run(t, "swapon", device)
	t.Cleanup(func() { run(t, "swapoff", device) })
	wantLive(t, freeze(t, device), "used as swap")
}
