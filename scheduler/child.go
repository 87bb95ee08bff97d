package scheduler

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"varve/internal/process"
)

// A Child runs a program, for a [Runner]. Its process ends with ours, however that ends:
// the kernel sends it SIGTERM then, upon which this program leaves everything in order.
type Child struct {
	Path  string
	Args  []string      // its name and its arguments
	Env   []string      // nil: ours
	Input []byte        // is its standard input
	Grace time.Duration // between SIGTERM and SIGKILL, and a quarter of it until it is given up; zero: 40 s

	kill func(*os.Process) // nil: kill
}

// Output is what a program wrote, as much of it as was kept, and how it ended.
type Output struct {
	Stdout   []byte // the first of it
	Cut      bool   // there was more
	Stderr   string // the last of it
	Exit     int    // -1: a signal ended it, or it could not be started
	Err      error  // why; nil: it ended by itself
	Signaled bool   // we ended it
}

// How much of what a program writes is kept, in bytes.
const (
	maxStdout = 16 << 20
	maxStderr = 8 << 10
)

// drain is how long output is awaited from what a program left running behind it.
const drain = 2 * time.Second

// Run runs the program until it ends. When ctx ends, it gets SIGTERM, and after a while
// SIGKILL, together with what it left in its session. If that does not end it, nothing does,
// and Run returns all the same.
func (c Child) Run(ctx context.Context) (out Output) {
	// The kernel tells a child that the thread is gone which started it, so that has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if c.Grace == 0 {
		c.Grace = 40 * time.Second
	}
	stdout, stderr := &head{limit: maxStdout}, &process.Tail{Max: maxStderr}
	cmd := exec.Command(c.Path)
	cmd.Args, cmd.Env = c.Args, c.Env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.Input), stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	cmd.WaitDelay = drain
	if err := cmd.Start(); err != nil {
		return Output{Exit: -1, Err: err}
	}
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = cmd.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		out.Signaled = true
		if !c.end(cmd.Process, ended) {
			return Output{Exit: -1, Err: errUndying, Signaled: true}
		}
	}
	out.Stdout, out.Cut, out.Stderr, out.Exit = stdout.data, stdout.cut, stderr.String(), cmd.ProcessState.ExitCode()
	if out.Exit < 0 {
		out.Err = err
	}
	return out
}

var errUndying = errors.New("it cannot be killed, and is left to itself")

// end ends the program, and tells whether it has. One that waits for a dead disk is killed in
// vain: who waited for that would never do anything else.
func (c Child) end(p *os.Process, ended <-chan struct{}) bool {
	has := func(limit time.Duration) bool {
		select {
		case <-ended:
			return true
		case <-time.After(limit):
			return false
		}
	}
	_ = p.Signal(syscall.SIGTERM) // an error: it has ended
	if has(c.Grace) {
		return true
	}
	if c.kill == nil {
		c.kill = kill
	}
	c.kill(p)
	return has(c.Grace / 4)
}

func kill(p *os.Process) {
	_ = p.Kill()                      // likewise
	_, _ = process.KillSession(p.Pid) // an error: nobody can tell
}

// head keeps the first of what is written to it.
type head struct {
	limit int
	data  []byte
	cut   bool
}

// Write implements [io.Writer]. It takes everything.
func (h *head) Write(p []byte) (int, error) {
	n := len(p)
	if room := h.limit - len(h.data); n > room {
		p, h.cut = p[:room], true
	}
	h.data = append(h.data, p...)
	return n, nil
}
