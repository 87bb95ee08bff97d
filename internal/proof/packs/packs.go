// Package packs tells tests which packs of a repository stand, by its files alone: it asks nothing of the program that
// is tested.
package packs

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"varve/chunkstore"
)

// Condemned reads which packs the newest generation among the files condemns.
func Condemned(files map[string][]byte) (map[chunkstore.PackID]bool, error) {
	newest, file := -1, []byte(nil)
	for name, content := range files {
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
	if err := json.Unmarshal(file, &generation); err != nil {
		return nil, fmt.Errorf("generation %d: %w", newest, err)
	}
	for _, c := range generation.Data.Condemned {
		condemned[c.Pack] = true
	}
	return condemned, nil
}

// Stands tells whether a pack is there and not condemned, or else all of those to which a collection moved what was
// alive in it.
func Stands(files map[string][]byte, pack chunkstore.PackID, condemned map[chunkstore.PackID]bool) bool {
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
		if !Stands(files, to, condemned) {
			return false
		}
	}
	return true
}
