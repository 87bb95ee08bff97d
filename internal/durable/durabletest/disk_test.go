package durabletest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
)

// A Disk does what a real file system does.
func TestDiskIsAFileSystem(t *testing.T) {
	dirs := []string{"d", "d/e", "missing/d", "."}
	files := []string{"a", "b", "d/a", "d/b", "d/e/a", "missing/a"}
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		root, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		tree, err := durable.OpenTree(root)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tree.Close() }()
		disk := durabletest.NewDisk()
		dir := rapid.SampledFrom(dirs)
		file := rapid.SampledFrom(files)
		name := rapid.OneOf(dir, file)
		data := rapid.SliceOfN(rapid.Byte(), 0, 20)
		offset := rapid.Int64Range(0, 30)
		onBoth := func(op string, do func(fsys durable.FS) (string, error)) {
			want, wantErr := do(tree)
			got, gotErr := do(disk)
			if got != want || kind(gotErr) != kind(wantErr) {
				t.Fatalf("%s: got %q, %v; a real file system gives %q, %v", op, got, gotErr, want, wantErr)
			}
		}
		alone := func(do func(fsys durable.FS) error) func(durable.FS) (string, error) {
			return func(fsys durable.FS) (string, error) { return "", do(fsys) }
		}
		t.Repeat(map[string]func(*rapid.T){
			"mkdir": func(t *rapid.T) {
				n := dir.Draw(t, "name")
				onBoth("mkdir "+n, alone(func(fsys durable.FS) error { return fsys.Mkdir(n) }))
			},
			"create": func(t *rapid.T) {
				n, d, off := file.Draw(t, "name"), data.Draw(t, "data"), offset.Draw(t, "offset")
				onBoth("create "+n, func(fsys durable.FS) (string, error) {
					f, err := fsys.Create(n)
					return use(f, err, func() (string, error) { return count(f.WriteAt(d, off)) })
				})
			},
			"write": func(t *rapid.T) {
				n, d, off := name.Draw(t, "name"), data.Draw(t, "data"), offset.Draw(t, "offset")
				onBoth("write "+n, func(fsys durable.FS) (string, error) {
					f, err := fsys.OpenWrite(n)
					return use(f, err, func() (string, error) { return count(f.WriteAt(d, off)) })
				})
			},
			"truncate": func(t *rapid.T) {
				n, size := name.Draw(t, "name"), offset.Draw(t, "size")
				onBoth("truncate "+n, func(fsys durable.FS) (string, error) {
					f, err := fsys.OpenWrite(n)
					return use(f, err, func() (string, error) { return "", f.Truncate(size) })
				})
			},
			"read": func(t *rapid.T) {
				n, off := name.Draw(t, "name"), offset.Draw(t, "offset")
				onBoth("read "+n, func(fsys durable.FS) (string, error) {
					f, err := fsys.Open(n)
					return use(f, err, func() (string, error) {
						p := make([]byte, 10)
						n, err := f.ReadAt(p, off)
						return fmt.Sprintf("%x", p[:n]), err
					})
				})
			},
			"link":       onTwo(file, durable.FS.Link, onBoth),
			"rename":     onTwo(file, durable.FS.Rename, onBoth),
			"rename new": onTwo(file, durable.FS.RenameNew, onBoth),
			"remove": func(t *rapid.T) {
				n := name.Draw(t, "name")
				onBoth("remove "+n, alone(func(fsys durable.FS) error { return fsys.Remove(n) }))
			},
			"sync": func(t *rapid.T) {
				n := name.Draw(t, "name")
				onBoth("sync "+n, alone(func(fsys durable.FS) error { return fsys.SyncDir(n) }))
			},
			"list": func(t *rapid.T) {
				n := name.Draw(t, "name")
				onBoth("list "+n, func(fsys durable.FS) (string, error) {
					entries, err := fsys.ReadDir(n)
					return fmt.Sprint(entries), err
				})
			},
			"": func(t *rapid.T) {
				if got, want := disk.Files(), filesBelow(t, root); !maps.EqualFunc(got, want, bytes.Equal) {
					t.Fatalf("got %q, want %q", got, want)
				}
			},
		})
	})
}

// onTwo draws two names of files.
func onTwo(file *rapid.Generator[string], do func(fsys durable.FS, from, to string) error,
	onBoth func(string, func(durable.FS) (string, error))) func(*rapid.T) {
	return func(t *rapid.T) {
		from, to := file.Draw(t, "from"), file.Draw(t, "to")
		onBoth("from "+from+" to "+to, func(fsys durable.FS) (string, error) { return "", do(fsys, from, to) })
	}
}

func use(f durable.File, err error, do func() (string, error)) (string, error) {
	if err != nil {
		return "", err
	}
	text, err := do()
	return text, errors.Join(err, f.Close())
}

func count(n int, err error) (string, error) { return fmt.Sprint(n), err }

