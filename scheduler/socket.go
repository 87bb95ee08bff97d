package scheduler

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"varve/internal/durable"
)

// Bounds of the socket.
const (
	maxRequest = 1 << 20
	maxAnswer  = 64 << 20
	maxAskers  = 32                      // at a time
	hearing    = 10 * time.Second        // for a request to come, and an answer to go
	reporting  = 1500 * time.Millisecond // for a report to be made: less than who asks in passing waits, so that he is told why
)

// Listen answers those who connect to the scheduler's socket, until stop is called. They
// are answered while Run runs.
func (s *Scheduler) Listen() (stop func(), err error) {
	l, err := durable.ListenUnix(s.dir, socketName)
	if err != nil {
		return nil, fmt.Errorf("listen on the scheduler's socket: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve(ctx, l)
	}()
	return func() {
		cancel()
		_ = l.Close() // nothing is lost by it
		<-done
		_ = s.tree.Remove(socketName) // what stays is in the way of nobody
	}, nil
}

// serve answers until the listener is closed.
func (s *Scheduler) serve(ctx context.Context, l net.Listener) {
	askers := make(chan struct{}, maxAskers)
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			s.opts.Log.Warn("nobody can connect to the scheduler for a moment", "error", err)
			select {
			case <-time.After(time.Second): // as when there are too many open files
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case askers <- struct{}{}:
			go func() {
				defer func() { <-askers }()
				s.answer(ctx, conn)
			}()
		case <-ctx.Done():
			_ = conn.Close()
			return
		}
	}
}

// answer answers one request.
func (s *Scheduler) answer(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }() // who asked has the answer, or is gone
	_ = conn.SetDeadline(time.Now().Add(hearing))
	ctx, cancel := context.WithTimeout(ctx, hearing)
	defer cancel()
	line, err := bufio.NewReader(io.LimitReader(conn, maxRequest)).ReadBytes('\n')
	if err != nil {
		return
	}
	var r Request
	a := Answer{Varve: protocolVersion}
	switch err := json.Unmarshal(line, &r); {
	case err != nil:
		a.Error = "that is no request: " + err.Error()
	case r.Do == AskConfig && !isOwner(conn): // there may be passwords in it
		a.Error = "the configuration is told to nobody but the owner of the scheduler, and root"
	case r.Do == AskReport:
		a = s.report(ctx, r)
	default:
		a = s.Do(ctx, r)
	}
	_ = conn.SetDeadline(time.Now().Add(hearing)) // that it does not answer is an answer, too
	_ = json.NewEncoder(conn).Encode(a)           // likewise
}

// report has a report made, which takes a while, and longer than anybody waits where the repository hangs.
func (s *Scheduler) report(ctx context.Context, r Request) Answer {
	ctx, cancel := context.WithTimeout(ctx, reporting)
	defer cancel()
	a := s.Do(ctx, Request{Varve: r.Varve, Do: AskStatus})
	if a.Error != "" {
		return a
	}
	refused := func(why string) Answer { return Answer{Varve: protocolVersion, Error: why} }
	if s.opts.Report == nil {
		return refused("this scheduler makes no reports")
	}
	select {
	case s.reports <- struct{}{}:
	case <-ctx.Done():
		return refused("another report is being made")
	}
	made := make(chan Answer, 1)
	go func() {
		defer func() { <-s.reports }()
		data, err := s.opts.Report(ctx, a.Status, r)
		if err != nil {
			made <- refused(err.Error())
			return
		}
		made <- Answer{Varve: protocolVersion, Report: data}
	}()
	select {
	case a := <-made:
		return a
	case <-ctx.Done():
		return refused("the repository does not answer")
	}
}

// isOwner tells whether it is our user, or root, who asks.
func isOwner(conn net.Conn) bool {
	c, isUnix := conn.(*net.UnixConn)
	if !isUnix {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var by *syscall.Ucred
	if cerr := raw.Control(func(fd uintptr) {
		by, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); cerr != nil || err != nil {
		return false
	}
	return by.Uid == 0 || int(by.Uid) == os.Geteuid()
}

// Ask asks the scheduler whose directory that is. Without one, the error is [ErrNone]; where
// one is there and says nothing until ctx ends, [ErrSilent]; what it would not do is a [*RefusedError].
func Ask(ctx context.Context, dir string, r Request) (Answer, error) {
	conn, err := connect(ctx, dir)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = conn.Close() }() // the answer was read, or did not come
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	r.Varve = protocolVersion
	if err := json.NewEncoder(conn).Encode(r); err != nil {
		return Answer{}, fmt.Errorf("%w: %v", ErrSilent, err)
	}
	var a Answer
	if err := json.NewDecoder(io.LimitReader(conn, maxAnswer)).Decode(&a); err != nil {
		return Answer{}, fmt.Errorf("%w: %v", ErrSilent, err)
	}
	switch a.Error {
	case "":
		return a, nil
	case ErrSilent.Error():
		return a, ErrSilent
	case ErrNone.Error():
		return a, ErrNone
	}
	return a, &RefusedError{a.Error}
}

// connect connects to the socket, however long its path is.
func connect(ctx context.Context, dir string) (net.Conn, error) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("ask the scheduler: %w", err)
	}
	defer func() { _ = d.Close() }() // it only names the socket
	conn, err := new(net.Dialer).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socketName))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, ErrNone
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("ask the scheduler: %w", fs.ErrPermission)
	case err != nil:
		return nil, fmt.Errorf("%w: %v", ErrSilent, err)
	}
	return conn, nil
}
