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

// guest is a source that a hook freezes, and all that happens to it, in order.
type guest struct {
	memSource
	independent bool
	witness     bool
	changed     string // what the witness saw
	snapshotErr error
	consistErr  error
	freezeErr   error
	thawErr     error
	quietly     volume.Consistency // if not live; empty: still

	mu     sync.Mutex
	events []string
}

func (g *guest) happens(event string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.events); n == 0 || g.events[n-1] != event { // many reads are one
		g.events = append(g.events, event)
	}
}

func (g *guest) freeze(context.Context) (func() error, error) {
	g.happens("freeze")
	if g.freezeErr != nil {
		return nil, g.freezeErr
	}
	return func() error {
		g.happens("thaw")
		return g.thawErr
	}, nil
}

func (g *guest) Snapshot(context.Context) (volume.Snapshot, error) {
	g.happens("snapshot")
	if g.snapshotErr != nil {
		return nil, g.snapshotErr
	}
	s := &guestSnapshot{memSnapshot: &memSnapshot{&g.memSource}, g: g}
	if g.witness {
		return &guestWitness{s}, nil
	}
	return s, nil
}

type guestSnapshot struct {
	*memSnapshot
	g *guest
}

func (s *guestSnapshot) Independent() bool { return s.g.independent }

func (s *guestSnapshot) ReadAt(p []byte, off int64) (int, error) {
	s.g.happens("read")
	return s.memSnapshot.ReadAt(p, off)
}

func (s *guestSnapshot) Close() error {
	s.g.happens("close")
	return nil
}

func (s *guestSnapshot) Consistency() (volume.Consistency, string, error) {
	s.g.happens("ask")
	if s.g.consistErr != nil {
		return "", "", s.g.consistErr
	}
	if s.g.live == "" && s.g.quietly != "" {
		return s.g.quietly, "", nil
	}
	return s.memSnapshot.Consistency()
}

type guestWitness struct{ *guestSnapshot }

func (s *guestWitness) Changed() (string, error) { return s.g.changed, nil }

func newGuest() *guest { return &guest{memSource: memSource{data: randomBytes(3*chunkSize, 1)}} }

var errHook = errors.New("hook failed")

const (
	readFrozen = "freeze snapshot read ask thaw close"
	readThawed = "freeze snapshot thaw read ask close"
)

func TestHowLongASourceIsFrozen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*guest)
		want   string
		fails  error
	}{
		"read as it is":           {func(*guest) {}, readFrozen, nil},
		"independent":             {func(g *guest) { g.independent = true }, readThawed, nil},
		"the freeze fails":        {func(g *guest) { g.freezeErr = errHook }, "freeze", errHook},
		"no snapshot":             {func(g *guest) { g.snapshotErr = unix.EIO }, "freeze snapshot thaw", unix.EIO},
		"a read fails":            {func(g *guest) { g.fail = func(int64) error { return unix.EIO } }, "freeze snapshot read thaw close", unix.EIO},
		"nobody knows how it was": {func(g *guest) { g.consistErr = unix.EIO }, readFrozen, unix.EIO},
		"an independent's read fails": {func(g *guest) {
			g.independent, g.fail = true, func(int64) error { return unix.EIO }
		}, "freeze snapshot thaw read close", unix.EIO},
		"the thaw fails":                  {func(g *guest) { g.thawErr = errHook }, readFrozen, nil},
		"the thaw of an independent does": {func(g *guest) { g.thawErr, g.independent = errHook, true }, readThawed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, g := testPlace(t), newGuest()
			c.change(g)
			_, err := backup.Create(t.Context(), p.repo, g, backup.CreateOptions{Volume: "v", Freeze: g.freeze})
			if !errors.Is(err, c.fails) {
				t.Errorf("Create: %v", err)
			}
			if got := strings.Join(g.events, " "); got != c.want {
				t.Errorf("it went %q, want %q", got, c.want)
			}
		})
	}
}

