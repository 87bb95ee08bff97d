package repository

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// space is what this host remembers of who uses what: space.json beside its catalog, a
// small file. It holds for one state of the maps and packs of a repository, and for no
// other. Losing it costs time only.
type space struct {
	Version    int                         `json:"version"`
	Repository revision.UUID               `json:"repository"`
	State      string                      `json:"state"`     // for which it holds: see spaceState
	Volumes    map[revision.UUID]int64     `json:"volumes"`   // as UniqueToVolumes tells it; null: nobody asked
	Revisions  map[revision.UUID]ofVolumes `json:"revisions"` // as UniqueToRevisions tells it, of the volumes that were asked for
}

// ofVolumes is what one volume uses alone, and each of its revisions.
type ofVolumes struct {
	Volume    int64                 `json:"volume"`
	Revisions map[revision.ID]int64 `json:"revisions"`
}

const (
	spaceFile    = "space.json"
	spaceVersion = 1
	maxSpaceFile = 64 << 20
	spaceTemps   = "space-" // begins the owner of its temporary files
)

// decodeSpace reads a file of that kind. One of another version is refused.
func decodeSpace(file []byte) (*space, error) {
	s := new(space)
	if err := unseal(file, s); err != nil {
		return nil, err
	}
	if s.Version != spaceVersion {
		return nil, fmt.Errorf("%w: version %d, this program reads %d", errBadContent, s.Version, spaceVersion)
	}
	if s.Revisions == nil {
		return nil, fmt.Errorf("%w: it speaks of no revisions", errBadContent)
	}
	return s, nil
}

// remembered answers from what this host remembers, or else asks, and remembers it. What
// could not be told for certain is not remembered.
func (r *Repository) remembered(
	ctx context.Context, known func(*space) *Unique, ask func() (*Unique, error), note func(*space, *Unique),
) (*Unique, error) {
	if r.opts.StateDir == "" {
		return ask()
	}
	state, err := r.spaceState(ctx)
	if err != nil {
		r.opts.Log.Info("what only some use is not remembered", "error", err)
		return ask()
	}
	s := r.readSpace()
	if s == nil || s.Repository != r.desc.Repository || s.State != state {
		s = &space{Version: spaceVersion, Repository: r.desc.Repository, State: state, Revisions: map[revision.UUID]ofVolumes{}}
	}
	if u := known(s); u != nil {
		return u, nil
	}
	u, err := ask()
	if err != nil || len(u.Unread) > 0 {
		return u, err
	}
	if now, err := r.spaceState(ctx); err != nil || now != state { // something changed meanwhile
		return u, ctx.Err()
	}
	note(s, u)
	if err := r.writeSpace(s); err != nil {
		r.opts.Log.Info("what only some use is not remembered", "error", err)
	}
	return u, nil
}

// readSpace reads what is remembered. What is damaged, of another program, or not there
// says nothing.
func (r *Repository) readSpace() (s *space) {
	tree, err := durable.OpenTree(r.stateDir())
	if err != nil {
		return nil
	}
	defer func() { _ = tree.Close() }() // it was only read
	file, err := durable.ReadFile(tree, spaceFile, maxSpaceFile)
	if err == nil {
		s, err = decodeSpace(file)
	}
	if err != nil && !notFound(err) {
		r.opts.Log.Info("what this host remembers of space cannot be read", "error", err)
	}
	return s
}

// writeSpace remembers, and sweeps away what others left who died while they did.
func (r *Repository) writeSpace(s *space) (err error) {
	file, err := seal(s)
	if err != nil || len(file) > maxSpaceFile {
		return err
	}
	if err := durable.EnsureDir(r.stateDir()); err != nil {
		return err
	}
	tree, err := durable.OpenTree(r.stateDir())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	entries, err := tree.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if durable.IsTemp(e.Name()) && strings.HasPrefix(durable.TempOwner(e.Name()), spaceTemps) {
			if err := tree.Remove(e.Name()); err != nil && !notFound(err) {
				return err
			}
		}
	}
	return durable.Replace(tree, durable.NewTemps(spaceTemps+randomHex()), spaceFile, file)
}

// spaceState tells two states of the repository apart in which somebody may use
// something else: by the volumes, the nonce of every visible revision's file, and which
// packs there are and lead where. Nonces and ids of packs never come back, so what was
// found out between two equal answers is true of both. It fails if a revision may be
// visible without a file, or anything cannot be read.
func (r *Repository) spaceState(ctx context.Context) (string, error) {
	h := xxh3.New()
	add := func(parts ...string) {
		for _, part := range parts {
			_, _ = fmt.Fprintf(h, "%d:%s", len(part), part) // a hash takes everything
		}
	}
	add(r.desc.Repository.String())
	dirs, err := r.fsys.ReadDir(volumesDir)
	if err != nil {
		return "", err
	}
	for _, d := range dirs {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if durable.IsTemp(d.Name()) {
			continue
		}
		if err := r.addVolumeState(d.Name(), add); err != nil {
			return "", err
		}
	}
	packs, err := r.store.PackIDs()
	if err != nil {
		return "", err
	}
	for _, pack := range packs {
		add("pack", string(pack[:]))
	}
	moves, err := r.fsys.ReadDir(movedDir)
	if err != nil && !notFound(err) {
		return "", err
	}
	for _, e := range moves {
		if pack, err := chunkstore.ParsePackID(e.Name()); err == nil {
			add("moved", string(pack[:]))
			for _, to := range r.moved(pack) {
				add(string(to[:]))
			}
		}
	}
	sum := h.Sum128().Bytes()
	return fmt.Sprintf("%x", sum), nil
}

// addVolumeState adds the state of the volume in a directory.
func (r *Repository) addVolumeState(base string, add func(...string)) error {
	dir := path.Join(volumesDir, base)
	entries, err := r.fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	var record volumeRecord
	err = readSmall(r.fsys, path.Join(dir, volumeFile), &record)
	if notFound(err) && len(entries) == 0 { // of a volume that is being made
		return nil
	}
	if err != nil {
		return err
	}
	add("volume", base, record.UUID.String())
	ids := idsAmong(entries, revisionExt)
	nonces := make([]revision.Nonce, len(ids))
	var g errgroup.Group
	g.SetLimit(r.opts.Listers)
	for i, id := range ids {
		g.Go(func() (err error) {
			nonces[i], err = r.nonceOf(path.Join(dir, string(id)+revisionExt))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	there := map[revision.ID]bool{}
	for i, id := range ids {
		there[id] = true
		add(string(id), string(nonces[i][:]))
	}
	return r.copiesExplained(record.UUID, there)
}

// copiesExplained makes sure that each copy is that of a revision that is visible or in
// the trash. One of another may stand in for a file that is lost.
func (r *Repository) copiesExplained(volume revision.UUID, there map[revision.ID]bool) error {
	copies, err := r.idsIn(copyDir(volume))
	if err != nil && !notFound(err) {
		return err
	}
	trashed, err := r.trashedIDs(Volume{UUID: volume})
	if err != nil {
		return err
	}
	for _, id := range trashed {
		there[id] = true
	}
	for _, id := range copies {
		if !there[id] {
			return fmt.Errorf("%w: %s has a copy alone", errUnsettled, id)
		}
	}
	return nil
}
