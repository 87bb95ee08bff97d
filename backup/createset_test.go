package backup_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"varve/backup"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// witness writes down, in order, what happens to the members of a set.
type witness struct {
	mu     sync.Mutex
	events []string
}

func (w *witness) happens(event string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.events); n == 0 || w.events[n-1] != event { // many reads are one
		w.events = append(w.events, event)
	}
}

// told is a source that tells a witness what happens to it.
type told struct {
	*guest
	name string
	w    *witness
}

func (s *told) Snapshot(ctx context.Context) (volume.Snapshot, error) {
	s.w.happens("snapshot " + s.name)
	snap, err := s.guest.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return &toldSnapshot{snap.(*guestSnapshot), s}, nil
}

func (s *told) freeze(ctx context.Context) (func() error, error) {
	s.w.happens("freeze " + s.name)
	thaw, err := s.guest.freeze(ctx)
	if err != nil {
		return nil, err
	}
	return func() error {
		s.w.happens("thaw " + s.name)
		return thaw()
	}, nil
}

type toldSnapshot struct {
	*guestSnapshot
	s *told
}

func (s *toldSnapshot) ReadAt(p []byte, off int64) (int, error) {
	s.s.w.happens("read " + s.s.name)
	return s.guestSnapshot.ReadAt(p, off)
}

func (s *toldSnapshot) Close() error {
	s.s.w.happens("close " + s.s.name)
	return s.guestSnapshot.Close()
}

// pair is two sources that are frozen by their own hooks: a is independent, b is held.
func pair(w *witness) (a, b *told) {
	a, b = &told{newGuest(), "a", w}, &told{newGuest(), "b", w}
	a.independent, a.quietly = true, volume.Snapshotted
	return a, b
}

func members(a, b *told) []backup.SetMember {
	return []backup.SetMember{
		{Source: b, CreateOptions: backup.CreateOptions{Volume: "b", Freeze: b.freeze}},
		{Source: a, CreateOptions: backup.CreateOptions{Volume: "a", Freeze: a.freeze}},
	}
}

