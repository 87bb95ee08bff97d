package mountinfo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/internal/mountinfo"
)

// A loop device over a file is told by its name, its number and the file.
func TestLoops(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--show", "--find", "--read-only", file).Output()
	if err != nil {
		t.Skipf("needs loop devices: %v", err)
	}
	device := strings.TrimSpace(string(out))
	defer func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}()
	loops := mountinfo.Loops()
	i := slices.IndexFunc(loops, func(l mountinfo.Loop) bool { return l.Backing == file })
	if i < 0 || "/dev/"+loops[i].Name != device || !strings.HasPrefix(loops[i].Device, "7:") {
		t.Errorf("%s over %s is not among %+v", device, file, loops)
	}
}
