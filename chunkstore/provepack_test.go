package chunkstore_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"varve/chunkstore"
	"varve/internal/durable"
)

// proof is what ProvePack said of a pack.
type proof struct {
	err    error
	bad    []chunkstore.BadFrame
	frames int
}

func (p *place) prove(s *chunkstore.Store, id chunkstore.PackID) (out proof) {
	p.t.Helper()
	done := make(chan struct{}, 1000)
	out.err = s.ProvePack(p.t.Context(), id, chunkstore.ProveOptions{
		Workers: 2,
		Done:    func(int, int) { done <- struct{}{} },
		Bad:     func(b chunkstore.BadFrame) { out.bad = append(out.bad, b) },
	})
	out.frames = len(done)
	return out
}

// onePack stores some chunks and a patch in one pack.
func (p *place) onePack(s *chunkstore.Store) (refs []chunkstore.Ref) {
	p.t.Helper()
	w := p.writer(s)
	for seed := range uint64(5) {
		put, err := w.PutChunk(p.t.Context(), p.hasher.ChunkID(chunk(seed)), chunk(seed))
		if err != nil {
			p.t.Fatal(err)
		}
		refs = append(refs, put.Ref)
	}
	now := bytes.Clone(chunk(1))
	now[5000] ^= 1
	put, _, err := w.PutPatch(p.t.Context(), chunk(1), now, p.fingerprint(chunk(1)), p.fingerprint(now))
	if err != nil {
		p.t.Fatal(err)
	}
	p.barrier(w)
	return append(refs, put.Ref)
}

// Each byte of a pack is found by proving it: as the one frame that it is of, or as the pack's own.
func TestEnumerateBytesOfAPack(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	refs := p.onePack(s)
	id := refs[0].Pack
	if got := p.prove(s, id); got.err != nil || len(got.bad) > 0 || got.frames != len(refs) {
		t.Fatalf("a pack that is whole: %+v", got)
	}
	end := int64(0) // of the frames
	for _, ref := range refs {
		e := p.entry(s, ref)
		end = max(end, e.Offset+int64(e.Stored))
	}
	path := p.path(id)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += 1 + len(whole)/997 {
		hurt := bytes.Clone(whole)
		hurt[at] ^= 1 << (at % 8)
		if err := os.WriteFile(path, hurt, 0o600); err != nil {
			t.Fatal(err)
		}
		got := p.prove(s, id)
		if int64(at) < 72 || int64(at) >= end {
			if !isCorrupt(got.err) || len(got.bad) > 0 {
				t.Errorf("byte %d, outside of the frames: %+v, want a damaged pack", at, got)
			}
			continue
		}
		if got.err != nil || len(got.bad) != 1 || got.frames != len(refs)-1 {
			t.Errorf("byte %d: %+v, want one bad frame, and %d good ones", at, got, len(refs)-1)
			continue
		}
		b := got.bad[0]
		if int64(at) < b.Offset || int64(at) >= b.Offset+int64(b.Stored) || !isCorrupt(b.Err) || !b.Twice {
			t.Errorf("byte %d: it is said to be of %+v", at, b)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := p.prove(s, id); !errors.Is(got.err, fs.ErrNotExist) {
		t.Errorf("a pack that is gone: %v", got.err)
	}
}

// badDisk fails to read a place, or gives other bytes there, for so many reads.
type badDisk struct {
	durable.FS
	at    int64
	times int
	fails error // nil: a byte is wrong
}

func (d *badDisk) Open(name string) (durable.File, error) {
	f, err := d.FS.Open(name)
	return badFile{f, d}, err
}

type badFile struct {
	durable.File
	disk *badDisk
}

func (f badFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	if d := f.disk; off <= d.at && d.at < off+int64(n) && d.times > 0 {
		d.times--
		if d.fails != nil {
			return 0, d.fails
		}
		b[d.at-off] ^= 4
	}
	return n, err
}

// What the disk does not give condemns nothing; what it gives wrong once is told, and is no damage.
func TestProvePackTellsTroubleFromDamage(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	refs := p.onePack(p.open())
	e := p.entry(p.open(), refs[2])
	for name, c := range map[string]struct {
		disk   badDisk
		frames int
		is     func(error) bool
	}{
		"a place that cannot be read":    {badDisk{times: 1000, fails: syscall.EIO}, len(refs) - 1, func(err error) bool { return errors.Is(err, syscall.EIO) && !isCorrupt(err) }},
		"a read that fails once":         {badDisk{times: 1, fails: syscall.EIO}, len(refs), nil},
		"a byte that is wrong once":      {badDisk{times: 1}, len(refs), func(err error) bool { return errors.As(err, new(*chunkstore.FlickerError)) }},
		"a byte that is wrong each time": {badDisk{times: 1000}, len(refs) - 1, isCorrupt},
	} {
		disk := c.disk
		disk.FS, disk.at = p.fsys, e.Offset+int64(e.Stored)/2
		cfg := p.config()
		cfg.FS = &disk
		got := p.prove(p.openWith(cfg), refs[0].Pack)
		if got.err != nil || got.frames != c.frames {
			t.Errorf("%s: %+v, want %d frames read", name, got, c.frames)
		}
		switch {
		case c.is == nil && len(got.bad) > 0:
			t.Errorf("%s: %+v, want nothing", name, got.bad)
		case c.is != nil && (len(got.bad) != 1 || got.bad[0].ID != refs[2].ID || !c.is(got.bad[0].Err)):
			t.Errorf("%s: %+v", name, got.bad)
		}
	}
}

// A row of contents is put together step by step; a patch that does not belong on what is there is refused.
func TestExtendFollowsARow(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open()
	refs := p.onePack(s)
	patch := refs[5]
	now := bytes.Clone(chunk(1))
	now[5000] ^= 1
	r := s.Reader(nil)
	defer closeReader(t, r)
	buf := bytes.Clone(chunk(1))
	if err := r.Extend(t.Context(), buf, p.fingerprint(chunk(1)), []chunkstore.Ref{patch}, p.fingerprint(now)); err != nil || !bytes.Equal(buf, now) {
		t.Errorf("Extend: %v", err)
	}
	if err := r.Extend(t.Context(), bytes.Clone(chunk(2)), p.fingerprint(chunk(2)), []chunkstore.Ref{patch}, p.fingerprint(now)); !isCorrupt(err) {
		t.Errorf("a patch on other content: %v", err)
	}
	if err := r.Extend(t.Context(), bytes.Clone(chunk(1)), p.fingerprint(chunk(1)), []chunkstore.Ref{patch}, p.fingerprint(chunk(2))); !isCorrupt(err) {
		t.Errorf("a patch that makes other content: %v", err)
	}
}
