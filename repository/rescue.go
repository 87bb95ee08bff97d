package repository

import (
	"errors"
	"slices"

	"varve/revision"
)

// withMaps reads from the maps and, if that fails, once more after copies were put
// in for damaged ones. Of wrong content, the error says whose it is.
func (im *Image) withMaps(read func(maps []*mapFile) error) error {
	maps := im.chain()
	err := read(maps)
	if err == nil {
		return nil
	}
	if rescued := im.rescue(maps); rescued != nil {
		if err = read(rescued); err == nil {
			return nil
		}
	}
	var corrupt *revision.CorruptError
	var chain *revision.ChainError
	if err = damagedFile(maps[0].name, err); errors.As(err, &corrupt) || errors.As(err, &chain) || isDamaged(err) {
		return &DamagedRevisionError{Volume: im.volume.Name, ID: im.id, Cause: err}
	}
	return err
}

// rescue looks, once, through every map of the chain and puts in the second copy
// of those that are damaged. It returns the maps to try instead of those that
// failed, nil if there are none.
func (im *Image) rescue(failed []*mapFile) []*mapFile {
	im.mu.Lock()
	defer im.mu.Unlock()
	if !im.rescued {
		im.rescued = true
		im.maps = slices.Clone(im.maps)
		for i, m := range im.maps {
			if second := im.rd.repo.standIn(im.volume, m); second != nil {
				im.retired = append(im.retired, m)
				im.maps[i] = second
			}
		}
	}
	if slices.Equal(im.maps, failed) {
		return nil
	}
	return im.maps
}

// standIn opens the copy of a map if that is damaged, and its copy, the very same
// file as it was written, is not. Nil: there is nothing better than the map.
func (r *Repository) standIn(v Volume, m *mapFile) *mapFile {
	damage := m.Check()
	if damage == nil {
		return nil
	}
	second, err := r.openCopy(v, m.Statement().ID)
	if err != nil {
		return nil
	}
	if second.Statement().Nonce != m.Statement().Nonce || second.Check() != nil {
		_ = second.Close() // it was only read
		return nil
	}
	r.opts.Log.Warn("a revision's map is damaged; its copy is used", "file", m.name, "error", damage)
	return second
}
