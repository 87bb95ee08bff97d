package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A mutant is one way in which the program could lose data.
type mutant struct {
	name string // short, in words with dashes
	what string // what is broken, as a phrase
	file string // that is changed, from the root of the tree
	// Old occurs exactly once in the file, and new takes its place. More than one
	// place is changed by edits.
	old, new string
	edits    []edit
	tests    []tests // that are to notice, tried in this order
}

// An edit is a second change that a mutant needs, in the same file.
type edit struct{ old, new string }

// tests are some of the tests of one package.
type tests struct {
	pkg string // from the root of the tree, without "./"
	run string // as for go test -run
}

func (t tests) String() string { return t.pkg + " " + t.run }

// allMutants is the table, in the order in which data flows to the disk.
func allMutants() []mutant {
	return slices.Concat(
		syncMutants(), dirSyncMutants(), orderMutants(), errorMutants(),
		commitMutants(), foundMutants(), leaseMutants(), restoreMutants(), guardMutants(), retentionMutants(), pruneMutants(), takeMutants(), spaceMutants(),
		gcMutants(), removalMutants(), repairMutants(), togetherMutants(), rbdMutants(), insideMutants(), mountMutants(), drillMutants(), memoryMutants(),
	)
}

// apply changes the text of the file.
func (m mutant) apply(text string) (string, error) {
	for _, e := range append([]edit{{m.old, m.new}}, m.edits...) {
		switch n := strings.Count(text, e.old); {
		case e.old == "" || n == 0:
			return "", fmt.Errorf("%s: the text to change is not there: %q", m.file, e.old)
		case n > 1:
			return "", fmt.Errorf("%s: the text to change is there %d times: %q", m.file, n, e.old)
		}
		text = strings.Replace(text, e.old, e.new, 1)
	}
	return text, nil
}

// tags are the build tags that the changed file asks for, in a constraint of one word.
func (m mutant) tags(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	tag, is := strings.CutPrefix(first, "//go:build ")
	if !is || strings.ContainsAny(tag, " !|&") {
		return "", nil
	}
	return tag, nil
}

// inject writes the mutant into a tree, and returns what undoes that.
func (m mutant) inject(root string) (restore func() error, err error) {
	path := filepath.Join(root, m.file)
	before, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	after, err := m.apply(string(before))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, []byte(after), 0o644); err != nil {
		return nil, err
	}
	return func() error { return os.WriteFile(path, before, 0o644) }, nil
}
