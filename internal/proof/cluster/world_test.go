//go:build ceph

package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"varve/backup"
	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
	"varve/volume"
	"varve/volume/rbdvolume"
	"varve/volume/rbdvolume/rbdtest"
)

const chunkSize = repository.MinChunkSize

// world is a repository, and an image that is backed up to it night after night.
type world struct {
	dir     string
	at      volume.Image
	cluster rbdvolume.Cluster
	held    map[revision.ID][]byte // what revisions have to hold
}

func newWorld(t rbdtest.T, dir string, at volume.Image) *world {
	t.Helper()
	w := &world{dir: dir, at: at, cluster: rbdtest.Cluster(), held: map[revision.ID][]byte{}}
	if err := durable.EnsureDir(filepath.Join(dir, "repo")); err != nil {
		t.Fatal(err)
	}
	tree := w.tree(t)
	_, err := repository.Init(context.Background(), tree, repository.InitOptions{ChunkSize: chunkSize, Codec: "none"})
	if err := errors.Join(err, tree.Close()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) tree(t rbdtest.T) durable.FS {
	t.Helper()
	tree, err := durable.OpenTree(filepath.Join(w.dir, "repo"))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// with opens the repository for use, and closes it again.
func (w *world) with(t rbdtest.T, use func(repo *repository.Repository) error) error {
	t.Helper()
	return w.on(w.tree(t), use)
}

func (w *world) on(tree durable.FS, use func(repo *repository.Repository) error) error {
	repo, err := repository.Open(tree, repository.Options{StateDir: filepath.Join(w.dir, "state"), Command: "backup"})
	if err != nil {
		return errors.Join(err, tree.Close())
	}
	return errors.Join(use(repo), repo.Close())
}

// source is the image as Varve sees it.
func (w *world) source(ctx context.Context) (*rbdvolume.Source, error) {
	return rbdvolume.Open(ctx, w.cluster, w.at)
}

// backup backs the image up. Through may put something between the image and Varve; nil: nothing.
func (w *world) backup(t rbdtest.T, through func(source) source) (result *backup.Result, err error) {
	t.Helper()
	err = w.with(t, func(repo *repository.Repository) error {
		src, err := w.source(context.Background())
		if err != nil {
			return err
		}
		var from source = src
		if through != nil {
			from = through(src)
		}
		result, err = backup.Create(context.Background(), repo, from, backup.CreateOptions{Volume: "v", Workers: 2})
		return err
	})
	return result, err
}

// night backs the image up, makes sure that it is right, and returns its revision.
func (w *world) night(t rbdtest.T) *backup.Result {
	t.Helper()
	before := w.revisions(t)
	result, err := w.backup(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.mustBeRight(t, result.Statement, before)
	if len(result.Findings) > 0 {
		t.Fatalf("findings %v", result.Findings)
	}
	return result
}

// mustBeRight compares a new revision with what rbd exports of the snapshot that it kept, which has to be the only one of
// the volume. If it was counted, then from the snapshot of the revision before it.
func (w *world) mustBeRight(t rbdtest.T, st *revision.Statement, before []repository.Revision) {
	t.Helper()
	_, name, _ := strings.Cut(strings.TrimSuffix(st.Source.Snapshot, " older"), " ")
	want := w.export(t, name)
	if got := w.restored(t, st.ID); !bytes.Equal(got, want) {
		t.Fatalf("revision %s (plan %+v) differs at byte %d of %d, %d from what its snapshot holds", st.ID, st.Plan, rbdtest.Difference(got, want), len(got), len(want))
	}
	w.held[st.ID] = want
	if st.Plan.Kind == revision.PlanTracker {
		if parent := before[len(before)-1].Statement; st.Plan.Since != parent.Source.Snapshot {
			t.Fatalf("counted from %q, and the revision before it kept %q", st.Plan.Since, parent.Source.Snapshot)
		}
	}
	if own := w.own(t); len(own) != 1 || own[0] != name {
		t.Fatalf("snapshots %v, want %s", own, name)
	}
}

// own lists the snapshots of the image that are this volume's.
func (w *world) own(t rbdtest.T) (names []string) {
	t.Helper()
	err := w.with(t, func(repo *repository.Repository) error {
		prefix := "varve." + repo.ID().String() + "."
		for _, line := range strings.Split(rbdtest.Do(t, "rbd", "snap", "ls", w.at.String()), "\n") {
			if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], prefix) {
				names = append(names, fields[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// revisions lists what there is of the volume, the oldest first.
func (w *world) revisions(t rbdtest.T) (all []repository.Revision) {
	t.Helper()
	err := w.with(t, func(repo *repository.Repository) error {
		v, err := repo.Volume("v")
		if errors.Is(err, repository.ErrNoVolume) {
			return nil
		}
		if err == nil {
			all, err = repo.Revisions(v)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// restored reads a revision.
func (w *world) restored(t rbdtest.T, id revision.ID) (all []byte) {
	t.Helper()
	ctx := context.Background()
	err := w.with(t, func(repo *repository.Repository) error {
		v, err := repo.Volume("v")
		if err != nil {
			return err
		}
		rd, err := repo.NewReader(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = rd.Close() }() // it only read
		im, err := rd.Image(ctx, v, id)
		if err != nil {
			return err
		}
		defer func() { _ = im.Close() }() // it only read
		all, err = io.ReadAll(io.NewSectionReader(im, 0, im.Size()))
		return err
	})
	if err != nil {
		t.Fatalf("revision %s: %v", id, err)
	}
	return all
}

// export is what rbd says that a snapshot of the image holds.
func (w *world) export(t rbdtest.T, snapshot string) []byte {
	t.Helper()
	return []byte(rbdtest.Do(t, "rbd", "export", "--no-progress", w.at.String()+"@"+snapshot, "-"))
}
