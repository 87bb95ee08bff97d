package fusemount

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
)

// A listing is not made anew as long as nothing changed, and is as soon as anything did.
func TestAListingIsKeptUntilSomethingChanges(t *testing.T) {
	p := newPlace(t, 64*kib)
	src := p.source("src", mib, 1)
	id := p.backup("v", src)
	m, _ := p.mount(Options{})
	v, err := p.repo.Volume("v")
	if err != nil {
		t.Fatal(err)
	}
	look := func() (volumes, revisions time.Time, n int) {
		if _, err := m.listings.tree(); err != nil {
			t.Fatal(err)
		}
		l, err := m.listings.list(v)
		if err != nil {
			t.Fatal(err)
		}
		return m.listings.latest.began, m.listings.volumes[v.UUID].began, len(l.order)
	}
	rest := func() { // as if nothing had happened for long
		long := time.Now().Add(-time.Hour)
		for _, dir := range []string{"volumes", "volumes/v", "sets"} {
			if err := os.Chtimes(filepath.Join(p.dir, dir), long, long); err != nil {
				t.Fatal(err)
			}
		}
	}
	changes := map[string]func(){
		"a backup":     func() { p.backup("v", src) },
		"a tag":        func() { p.mark("v", id, func(info *repository.Info) { info.Tags = []string{"t"} }) },
		"a new volume": func() { p.backup("w", src) },
	}
	for name, change := range changes {
		rest()
		look()
		v1, r1, _ := look()
		v2, r2, before := look()
		if !v1.Equal(v2) || !r1.Equal(r2) {
			t.Errorf("before %s, what did not change was listed again", name)
		}
		change()
		v3, r3, after := look()
		if v3.Equal(v2) && r3.Equal(r2) {
			t.Errorf("after %s, nothing was listed again", name)
		}
		if name == "a backup" && after != before+1 {
			t.Errorf("after a backup there are %d revisions, want %d", after, before+1)
		}
	}
}

// Names need next to no revision read, and one image by its name no other; the attributes of all have each read a
// few times at most.
func TestNamesReadNoRevisions(t *testing.T) {
	p := newPlace(t, 64*kib)
	first := p.backup("v", p.source("src", mib, 1, extent{0, mib}))
	const n = 300
	p.forge("v", first, n-1)
	tree, err := durable.OpenTree(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	var opened atomic.Int64
	repo, err := repository.Open(durabletest.NewWatched(tree, func(op, name string) error {
		if strings.HasSuffix(name, ".rev") && op == "open" {
			opened.Add(1)
		}
		return nil
	}), repository.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	_, dir := p.mountOf(repo, Options{Refresh: time.Hour})
	folder := filepath.Join(dir, "v")
	within := func(what string, most int64, do func()) {
		t.Helper()
		opened.Store(0)
		do()
		if got := opened.Load(); got > most || got == 0 {
			t.Errorf("%s has %d revisions opened, of %d; want %d at most", what, got, n, most)
		}
	}
	var list []string
	within("listing names", 60, func() { list = names(t, folder) })
	for _, want := range []string{string(first) + ".img", string(first) + ".json", "latest.img", "latest-good.img", "by-tag"} {
		if !slices.Contains(list, want) {
			t.Errorf("there is no %q", want)
		}
	}
	if len(list) != 2*n+3 {
		t.Errorf("there are %d names, want two of each revision and three more", len(list))
	}
	within("opening one image", 20, func() { same(t, filepath.Join(folder, string(first)+".img"), filepath.Join(p.base, "src")) })
	within("the attributes of all", 3*n, func() {
		for _, name := range list {
			if _, err := os.Lstat(filepath.Join(folder, name)); err != nil {
				t.Error(err)
			}
		}
	})
	if again := names(t, folder); !slices.Equal(again, list) {
		t.Errorf("with all read, there are %d names", len(again))
	}
}

// What was removed since it was listed is not there, rather than damaged, and is listed no more.
func TestOpeningWhatWasRemovedSinceItWasListed(t *testing.T) {
	p := newPlace(t, 64*kib)
	src := p.source("src", mib, 1, extent{0, mib})
	gone := p.backup("v", src)
	p.backup("v", src)
	m, dir := p.mount(Options{Refresh: time.Hour})
	v, err := p.repo.Volume("v")
	if err == nil {
		_, err = m.listings.list(v)
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "v", string(gone)+".img")
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	p.remove("v", gone)
	if f, err := os.Open(path); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("opening it gave %v, %v", f, err)
	}
	if list := names(t, filepath.Join(dir, "v")); slices.Contains(list, string(gone)+".img") {
		t.Errorf("it is listed still: %q", list)
	}
	if told := p.log.lines("cannot be opened"); len(told) > 0 {
		t.Errorf("it was logged as %q", told)
	}
}

// A folder that is open is listed as it was, and anew from its beginning.
func TestRewindingAFolder(t *testing.T) {
	p := newPlace(t, 64*kib)
	src := p.source("src", mib, 1)
	p.backup("v", src)
	_, dir := p.mount(Options{})
	f, err := os.Open(filepath.Join(dir, "v"))
	if err != nil {
		t.Fatal(err)
	}
	defer closeIt(t, f)
	list := func() []string {
		t.Helper()
		names, err := f.Readdirnames(0)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	before := list()
	p.backup("v", src)
	if more := list(); len(more) != 0 {
		t.Errorf("after the end there is %q", more)
	}
	if _, err := f.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	if after := list(); len(after) != len(before)+2 || !slices.Contains(after, before[0]) {
		t.Errorf("before a backup there is %q, after it %q", before, after)
	}
}
