package traps

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"varve/backup"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/revision"
)

// settle gives all directories of packs one time of change, long ago: the catalog
// then takes it that it knows them, whatever is in them.
func (p *place) settle() {
	p.t.Helper()
	dirs, err := filepath.Glob(filepath.Join(p.dir, "packs", "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, dir := range dirs {
		if err := os.Chtimes(dir, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
			p.t.Fatal(err)
		}
	}
}

// inDirectory is a repository in a real directory with one revision of db1: to be
// copied as by cp -a, and with times that settle can forge.
func inDirectory(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, dir: durabletest.TempDir(t), state: durabletest.TempDir(t), promised: map[*revision.Statement][]byte{}}
	p.init()
	p.mustBackup(p.open(), "db1", night(0))
	return p
}

// The catalog of a host knows packs that the repository does not have any more,
// because it was rolled back, or is a copy, or was restored from one.
func TestTrapCatalogOutlivesItsRepository(t *testing.T) {
	t.Parallel()
	for name, settled := range map[string]bool{"": false, ", and no time tells": true} {
		t.Run("rolled back"+name, func(t *testing.T) {
			t.Parallel()
			p := inDirectory(t)
			old := durabletest.TempDir(t)
			if err := os.Remove(old); err != nil {
				t.Fatal(err)
			}
			copyDir(t, p.dir, old)
			lost := noise(9, 4*chunkSize)
			later := &place{t: t, dir: p.dir, state: p.state, promised: map[*revision.Statement][]byte{}}
			later.mustBackup(p.open(), "db2", lost)
			later.mustBackup(p.open(), "db1", night(3))
			if settled {
				p.settle()
				later.mustBackup(p.open(), "db3", lost) // the catalog learns the times
			}
			if err := os.RemoveAll(p.dir); err != nil {
				t.Fatal(err)
			}
			copyDir(t, old, p.dir)
			if settled {
				p.settle()
			}
			p.checkPromises("rolled back")
			result := p.mustBackup(p.open(), "db2", lost)
			if result.Statement.Statistics.Found != 0 {
				t.Error("something was found in a pack that is gone")
			}
			p.mustBackup(p.open(), "db1", night(3))
			p.checkPromises("after the next night")
		})
		t.Run("copied"+name, func(t *testing.T) {
			t.Parallel()
			p := inDirectory(t)
			twin := &place{t: t, dir: filepath.Join(durabletest.TempDir(t), "twin"), state: p.state, promised: map[*revision.Statement][]byte{}}
			copyDir(t, p.dir, twin.dir)
			if settled {
				p.settle()
				twin.settle()
			}
			data := noise(9, 4*chunkSize)
			twin.mustBackup(twin.open(), "db2", data)
			if settled {
				twin.settle()
			}
			p.mustBackup(p.open(), "db2", data)
			twin.mustBackup(twin.open(), "db3", data)
			p.checkPromises("the original")
			twin.checkPromises("the copy")
			if err := os.RemoveAll(p.dir); err != nil {
				t.Fatal(err)
			}
			twin.checkPromises("the copy, without the original")
		})
	}
}

