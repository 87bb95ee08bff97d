package mountinfo_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"varve/internal/mountinfo"
)

// followerEnv makes this program one that follows, tells so, and waits.
const followerEnv = "VARVE_TEST_FOLLOWER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(followerEnv); dir != "" {
		err := mountinfo.Follow()
		if err == nil {
			err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "")
		}
		fmt.Println(err)
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

// What is unmounted goes from a process with mounts of its own, too, and what that mounts is not seen here.
func TestFollow(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount")
	}
	base := t.TempDir()
	mount := func(dir string) {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }) // if it is there still
	}
	mount(base)
	if err := syscall.Mount("none", base, "", syscall.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	disk := filepath.Join(base, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	mount(disk)
	own := t.TempDir()
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), followerEnv+"="+own)
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		if err := child.Wait(); err != nil {
			t.Error(err)
		}
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "<nil>\n" {
		t.Fatalf("it says %q, %v", line, err)
	}
	mountsOf := func(pid any) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%v/mountinfo", pid))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if strings.Contains(mountsOf("self"), own) || !strings.Contains(mountsOf(child.Process.Pid), own) {
		t.Error("what it mounts is seen here, or is not there")
	}
	if err := syscall.Unmount(disk, 0); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(mountsOf(child.Process.Pid), " "+disk+" ") {
		t.Error("what was unmounted is in use there still")
	}
}
