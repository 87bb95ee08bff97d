package rot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve/backup"
	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
	"varve/volume"
	"varve/volume/filevolume"
)

// maxAllocated bounds what everything that a user would do with one small hostile
// repository may allocate in all, garbage included. Of that, encoders and buffers of
// the backup that is part of it take the most.
const maxAllocated = 512 << 20

// patience is how long everything may take; it is no measure, only an end.
const patience = time.Minute

// victim is an innocent repository, and where its files lie.
type victim struct {
	*reference
	*layout
	pack string // that holds the chunks of the first revision
}

func newVictim(t testing.TB) *victim {
	t.Helper()
	b := newBuilding(t)
	p := newPicture(3*chunkSize).paint(1, 90, 0, 1).paint(2, 60, 2)
	b.store("v", p, chunkstore.Zstd, false)
	b.store("v", p.scratch(3, 0, 2, 30), chunkstore.LZ4, false)
	if err := b.repo.Close(); err != nil {
		t.Fatal(err)
	}
	b.ref.Pristine = loadTree(t, b.dir)
	v := &victim{reference: b.ref, layout: parse(t, b.ref)}
	for name, pack := range v.packs {
		if len(pack.frames) == 3 {
			v.pack = name
		}
	}
	return v
}

// scene is a hostile repository on disk, and what lies around it.
type scene struct {
	t    *testing.T
	base string
	dir  string // of the repository

	truth    []kept // revisions whose bytes the attack cannot change: what is given of them is right
	readOnly bool   // leave out what writes
	targets  int
	bound    uint64 // in place of maxAllocated
}

