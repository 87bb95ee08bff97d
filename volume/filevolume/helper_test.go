package filevolume_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"varve/volume"
	"varve/volume/filevolume"
)

// writeFile makes a file of this content, with holes where it has long zeros.
func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(writeSparse(f, content), f.Close()); err != nil { // left open, it would be in use
		t.Fatal(err)
	}
	return path
}

func writeSparse(f *os.File, content []byte) error {
	const block = 4096
	for off := 0; off < len(content); off += block {
		part := content[off:min(off+block, len(content))]
		if strings.Trim(string(part), "\x00") == "" {
			continue
		}
		if _, err := f.WriteAt(part, int64(off)); err != nil {
			return err
		}
	}
	return f.Truncate(int64(len(content)))
}

// closeAtEnd closes what the test needs to its end.
func closeAtEnd(t testing.TB, c io.Closer) {
	t.Helper()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// run runs a command and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// need skips the test where the commands or the rights are missing.
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

// newLoop attaches the file to a loop device.
func newLoop(t *testing.T, backing string, options ...string) string {
	t.Helper()
	need(t, "losetup")
	device := run(t, "losetup", append(options, "--find", "--show", backing)...)
	t.Cleanup(func() { run(t, "losetup", "--detach", device) })
	return device
}

// newDevice makes a loop device that holds this content, and returns the file behind it too.
func newDevice(t *testing.T, content []byte, options ...string) (device, backing string) {
	t.Helper()
	backing = writeFile(t, content)
	return newLoop(t, backing, options...), backing
}

// newExt4 makes a file with an ext4 in it.
func newExt4(t *testing.T) string {
	t.Helper()
	need(t, "mkfs.ext4")
	path := writeFile(t, make([]byte, 16<<20))
	run(t, "mkfs.ext4", "-q", "-F", path)
	return path
}

// mount mounts a device and returns where.
func mount(t *testing.T, device string, options ...string) string {
	t.Helper()
	need(t, "mount")
	point := t.TempDir()
	run(t, "mount", append(options, device, point)...)
	t.Cleanup(func() { run(t, "umount", point) })
	return point
}

func openSource(t testing.TB, path string) volume.Source {
	t.Helper()
	source, err := filevolume.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func freeze(t testing.TB, path string) volume.Snapshot {
	t.Helper()
	snapshot, err := openSource(t, path).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, snapshot)
	return snapshot
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// A pipe is a pipe between this process and another.
type pipe struct{ read, write *os.File }

func pipes(t *testing.T) (first, second pipe) {
	t.Helper()
	for _, p := range []*pipe{&first, &second} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		*p = pipe{r, w}
	}
	return first, second
}

// beside prepares a command that runs beside the test.
func beside(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	return cmd
}
