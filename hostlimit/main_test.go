package hostlimit_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"varve/hostlimit"
	"varve/internal/process"
)

// TestMain lets the test binary be another process: "__hold DIR JOBS" takes a slot,
// says so, and holds it until its standard input ends; "__work DIR JOBS LEDGER
// ROUNDS" takes and gives back slots, and writes that down.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		var err error
		switch os.Args[1] {
		case "__hold":
			err = hold(os.Args[2], os.Args[3])
		case "__work":
			err = work(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
		default:
			os.Exit(m.Run())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const patience = time.Hour

func hold(dir, jobs string) error {
	n, err := strconv.Atoi(jobs)
	if err != nil {
		return err
	}
	h, err := hostlimit.Open(dir, hostlimit.Limits{Jobs: n})
	if err != nil {
		return err
	}
	who := hostlimit.Holder{Identity: process.Own("backup"), Volume: "vms/held"}
	_, err = h.Acquire(context.Background(), who, patience, func([]hostlimit.Holder) { fmt.Println("waits") })
	if err != nil {
		return err
	}
	fmt.Println("holds")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func work(dir, jobs, ledger, rounds string) error {
	n, err := strconv.Atoi(jobs)
	if err != nil {
		return err
	}
	times, err := strconv.Atoi(rounds)
	if err != nil {
		return err
	}
	h, err := hostlimit.Open(dir, hostlimit.Limits{Jobs: n})
	if err != nil {
		return err
	}
	log, err := os.OpenFile(ledger, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	for range times {
		slot, err := h.Acquire(context.Background(), hostlimit.Holder{Volume: "w"}, patience, nil)
		if err != nil {
			return err
		}
		_, err = log.WriteString("+")
		for range 5 { // time for others to come in, if they can
			err = errors.Join(err, log.Sync())
		}
		_, werr := log.WriteString("-")
		if err := errors.Join(err, werr, slot.Close()); err != nil {
			return err
		}
	}
	return errors.Join(log.Close(), h.Close())
}

// another is another process of this test binary.
type another struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

func start(t *testing.T, args ...string) *another {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &another{cmd: cmd, stdin: in, lines: bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	return p
}

// says waits for the next line that the process writes.
func (p *another) says(t *testing.T, want string) {
	t.Helper()
	if !p.lines.Scan() || p.lines.Text() != want {
		t.Fatalf("the process said %q, want %q (%v)", p.lines.Text(), want, p.lines.Err())
	}
}

// kill ends the process as a power switch would, and waits until it is gone.
func (p *another) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()         // of course it was killed
}
