package proof

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"

	"varve/chunkstore"
	"varve/internal/proof/packs"
	"varve/repository"
	"varve/revision"
)

// unchanging gives the files that are never written to once they are there: packs,
// revisions and their copies.
func (w *World) unchanging() map[string][]byte {
	files := w.Disk.Files()
	maps.DeleteFunc(files, func(name string, _ []byte) bool {
		return !strings.HasSuffix(name, ".pack") && !strings.HasSuffix(name, ".rev")
	})
	return files
}

// stillHas tells whether the files are there as they were.
func (w *World) stillHas(files map[string][]byte) bool {
	now := w.Disk.Files()
	for name, content := range files {
		if there, ok := now[name]; !ok || !bytes.Equal(there, content) {
			return false
		}
	}
	return true
}

// checkFiles looks at what a listed revision consists of: its file, the copy of it,
// and packs that are there and not condemned.
func (w *World) checkFiles(rev repository.Revision, condemned map[chunkstore.PackID]bool) error {
	files := w.Disk.Files()
	base := string(rev.ID) + ".rev"
	own, there := files[path.Join("volumes", rev.Volume.Name.Encode(), base)]
	if !there {
		return errors.New("its file is gone, whatever stands in for it")
	}
	m, err := revision.Open(bytes.NewReader(own), int64(len(own)))
	if err != nil {
		return err
	}
	if second := files[path.Join("copies", rev.Volume.UUID.String(), base)]; !bytes.Equal(own, second) && !isOfSameImage(m, second) {
		return errors.New("it has no copy that is the same")
	}
	named, err := m.Packs()
	if err != nil {
		return err
	}
	for _, pack := range named {
		if !packs.Stands(files, pack, condemned) {
			return fmt.Errorf("pack %s is gone or condemned", pack)
		}
	}
	return nil
}

// isOfSameImage tells whether the copy of a revision's file says the same as that: one
// that was written by a merge which got no further.
func isOfSameImage(own *revision.Map, second []byte) bool {
	m, err := revision.Open(bytes.NewReader(second), int64(len(second)))
	return err == nil && m.Check() == nil && m.Statement().ID == own.Statement().ID && m.Statement().Digest == own.Statement().Digest &&
		m.Statement().Nonce != own.Statement().Nonce
}
