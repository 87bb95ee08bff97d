package scheduler

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process that cannot be killed, for it waits for a dead disk, is not waited for.
func TestChildThatCannotBeKilled(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pid")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	killed := 0
	c := Child{
		Path: "/bin/sh", Args: []string{"sh", "-c", "trap '' TERM; echo $$ >" + pipe + "; while :; do sleep 1; done"}, Grace: 10 * time.Millisecond,
		kill: func(*os.Process) { killed++ }, // in vain
	}
	ended := make(chan Output, 1)
	go func() { ended <- c.Run(ctx) }()
	began, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(began).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { // in earnest
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		_ = began.Close()
	}()
	cancel()
	out := <-ended
	if killed != 1 || out.Exit != -1 || out.Err != errUndying || !out.Signaled {
		t.Errorf("killed %d times: %+v", killed, out)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("it has ended: %v", err)
	}
}
