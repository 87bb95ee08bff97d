package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/backup"
	"varve/config"
	"varve/hook"
	"varve/status"
)

func TestConfigIn(t *testing.T) {
	t.Setenv("VARVE_CONFIG", "env")
	for words, want := range map[string]string{
		"log": "env", "log --config a": "a", "--config=a log": "a", "log --config=a --config b": "b", "log --config=": "",
		"log -- --config a": "env", "log --config": "env",
	} {
		if got := configIn(strings.Fields(words)); got != want {
			t.Errorf("%q: %q, want %q", words, got, want)
		}
	}
}

func TestListSources(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.img", "b.img", ".c.img", "vm-1/disk", "vm-2/disk", "vm-3/other", "vm-/disk", "d.img/x", "e.img.partial"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.img", filepath.Join(dir, "link.img")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "broken.img")); err != nil {
		t.Fatal(err)
	}
	list := new(session).lister(t.Context())
	for pattern, want := range map[string][]string{
		"/*.img": {"a", "b", "link"}, "/*": {"a.img", "b.img", "e.img.partial", "link.img"}, "/.*.img": {"c"},
		"/vm-*/disk": {"1", "2"}, "/*/disk": {"vm-", "vm-1", "vm-2"}, "/none/*": nil, "/*/none": nil, "/[ab]*": nil,
	} {
		got, err := list(dir + pattern)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", pattern, got, err, want)
		}
	}
	if _, err := list(dir + "/a.img/*"); err == nil {
		t.Error("a file is listed like a directory")
	}
}

// The configuration says in words what packages do by themselves where it is silent.
func TestDefaultsAreTheSameEverywhere(t *testing.T) {
	conf, err := config.Parse("varve.yaml", []byte("volumes: {db1: {source: /dev/vg/db1}}"))
	if err != nil {
		t.Fatal(err)
	}
	v, _ := conf.Volume("db1")
	if v.CompareAll != backup.DefaultCompareAll || v.Overdue != status.DefaultOverdue {
		t.Errorf("compare_all %d, overdue %v; want %d and %v", v.CompareAll, v.Overdue, backup.DefaultCompareAll, status.DefaultOverdue)
	}
	if want := (hook.Hooks{Timeout: hook.DefaultTimeout, FreezeTimeout: hook.DefaultFreezeTimeout}); hook.Hooks(v.Hooks) != want {
		t.Errorf("hooks %+v, want %+v", v.Hooks, want)
	}
}

// What is configured is expected since its file was changed last, for all that can be told.
func TestExpectedSince(t *testing.T) {
	path, changed := filepath.Join(t.TempDir(), "varve.yaml"), time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	err := os.WriteFile(path, []byte("volumes: {db1: {source: /dev/vg/db1, schedule: daily}}"), 0o600)
	if err := errors.Join(err, os.Chtimes(path, time.Time{}, changed)); err != nil {
		t.Fatal(err)
	}
	s := newSession(nil, nil, nil)
	s.globals.config = path
	p, err := s.expected(t.Context(), nil)
	if err != nil || len(p.all) != 1 || !p.all[0].Since.Equal(changed) {
		t.Errorf("expected %+v, %v; want one since %s", p.all, err, changed)
	}
}

// Who looks how safe it is may not be let into a cluster, or have a program without it: that is no trouble of the volumes.
func TestAPatternOutOfReachIsNoTrouble(t *testing.T) {
	t.Setenv("CEPH_CONF", filepath.Join(t.TempDir(), "none.conf"))
	path := filepath.Join(t.TempDir(), "varve.yaml")
	text := `volumes: {"vms/*": {source: "rbd:vms/*"}, "files/*": {source: "/nowhere/*"}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSession(nil, nil, nil)
	s.globals.config = path
	p, err := s.expected(t.Context(), nil)
	if err != nil || len(p.notFound) != 1 || !strings.Contains(p.notFound[0].Error(), "/nowhere/") {
		t.Errorf("not found: %v, %v", p.notFound, err)
	}
}
