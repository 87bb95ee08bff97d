package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"varve/backup"
	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// ChunkSize is the smallest there is, so that small volumes have several chunks.
const ChunkSize = repository.MinChunkSize

// World is a repository, the volumes that are backed up to it, and what was
// promised about them. It is for one goroutine.
type World struct {
	// Disk holds the repository at its root.
	Disk *durabletest.Disk
	// State is the folder of this host's catalog. Empty: there is none.
	State string
	// Volumes are what there is to back up, as it is now. A content is never written
	// to: what changes is a new one.
	Volumes map[revision.Name][]byte
	// Promised are the revisions whose backup reported success.
	Promised []Promise
	// Tried is what backups were given to store, those too that failed.
	Tried map[revision.Name][][]byte
	// Renamed are the volumes that were to get another name.
	Renamed []Renamed
	// SetSize is how many revisions of each set are there, or none; 0: that is open.
	SetSize int
	// Ready tells that init has reported success.
	Ready bool

	// PackSize is where packs are sealed; zero means 64 MiB.
	PackSize int64
	// FailReads is asked at each read of a source, with its number from 0, whether it fails. Nil: none does.
	FailReads func(n int) error

	recording *durabletest.Recording
	readyAt   int
	rebuilt   int // chunks that the last collection stored anew
}

// Promise is a revision that somebody was told of.
type Promise struct {
	ID      revision.ID
	Volume  revision.Name
	UUID    revision.UUID // of the volume
	Content []byte
	// Phase is the number of [durabletest.Disk.Mark] calls once it was promised; 0 is before the recording.
	Phase int
	// Place is where it is. Once it is to be somewhere else, and nobody was told that it
	// is, that is open.
	Place place
	// Settled is where it is from that phase on; zero: nothing is to change.
	Settled      place
	SettledPhase int
}

// place is where a revision is.
type place uint8

const (
	isListed place = iota
	isTrashed
	either
)

// Renamed is a volume that was to get another name.
type Renamed struct {
	UUID     revision.UUID
	From, To revision.Name
	// Tentative tells that nobody was told of a success: it has either name.
	Tentative bool
	// Phase is as that of a [Promise].
	Phase int
}

// NewWorld makes a world without a repository yet.
func NewWorld(state string) *World {
	return &World{
		Disk: durabletest.NewDisk(), State: state,
		Volumes: map[revision.Name][]byte{}, Tried: map[revision.Name][][]byte{},
	}
}

// Copy makes a world that can go another way; its catalog is a copy in a folder of its own.
func (w *World) Copy(state string) (*World, error) {
	c := *w
	c.Disk, c.State, c.recording = w.Disk.Copy(), state, nil
	c.Promised, c.Renamed = slices.Clone(w.Promised), slices.Clone(w.Renamed)
	c.Volumes, c.Tried = maps.Clone(w.Volumes), map[revision.Name][][]byte{}
	for name, tried := range w.Tried {
		c.Tried[name] = slices.Clone(tried)
	}
	if w.State == "" || state == "" {
		return &c, nil
	}
	return &c, copyState(w.State, state)
}

