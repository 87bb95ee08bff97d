package chunkstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
)

// A Pack is a sealed pack with its table of contents.
type Pack struct {
	PackInfo
	Path     string // in the repository
	Size     int64  // of the file, in bytes
	contents contents
}

// Entries gives the table of contents, ascending by id and kind.
func (p *Pack) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range p.contents.len() {
			if !yield(p.contents.at(i)) {
				return
			}
		}
	}
}

// Packs goes through the sealed packs that there are, ascending. A pack that cannot
// be read comes as an error, a damaged one as a [*CorruptError], and the next
// follows; packs that vanish meanwhile are left out. A directory that cannot be
// listed, or the end of ctx, ends it with an error.
func (s *Store) Packs(ctx context.Context) iter.Seq2[*Pack, error] {
	return func(yield func(*Pack, error) bool) {
		for first := range 256 {
			ids, err := listPacks(s.cfg.FS, byte(first))
			if err != nil {
				yield(nil, fmt.Errorf("list packs: %w", err))
				return
			}
			for _, id := range ids {
				if err := ctx.Err(); err != nil {
					yield(nil, err)
					return
				}
				pack, err := s.readPack(id)
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if !yield(pack, err) {
					return
				}
			}
		}
	}
}

// Pack opens one sealed pack, and reads its table of contents.
func (s *Store) Pack(id PackID) (*Pack, error) { return s.readPack(id) }

// PackIDs lists the sealed packs that there are, ascending, without a look into them.
func (s *Store) PackIDs() ([]PackID, error) {
	var all []PackID
	for first := range 256 {
		ids, err := listPacks(s.cfg.FS, byte(first))
		if err != nil {
			return nil, fmt.Errorf("list packs: %w", err)
		}
		all = append(all, ids...)
	}
	return all, nil
}

// PackIDsOf lists the sealed packs whose ids begin with a byte, ascending.
func (s *Store) PackIDsOf(first byte) ([]PackID, error) {
	ids, err := listPacks(s.cfg.FS, first)
	if err != nil {
		return nil, fmt.Errorf("list packs: %w", err)
	}
	return ids, nil
}

// CheckPack makes sure that a sealed pack was not cut short: its file is as long as
// the catalog of this host knows it to be. Where that is not so, or nothing is known,
// the pack is opened, and its header, length and table of contents decide. Damage is
// a [*CorruptError].
func (s *Store) CheckPack(id PackID) error {
	info, err := s.cfg.FS.Lstat(PackName(id))
	if err != nil {
		return err
	}
	if size, ok := s.catalog.packSize(id); ok && info.Mode().IsRegular() && info.Size() == size {
		return nil
	}
	_, err = s.readPack(id)
	return err
}

func (s *Store) readPack(id PackID) (*Pack, error) {
	p, err := openPack(s.cfg.FS, id)
	if err != nil {
		return nil, err
	}
	return &Pack{PackInfo: p.info, Path: p.path, Size: p.size, contents: p.contents}, p.close()
}
