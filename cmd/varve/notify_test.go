package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"varve/notify"
)

// told is a webhook and a heartbeat that keep what they are told.
type told struct {
	*httptest.Server
	mu       sync.Mutex
	messages []notify.Message
	beats    int
}

func newTold(t *testing.T) *told {
	t.Helper()
	is := new(told)
	is.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		is.mu.Lock()
		defer is.mu.Unlock()
		if r.URL.Path == "/beat" {
			is.beats++
			return
		}
		var m notify.Message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		is.messages = append(is.messages, m)
	}))
	t.Cleanup(is.Close)
	return is
}

// next gives what was told since the last call: summaries, and "beat" for each heartbeat.
func (is *told) next() string {
	is.mu.Lock()
	defer is.mu.Unlock()
	var all []string
	for _, m := range is.messages {
		all = append(all, m.Summary)
	}
	for range is.beats {
		all = append(all, "beat")
	}
	is.messages, is.beats = nil, 0
	return strings.Join(all, " | ")
}

// From cron, nothing is said when all went well.
func TestNotifyIsQuiet(t *testing.T) {
	b := newBench(t)
	b.write("varve/varve.yaml", "notify: {command: cat}\n")
	b.does("init DIR/repo")
	for _, flag := range []string{"", "--quiet"} {
		var stdout, stderr bytes.Buffer
		if code := run(append([]string{"varve", "notify"}, b.words(flag)...), nil, &stdout, &stderr); code != 0 || (stdout.Len() > 0) != (flag == "") || stderr.Len() > 0 {
			t.Errorf("%q: %d, %q, %q", flag, code, &stdout, &stderr)
		}
	}
}

// A test says for which repository it is, as all that is told does.
func TestNotifyTestNamesRepository(t *testing.T) {
	b := newBench(t)
	b.write("varve/varve.yaml", "repository: DIR/repo\nnotify: {command: 'printf %s \"$VARVE_REPOSITORY\" >DIR/told'}\n")
	b.does("notify --test")
	if got, want := string(b.read("told")), b.path("repo"); got != want {
		t.Errorf("it is for %q, want %q", got, want)
	}
}

// Backups tell, at their end, what status would: failures once, recoveries, and a repository
// that is away; however they are started.
func TestBackupsTell(t *testing.T) {
	b, is := newBench(t), newTold(t)
	b.disk("disk", 100_000, 1)
	b.disk("other", 100_000, 2)
	b.write("varve/varve.yaml", fmt.Sprintf(`repository: DIR/repo
defaults: {schedule: "daily at 02:00"}
notify: {webhook: "%s/hook", heartbeat: "%s/beat"}
volumes:
  a: {source: DIR/disk}
  b: {source: DIR/absent}
  c: {source: DIR/other}
`, is.URL, is.URL))
	t.Setenv("VARVE_REPO", "")
	b.does("init DIR/repo")
	if got := is.next(); got != "" {
		t.Errorf("init told %q", got)
	}
	for i, step := range []struct {
		before func()
		words  string
		code   int
		want   string
	}{
		{words: "backup --all", code: 1, want: "NOT SAFE: failing b"},
		{words: "backup --all", code: 1},
		{words: "backup --due", code: 1},
		{words: "backup a"},
		{words: "backup nobody", code: 2},
		{words: "backup --what", code: 2},
		{words: "status"},
		{before: func() { b.disk("absent", 100_000, 3) }, words: "backup 'b*'", want: "SAFE: over: failing b | beat"},
		{words: "backup --due", want: "beat"},
		{before: func() { b.disk("disk", 100_000, 4) }, words: "-r DIR/elsewhere init"},
		{words: "-r DIR/elsewhere backup x DIR/disk"},
		{before: func() { b.move("repo", "away") }, words: "backup --all", code: 2, want: "NOT SAFE: unreachable"},
		{words: "backup a", code: 2},
		{before: func() { b.move("away", "repo") }, words: "backup --all", want: "SAFE: over: unreachable | beat"},
		{before: func() { b.move("other", "gone") }, words: "backup c", code: 1, want: "SAFE, with a warning: failed c | beat"},
		{words: "backup --all", code: 1, want: "beat"},
		{before: func() { b.move("gone", "other") }, words: "backup --all", want: "SAFE: over: failed c | beat"},
	} {
		if step.before != nil {
			step.before()
		}
		var stderr bytes.Buffer
		if code := run(append([]string{"varve"}, b.words(strings.ReplaceAll(step.words, "'", ""))...), nil, io.Discard, &stderr); code != step.code {
			t.Errorf("step %d, %s: ended with %d, want %d: %s", i, step.words, code, step.code, &stderr)
		}
		if got := is.next(); got != step.want {
			t.Errorf("step %d, %s: told %q, want %q", i, step.words, got, step.want)
		}
	}
}
