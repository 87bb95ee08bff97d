package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needInside skips where files in images cannot be read, or an ext4 not be made.
func needInside(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount")
	}
	for _, device := range []string{"/dev/fuse", "/dev/loop-control"} {
		if _, err := os.Stat(device); err != nil {
			t.Skipf("needs %s", device)
		}
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip("needs mkfs.ext4")
	}
}

// newExt4 makes an image with an ext4 that holds these files.
func newExt4(t *testing.T, files map[string]string) string {
	t.Helper()
	needInside(t)
	dir := t.TempDir()
	tree, image := filepath.Join(dir, "tree"), filepath.Join(dir, "image")
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(tree, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tree, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("mkfs.ext4", "-q", "-b", "4096", "-L", "root", "-U", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "-d", tree, image, "16M")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return image
}

// backUpExt4 makes such an image, and backs it up.
func backUpExt4(t *testing.T, repo, name string, files map[string]string) {
	t.Helper()
	mustType(t, "-r", repo, "backup", name, newExt4(t, files), "--source-changed")
}

// aboutInside is about files in images.
func (b *bench) aboutInside() {
	b.does("init DIR/inside --chunk-size 64K")
	b.does("backup none DIR/varve/varve.yaml -r DIR/inside")
	table := make([]byte, 2<<20)
	table[450], table[454], table[459], table[510], table[511] = 0x83, 64, 4, 0x55, 0xaa // 1024 sectors from the 64th on
	b.write("table", string(table))
	b.does("backup table DIR/table -r DIR/inside")
	b.says("ls-disk", 0, "ls table -r DIR/inside")
	b.says("ls-unknown", 0, "ls none -r DIR/inside")
	b.says("ls-usage", 2, "ls table --partition x -r DIR/inside")
	b.says("ls-no-partition", 2, "ls table --partition 7 -r DIR/inside")
	b.says("ls-no-file-system", 1, "ls table:/etc -r DIR/inside")
	b.says("cp-usage", 2, "cp table:/etc -r DIR/inside")
	image := newExt4(b.t, map[string]string{"etc/fstab": "none", "big": strings.Repeat("0123456789abcdef", 100_000)})
	if err := os.Rename(image, b.path("ext4")); err != nil {
		b.t.Fatal(err)
	}
	b.does("backup a DIR/ext4 -r DIR/inside --compression none")
	b.says("ls-done", 0, "ls a:/etc -r DIR/inside")
	b.says("ls-failed", 2, "ls a:/none -r DIR/inside")
	b.says("cp-done", 0, "cp a:/etc DIR/etc -r DIR/inside")
	b.says("cp-failed", 1, "cp a:/etc/fstab DIR/etc -r DIR/inside")
	b.hurtIn("inside", "0123456789abcdef")
	b.says("cp-unreadable", 3, "cp a:/big DIR/big -r DIR/inside")
}

// hurtIn turns a byte around where the packs of a repository have this text.
func (b *bench) hurtIn(repo, text string) {
	b.t.Helper()
	packs, err := filepath.Glob(b.path(repo + "/packs/*/*.pack"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, name := range packs {
		data, err := os.ReadFile(name)
		if err != nil {
			b.t.Fatal(err)
		}
		if at := bytes.Index(data, []byte(text)); at >= 0 {
			data[at] ^= 0xff
			if err := os.WriteFile(name, data, 0o600); err != nil {
				b.t.Fatal(err)
			}
			return
		}
	}
	b.t.Fatalf("no pack has %q", text)
}

// asVarve is a command that runs this program as a process of its own.
func asVarve(words ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{"varve"}, words...)
	return cmd
}

// TestOnlyRootLooksInside: anybody who can read the repository sees the partitions, and is told who sees the files.
func TestOnlyRootLooksInside(t *testing.T) {
	b := newBench(t)
	b.does("init DIR/repo")
	backUpExt4(t, b.path("repo"), "v", map[string]string{"f": "text"})
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"v":    {0, "it is an ext4 file system"},
		"v:/f": {exitFailed, "only root can open a file system within an image"},
	} {
		cmd := asVarve("-r", b.path("repo"), "ls", path)
		const override, search = 1, 2 // CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: it can read what root can, and is not root
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: []uintptr{override, search}}
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != want.code || !strings.Contains(string(out), want.text) {
			t.Errorf("ls %s: exit code %d, %v\n%s", path, code, err, out)
		}
	}
}