// A little of each is read first, to tell what it is; then all, what is held first.
func TestASetIsFrozenTogether(t *testing.T) {
	t.Parallel()
	p, w := testPlace(t), new(witness)
	a, b := pair(w)
	made, err := backup.CreateSet(t.Context(), p.repo, members(a, b), backup.SetOptions{Name: "shop", Consistent: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(w.events, ", "), "freeze a, freeze b, snapshot a, snapshot b, thaw a, read a, read b, thaw b, read a, close b, close a"; got != want {
		t.Errorf("what happens is\n%s, want\n%s", got, want)
	}
	for i, name := range []revision.Name{"b", "a"} {
		st := made.Results[i].Statement
		if st.Volume.Name != name || st.Set != made.Set.ID || st.Consistency != revision.Frozen {
			t.Errorf("result %d is %s of set %q, %s", i, st.Volume.Name, st.Set, st.Consistency)
		}
		if got := p.restored(t, name, st.ID); !slices.Equal(got, a.data) {
			t.Errorf("%s is not what its source was", name)
		}
	}
	if len(made.Set.Members) != 2 || made.Set.Members[0].Name != "a" {
		t.Errorf("the set is %+v", made.Set)
	}
	events, err := p.repo.Events()
	if err != nil || len(events) != 2 || events[0].Set != made.Set.ID || events[1].Set != made.Set.ID {
		t.Errorf("the journal has %+v, %v", events, err)
	}
}

// What freezes all at once thaws once, when the last one can do without.
func TestASetIsFrozenAtOnce(t *testing.T) {
	t.Parallel()
	p, w := testPlace(t), new(witness)
	a, b := pair(w)
	all := members(a, b)
	all[0].Freeze, all[1].Freeze = nil, nil
	shop := &told{newGuest(), "shop", w}
	opts := backup.SetOptions{Name: "shop", Consistent: true, Freeze: shop.freeze}
	if _, err := backup.CreateSet(t.Context(), p.repo, all, opts); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(w.events, ", "), "freeze shop, snapshot a, snapshot b, read a, read b, thaw shop, read a, close b, close a"; got != want {
		t.Errorf("what happens is\n%s, want\n%s", got, want)
	}
}

// Whatever fails with one of them, all are thawed again, and there is no revision.
func TestASetThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(a, b *told)
		want   error
		happen string // up to where nothing is read, or the whole
	}{
		"a freeze fails":   {func(_, b *told) { b.freezeErr = errHook }, errHook, "freeze a, freeze b, thaw a"},
		"a snapshot fails": {func(_, b *told) { b.snapshotErr = unix.EIO }, unix.EIO, "freeze a, freeze b, snapshot a, snapshot b, thaw b, thaw a, close a"},
		"a thaw fails":     {func(a, _ *told) { a.thawErr = errHook }, errHook, "freeze a, freeze b, snapshot a, snapshot b, thaw a, thaw b, close b, close a"},
		"a late thaw fails": {func(_, b *told) { b.thawErr = errHook }, errHook,
			"freeze a, freeze b, snapshot a, snapshot b, thaw a, read a, read b, thaw b, close b, close a"},
		"a read fails": {func(a, _ *told) { a.fail = func(int64) error { return unix.EIO } }, unix.EIO,
			"freeze a, freeze b, snapshot a, snapshot b, thaw a, read a, thaw b, close b, close a"},
	} {
		p, w := testPlace(t), new(witness)
		a, b := pair(w)
		c.change(a, b)
		_, err := backup.CreateSet(t.Context(), p.repo, members(a, b), backup.SetOptions{Name: "shop", Consistent: true})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if got := strings.Join(w.events, ", "); got != c.happen {
			t.Errorf("%s: what happens is\n%s, want\n%s", name, got, c.happen)
		}
		for _, v := range []revision.Name{"a", "b"} {
			if n := len(p.revisions(t, v)); n != 0 {
				t.Errorf("%s: %s has %d revisions", name, v, n)
			}
		}
		if sets, err := p.repo.Sets(); err != nil || len(sets) != 0 {
			t.Errorf("%s: the sets are %+v, %v", name, sets, err)
		}
		events, err := p.repo.Events()
		if err != nil || len(events) != 2 || events[0].Result != repository.ResultFailed || events[1].Result != repository.ResultFailed {
			t.Errorf("%s: the journal has %+v, %v", name, events, err)
		}
	}
}

// What is to be of one moment is refused where it cannot be, or was not.
func TestASetThatIsNotOfOneMoment(t *testing.T) {
	t.Parallel()
	p, w := testPlace(t), new(witness)
	a, b := pair(w)
	all := members(a, b)
	all[0].Freeze = nil
	loose, moved := new(backup.LooseSetError), new(backup.MovedError)
	_, err := backup.CreateSet(t.Context(), p.repo, all, backup.SetOptions{Name: "shop", Consistent: true})
	if !errors.As(err, &loose) || !slices.Equal(loose.Volumes, []revision.Name{"b"}) || len(w.events) != 0 {
		t.Errorf("of a set of which one is not frozen: %v, and %q happens", err, w.events)
	}
	b.live = "it is open for writing"
	if _, err := backup.CreateSet(t.Context(), p.repo, members(a, b), backup.SetOptions{Name: "shop", Consistent: true}); !errors.As(err, &moved) {
		t.Errorf("of a source that changed: %v", err)
	}
	if _, err := backup.CreateSet(t.Context(), p.repo, all, backup.SetOptions{Name: "shop"}); err != nil {
		t.Errorf("of a set that need not be of one moment: %v", err)
	}
	if _, err := backup.CreateSet(t.Context(), p.repo, nil, backup.SetOptions{Name: "shop"}); err == nil {
		t.Error("a set of nothing was made")
	}
}
