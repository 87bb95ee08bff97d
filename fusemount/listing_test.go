package fusemount

import (
	"os"
	"path/filepath"
	"testing"
	"time"

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
