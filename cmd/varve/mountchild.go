package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"

	"varve/fusemount"
	"varve/internal/process"
)

// readyVariable tells a process that it is to serve a mount in the background, and by which
// descriptor it says that all is ready.
const readyVariable = "VARVE_MOUNT_READY"

// mountInBackground starts this program again, with the same words, in a session of its own,
// and waits until that says that it is ready, or ends. What it says meanwhile, it says itself,
// to where we would; so there is nothing left to be said by us.
func (s *session) mountInBackground(ctx context.Context, f *mountFlags) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start the process that serves: %w", err)
	}
	defer func() { _ = r.Close() }() // it was only read
	cmd := exec.Command(process.SelfByName())
	cmd.Args = append([]string{"varve"}, s.words...)
	cmd.Env = append(os.Environ(), readyVariable+"=3")
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // what is meant for us and our terminal is not for it
	relays, err := lend(cmd, s.stdout, s.stderr.w)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	start := cmd.Start
	if f.writable {
		start = func() error { return fusemount.StartFlusher(cmd.Start) }
	}
	err = start()
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	relays.handedOver()
	if err != nil {
		return fmt.Errorf("start the process that serves: %w", err)
	}
	ready := make(chan bool, 1)
	go func() {
		n, _ := r.Read(make([]byte, 1)) // nothing, if it ended
		ready <- n == 1
	}()
	isReady := false
	select {
	case isReady = <-ready:
	case <-ctx.Done():
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		isReady = <-ready
	}
	relays.wait()
	code := 0
	if isReady {
		err = cmd.Process.Release()
	} else if err = cmd.Wait(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Exited() {
			code, err = exit.ExitCode(), nil
		}
	}
	if err != nil {
		return fmt.Errorf("the process that was to serve: %w", err)
	}
	s.answered = &code
	return nil
}

// relays copy what a child says to where it cannot write itself.
type relays struct {
	ours   []*os.File // the ends of the child
	copied []chan struct{}
}

// lend gives a child our standard output and error.
func lend(cmd *exec.Cmd, stdout, stderr io.Writer) (*relays, error) {
	r := &relays{}
	for _, each := range []struct {
		to *io.Writer
		w  io.Writer
	}{{&cmd.Stdout, stdout}, {&cmd.Stderr, stderr}} {
		if f, is := each.w.(*os.File); is {
			*each.to = f
			continue
		}
		from, to, err := os.Pipe()
		if err != nil {
			r.handedOver()
			return nil, fmt.Errorf("start the process that serves: %w", err)
		}
		*each.to = to
		copied := make(chan struct{})
		r.ours, r.copied = append(r.ours, to), append(r.copied, copied)
		go func() {
			defer close(copied)
			_, _ = io.Copy(each.w, from) // who cannot be told is not
			_ = from.Close()
		}()
	}
	return r, nil
}

// handedOver closes what only the child is to have.
func (r *relays) handedOver() {
	for _, f := range r.ours {
		_ = f.Close()
	}
}

// wait waits until the child has said what it has to say.
func (r *relays) wait() {
	for _, copied := range r.copied {
		<-copied
	}
}

// handover is how the process that serves lets the one go that started it.
type handover struct {
	ready *os.File
	log   *latelog
}

// handoverFromParent is nil if this process was started by a person.
func handoverFromParent() (*handover, error) {
	text, is := os.LookupEnv(readyVariable)
	if !is {
		return nil, nil
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("bad %s %q", readyVariable, text)
	}
	syscall.CloseOnExec(fd)
	return &handover{ready: os.NewFile(uintptr(fd), "ready")}, os.Unsetenv(readyVariable)
}

// logger logs as log does, until release; then to the system's log.
func (h *handover) logger(log *slog.Logger) *slog.Logger {
	h.log = &latelog{}
	h.log.current.Store(&logHandler{log.Handler()})
	return slog.New(h.log)
}

// release leaves the terminal and the directory where this was started to others, and says
// that all is ready.
func (h *handover) release() error {
	null, err := os.Open(os.DevNull) // what is written there, nobody would read
	if err != nil {
		return fmt.Errorf("leave the terminal: %w", err)
	}
	for fd := range 3 {
		if err := syscall.Dup3(int(null.Fd()), fd, 0); err != nil {
			return fmt.Errorf("leave the terminal: %w", err)
		}
	}
	h.log.current.Store(&logHandler{systemLog()})
	_, err = h.ready.Write([]byte("r"))
	return errors.Join(err, h.ready.Close(), null.Close(), os.Chdir("/"))
}

// systemLog is nowhere on a host without one.
func systemLog() slog.Handler {
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_WARNING, "varve")
	if err != nil {
		return slog.DiscardHandler
	}
	return slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{} // the log has its own
			}
			return a
		},
	})
}

// latelog is a [slog.Handler] that gives way to another while others have it.
type latelog struct{ current atomic.Pointer[logHandler] }

type logHandler struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (l *latelog) Enabled(ctx context.Context, level slog.Level) bool {
	return l.current.Load().Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (l *latelog) Handle(ctx context.Context, r slog.Record) error {
	return l.current.Load().Handle(ctx, r)
}

// WithAttrs implements [slog.Handler]. Nothing that logs here adds any.
func (l *latelog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements [slog.Handler].
func (l *latelog) WithGroup(string) slog.Handler { return l }