// TestKilledCopyLeavesNothing kills a copy, and the process that serves it the image, at some moment: no mount, loop device or process
// stays, nothing has its name that is not whole, and the next copy takes away what was begun.
func TestKilledCopyLeavesNothing(t *testing.T) {
	b := newBench(t)
	b.does("init DIR/repo")
	files := map[string]string{}
	for i := range 500 {
		files[fmt.Sprintf("tree/%d", i)] = fmt.Sprint(i)
	}
	name := fmt.Sprintf("killed-%d", os.Getpid()) // others may have a v, too
	backUpExt4(t, b.path("repo"), name, files)
	for _, whom := range []string{"copy", "server"} {
		to := b.path("after-" + whom)
		cmd := asVarve("-r", b.path("repo"), "cp", name+":/tree", to)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		err := errors.Join(awaitEntry(to+".varve-partial"), cmd.Process.Signal(syscall.SIGSTOP))
		server := serverOf(t, cmd.Process.Pid)
		victim := cmd.Process.Pid
		if whom == "server" {
			victim = server
		}
		if !hasLoop(t, name) {
			t.Error("there is no loop device, or this does not see it")
		}
		if err := errors.Join(err, syscall.Kill(victim, syscall.SIGKILL), cmd.Process.Signal(syscall.SIGCONT)); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()                                                                                // the code of who was killed tells nothing
		if code := cmd.ProcessState.ExitCode(); whom == "server" && code != exitDamage && code != 0 { // it had read everything
			t.Errorf("without its server, the copy ends with %d", code)
		}
		if _, err := os.Lstat(to); whom == "copy" && err == nil {
			t.Error("it was killed, and there is a copy")
		}
		for gone := false; !gone; { // nothing holds it: or this never ends
			_, err := os.Stat(fmt.Sprintf("/proc/%d/root/", server))
			gone = err != nil && !hasLoop(t, name)
		}
	}
	mustType(t, "-r", b.path("repo"), "cp", name+":/tree", b.path("after-copy"))
	if names, err := os.ReadDir(b.path("after-copy")); len(names) != len(files) || err != nil {
		t.Errorf("%d files, %v", len(names), err)
	}
	if left, err := filepath.Glob(b.path("*.varve-partial")); len(left) > 0 || err != nil {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// awaitEntry waits until something fits a pattern.
func awaitEntry(pattern string) error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if found, err := filepath.Glob(pattern); len(found) > 0 || err != nil {
			return err
		}
	}
	return fmt.Errorf("there is no %s", pattern)
}

// serverOf finds the process that serves an image to another.
func serverOf(t *testing.T, parent int) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, _ := os.ReadFile(file) // who has ended since has none
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 2 || fields[1] != strconv.Itoa(parent) { // state, parent
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		return child
	}
	t.Fatal("nobody serves the image")
	return 0
}

// hasLoop tells whether a loop device is over an image of a volume.
func hasLoop(t *testing.T, name string) bool {
	t.Helper()
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		text, _ := os.ReadFile(file) // one that is gone since has none
		return strings.Contains(string(text), "/"+name+"/")
	})
}

func TestCutPath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"db1":                          {"db1", ""},
		"db1:":                         {"db1:", ""}, // a name may end so
		"db1@k3f9:":                    {"db1@k3f9", ""},
		"db1:/":                        {"db1", "/"},
		"db1@2026-11-19T02:00:/etc/f":  {"db1@2026-11-19T02:00", "/etc/f"},
		"a:b@k3f9:/etc:/x":             {"a:b@k3f9", "/etc:/x"},
		"vms/vm-17@tag:release:/a@b/c": {"vms/vm-17@tag:release", "/a@b/c"},
	} {
		if at, path := cutPath(text); at != want[0] || path != want[1] {
			t.Errorf("%q is %q and %q, want %q", text, at, path, want)
		}
	}
}

func TestLsPrints(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	out := &lsResult{Path: "/", Unreadable: []string{`open "/x": input/output error`}, Entries: []file{
		{Name: "null", UID: 0, GID: 6, Modified: at, mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, major: 1, minor: 3},
		{Name: "new\nline", UID: 1000, GID: 1000, Size: 5000, Modified: at, mode: 0o600},
		{Name: "link", Modified: at, Size: 4, Target: "\x1b[2J", mode: fs.ModeSymlink | 0o777},
	}}
	p := testPage()
	out.print(p)
	const want = `MODE            OWNER     SIZE  MODIFIED          NAME
crw-rw-rw-        0:6     1, 3  Mon 23 Nov 13:00  null
-rw-------  1000:1000  4.9 KiB  Mon 23 Nov 13:00  "new\nline"
lrwxrwxrwx        0:0  4 bytes  Mon 23 Nov 13:00  link -> ?[2J
UNREADABLE  open "/x": input/output error
`
	if got := p.text.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestModeText(t *testing.T) {
	t.Parallel()
	for mode, want := range map[fs.FileMode][2]string{
		0o644:                                {"-rw-r--r--", "0644"},
		fs.ModeDir | fs.ModeSticky | 0o777:   {"drwxrwxrwt", "1777"},
		fs.ModeSymlink | 0o777:               {"lrwxrwxrwx", "0777"},
		fs.ModeSetuid | 0o755:                {"-rwsr-xr-x", "4755"},
		fs.ModeSetuid | fs.ModeSetgid:        {"---S--S---", "6000"},
		fs.ModeDevice | 0o660:                {"brw-rw----", "0660"},
		fs.ModeDevice | fs.ModeCharDevice:    {"c---------", "0000"},
		fs.ModeNamedPipe | fs.ModeSticky | 1: {"p--------t", "1001"},
		fs.ModeSocket | fs.ModeSticky:        {"s--------T", "1000"},
	} {
		if got := modeText(mode); got != want[0] || modeBits(mode) != want[1] {
			t.Errorf("%v is written %q and %q, want %q", mode, got, modeBits(mode), want)
		}
	}
}

// What is said of a disk with a table and no partition does not lead back to where it was said.
func TestHintOnADiskWithoutPartitions(t *testing.T) {
	t.Parallel()
	a := about{volume: "db1", id: "20261124T010003Z-k3f9"}
	err := error(&noPathError{Path: "/etc"})
	if got := hint(err, a); err.Error() != emptyTable || !strings.HasPrefix(got, "varve restore db1@k3f9 FILE") {
		t.Errorf("%v: %s", err, got)
	}
}
