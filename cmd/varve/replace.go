package main

import (
	"crypto/rand"
	"errors"
	"path/filepath"

	"varve/internal/durable"
)

// replaceFile makes a file outside of the repository hold this text, in one step, or
// leaves it as it was. All who may by the umask can read one that is for all.
func replaceFile(name, text string, forAll bool) error {
	dir, base := filepath.Split(name)
	tree, err := durable.OpenTree(filepath.Clean(dir + "."))
	if err != nil {
		return err
	}
	if forAll {
		tree.ForAll()
	}
	temps := durable.NewTemps("varve-" + rand.Text()) // what a killed run left must not be in the way
	return errors.Join(durable.Replace(tree, temps, base, []byte(text)), tree.Close())
}
