package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve/internal/durable/durabletest"
)

// workshop is a directory for what all tests of this run share: the program, and
// file systems fresh from mkfs.
var workshop string

// insideVariable holds the workshop, for the process in which the tests run.
const insideVariable = "VARVE_MACHINE_INSIDE"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(diskVariable) != "":
		os.Exit(serveDisk())
	case os.Getenv(insideVariable) == "":
		os.Exit(goInside())
	}
	workshop = os.Getenv(insideVariable)
	if os.Getuid() == 0 { // without, whoever needs mounts is skipped
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			fmt.Fprintln(os.Stderr, "have mounts for itself:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// goInside runs the tests in a process with mounts of its own. However that one
// ends, nothing of it stays: the kernel unmounts, and loop devices end with their
// last user.
func goInside() int {
	dir, remove, err := durabletest.MakeDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = remove() }() // what cannot be removed is small
	runtime.LockOSThread()          // the end of the thread would be the signal
	// Not ignored: that would be inherited by all below.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVariable+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS
	}
	err = cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// tempDir makes a directory in memory that ends with the test.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(workshop, "test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// program builds varve as it is shipped, once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(workshop, "varve")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "varve/cmd/varve")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// need skips the test where the rights or the commands are missing.
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

// mustRun runs a command of the system.
func mustRun(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// patience is after how long a program that does not end is a failure.
const patience = 2 * time.Minute

// A process is a running varve.
type process struct {
	cmd            *exec.Cmd
	words          string
	begun          time.Time
	stdout, stderr bytes.Buffer
	giveUp         context.CancelFunc
	ended          chan struct{} // closed when it has ended, and the following are set
	err            error
	took           time.Duration
}

// start starts varve, with its catalogs in the directory state.
func start(t testing.TB, state string, words ...string) *process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	p := &process{cmd: exec.CommandContext(ctx, path, words...), words: strings.Join(words, " "), giveUp: cancel, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "VARVE_") }), "VARVE_STATE="+state)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.begun = time.Now()
	if err := p.cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		p.took = time.Since(p.begun)
		if ctx.Err() != nil && !errors.Is(ctx.Err(), context.Canceled) {
			p.err = fmt.Errorf("it had not ended after %v", patience)
		}
		cancel()
		close(p.ended)
	}()
	return p
}

// running tells whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signal sends a signal. That the process has ended meanwhile is no error.
func (p *process) signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("send %v to varve %s: %v", sig, p.words, err)
	}
}

// wait waits for the end and returns the exit code; -1 if a signal ended it.
func (p *process) wait(t testing.TB) int {
	t.Helper()
	<-p.ended
	exit := new(exec.ExitError)
	if p.err != nil && !errors.As(p.err, &exit) {
		t.Fatalf("varve %s: %v", p.words, p.err)
	}
	if strings.Contains(p.stderr.String(), "goroutine ") {
		t.Errorf("varve %s: %s", p.words, p.stderr.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// said is what the process put out, for messages.
func (p *process) said() string {
	text := strings.TrimSpace(p.stderr.String() + p.stdout.String())
	if len(text) > 2000 {
		text = text[:2000] + "..."
	}
	return text
}

// mustSucceed runs varve to its end, which must be exit code 0, and returns its output.
func mustSucceed(t testing.TB, state string, words ...string) *process {
	t.Helper()
	p := start(t, state, words...)
	if code := p.wait(t); code != 0 {
		t.Fatalf("varve %s: exit code %d\n%s", p.words, code, p.said())
	}
	return p
}
