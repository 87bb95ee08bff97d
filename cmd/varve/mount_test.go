package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// cannotMount says what is missing to mount; empty: nothing.
func cannotMount() string {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return err.Error()
	}
	if _, err := exec.LookPath("fusermount3"); err != nil && os.Geteuid() != 0 {
		return err.Error()
	}
	return ""
}

// mountPoint makes a directory, and has it unmounted in the end.
func mountPoint(t *testing.T) string {
	t.Helper()
	if why := cannotMount(); why != "" {
		t.Skipf("needs FUSE: %s", why)
	}
	dir := t.TempDir()
	unmountAfter(t, dir)
	return dir
}

func unmountAfter(t *testing.T, dir string) {
	t.Helper()
	t.Cleanup(func() {
		if err := unmount(dir); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

func unmount(dir string) error {
	if os.Geteuid() == 0 {
		return exec.Command("umount", dir).Run()
	}
	return exec.Command("fusermount3", "-u", dir).Run()
}

// unmountBelow unmounts what a script left mounted.
func unmountBelow(dir string) {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "fuse.varve" && strings.HasPrefix(fields[1], dir+"/") {
			_ = unmount(fields[1]) // the directory cannot be removed then, which says so
		}
	}
}

// noteOf finds the note beside the newest image of a folder.
func noteOf(t *testing.T, dir string) string {
	t.Helper()
	image, err := os.Readlink(filepath.Join(dir, "latest.img"))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, strings.TrimSuffix(image, ".img")+".json")
}

// What mount(8) says, in our words.
func TestHelperWords(t *testing.T) {
	tests := map[string]string{
		"/srv/varve /mnt/b -o ro,_netdev,allow_other": "mount --quiet --repo=/srv/varve --allow-other -- /mnt/b",
		"/srv/varve /mnt/b -n -t fuse.varve -o rw,nofail,x-systemd.automount,writable,overlay=/var/my_tmp,overlay_size=5GiB": "mount --quiet --repo=/srv/varve " +
			"--writable --overlay=/var/my_tmp --overlay-size=5GiB -- /mnt/b",
		"/srv/varve /mnt/b -o volume=db1,volume=vms/*,config=/etc/v.yaml": "mount --quiet --repo=/srv/varve --config=/etc/v.yaml -- /mnt/b db1 vms/*",
		"/srv/varve /mnt/b -o frobnicate,ro":                              "mount --quiet --repo=/srv/varve --frobnicate -- /mnt/b",
		"/srv/varve /mnt/b -s -o frobnicate,ro":                           "mount --quiet --repo=/srv/varve -- /mnt/b",
		"/srv/varve /mnt/b":                                               "mount --quiet --repo=/srv/varve -- /mnt/b",
		"":                                                                "mount --quiet --",
	}
	for typed, want := range tests {
		words, isToDo := helperWords(strings.Fields(typed))
		if got := strings.Join(words, " "); got != want || !isToDo {
			t.Errorf("%q becomes %q, want %q", typed, got, want)
		}
	}
	if words, isToDo := helperWords([]string{"/srv/varve", "/mnt/b", "-f"}); isToDo {
		t.Errorf("with -f, %q is done", words)
	}
	for _, name := range helperFlags {
		s := newSession(nil, nil, nil)
		flags := slices.Concat(mountCommand(s).flags, s.globals.flags())
		if !slices.ContainsFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }) {
			t.Errorf("an option is the flag --%s, which there is not", name)
		}
	}
}
