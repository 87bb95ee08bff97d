package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