// Even what nobody has foreseen leaves nothing frozen.
func TestAPanicThaws(t *testing.T) {
	t.Parallel()
	p, g := testPlace(t), newGuest()
	g.independent = true
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = backup.Create(t.Context(), p.repo, panicking{g}, backup.CreateOptions{Volume: "v", Freeze: g.freeze}) // it panics
	}()
	if got := strings.Join(g.events, " "); got != "freeze thaw" {
		t.Errorf("it went %q", got)
	}
}

type panicking struct{ *guest }

func (panicking) Snapshot(context.Context) (volume.Snapshot, error) { panic("broken") }

func TestAnInterruptedBackupThaws(t *testing.T) {
	t.Parallel()
	p, g := testPlace(t), newGuest()
	ctx, cancel := context.WithCancel(t.Context())
	g.fail = func(int64) error {
		cancel()
		return nil
	}
	if _, err := backup.Create(ctx, p.repo, g, backup.CreateOptions{Volume: "v", Freeze: g.freeze}); !errors.Is(err, context.Canceled) {
		t.Errorf("Create: %v", err)
	}
	if !slices.Contains(g.events, "thaw") {
		t.Errorf("it went %q", g.events)
	}
}

func TestWhatIsSaidOfAFrozenSource(t *testing.T) {
	t.Parallel()
	const mounted, written = "mounted read-write on /srv", "it was written while it was read"
	for name, c := range map[string]struct {
		change func(*guest)
		is     revision.Consistency
		says   string // in the reason
		warns  string // in the one warning; empty: none
	}{
		"still":                        {func(*guest) {}, revision.Frozen, "the freeze hook held it", ""},
		"independent":                  {func(g *guest) { g.independent, g.quietly = true, volume.Snapshotted }, revision.Frozen, "hook", ""},
		"mounted, nothing was written": {func(g *guest) { g.witness, g.live = true, mounted }, revision.Frozen, "hook", ""},
		"mounted, and written": {func(g *guest) { g.witness, g.live, g.changed = true, mounted, written }, revision.Live,
			written + ", although the freeze hook held it", "may be torn"},
		"mounted, and nobody can tell": {func(g *guest) { g.live = mounted }, revision.Live, mounted + ", although", "may be torn"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, g := testPlace(t), newGuest()
			c.change(g)
			result := p.mustCreate(t, g, backup.CreateOptions{Freeze: g.freeze})
			st := result.Statement
			if st.Consistency != c.is || !strings.Contains(st.Reason, c.says) {
				t.Errorf("%s (%s), want %s (%s)", st.Consistency, st.Reason, c.is, c.says)
			}
			if warnings := strings.Join(result.Warnings, "; "); !strings.Contains(warnings, c.warns) || c.warns == "" && warnings != "" {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
}

func TestAThawThatFailsIsLoud(t *testing.T) {
	t.Parallel()
	p, g := testPlace(t), newGuest()
	g.thawErr = errHook
	result := p.mustCreate(t, g, backup.CreateOptions{Freeze: g.freeze})
	const loud = "THE SOURCE MAY STILL BE FROZEN: hook failed"
	if result.Statement.Consistency != revision.Frozen || len(result.Warnings) != 0 ||
		!slices.Equal(result.Findings, []backup.Finding{{Kind: backup.FoundFrozen, Text: loud}}) {
		t.Errorf("%s, warnings %q, findings %v", result.Statement.Consistency, result.Warnings, result.Findings)
	}
	g.fail = func(int64) error { return unix.EIO }
	_, err := backup.Create(t.Context(), p.repo, g, backup.CreateOptions{Volume: "v", Freeze: g.freeze})
	thaw := new(backup.ThawError)
	if !errors.As(err, &thaw) || !errors.Is(err, errHook) || !errors.Is(err, unix.EIO) {
		t.Errorf("a failed backup of a source that is not thawed: %v", err)
	}
	events, err := p.repo.Events()
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for i, want := range []string{repository.ResultFindings, repository.ResultFailed} {
		if e := events[i]; e.Result != want || !slices.Equal(e.Findings, []string{loud}) {
			t.Errorf("event %+v, want %s", e, want)
		}
	}
}
