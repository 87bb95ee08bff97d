package doctest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A session is a shell on a machine of its own.
type session struct {
	dir   string // its files
	stdin io.WriteCloser
	told  chan string // how each block ended
	count int
}

// An outcome is how a block ended.
type outcome struct {
	exit   int
	output string
	failed []string // "LINE CODE COMMAND" of each command that failed
}

// unable says what is missing to make machines; empty: nothing.
func unable() string {
	if os.Getuid() != 0 {
		return "runs as root only, in namespaces of its own"
	}
	for _, tool := range []string{"unshare", "mount", "losetup", "mkfs.ext4", "findmnt"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err.Error()
		}
	}
	probe := func(script string) error {
		out, err := exec.Command("unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "sh", "-ec", script).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w %s", err, bytes.TrimSpace(out))
		}
		return nil
	}
	const box = "mount --make-rprivate / && mount -t tmpfs none /mnt"
	if err := probe(box); err != nil {
		return fmt.Sprintf("namespaces and mounts are not allowed here: %v", err)
	}
	if err := probe(box + " && mkdir /mnt/u /mnt/w /mnt/r && mount -t overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w none /mnt/r"); err != nil {
		return fmt.Sprintf("needs a kernel with overlays over this root: %v", err)
	}
	return ""
}

// start makes a machine on which the program is installed.
func start(t *testing.T, program string) *session {
	t.Helper()
	dir := t.TempDir()
	s := &session{dir: filepath.Join(dir, "session"), told: make(chan string)}
	for _, d := range []string{"session", "bin"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	standins, err := filepath.Glob("testdata/standin/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(standins, program) {
		install(t, name, filepath.Join(dir, "bin", filepath.Base(name)))
	}
	for _, name := range []string{"session.sh", "lib.sh"} {
		install(t, filepath.Join("testdata", name), filepath.Join(s.dir, name))
	}
	tells, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--uts", "--ipc", "--net", "bash", "testdata/sandbox.sh", dir)
	cmd.ExtraFiles = []*os.File{tell} // descriptor 3
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if s.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = tell.Close() // the machine's end of it lives on
	go func() {
		defer close(s.told)
		for lines := bufio.NewScanner(tells); lines.Scan(); {
			s.told <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		_ = s.stdin.Close() // which ends the session, and it the machine
		end := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		defer end.Stop()
		for range s.told {
		}
		if err := cmd.Wait(); err != nil || said.Len() > 0 {
			t.Errorf("the machine: %v\n%s", err, said.String())
		}
		_ = tells.Close()
	})
	return s
}

func install(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

// patience is how long a block may take; the machine is ended then.
const patience = 5 * time.Minute

// run runs a script in the session's shell. An error says that the shell is gone.
func (s *session) run(script string) (outcome, error) {
	s.count++
	name := fmt.Sprintf("%03d", s.count)
	at := filepath.Join(s.dir, name)
	if err := os.WriteFile(at+".sh", []byte(script), 0o644); err != nil {
		return outcome{}, err
	}
	var o outcome
	if _, err := io.WriteString(s.stdin, name+"\n"); err != nil {
		return o, err
	}
	var told string
	select {
	case told = <-s.told:
	case <-time.After(patience):
	}
	output, err := os.ReadFile(at + ".out")
	if err != nil {
		return o, err
	}
	o.output = string(output)
	if _, err := fmt.Sscanf(told, name+" %d", &o.exit); err != nil {
		return o, fmt.Errorf("the block ended the shell, or takes longer than %s", patience)
	}
	failed, err := os.ReadFile(at + ".err")
	if err != nil {
		return o, err
	}
	for line := range strings.Lines(string(failed)) {
		o.failed = append(o.failed, strings.TrimSpace(line))
	}
	return o, nil
}
