package drill

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"varve/internal/process"
)

// Users that nobody has, by whose rights things are done in the room.
const (
	firstUser = 2_000_000_000
	users     = 65536
	nobody    = 65534
)

// An ending is how a process ended.
type ending struct {
	exit     int // as a shell says it
	output   string
	took     time.Duration
	timedOut time.Duration // the limit that it was ended at; 0: it was not
	err      error         // it could not be started, or waited for
}

// drain is how long output is awaited from what a process left running behind it.
const drain = 500 * time.Millisecond

// checkerProcess is a program that checks, as a user without any right.
func checkerProcess(program string, args, tools []string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"PATH=" + strings.Join(tools, ":"), "HOME=/tmp", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: firstUser + nobody, Gid: firstUser + nobody}}
	return cmd
}

// run runs a process to its end, or ends it, and all that it started.
func (r *room) run(cmd *exec.Cmd, limit time.Duration) (e ending) {
	out := new(process.Tail)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = "/", out, out, drain
	cmd.SysProcAttr.Setsid = true
	begun := time.Now()
	ended := make(chan error, 1)
	go func() {
		// What a thread gave up for ever, those do not have that it starts. It is not used for anything else, and ends with this function.
		runtime.LockOSThread()
		err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			err = cmd.Wait()
		}
		ended <- err
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var err error
	select {
	case err = <-ended:
	case <-timer.C:
		e.timedOut = limit
		err = errors.Join(unix.Kill(-1, unix.SIGKILL), <-ended) // all but this one
	}
	e.took, e.output = time.Since(begun), out.String()
	exited := new(exec.ExitError)
	switch {
	case cmd.ProcessState == nil:
		e.err = err
	case errors.As(err, &exited), err == nil, errors.Is(err, exec.ErrWaitDelay): // the last: it left something running that can write
		e.exit = exitOf(cmd.ProcessState.Sys().(syscall.WaitStatus))
	default:
		e.err = err
	}
	return e
}

// exitOf is what a shell calls how a process ended.
func exitOf(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// words says why a command failed; empty: it did not.
func (e ending) words() string {
	switch {
	case e.timedOut > 0:
		return fmt.Sprintf("did not end within %v", e.timedOut)
	case e.err != nil:
		return "could not be run: " + e.err.Error()
	case e.exit > 128:
		return fmt.Sprintf("failed (exit code %d, of signal %d)", e.exit, e.exit-128)
	case e.exit != 0:
		return fmt.Sprintf("failed (exit code %d)", e.exit)
	}
	return ""
}
