package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// A signalError is why a context ended: somebody interrupted the program.
type signalError struct{ signal syscall.Signal }

func (e *signalError) Error() string {
	switch e.signal {
	case syscall.SIGTERM:
		return "interrupted by SIGTERM"
	case syscall.SIGHUP:
		return "interrupted by SIGHUP"
	case syscall.SIGQUIT:
		return "interrupted by SIGQUIT"
	}
	return "interrupted by SIGINT"
}

// code is what a shell reports of a program that the signal killed.
func (e *signalError) code() int { return 128 + int(e.signal) }

// interruption tells which signal ended the context, if one did.
func interruption(ctx context.Context) *signalError {
	var e *signalError
	if !errors.As(context.Cause(ctx), &e) {
		return nil
	}
	return e
}

// signals is what the process listens to.
type signals struct {
	progress <-chan os.Signal        // SIGUSR1: say how far you are
	hangup   func() <-chan os.Signal // has SIGHUP come from there, and end nothing any more
	stop     func()
}

// watchSignals gives a context that the first SIGINT, SIGTERM, SIGHUP or SIGQUIT ends. From
// then on they do what they do by themselves: a second one kills at once, and a second
// SIGQUIT tells what every goroutine was at.
func watchSignals(parent context.Context) (context.Context, signals) {
	ctx, cancel := context.WithCancelCause(parent)
	end, progress := make(chan os.Signal, 1), make(chan os.Signal, 1)
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(sig) { // as in the background of a shell script, or under nohup
			signal.Notify(end, sig)
		}
	}
	signal.Notify(progress, syscall.SIGUSR1)
	done, ended := make(chan struct{}), make(chan struct{})
	hangups := make(chan os.Signal, 1)
	var isTaken atomic.Bool
	go func() {
		defer close(ended)
		for {
			select {
			case sig := <-end:
				if sig == syscall.SIGHUP && isTaken.Load() {
					select {
					case hangups <- sig:
					default: // there is one already
					}
					continue
				}
				if sig == syscall.SIGTERM && isToldByScheduler() {
					// When a scheduler is killed, each of its threads that ends may send one. Only the last
					// word of a person ends all at once.
					signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM)
				}
				signal.Stop(end)
				cancel(&signalError{signal: sig.(syscall.Signal)})
			case <-done:
			}
			return
		}
	}()
	hangup := func() <-chan os.Signal {
		isTaken.Store(true)
		return hangups
	}
	return ctx, signals{progress: progress, hangup: hangup, stop: func() {
		signal.Stop(end)
		signal.Stop(progress)
		close(done)
		<-ended
		cancel(nil)
	}}
}