// kind is what callers may tell errors apart by.
func kind(err error) string {
	for _, kind := range []error{fs.ErrExist, fs.ErrNotExist, fs.ErrInvalid} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	if err != nil {
		return "another"
	}
	return ""
}

func filesBelow(t *rapid.T, dir string) map[string][]byte {
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(rel)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestDiskLocks(t *testing.T) {
	disk := durabletest.NewDisk()
	first, err := durable.OpenLocked(disk, "lock")
	if first == nil || err != nil {
		t.Fatalf("a free lock was not to be had: %v", err)
	}
	if second, err := durable.OpenLocked(disk, "lock"); second != nil || err != nil {
		t.Errorf("a lock was had twice: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if third, err := durable.OpenLocked(disk, "lock"); third == nil || err != nil {
		t.Errorf("closing did not end the lock: %v", err)
	}
}

// write does to a disk what a careless or careful program does.
func write(t *testing.T, disk *durabletest.Disk, name, content string, sync bool) {
	t.Helper()
	f, err := disk.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(content), 0); err != nil {
		t.Fatal(err)
	}
	if sync {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// overwrite writes over what a file begins with, and does not sync it.
func overwrite(t *testing.T, disk *durabletest.Disk, name, content string) {
	t.Helper()
	f, err := disk.OpenWrite(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(content), 0)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// outcomes gives what all states together may show of a file, "-" where it is absent.
func outcomes(rec *durabletest.Recording, name string, phase int) []string {
	seen := map[string]bool{}
	for s := range rec.States(durabletest.Cuts{Subsets: 12}) {
		if s.Phase != phase {
			continue
		}
		content, there := s.Disk.Files()[name]
		if !there {
			content = []byte("-")
		}
		seen[string(content)] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func TestStatesOfCarelessWrites(t *testing.T) {
	disk := durabletest.NewDisk()
	rec := disk.Record()
	write(t, disk, "temp", "hello", false)
	if err := disk.Rename("temp", "file"); err != nil {
		t.Fatal(err)
	}
	if err := disk.SyncDir("."); err != nil {
		t.Fatal(err)
	}
	disk.Mark()
	got := outcomes(rec, "file", 1)
	for _, want := range []string{"", "hello", "\x00\x00\x00\x00\x00"} {
		if !slices.Contains(got, want) {
			t.Errorf("a file renamed without a sync is never %q: %q", want, got)
		}
	}
	if slices.Contains(got, "-") {
		t.Error("a name is gone after its directory was synced")
	}
}

func TestStatesOfCarefulWrites(t *testing.T) {
	disk := durabletest.NewDisk()
	write(t, disk, "file", "old", true)
	rec := disk.Record()
	write(t, disk, "temp", "new", true)
	if err := disk.Rename("temp", "file"); err != nil {
		t.Fatal(err)
	}
	if got, want := outcomes(rec, "file", 0), []string{"new", "old"}; !slices.Equal(got, want) {
		t.Errorf("before the sync: got %q, want %q", got, want)
	}
	if err := disk.SyncDir("."); err != nil {
		t.Fatal(err)
	}
	disk.Mark()
	if got, want := outcomes(rec, "file", 1), []string{"new"}; !slices.Equal(got, want) {
		t.Errorf("after the sync: got %q, want %q", got, want)
	}
}

func TestStatesOfTornWrites(t *testing.T) {
	disk := durabletest.NewDisk()
	old, fresh := bytes.Repeat([]byte("o"), 1024), bytes.Repeat([]byte("n"), 1024)
	write(t, disk, "file", string(old), true)
	rec := disk.Record()
	f, err := disk.OpenWrite("file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(fresh, 0); err != nil {
		t.Fatal(err)
	}
	half := string(slices.Concat(fresh[:512], old[512:]))
	other := string(slices.Concat(old[:512], fresh[512:]))
	seen := map[string]bool{}
	for seed := range uint64(20) {
		for s := range rec.States(durabletest.Cuts{Seed: seed}) {
			seen[string(s.Disk.Files()["file"])] = true
		}
	}
	if want := []string{string(fresh), half, other, string(old)}; !slices.Equal(slices.Sorted(maps.Keys(seen)), want) {
		t.Errorf("%d outcomes, want old, new, and each half of it", len(seen))
	}
}

// A sync that fails drops what it was to write; the next succeeds and says nothing.
func TestStatesAfterFailedSync(t *testing.T) {
	disk := durabletest.NewDisk()
	rec := disk.Record()
	faulty := durabletest.NewFaulty(disk, durabletest.Fault{Step: 2, Err: fs.ErrInvalid})
	f, err := faulty.Create("file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("data"), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err == nil {
		t.Fatal("the third call did not fail")
	}
	if err := errors.Join(f.Sync(), faulty.SyncDir(".")); err != nil {
		t.Fatal(err)
	}
	disk.Mark()
	if got := outcomes(rec, "file", 1); !slices.Contains(got, "") || !slices.Contains(got, "data") {
		t.Errorf("after a failed sync and one that worked: got %q, want the data or nothing", got)
	}
}

// What writes the same once more adds nothing to what may be, unless the first never arrives.
func TestStatesOfWritesThatChangeNothing(t *testing.T) {
	disk := durabletest.NewDisk()
	write(t, disk, "file", "old", true)
	rec := disk.Record()
	overwrite(t, disk, "file", "new")
	count := func() (n int) {
		for range rec.States(durabletest.Cuts{Subsets: 12}) {
			n++
		}
		return n
	}
	before, events := count(), rec.Events()
	overwrite(t, disk, "file", "new")
	if after := count(); after != before || rec.Events() == events {
		t.Errorf("%d states after %d events, and %d after %d", before, events, after, rec.Events())
	}

	disk = durabletest.NewDisk()
	rec = disk.Record()
	faulty := durabletest.NewFaulty(disk, durabletest.Fault{Step: 2, Err: fs.ErrInvalid})
	f, err := faulty.Create("file")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, werr := f.WriteAt([]byte("data"), 0)
		err = errors.Join(werr, f.Sync())
	}
	if err = errors.Join(err, faulty.SyncDir(".")); err != nil {
		t.Fatal(err)
	}
	disk.Mark()
	if got, want := outcomes(rec, "file", 1), []string{"data"}; !slices.Equal(got, want) {
		t.Errorf("written again after a failed sync: got %q, want %q", got, want)
	}
}

// Of data alone one form stands for the others; all but one and one alone are always looked at.
func TestStatesInTurn(t *testing.T) {
	disk := durabletest.NewDisk()
	names := []string{"a", "b", "c"}
	for _, name := range names {
		write(t, disk, name, strings.Repeat("old.", 300), true)
	}
	rec := disk.Record()
	for _, name := range names {
		overwrite(t, disk, name, strings.Repeat("new.", 600))
	}
	look := func(inTurn bool) (states int, fresh map[string]bool) {
		fresh = map[string]bool{}
		for s := range rec.States(durabletest.Cuts{InTurn: inTurn}) {
			states++
			is := ""
			for _, name := range names {
				switch string(s.Disk.Files()[name]) {
				case strings.Repeat("old.", 300):
					is += "-"
				case strings.Repeat("new.", 600):
					is += name
				default:
					is += "?"
				}
			}
			fresh[is] = true
		}
		return states, fresh
	}
	all, _ := look(false)
	some, fresh := look(true)
	for _, want := range []string{"---", "abc", "-bc", "a-c", "ab-", "a--", "-b-", "--c"} {
		if !fresh[want] {
			t.Errorf("%s is not looked at, only %q", want, slices.Sorted(maps.Keys(fresh)))
		}
	}
	parts := slices.DeleteFunc(slices.Collect(maps.Keys(fresh)), func(is string) bool { return strings.Count(is, "?") != 1 })
	if len(parts) < 2 {
		t.Errorf("of one that is there in part, only %q are looked at", parts)
	}
	if some >= all {
		t.Errorf("%d states in turn, %d in all", some, all)
	}
}

// A move to another directory leaves one of the names at least.
func TestStatesOfMoves(t *testing.T) {
	disk := durabletest.NewDisk()
	for _, dir := range []string{"a", "b"} {
		if err := disk.Mkdir(dir); err != nil {
			t.Fatal(err)
		}
	}
	write(t, disk, "a/file", "data", true)
	rec := disk.Record()
	if err := disk.RenameNew("a/file", "b/file"); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for s := range rec.States(durabletest.Cuts{Subsets: 12}) {
		seen[fmt.Sprint(slices.Sorted(maps.Keys(s.Disk.Files())))] = true
	}
	want := []string{"[a/file b/file]", "[a/file]", "[b/file]"}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// States are the same each time, and no state is a window into another.
func TestStatesAreTheirOwn(t *testing.T) {
	disk := durabletest.NewDisk()
	write(t, disk, "file", "base", true)
	rec := disk.Record()
	write(t, disk, "more", "data", false)
	list := func() (all []string) {
		for s := range rec.States(durabletest.Cuts{Subsets: 4, Seed: 3}) {
			all = append(all, fmt.Sprint(s.Event, s.Disk.Files()))
			f, err := s.Disk.OpenWrite("file")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte("X"), 0); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	first, second := list(), list()
	if !slices.Equal(first, second) {
		t.Errorf("got %q, then %q", first, second)
	}
	if string(disk.Files()["file"]) != "base" {
		t.Error("writing to a state changed the disk")
	}
}

// What was learned of a directory can be told from what it holds now.
func TestDirectoryTimes(t *testing.T) {
	d := durabletest.NewDisk()
	time := func() int64 {
		info, err := d.Lstat(".")
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime().UnixNano()
	}
	bare := time()
	if err := d.SetFile("a", nil); err != nil {
		t.Fatal(err)
	}
	if time() == bare {
		t.Error("a name appeared, and the time is the same")
	}
	if err := d.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if time() != bare {
		t.Error("the directory is as it was, and its time is not")
	}
}
