package main

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A teller tells soon after it was asked to, in a while again, every few minutes, and never all the time.
func TestTeller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begun := time.Now()
		var told []time.Duration
		tell := newTeller(func(context.Context) {
			told = append(told, time.Since(begun))
			time.Sleep(time.Second)
		})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			tell.run(ctx)
		}()
		for range 30 { // a night of thirty volumes, one every ten seconds
			tell.soon()
			tell.soon()
			time.Sleep(10 * time.Second)
		}
		synctest.Wait()
		if len(told) < 4 || len(told) > 6 || told[0] != 0 {
			t.Errorf("thirty volumes were told at %v", told)
		}
		time.Sleep(2 * tellPause)
		told = nil
		time.Sleep(time.Hour)
		if n := len(told); n < 8 || n > 12 {
			t.Errorf("in an hour without a word it told at %v", told)
		}
		cancel()
		<-ended
	})
}

// A scheduler tells what is wrong and calls the heartbeat; what it runs does not tell besides.
func TestSchedulerTells(t *testing.T) {
	b, is := newBench(t), newTold(t)
	b.write("varve/varve.yaml", fmt.Sprintf(`repository: DIR/repo
defaults: {schedule: every 1d}
notify: {webhook: "%s/hook", heartbeat: "%s/beat"}
volumes:
  b: {source: DIR/absent}
`, is.URL, is.URL))
	b.does("init DIR/repo")
	stop := startScheduler(t)
	var got string
	for end := time.Now().Add(60 * time.Second); got == "" && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		is.mu.Lock()
		if len(is.messages) > 0 {
			got = is.messages[0].Summary
		}
		is.mu.Unlock()
	}
	stop(syscall.SIGTERM)
	if got != "NOT SAFE: failing b" {
		t.Errorf("it told %q", got)
	}
}