// Whatever happens to the catalog, nothing but time is lost, and the night after
// next finds again what is there.
func TestTrapCatalogIsDamaged(t *testing.T) {
	t.Parallel()
	original := withOneNight(t)
	catalog := original.catalog()
	whole, err := os.ReadFile(catalog)
	if err != nil {
		t.Fatal(err)
	}
	other := withOneNight(t)
	rewrite := func(change func(b []byte) []byte) func(*place) error {
		return func(p *place) error { return os.WriteFile(p.catalog(), change(append([]byte(nil), whole...)), 0o600) }
	}
	cases := map[string]func(*place) error{
		"deleted":      func(p *place) error { return os.Remove(p.catalog()) },
		"lock deleted": func(p *place) error { return os.Remove(p.catalog() + ".lock") },
		"both deleted": func(p *place) error { return os.RemoveAll(filepath.Dir(p.catalog())) },
		"of another repository": func(p *place) error {
			return errors.Join(os.RemoveAll(filepath.Dir(p.catalog())), os.CopyFS(filepath.Dir(p.catalog()), os.DirFS(filepath.Dir(other.catalog()))))
		},
		"noise":    rewrite(func(b []byte) []byte { return noise(4, len(b)) }),
		"zeros":    rewrite(func(b []byte) []byte { return make([]byte, len(b)) }),
		"grown":    rewrite(func(b []byte) []byte { return append(b, noise(4, 5000)...) }),
		"older":    rewrite(func(b []byte) []byte { return b }), // than its seal
		"a folder": func(p *place) error { return errors.Join(os.Remove(p.catalog()), os.Mkdir(p.catalog(), 0o700)) },
		"a link":   func(p *place) error { return errors.Join(os.Remove(p.catalog()), os.Symlink("nowhere", p.catalog())) },
		"a lock that is a folder": func(p *place) error {
			return errors.Join(os.Remove(p.catalog()+".lock"), os.Mkdir(p.catalog()+".lock", 0o700))
		},
		"no place for it": func(p *place) error {
			return errors.Join(os.RemoveAll(p.state), os.WriteFile(p.state, []byte("a file"), 0o600))
		},
	}
	for page := 0; page*4096 < len(whole); page++ {
		cases[fmt.Sprintf("cut at page %d", page)] = rewrite(func(b []byte) []byte { return b[:page*4096] })
		cases[fmt.Sprintf("cut in page %d", page)] = rewrite(func(b []byte) []byte { return b[:page*4096+100] })
		cases[fmt.Sprintf("page %d scrambled", page)] = rewrite(func(b []byte) []byte {
			for i := range 200 {
				b[page*4096+i] = byte(rand.Uint32())
			}
			return b
		})
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := original.twin(t)
			if err := damage(p); err != nil {
				t.Fatal(err)
			}
			p.checkPromises("damaged")
			p.mustBackup(p.open(), "db2", night(0))
			r := p.open()
			src := &source{data: night(2)}
			src.before = func(off int64) {
				if off == chunkSize { // in the middle of a run
					_ = damage(p) // it may be gone already
				}
			}
			result, err := create(t.Context(), r, src, backup.CreateOptions{Volume: "db3"})
			if err != nil {
				t.Fatal(err)
			}
			p.promised[result.Statement] = src.data
			p.checkPromises("after a run")
		})
	}
}

// A catalog that somebody holds is done without.
func TestTrapCatalogLockedBySomeone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"catalog.db", "catalog.db.lock"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := withOneNight(t)
			tree, err := durable.OpenTree(filepath.Dir(p.catalog()))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tree.Close() }()
			lock, err := durable.OpenLocked(tree, name)
			if err != nil || lock == nil {
				t.Fatal(lock, err)
			}
			defer func() { _ = lock.Close() }()
			p.mustBackup(p.open(), "db2", night(0))
			p.mustBackup(p.open(), "db1", night(1))
			p.checkPromises("while the catalog is locked")
		})
	}
}

// catalog is the path of the catalog.
func (p *place) catalog() string { return filepath.Join(p.state, p.open().ID().String(), "catalog.db") }

// twin is a copy of a place, with its catalog.
func (p *place) twin(t *testing.T) *place {
	t.Helper()
	twin := &place{t: t, disk: p.disk.Copy(), state: durabletest.TempDir(t), promised: maps.Clone(p.promised)}
	if err := os.CopyFS(twin.state, os.DirFS(p.state)); err != nil {
		t.Fatal(err)
	}
	return twin
}

// copyDir copies a directory as cp -a does, times included.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	var dirs []string
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		dirs = append(dirs, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Backward(dirs) { // a directory after what is in it
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		rel, _ := filepath.Rel(from, path)
		if err := os.Chtimes(filepath.Join(to, rel), info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
}
