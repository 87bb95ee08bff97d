package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"strconv"
	"strings"

	"varve/chunkstore"
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

// stands tells whether a pack is there and not condemned, or else all of those to which
// a collection moved what was alive in it.
func stands(files map[string][]byte, pack chunkstore.PackID, condemned map[chunkstore.PackID]bool) bool {
	if _, there := files[chunkstore.PackName(pack)]; there && !condemned[pack] {
		return true
	}
	var moved struct {
		Data struct{ To []chunkstore.PackID }
	}
	if json.Unmarshal(files["gc/moved/"+pack.String()], &moved) != nil || len(moved.Data.To) == 0 {
		return false
	}
	for _, to := range moved.Data.To {
		if !stands(files, to, condemned) {
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
	packs, err := m.Packs()
	if err != nil {
		return err
	}
	for _, pack := range packs {
		if !stands(files, pack, condemned) {
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

// condemned reads the newest generation.
func (w *World) condemned() (map[chunkstore.PackID]bool, error) {
	newest, file := -1, []byte(nil)
	for name, content := range w.Disk.Files() {
		base, ok := strings.CutPrefix(name, "gc/")
		number, err := strconv.Atoi(strings.TrimSuffix(base, ".json"))
		if ok && err == nil && number > newest {
			newest, file = number, content
		}
	}
	condemned := map[chunkstore.PackID]bool{}
	if newest < 0 {
		return condemned, nil
	}
	var generation struct {
		Data struct {
			Condemned []struct{ Pack chunkstore.PackID }
		}
	}
	if err := json.NewDecoder(bytes.NewReader(file)).Decode(&generation); err != nil {
		return nil, fmt.Errorf("generation %d: %w", newest, err)
	}
	for _, c := range generation.Data.Condemned {
		condemned[c.Pack] = true
	}
	return condemned, nil
}
