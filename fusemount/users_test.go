package fusemount

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"varve/revision"
)

// nobody and stranger are users other than root, which need not have names.
const nobody, stranger = 65534, 65533

// as has a command run as somebody else.
func as(uid uint32, words ...string) *exec.Cmd {
	cmd := exec.Command(words[0], words[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd
}

// needUsers is a place that is nobody's, below which other users may look.
func needUsers(t *testing.T) (p *place, src string, id revision.ID) {
	t.Helper()
	if syscall.Geteuid() != 0 {
		t.Skip("needs root, to be others")
	}
	p = newPlace(t, 64*kib)
	src = p.source("src", mib, 1, extent{0, mib})
	id = p.backup("v", src)
	if err := os.Mkdir(filepath.Join(p.base, "mnt"), 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := p.base; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(p.base, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, src, id
}

// mayRead makes sure that somebody reads an image, or is refused.
func mayRead(t *testing.T, uid uint32, path string, want []byte, may bool) {
	t.Helper()
	got, err := as(uid, "cat", path).Output()
	switch exit := new(exec.ExitError); {
	case may && (err != nil || !bytes.Equal(got, want)):
		t.Errorf("user %d reads %d bytes: %v", uid, len(got), err)
	case !may && (!errors.As(err, &exit) || !strings.Contains(string(exit.Stderr), "Permission denied")):
		t.Errorf("user %d is to be refused, and reads %d bytes: %v", uid, len(got), err)
	}
}

// Of what root mounts, others see nothing unless they are let; then they read, and do not write.
func TestOthersAreRefusedUnlessAllowed(t *testing.T) {
	p, src, id := needUsers(t)
	want := read(t, src)
	for _, allowed := range []bool{false, true} {
		m, dir := p.mount(Options{AllowOther: allowed, Writable: true, Overlay: p.base})
		path := filepath.Join(dir, "v", string(id)+".img")
		mayRead(t, 0, path, want, true)
		mayRead(t, nobody, path, want, allowed)
		mayRead(t, nobody, filepath.Join(dir, "v", "latest.img"), want, allowed)
		out, err := as(nobody, "dd", "if=/dev/zero", "of="+path, "bs=4k", "count=1", "conv=notrunc").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "Permission denied") {
			t.Errorf("allowed: %v; nobody writes: %v\n%s", allowed, err, out)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Who is not root mounts by fusermount3, and sees what it mounted; all others, root too, do not.
func TestNobodyMounts(t *testing.T) {
	if !whereAnybodyMounts(t) {
		return
	}
	p, src, id := needUsers(t)
	program := p.programForOthers()
	dir := filepath.Join(p.base, "mnt")
	server, said := p.serveAs(nobody, program, dir)
	if said != "" {
		t.Fatal(said)
	}
	path, want := filepath.Join(dir, "v", string(id)+".img"), read(t, src)
	mayRead(t, nobody, path, want, true)
	mayRead(t, stranger, path, want, false)
	mayRead(t, 0, path, want, false)
	if out, err := as(nobody, "fusermount3", "-u", dir).CombinedOutput(); err != nil {
		t.Errorf("nobody unmounts: %v\n%s", err, out)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("the process that served ended with %v\n%s", err, p.log.lines(""))
	}
}

// Others are let in by who is not root only if the host says so.
func TestNobodyLetsOthersIn(t *testing.T) {
	if !whereAnybodyMounts(t) {
		return
	}
	p, src, id := needUsers(t)
	program := p.programForOthers()
	dir := filepath.Join(p.base, "mnt")
	conf, _ := os.ReadFile("/etc/fuse.conf") // without one, nothing is allowed
	if !slices.Contains(strings.Split(string(conf), "\n"), "user_allow_other") {
		_, said := p.serveAs(nobody, program, dir, "FUSEMOUNT_ALLOW_OTHER=yes")
		if !strings.Contains(said, "/etc/fuse.conf has to say user_allow_other") {
			t.Errorf("without leave, letting others in gave %q", said)
		}
		if os.Getenv("FUSEMOUNT_OWN_DEVICE") == "" || len(conf) == 0 {
			return // the host's is not to be changed
		}
		ours := filepath.Join(p.base, "fuse.conf")
		err := os.WriteFile(ours, []byte("user_allow_other\n"), 0o644)
		if err := errors.Join(err, syscall.Mount(ours, "/etc/fuse.conf", "", syscall.MS_BIND, "")); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = syscall.Unmount("/etc/fuse.conf", syscall.MNT_DETACH) }()
	}
	server, said := p.serveAs(nobody, program, dir, "FUSEMOUNT_ALLOW_OTHER=yes")
	if said != "" {
		t.Fatal(said)
	}
	path, want := filepath.Join(dir, "v", string(id)+".img"), read(t, src)
	for _, uid := range []uint32{nobody, stranger, 0} {
		mayRead(t, uid, path, want, true)
	}
	if out, err := as(nobody, "fusermount3", "-u", dir).CombinedOutput(); err != nil {
		t.Errorf("nobody unmounts: %v\n%s", err, out)
	}
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
}

// whereAnybodyMounts tells whether anybody may use /dev/fuse, as on most hosts. Where it is
// root's alone, the test runs in mounts of its own, with a /dev/fuse that is not, and what
// comes of that is the outcome.
func whereAnybodyMounts(t *testing.T) bool {
	t.Helper()
	needFUSE(t)
	if syscall.Geteuid() != 0 {
		t.Skip("needs root, to be others")
	}
	if info, err := os.Stat("/dev/fuse"); err != nil || info.Mode().Perm() == 0o666 {
		return err == nil
	}
	if os.Getenv("FUSEMOUNT_OWN_DEVICE") != "" {
		t.Fatal("the device of its own is not there")
	}
	device := filepath.Join(t.TempDir(), "fuse")
	if err := syscall.Mknod(device, syscall.S_IFCHR, 10<<8|229); err != nil {
		t.Skipf("needs a /dev/fuse that is for all, or to make one: %v", err)
	}
	if err := os.Chmod(device, 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `mount --bind "$0" /dev/fuse && exec "$@"`, device, os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "FUSEMOUNT_OWN_DEVICE=yes")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("%s", out)
	}
	return false
}

// programForOthers is a copy of this program that others can run.
func (p *place) programForOthers() string {
	p.t.Helper()
	if _, err := exec.LookPath("fusermount3"); err != nil {
		p.t.Skip("needs fusermount3")
	}
	path := filepath.Join(p.base, "program")
	if err := os.WriteFile(path, read(p.t, "/proc/self/exe"), 0o755); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// serveAs has somebody mount, and tells what was said if that failed.
func (p *place) serveAs(uid uint32, program, dir string, env ...string) (server *exec.Cmd, said string) {
	p.t.Helper()
	server = as(uid, program)
	server.Env = slices.Concat(os.Environ(), env, []string{"FUSEMOUNT_SERVE=" + dir, "FUSEMOUNT_REPOSITORY=" + p.dir, "FUSEMOUNT_OVERLAY=" + p.base})
	server.Stderr, server.Dir = p.log, "/"
	out, err := server.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = detach(dir) }) // if anything failed
	if n, _ := out.Read(make([]byte, 10)); n > 0 {
		return server, ""
	}
	_ = server.Wait() // what it said is enough
	return server, strings.Join(p.log.lines(""), "")
}
