package repository_test

import (
	"testing"

	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// retired tells whether a volume is.
func (p *place) retired(r *repository.Repository, name revision.Name) bool {
	p.t.Helper()
	v, err := r.Volume(name)
	if err != nil {
		p.t.Fatal(err)
	}
	t, err := r.Retirement(v)
	if err != nil {
		p.t.Fatal(err)
	}
	var newest *repository.Revision
	if revs := p.revisions(r, name); len(revs) > 0 {
		newest = &revs[len(revs)-1]
	}
	return t.InForce(newest)
}

func (p *place) mustRetire(r *repository.Repository, name revision.Name) {
	p.t.Helper()
	v, err := r.Volume(name)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := r.Retire(p.t.Context(), v); err != nil {
		p.t.Fatal(err)
	}
}

func TestRetire(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	p.mustStore(r, "db1", randomImage(1, 1))
	if p.retired(r, "db1") {
		t.Error("a volume is retired from the beginning")
	}
	p.mustRetire(r, "db1")
	p.mustRetire(r, "db1") // twice is once
	if !p.retired(r, "db1") {
		t.Error("a retired volume is not retired")
	}
	p.mustRename("db1", "db2")
	if !p.retired(r, "db2") {
		t.Error("a retired volume with a new name is not retired")
	}
	v, err := r.Volume("db2")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Unretire(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		if p.retired(r, "db2") {
			t.Error("a volume whose retirement was ended is retired")
		}
	}
	p.mustRetire(r, "db2")
	file := "volumes/db2/retired.json"
	record := p.read(file)
	p.write(file, []byte("rot"))
	if p.retired(r, "db2") {
		t.Error("a file that says nothing retires a volume")
	}
	p.mustRetire(r, "db2") // and makes it anew
	if !p.retired(r, "db2") {
		t.Error("a damaged file keeps a volume from being retired")
	}
	var ended bool
	b := storeOptions{before: func(b *repository.Backup) { ended = b.EndedRetirement() }}
	p.mustStoreWith(r, "db2", randomImage(2, 1), b)
	if ended {
		t.Error("the retirement ended before the revision was visible")
	}
	if p.retired(r, "db2") || p.exists(file) {
		t.Error("a backup did not end the retirement")
	}
	p.write(file, record) // as if the power went before it could be removed
	if p.retired(r, "db2") {
		t.Error("a later revision does not end the retirement by itself")
	}
	p.mustRetire(r, "db2")
	if !p.retired(r, "db2") {
		t.Error("a volume cannot be retired a second time")
	}
}

// A backup that commits while its volume is being retired came before, or ends it.
func TestRetireDuringABackup(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	plain := p.open()
	p.mustStore(plain, "db1", randomImage(1, 1))
	done := false
	r := p.openOn(durabletest.NewWatched(p.tree(), func(op, name string) error {
		if !done && op == "open for writing" && name == repository.GateName { // what there is was seen
			done = true
			p.mustStore(plain, "db1", randomImage(2, 1))
		}
		return nil
	}))
	p.mustRetire(r, "db1")
	if !done || !p.retired(plain, "db1") {
		t.Errorf("a volume that was backed up while it was retired: %v, %v", done, p.retired(plain, "db1"))
	}
}

// A revision whose number cannot be read when its volume is retired is no later one
// once it can.
func TestRetireWithAnUnreadableRevision(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	name, second := repository.RevisionName("db1", h.made[1].ID), repository.CopyName(h.made[1].Volume.UUID, h.made[1].ID)
	whole := h.read(name)
	h.write(name, []byte("rot"))
	h.write(second, []byte("rot"))
	h.mustRetire(r, "db1")
	if !h.retired(r, "db1") {
		t.Error("it is not retired while its newest revision is unreadable")
	}
	h.write(name, whole)
	if !h.retired(r, "db1") {
		t.Error("a revision that can be read again ended the retirement")
	}
	h.mustStore(r, "db1", h.next())
	if h.retired(r, "db1") {
		t.Error("a backup did not end the retirement")
	}
}

// A volume that is renamed between being looked up and being retired is the one that
// is retired, also if another has its name by then.
func TestRetireARenamedVolume(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"nothing has its name": false, "another has its name": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			r := p.open()
			p.mustStore(r, "db1", randomImage(1, 1))
			v, err := r.Volume("db1")
			if err != nil {
				t.Fatal(err)
			}
			p.mustRename("db1", "db2")
			if again { // begun, and not finished
				b, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"})
				if err != nil {
					t.Fatal(err)
				}
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := r.Retire(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			if !p.retired(r, "db2") || again && p.retired(r, "db1") {
				t.Errorf("another was retired")
			}
			if err := r.Unretire(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			if p.retired(r, "db2") {
				t.Errorf("it is still retired")
			}
		})
	}
}
