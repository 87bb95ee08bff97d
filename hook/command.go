package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"varve/internal/process"
)

// command is one run of a hook.
type command struct {
	hook, text   string
	env          []string // besides that of this process
	input        []byte   // what it can read; nil: nothing
	limit, grace time.Duration
}

// drain is how long output is awaited from what a hook left running behind it.
const drain = 500 * time.Millisecond

// run runs the command to its end, or ends it. Output is the last of what it wrote;
// an error, always an [*Error], has it too.
func (c command) run(ctx context.Context) (output string, err error) {
	out := new(process.Tail)
	if err := c.execute(ctx, out); err != nil {
		return "", &Error{Hook: c.hook, Command: c.text, Err: err, Output: out.String()}
	}
	return out.String(), nil
}

func (c command) execute(ctx context.Context, out *process.Tail) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	cmd := exec.Command("/bin/sh", "-c", c.text)
	cmd.Env = environment(cmd.Environ(), c.hook, c.env) // hooks are meant to have ours
	cmd.Stdout, cmd.Stderr = out, out
	if c.input != nil {
		cmd.Stdin = bytes.NewReader(c.input)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = drain
	if err := cmd.Start(); err != nil {
		return err
	}
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = cmd.Wait()
	}()
	limit := time.NewTimer(c.limit)
	defer limit.Stop()
	select {
	case <-ended:
		if errors.Is(err, exec.ErrWaitDelay) { // it did well, and left something running that can write
			return nil
		}
		return err
	case <-limit.C:
		return c.end(cmd.Process.Pid, ended, &TimeoutError{Limit: c.limit})
	case <-ctx.Done():
		return c.end(cmd.Process.Pid, ended, context.Cause(ctx))
	}
}

// end ends a command and all that is in its process group, for a reason.
func (c command) end(group int, ended <-chan struct{}, why error) error {
	// Errors say that nothing is there any more.
	_ = syscall.Kill(-group, syscall.SIGTERM)
	if c.gone(group, ended) {
		return why
	}
	_ = syscall.Kill(-group, syscall.SIGKILL)
	if c.gone(group, ended) {
		return why
	}
	return fmt.Errorf("%w, and it cannot be killed", why)
}

// look is the time between two looks whether a process group is empty.
const look = 10 * time.Millisecond

// gone waits, for as long as grace allows, until a command has ended and nobody is
// left in its group: what the shell started may take longer than the shell.
func (c command) gone(group int, ended <-chan struct{}) bool {
	limit, again := time.NewTimer(c.grace), time.NewTicker(look)
	defer limit.Stop()
	defer again.Stop()
	select {
	case <-limit.C:
		return false
	case <-ended:
	}
	for {
		if errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
			return true
		}
		select {
		case <-limit.C:
			return false
		case <-again.C:
		}
	}
}
