package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// marker goes through maps and remembers what they name. It holds no lock and no map
// but the one it reads; its memory is that of the live set, and a few bytes for each
// file and each pack.
type marker struct {
	repo    *Repository
	live    liveSet
	nonces  map[revision.Nonce]bool      // of the files that were read to their end
	named   map[chunkstore.PackID]bool   // in pack tables
	highest map[revision.UUID]uint64     // number of a visible revision, by volume
	whole   map[string]bool              // by the names of their copies, the revisions that were read
	sets    map[string]bool              // ids that statements name
	passed  map[string]bool              // names of files that count as gone
	added   map[objectKey]bool           // new since the last call of settled; nil: it was not called
	counts  map[objectKey]uint8          // how often maps name these, up to twice, which is all that is asked; nil: what lives is
	hidden  []error                      // what could not be read, and may name anything
	damaged map[string]*DamagedFileError // copies that are damaged, of revisions that are not
	deltas  map[revision.Nonce]delta     // visible revisions that were read, and build on another
	fulls   map[string]bool              // by the names of their copies, those of which a map was read that names all
}

// delta is a visible revision that builds on another, whose map tells the rest of what it needs.
type delta struct {
	name   string // of its file
	copy   string // of its copy
	parent string // of the copy of what it builds on
}

func newMarker(r *Repository) *marker {
	return &marker{
		repo: r, nonces: map[revision.Nonce]bool{}, named: map[chunkstore.PackID]bool{},
		highest: map[revision.UUID]uint64{}, whole: map[string]bool{}, sets: map[string]bool{}, damaged: map[string]*DamagedFileError{},
		deltas: map[revision.Nonce]delta{}, fulls: map[string]bool{},
	}
}

// settled makes the marker remember what comes to be named from now on.
func (m *marker) settled() { m.added = map[objectKey]bool{} }

// markAll reads every revision, visible and trashed, and every copy, that it has not
// read. A file is known by its nonce: whoever writes it anew gives it another. What
// cannot be read, of whatever reason, is in hidden. It goes on then: all is named.
func (m *marker) markAll(ctx context.Context) error {
	m.hidden = nil
	for _, tree := range []string{volumesDir, trashDir, copiesDir} { // copies last: they are judged by what they are of
		if err := m.markTree(ctx, tree); err != nil {
			return err
		}
	}
	m.hideOrphans()
	return ctx.Err()
}

// hideOrphans notes the visible revisions that build on what is nowhere, not even as a copy: what
// they need is named by a map that is gone, unless their copies name all of it. One that was removed
// or written anew since it was read says nothing.
func (m *marker) hideOrphans() {
	for nonce, d := range m.deltas {
		if m.whole[d.parent] || m.fulls[d.copy] {
			continue
		}
		now, err := m.repo.nonceOf(d.name)
		switch {
		case notFound(err), err == nil && now != nonce:
		case err != nil:
			m.hide(d.name, err)
		default:
			parent := strings.TrimSuffix(path.Base(d.parent), revisionExt)
			m.hide(d.name, &DamagedFileError{Path: d.name, Cause: fmt.Errorf("it builds on %s, which is not there", parent)})
		}
	}
}

func (m *marker) markTree(ctx context.Context, tree string) error {
	dirs, err := m.repo.fsys.ReadDir(tree)
	if err != nil {
		if !notFound(err) || tree == volumesDir {
			m.hide(tree, err)
		}
		return nil
	}
	for _, d := range dirs {
		dir := path.Join(tree, d.Name())
		switch {
		case d.IsDir():
			err = m.markDir(ctx, tree, dir)
		case d.Type().IsRegular(): // nothing of ours
		default:
			m.hide(dir, fmt.Errorf("%w, and no directory", errBadContent))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *marker) markDir(ctx context.Context, tree, dir string) error {
	entries, err := m.repo.fsys.ReadDir(dir)
	if err != nil {
		if !notFound(err) { // it may have been renamed meanwhile
			m.hide(dir, err)
		}
		return nil
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !strings.HasSuffix(name, revisionExt) || durable.IsTemp(e.Name()) || m.passed[name] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.markFile(tree, name); err != nil && !notFound(err) {
			m.judge(tree, name, err)
		}
	}
	return nil
}

// hide notes what could not be read.
func (m *marker) hide(name string, err error) {
	if damaged := damagedFile(name, err); damaged != err {
		err = damaged
	} else if pathError := new(fs.PathError); !isDamaged(err) && !errors.As(err, &pathError) {
		err = fmt.Errorf("%s: %w", name, err)
	}
	m.hidden = append(m.hidden, err)
}

// judge notes a file that could not be read. A damaged copy of a revision that is whole
// hides nothing: nothing would ever be read by it.
func (m *marker) judge(tree, name string, err error) {
	damaged := new(DamagedFileError)
	if tree == copiesDir && m.whole[name] && errors.As(err, &damaged) {
		m.damaged[name] = damaged
		return
	}
	m.hide(name, err)
}

// markFile reads a map to its end, unless that was done.
func (m *marker) markFile(tree, name string) (err error) {
	nonce, err := m.repo.nonceOf(name)
	if err != nil {
		return err
	}
	if m.nonces[nonce] {
		if d, visible := m.deltas[nonce]; visible && tree == volumesDir {
			d.name = name // its volume may have been renamed
			m.deltas[nonce] = d
		}
		return nil
	}
	f, err := openMap(m.repo.fsys, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := m.markMap(f); err != nil {
		return damagedMap(name, err)
	}
	st := f.Statement()
	if tree == volumesDir {
		m.highest[st.Volume.UUID] = max(m.highest[st.Volume.UUID], st.Sequence)
		if st.Parent != nil {
			m.deltas[st.Nonce] = delta{name: name, copy: copyName(st.Volume.UUID, st.ID), parent: copyName(st.Volume.UUID, st.Parent.ID)}
		}
	}
	m.whole[copyName(st.Volume.UUID, st.ID)] = true
	if st.Parent == nil {
		m.fulls[copyName(st.Volume.UUID, st.ID)] = true
	}
	if st.Set != "" {
		m.sets[st.Set] = true
	}
	m.nonces[st.Nonce] = true
	return nil
}

func (m *marker) markMap(f *mapFile) error {
	packs, err := f.Packs()
	if err != nil {
		return err
	}
	for _, pack := range packs {
		m.named[pack] = true
	}
	for record, err := range f.Records(0, math.MaxUint64) {
		if err != nil {
			return err
		}
		eachRef(record.Entry, func(key objectKey) {
			if m.counts != nil {
				if n, asked := m.counts[key]; asked {
					m.counts[key] = min(n+1, 2)
				}
				return
			}
			if m.live.add(key) && m.added != nil {
				m.added[key] = true
			}
		})
	}
	return nil
}

// nonceOf reads which writing of a revision a file is.
func (r *Repository) nonceOf(name string) (revision.Nonce, error) {
	f, err := r.fsys.Open(name)
	if err != nil {
		return revision.Nonce{}, damagedFile(name, err)
	}
	nonce, err := revision.ReadNonce(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return revision.Nonce{}, damagedMap(name, err)
	}
	return nonce, nil
}