// copyState copies the catalogs in one folder to another, which need not exist.
func copyState(from, to string) error {
	catalogs, err := filepath.Glob(filepath.Join(from, "*", "*"))
	if err != nil {
		return err
	}
	for _, name := range catalogs {
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := durable.EnsureDir(filepath.Dir(filepath.Join(to, rel))); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, rel), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Record begins to write down what happens to the disk.
func (w *World) Record() *durabletest.Recording {
	w.recording = w.Disk.Record()
	w.readyAt = 0
	return w.recording
}

func (w *World) stopRecording() {
	w.Disk.Stop()
	w.CutAt(math.MaxInt)
	w.recording = nil
}

// CutAt makes of the world after a recording the one in which the power went in an
// earlier phase of it: what was promised later was not. The disk is for the caller
// to put in.
func (w *World) CutAt(phase int) {
	var promised []Promise
	for _, p := range w.Promised {
		if p.Phase <= phase {
			p.Phase = 0
			if p.SettledPhase > 0 && p.SettledPhase <= phase {
				p.Place = p.Settled
			}
			p.SettledPhase = 0
			promised = append(promised, p)
		}
	}
	w.Promised = promised
	for i := range w.Renamed {
		r := &w.Renamed[i]
		r.Tentative, r.Phase = r.Tentative || r.Phase > phase, 0
	}
	w.Ready = w.Ready && w.readyAt <= phase
	w.readyAt = 0
}

// phase begins a new one and returns its number; 0 when nothing is recorded.
func (w *World) phase() int {
	if w.recording == nil {
		return 0
	}
	w.Disk.Mark()
	return w.recording.Phases()
}

// Init makes the repository on fsys, which is the disk or lies over it.
func (w *World) Init(ctx context.Context, fsys durable.FS) error {
	if _, err := repository.Init(ctx, fsys, repository.InitOptions{ChunkSize: ChunkSize, Codec: "lz4"}); err != nil {
		return err
	}
	w.Ready, w.readyAt = true, w.phase()
	return nil
}

// Open opens the repository on fsys.
func (w *World) Open(fsys durable.FS) (*repository.Repository, error) {
	return repository.Open(fsys, repository.Options{StateDir: w.State, Command: "backup", PackSize: w.PackSize})
}

// BackupOptions tunes [World.Backup].
type BackupOptions struct {
	Full  bool
	Codec *chunkstore.Codec
}

// Backup backs one volume up, as the command does. What it reports as a success
// is promised from then on.
func (w *World) Backup(ctx context.Context, fsys durable.FS, name revision.Name, opts BackupOptions) (_ *backup.Result, err error) {
	content := w.Volumes[name]
	w.Tried[name] = append(w.Tried[name], content)
	r, err := w.Open(fsys)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	result, err := backup.Create(ctx, r, &Source{Content: content, Fail: w.FailReads}, backup.CreateOptions{
		Volume: name, Full: opts.Full, Codec: opts.Codec, Workers: 1,
	})
	if err != nil {
		return nil, err
	}
	w.Promised = append(w.Promised, Promise{
		ID: result.Statement.ID, Volume: name, UUID: result.Statement.Volume.UUID, Content: content, Phase: w.phase(),
	})
	return result, nil
}

// BackupSet backs volumes up as one set. What it reports as a success is promised from
// then on, of all of them.
func (w *World) BackupSet(ctx context.Context, fsys durable.FS, names ...revision.Name) (err error) {
	r, err := w.Open(fsys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var members []backup.SetMember
	for _, name := range names {
		content := w.Volumes[name]
		w.Tried[name] = append(w.Tried[name], content)
		members = append(members, backup.SetMember{
			Source: &Source{Content: content, Fail: w.FailReads}, CreateOptions: backup.CreateOptions{Volume: name, Workers: 1},
		})
	}
	w.SetSize = len(names)
	made, err := backup.CreateSet(ctx, r, members, backup.SetOptions{Name: "shop"})
	if err != nil {
		return err
	}
	phase := w.phase()
	for i, result := range made.Results {
		w.Promised = append(w.Promised, Promise{
			ID: result.Statement.ID, Volume: names[i], UUID: result.Statement.Volume.UUID, Content: w.Volumes[names[i]], Phase: phase,
		})
	}
	return nil
}

// Rename gives a volume another name. From then on there is something to back up
// under both: who does it under the old one makes a new volume.
func (w *World) Rename(ctx context.Context, fsys durable.FS, from, to revision.Name) error {
	return w.with(fsys, func(r *repository.Repository) error {
		if err := w.toBeRenamed(r, from, to); err != nil {
			return err
		}
		if _, err := r.Rename(ctx, from, to, 0); err != nil {
			return err
		}
		w.isRenamed()
		return nil
	})
}

// Remove takes revisions of a volume away, by their numbers among those promised of it;
// none are all of them, and the volume.
func (w *World) Remove(ctx context.Context, fsys durable.FS, name revision.Name, op string, numbers ...int) error {
	return w.with(fsys, func(r *repository.Repository) error {
		v, err := r.Volume(name)
		if err != nil {
			return err
		}
		opts := repository.RemoveOptions{Op: op, Undelete: time.Hour, All: len(numbers) == 0}
		var ids []revision.ID
		for i, p := range w.promisedOf(v.UUID) {
			if opts.All || slices.Contains(numbers, i) {
				p.Place = either
				ids = append(ids, p.ID)
			}
		}
		if opts.All {
			delete(w.Volumes, name)
		}
		if _, err := r.Remove(ctx, v, ids, opts); err != nil {
			return err
		}
		w.settle(v.UUID, ids, isTrashed)
		return nil
	})
}

// Undelete brings all back that is in the trash, the newest first.
func (w *World) Undelete(ctx context.Context, fsys durable.FS) error {
	return w.with(fsys, func(r *repository.Repository) error {
		trash, err := r.Trash()
		if err != nil {
			return err
		}
		for _, t := range slices.Backward(trash) {
			for _, p := range w.promisedOf(t.Volume.UUID) {
				if p.ID == t.ID {
					p.Place = either
				}
			}
			if _, err := r.Undelete(ctx, t, 0); err != nil {
				return err
			}
			w.settle(t.Volume.UUID, []revision.ID{t.ID}, isListed)
		}
		return nil
	})
}

// promisedOf gives what was promised of a volume, oldest first.
func (w *World) promisedOf(volume revision.UUID) (of []*Promise) {
	for i := range w.Promised {
		if w.Promised[i].UUID == volume {
			of = append(of, &w.Promised[i])
		}
	}
	return of
}

// settle notes that somebody was told where revisions are now.
func (w *World) settle(volume revision.UUID, ids []revision.ID, where place) {
	phase := w.phase()
	for _, p := range w.promisedOf(volume) {
		if !slices.Contains(ids, p.ID) {
			continue
		}
		if p.Settled, p.SettledPhase = where, phase; phase == 0 {
			p.Place = where
		}
	}
}

// toBeRenamed notes that a volume may have another name from now on.
func (w *World) toBeRenamed(r *repository.Repository, from, to revision.Name) error {
	w.Volumes[to] = w.Volumes[from]
	w.Tried[to] = slices.Concat(w.Tried[to], w.Tried[from])
	v, err := r.Volume(from)
	if err != nil {
		return err
	}
	w.Renamed = append(w.Renamed, Renamed{UUID: v.UUID, From: from, To: to, Tentative: true})
	return nil
}

// isRenamed notes that the volume last spoken of has its new name.
func (w *World) isRenamed() {
	last := &w.Renamed[len(w.Renamed)-1]
	last.Tentative, last.Phase = false, w.phase()
}

// with lends the repository, opened on fsys.
func (w *World) with(fsys durable.FS, use func(*repository.Repository) error) error {
	r, err := w.Open(fsys)
	if err != nil {
		return err
	}
	return errors.Join(use(r), r.Close())
}

// Rebuild builds the catalog anew.
func (w *World) Rebuild(ctx context.Context, fsys durable.FS) (err error) {
	r, err := w.Open(fsys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	_, err = r.Rebuild(ctx, nil)
	return err
}

// Adopt makes the repository one of its own, as a copy's.
func (w *World) Adopt(ctx context.Context, fsys durable.FS) (err error) {
	r, err := w.Open(fsys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	_, err = r.AdoptCopy(ctx)
	return err
}

// Noise gives n bytes that a codec gains about half on, the same for the same seed.
func Noise(seed uint64, n int) []byte {
	random := rand.New(rand.NewPCG(seed, 1))
	data := make([]byte, n)
	for i := 0; i < n; i += 2 {
		data[i] = byte(random.Uint32())
	}
	return data
}

// Change writes some blocks of a volume anew, as a day does.
func (w *World) Change(name revision.Name, seed uint64, blocks int) {
	random := rand.New(rand.NewPCG(seed, 2))
	content := bytes.Clone(w.Volumes[name])
	for range blocks {
		at := random.IntN(len(content)) / chunkstore.BlockSize * chunkstore.BlockSize
		copy(content[at:], Noise(random.Uint64(), chunkstore.BlockSize))
	}
	w.Volumes[name] = content
}

// Resize grows or cuts a volume.
func (w *World) Resize(name revision.Name, size int) {
	content := w.Volumes[name]
	if size > len(content) {
		w.Volumes[name] = slices.Concat(content, Noise(uint64(size), size-len(content)))
		return
	}
	w.Volumes[name] = content[:size]
}

// mustBackup is for the past of a test.
func (w *World) mustBackup(ctx context.Context, name revision.Name, opts BackupOptions) {
	if _, err := w.Backup(ctx, w.Disk, name, opts); err != nil {
		panic(fmt.Sprintf("prepare: %v", err))
	}
}
