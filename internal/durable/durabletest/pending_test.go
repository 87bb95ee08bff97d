package durabletest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
)

func TestPending(t *testing.T) {
	t.Parallel()
	disk := durabletest.NewDisk()
	write(t, disk, "old", "never synced, and on the disk before anything was recorded", false)
	var fail string // the operation that is to fail
	watched := durabletest.NewWatched(disk, func(op, _ string) error {
		if op == fail {
			return fs.ErrInvalid
		}
		return nil
	})
	rec := disk.Record()
	failing := func(op string, do func() error) func() error {
		return func() error {
			fail = op
			defer func() { fail = "" }()
			if err := do(); !errors.Is(err, fs.ErrInvalid) {
				return fmt.Errorf("%s did not fail: %w", op, err)
			}
			return nil
		}
	}
	open := func(name string, do func(f durable.File) error) func() error {
		return func() error {
			f, err := watched.OpenWrite(name)
			if err != nil {
				return err
			}
			return errors.Join(do(f), f.Close())
		}
	}
	create := func(name string) func() error {
		return func() error {
			f, err := watched.Create(name)
			if err != nil {
				return err
			}
			return f.Close()
		}
	}
	put := func(f durable.File) error {
		_, err := f.WriteAt([]byte("data"), 0)
		return err
	}
	sync := func(dir string) func() error { return func() error { return watched.SyncDir(dir) } }
	for _, step := range []struct {
		name string
		do   func() error
		want string // contents; names; gone
	}{
		{"nothing", func() error { return nil }, "[] [] []"},
		{"a file", create("a"), "[] [a] []"},
		{"written to", open("a", put), "[a] [a] []"},
		{"synced", open("a", durable.File.Sync), "[] [a] []"},
		{"renamed", func() error { return watched.RenameNew("a", "b") }, "[] [b] [a]"},
		{"its directory synced", sync("."), "[] [] []"},
		{"cut", open("b", func(f durable.File) error { return f.Truncate(1) }), "[b] [] []"},
		{"a second name", func() error { return watched.Link("b", "c") }, "[b c] [c] []"},
		{"one name taken away", func() error { return watched.Remove("b") }, "[c] [c] [b]"},
		{"both synced", func() error { return errors.Join(open("c", durable.File.Sync)(), sync(".")()) }, "[] [] []"},
		{"a directory in another", func() error { return errors.Join(watched.Mkdir("d"), watched.Mkdir("d/e")) }, "[] [d d/e] []"},
		{"the inner one synced", sync("d"), "[] [d] []"},
		{"the outer one synced", sync("."), "[] [] []"},
		{"moved", func() error { return watched.Rename("c", "d/c") }, "[] [d/c] [c]"},
		{"where it was synced", sync("."), "[] [d/c] [c]"}, // it cannot go before it has come
		{"where it is synced", sync("d"), "[] [] []"},
		{"written, and the sync fails", failing("fsync", open("old", func(f durable.File) error { return errors.Join(put(f), f.Sync()) })), "[old] [] []"},
		{"synced again", open("old", durable.File.Sync), "[old] [] []"},
		{"written and synced", open("old", func(f durable.File) error { return errors.Join(put(f), f.Sync()) }), "[old] [] []"},
		{"replaced", func() error { return watched.Rename("d/c", "old") }, "[] [old] [d/c]"},
		{"the sync of its directory fails", failing("fsync directory", sync(".")), "[] [old] [d/c]"},
		{"synced again", func() error { return errors.Join(sync(".")(), sync("d")()) }, "[] [old] [d/c]"},
		{"the name is made anew", func() error { return errors.Join(watched.Remove("old"), create("old")()) }, "[] [old] [d/c]"},
		{"that is synced", sync("."), "[] [] [d/c]"},
		{"the other too", func() error { return errors.Join(create("d/c")(), watched.Remove("d/c"), watched.SyncDir("d")) }, "[] [] []"},
		{"the close fails", failing("close", open("old", put)), "[old] [] []"},
		{"synced then", open("old", durable.File.Sync), "[old] [] []"},
		{"removed", func() error { return watched.Remove("old") }, "[] [] [old]"},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		p := rec.Pending()
		if got := fmt.Sprint(p.Contents, p.Names, p.Gone); got != step.want {
			t.Fatalf("%s: pending are %s, want %s", step.name, got, step.want)
		}
	}
}

// What is not pending is so in every state, whatever was done and whichever sync failed.
func TestWhatIsNotPendingSurvives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		disk := durabletest.NewDisk()
		for _, dir := range []string{"d", "e"} {
			if err := disk.Mkdir(dir); err != nil {
				t.Fatal(err)
			}
		}
		rec := disk.Record()
		fsys := durabletest.NewWatched(disk, func(op, _ string) error {
			if strings.HasPrefix(op, "fsync") && rapid.IntRange(0, 3).Draw(t, op+" works") == 0 {
				return fs.ErrInvalid
			}
			return nil
		})
		file := rapid.SampledFrom([]string{"a", "d/a", "e/a"})
		onFile := func(do func(f durable.File) error) func(*rapid.T) {
			return func(t *rapid.T) {
				f, err := fsys.OpenWrite(file.Draw(t, "file"))
				if err == nil {
					_ = errors.Join(do(f), f.Close()) // it may fail
				}
			}
		}
		number := 0
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) { _, _ = fsys.Create(file.Draw(t, "file")) },
			"write": onFile(func(f durable.File) error {
				number++
				_, err := f.WriteAt(fmt.Append(nil, number), 0)
				return err
			}),
			"sync":   onFile(durable.File.Sync),
			"link":   func(t *rapid.T) { _ = fsys.Link(file.Draw(t, "from"), file.Draw(t, "to")) },
			"rename": func(t *rapid.T) { _ = fsys.Rename(file.Draw(t, "from"), file.Draw(t, "to")) },
			"remove": func(t *rapid.T) { _ = fsys.Remove(file.Draw(t, "file")) },
			"sync directory": func(t *rapid.T) {
				_ = fsys.SyncDir(rapid.SampledFrom([]string{".", "d", "e"}).Draw(t, "directory"))
			},
			"": func(t *rapid.T) { checkPending(t, disk, rec) },
		})
	})
}

// checkPending compares what there is now with what a power cut now may leave.
func checkPending(t *rapid.T, disk *durabletest.Disk, rec *durabletest.Recording) {
	p, now := rec.Pending(), disk.Files()
	open := map[string]bool{}
	for _, list := range [][]string{p.Contents, p.Names, p.Gone} {
		for _, name := range list {
			open[name] = true
		}
	}
	for s := range rec.States(durabletest.Cuts{Few: true, From: rec.Events()}) {
		then := s.Disk.Files()
		for _, name := range []string{"a", "d/a", "e/a"} {
			content, is := now[name]
			survived, was := then[name]
			if !open[name] && (is != was || string(content) != string(survived)) {
				t.Fatalf("%s is not pending, and holds %q (%v) or, after a power cut, %q (%v)\n%v", name, content, is, survived, was, s)
			}
		}
	}
}
