package chunkstore_test

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
)

// writeRun puts chunks in several packs and makes them durable.
func writeRun(t *testing.T, p *place, fsys durable.FS) ([]chunkstore.Put, error) {
	cfg := p.config()
	cfg.FS, cfg.Catalog = fsys, ""
	s, err := chunkstore.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	w, err := s.NewWriter(chunkstore.WriterConfig{
		Run: [16]byte{200}, Codec: chunkstore.LZ4, Temps: durable.NewTemps("fault"), Usable: anyPack, PackSize: 2 * chunkSize,
	})
	if err != nil {
		return nil, err
	}
	var puts []chunkstore.Put
	for i := range uint64(6) {
		put, err := w.PutChunk(t.Context(), p.hasher.ChunkID(chunk(i)), chunk(i))
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
		puts = append(puts, put)
	}
	if err := w.Barrier(t.Context()); err != nil {
		if again := w.Barrier(t.Context()); again == nil {
			t.Error("a barrier that failed succeeded when it was tried again")
		}
		return nil, errors.Join(err, w.Close())
	}
	return puts, w.Close()
}

// Each call on the file system fails once, and then all from there on. A run that
// reports success has stored everything; one that does not has harmed nothing.
func TestEnumerateWriterFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range []durabletest.Fault{
		{Err: syscall.EIO}, {Err: syscall.ENOSPC, Short: true}, {Err: syscall.EIO, ForGood: true},
	} {
		for step := 0; ; step++ {
			p := newPlace(t)
			old := p.store(p.open(), chunk(0))[0]
			fault.Step = step
			faulty := durabletest.NewFaulty(p.fsys, fault)
			puts, err := writeRun(t, p, faulty)
			fired := faulty.Fired()

			s := p.open()
			r := s.Reader(nil)
			p.mustRead(r, just(old.Ref), chunk(0))
			for i, put := range puts {
				p.mustRead(r, just(put.Ref), chunk(uint64(i)))
			}
			for pack, err := range s.Packs(t.Context()) {
				if err != nil {
					t.Errorf("step %d (%s): a visible pack is unsound: %v", step, fired, err)
				} else if pack.Objects == 0 {
					t.Errorf("step %d (%s): an empty pack", step, fired)
				}
			}
			closeReader(t, r)
			mustFail := strings.Contains(fired, "write") || strings.Contains(fired, "sync") ||
				strings.Contains(fired, "create") || strings.Contains(fired, "rename") || strings.Contains(fired, "close")
			if err == nil && mustFail {
				t.Errorf("step %d (%s) failed, but the run reported success", step, fired)
			}
			if left := p.leftovers(); len(left) > 0 && !fault.ForGood && !strings.Contains(fired, "remove") {
				t.Errorf("step %d (%s): left behind %v", step, fired, left)
			}
			if fired == "" {
				if err != nil {
					t.Fatalf("without any fault: %v", err)
				}
				break
			}
		}
	}
}

// stuckDir lets the sync of one directory fail.
type stuckDir struct {
	durable.FS
	dir string
}

func (s *stuckDir) SyncDir(name string) error {
	if name == s.dir {
		return &fs.PathError{Op: "sync", Path: name, Err: syscall.EIO}
	}
	return s.FS.SyncDir(name)
}

// The run's own packs go from a directory whose sync failed; others stay.
func TestAFailedSyncOfADirectoryWithdrawsOwnPacks(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stuck := &stuckDir{FS: p.fsys}
	cfg := p.config()
	cfg.FS = stuck
	s := p.openWith(cfg)
	p.store(s, chunk(7))
	w := p.writerWith(s, chunkstore.WriterConfig{Usable: anyPack, PackSize: 1})
	other := p.put(w, chunk(7))
	own := p.put(w, chunk(1))
	stuck.dir = "packs/" + own.Ref.Pack.String()[:2]
	if err := w.Barrier(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("Barrier = %v, want %v", err, syscall.EIO)
	}
	for _, path := range p.packs() {
		if path == p.path(own.Ref.Pack) {
			t.Error("the run's own pack stays in a directory that could not be synced")
		}
	}
	stuck.dir = ""
	if _, err := w.PutChunk(t.Context(), p.hasher.ChunkID(chunk(3)), chunk(3)); !errors.Is(err, syscall.EIO) {
		t.Errorf("PutChunk after a failed barrier: %v, want %v", err, syscall.EIO)
	}
	if got, err := p.read(s, nil, just(other.Ref), chunk(7)); err != nil || !bytes.Equal(got, chunk(7)) {
		t.Errorf("a pack of another run: %v", err)
	}
}

// What one barrier made durable stays, whatever becomes of its directory later: something
// may name it.
func TestAFailedSyncLeavesWhatAnEarlierBarrierMadeDurable(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stuck := &stuckDir{FS: p.fsys}
	cfg := p.config()
	cfg.FS = stuck
	w := p.writerWith(p.openWith(cfg), chunkstore.WriterConfig{Usable: anyPack, PackSize: 1})
	durable := p.put(w, chunk(1)).Ref.Pack
	p.barrier(w)
	stuck.dir = "packs/" + durable.String()[:2]
	for n := uint64(2); ; n++ {
		pack := p.put(w, chunk(n)).Ref.Pack
		err := w.Barrier(t.Context())
		if err == nil {
			continue // it lies elsewhere: one in 256 does not
		}
		if pack[0] != durable[0] || !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		break
	}
	if !slices.Contains(p.packs(), p.path(durable)) {
		t.Error("a pack that was durable is gone")
	}
}