// stage puts the victim on disk, with some files changed.
func (v *victim) stage(t *testing.T, changed files) *scene {
	t.Helper()
	base := durabletest.TempDir(t)
	s := &scene{t: t, base: base, dir: filepath.Join(base, "repo")}
	for _, dir := range []string{"repo", "state", "out", "outside"} {
		s.must(os.Mkdir(filepath.Join(base, dir), 0o750))
	}
	all := files{}
	for name, data := range v.Pristine {
		all[name] = data
	}
	for name, data := range changed {
		all[name] = data
	}
	for name, data := range all {
		path := filepath.Join(s.dir, name)
		switch {
		case strings.HasSuffix(name, "/"):
			s.must(os.MkdirAll(path, 0o750))
		case data != nil:
			s.must(os.MkdirAll(filepath.Dir(path), 0o750))
			s.must(os.WriteFile(path, data, 0o640))
		}
	}
	return s
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// loose does with the repository what users do, and looks at the errors, at what
// was allocated, and at what lies around the repository. It tells the errors.
func (s *scene) loose() []error {
	s.t.Helper()
	before := s.around()
	var begun, ended runtime.MemStats
	runtime.ReadMemStats(&begun)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	errs := s.use(ctx)
	runtime.ReadMemStats(&ended)
	for _, err := range errs {
		if !known(err) {
			s.t.Errorf("an error of no known type: %v", err)
		}
	}
	if ctx.Err() != nil {
		s.t.Errorf("it took longer than %s", patience)
	}
	bound := max(s.bound, maxAllocated)
	if used := ended.TotalAlloc - begun.TotalAlloc; used > bound {
		s.t.Errorf("%d MiB were allocated, want at most %d MiB", used>>20, bound>>20)
	}
	if after := s.around(); !slices.Equal(before, after) {
		s.t.Errorf("around the repository there was %q, now %q", before, after)
	}
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// around lists what lies beside the repository, apart from targets and the host's state.
func (s *scene) around() (names []string) {
	for _, dir := range []string{".", "outside"} {
		s.must(filepath.WalkDir(filepath.Join(s.base, dir), func(name string, e fs.DirEntry, err error) error {
			rel, _ := filepath.Rel(s.base, name)
			if e.IsDir() && (rel == "repo" || rel == "state" || rel == "out") {
				return filepath.SkipDir
			}
			if info, err := e.Info(); err == nil && !e.IsDir() {
				rel += fmt.Sprint(" ", info.Size(), info.ModTime())
			}
			names = append(names, rel)
			return err
		}))
	}
	return names
}

// use opens, lists, reads, backs up and adopts.
func (s *scene) use(ctx context.Context) (errs []error) {
	tree, err := durable.OpenTree(s.dir)
	s.must(err)
	repo, err := repository.Open(tree, repository.Options{StateDir: filepath.Join(s.base, "state"), Command: "restore"})
	if err != nil {
		return []error{err}
	}
	volumes, err := repo.Volumes()
	errs = append(errs, err)
	_, err = repo.Events()
	errs = append(errs, err)
	for _, v := range volumes {
		revisions, err := repo.Revisions(v)
		errs = append(errs, err)
		if len(revisions) > 8 {
			revisions = append(slices.Clone(revisions[:4]), revisions[len(revisions)-4:]...)
		}
		for _, rev := range revisions {
			errs = append(errs, s.read(ctx, repo, rev)...)
		}
		if !s.readOnly {
			errs = append(errs, s.create(ctx, repo, v.Name))
		}
	}
	if s.readOnly {
		return append(errs, repo.Close())
	}
	errs = append(errs, s.create(ctx, repo, "another"))
	_, err = repo.Rebuild(ctx, nil)
	errs = append(errs, err)
	_, err = repo.AdoptCopy(ctx)
	return append(errs, err, repo.Close())
}

func (s *scene) create(ctx context.Context, repo *repository.Repository, name revision.Name) error {
	p := newPicture(3*chunkSize).paint(1, 90, 0, 1).paint(5, 60, 2)
	_, err := backup.Create(ctx, repo, p, backup.CreateOptions{Volume: name, Workers: 2})
	return err
}

// read verifies and restores a revision, to a file, as far as there is room.
func (s *scene) read(ctx context.Context, repo *repository.Repository, rev repository.Revision) (errs []error) {
	rd, err := repo.NewReader(ctx)
	if err != nil {
		return []error{err}
	}
	defer func() { errs = append(errs, rd.Close()) }()
	im, err := rd.Image(ctx, rev.Volume, rev.ID)
	if err != nil {
		return []error{err}
	}
	defer func() { errs = append(errs, im.Close()) }()
	_, err = backup.Verify(ctx, im, backup.VerifyOptions{Workers: 2})
	errs = append(errs, err)
	if im.Size() > 0 {
		_, err = im.ReadAt(make([]byte, min(100, im.Size()/2+1)), im.Size()/2)
		errs = append(errs, err)
	}
	s.targets++
	target, err := filevolume.OpenTarget(filepath.Join(s.base, "out", fmt.Sprint(s.targets)), im.Size(), filevolume.TargetOptions{})
	if err != nil {
		return append(errs, err)
	}
	_, err = backup.Restore(ctx, im, target, backup.RestoreOptions{KeepGoing: true, Workers: 2})
	errs = append(errs, err, target.Close())
	if i := slices.IndexFunc(s.truth, func(k kept) bool { return k.ID == rev.ID }); i >= 0 {
		if _, err := restore(im, s.truth[i].picture(), nil); !known(err) {
			s.t.Errorf("%s: %v", rev.ID, err)
		}
	}
	return errs
}

// known tells whether an error is one that callers can tell from others.
func known(err error) bool {
	for _, target := range []any{
		new(*repository.DamagedFileError), new(*repository.DamagedRevisionError), new(*repository.FormatError),
		new(*repository.BusyError), new(*backup.DamageError), new(*backup.DigestError), new(*chunkstore.CorruptError),
		new(*chunkstore.VersionError), new(*chunkstore.FeatureError), new(*revision.UnsupportedError),
		new(*volume.SpaceError), new(*volume.SizeError), new(*volume.WriteError), new(syscall.Errno),
	} {
		if errors.As(err, target) {
			return true
		}
	}
	for _, target := range []error{
		nil, repository.ErrNoRepository, repository.ErrNoVolume, repository.ErrNoNumber, repository.ErrLostGround, chunkstore.ErrNotFound,
		durable.ErrLink, durable.ErrNotRegular, durable.ErrTooLarge, fs.ErrNotExist, fs.ErrExist, fs.ErrInvalid,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
