package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"varve/config"
	"varve/repository"
	"varve/revision"
)

// A teller tells soon after it was asked to, in a while again, every few minutes, and never all the time.
func TestTeller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begun := time.Now()
		var mu sync.Mutex
		var told []time.Duration
		tell := newTeller(func(context.Context) {
			mu.Lock()
			told = append(told, time.Since(begun))
			mu.Unlock()
			time.Sleep(time.Second)
		})
		since := func() []time.Duration { // what was told since it was asked last
			mu.Lock()
			defer mu.Unlock()
			was := told
			told = nil
			return was
		}
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
		if told := since(); len(told) < 4 || len(told) > 6 || told[0] != 0 {
			t.Errorf("thirty volumes were told at %v", told)
		}
		time.Sleep(2 * tellPause)
		since()
		time.Sleep(time.Hour)
		if told := since(); len(told) < 8 || len(told) > 12 {
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

// Metrics wait for nobody who is gone, and nobody can stay with their server for ever.
func TestMetricsServerIsPatientWithNobody(t *testing.T) {
	t.Parallel()
	d := &daemon{http: metricsServer{turn: make(chan struct{}, 1)}}
	d.http.turn <- struct{}{} // somebody looks at a repository that hangs
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if text, err := d.metrics(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("who is gone is given %q, %v", text, err)
	}
	server := d.metricsOverHTTP()
	if server.ReadTimeout <= 0 || server.IdleTimeout <= 0 || server.WriteTimeout <= metricsLong {
		t.Errorf("it waits %s for who asks, %s for who reads, %s for who does neither", server.ReadTimeout, server.WriteTimeout, server.IdleTimeout)
	}
}

// What is listed in a scheduler itself is what another process has found, of this configuration;
// until then, no source is looked for.
func TestListedWithoutALook(t *testing.T) {
	t.Parallel()
	conf, err := config.Parse("varve.yaml", []byte("volumes: {one: {source: /one}, 'p/*': {source: /nowhere/*}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	d := new(daemon)
	d.seen.Store(&listing{of: new(config.Config), problems: []error{errors.New("of another configuration")}})
	list, all := d.listed(conf)
	if volumes, problems := list(); all || len(volumes) != 1 || volumes[0].Name != "one" || problems != nil {
		t.Errorf("before they were found: %v, %v, %v", volumes, problems, all)
	}
	d.seen.Store(&listing{of: conf, volumes: []config.Volume{{Name: "p/1"}}})
	list, all = d.listed(conf)
	if volumes, _ := list(); !all || len(volumes) != 1 || volumes[0].Name != "p/1" {
		t.Errorf("once they were found: %v, %v", volumes, all)
	}
}

// What was retired is so until something else is seen; what cannot be read shows nothing.
func TestRetiredUnlessSeenOtherwise(t *testing.T) {
	t.Parallel()
	of := func(name revision.Name, retired bool) repository.Summary {
		return repository.Summary{Volume: repository.Volume{Name: name}, Retired: retired}
	}
	d := &daemon{retired: map[revision.Name]bool{}}
	for i, c := range []struct {
		seen   []repository.Summary
		unread error
		want   string
	}{
		{seen: []repository.Summary{of("a", true), of("b", true), of("c", false)}, want: "map[a:true b:true c:false]"},
		{unread: errors.New("it is away"), want: "map[a:true b:true c:false]"},
		{seen: []repository.Summary{of("a", false), of("b", false)}, unread: &repository.VolumeError{Volume: "a", Err: errors.New("it is hurt")}, want: "map[a:true b:false c:false]"},
		{seen: []repository.Summary{of("b", true)}, want: "map[b:true]"},
	} {
		d.noteRetired(c.seen, c.unread)
		if got := fmt.Sprint(d.retired); got != c.want {
			t.Errorf("look %d: %s, want %s", i, got, c.want)
		}
	}
}

// A scheduler that finds no repository, for its disk is not mounted yet, says so to those who are
// to be told, and is started again.
func TestSchedulerWithoutRepository(t *testing.T) {
	b := newBench(t)
	b.write("varve/varve.yaml", "repository: DIR/repo\nnotify: {command: 'cat >DIR/told'}\nvolumes: {one: {source: DIR/disk}}\n")
	t.Setenv("VARVE_REPO", "")
	code, _, _ := typed("scheduler")
	if code == 0 {
		t.Fatal("it found one")
	}
	told, err := os.ReadFile(b.path("told"))
	if err != nil || !strings.Contains(string(told), `"kind":"unreachable"`) {
		t.Errorf("told: %q, %v", told, err)
	}
	unit := units(t)["varve-scheduler.service"]
	never := regexp.MustCompile(`(?m)^RestartPreventExitStatus=(.*)$`).FindStringSubmatch(unit)
	if never == nil || slices.Contains(strings.Fields(never[1]), strconv.Itoa(code)) {
		t.Errorf("it ends with %d, and is not started again after %q", code, never)
	}
}
