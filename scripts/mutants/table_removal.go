package main

// The tests of taking revisions away, and of bringing them back.
var (
	unitRemoval       = tests{"repository", "^Test(Remove|Undelete|Flatten|WhatIsVisible)"}
	crashesOfRemovals = tests{"internal/proof", "^TestEnumerateCrashes$/^(merge_of_one_in_between|rm_of_the_newest|undelete_of_one_in_between)$"}
)

// removalMutants break what keeps revisions whole when others go, or come back.
func removalMutants() []mutant {
	const back = "\t\treturn errors.Join(err, r.moveBackFromTrash(visible, trashed))\n\t}\n"
	m := func(name, what, file, old, new string) mutant {
		return mutant{name: name, what: what, file: file, old: old, new: new, tests: []tests{unitRemoval, crashesOfRemovals}}
	}
	return []mutant{
		m("new-map-not-synced", "what a map builds on goes before the map that stands without it is durable", "repository/rewrite.go",
			"\terr := fsys.Rename(temp, name)\n\tif err == nil {\n\t\terr = fsys.SyncDir(path.Dir(name))\n\t}\n", "\terr := fsys.Rename(temp, name)\n"),
		m("trash-not-synced", "where a revision was is gone before where it is, is durable", "repository/trash.go",
			"\tif err := r.fsys.SyncDir(dir); err != nil {\n"+back, ""),
		m("going-not-synced", "a revision is said to be gone before that is durable", "repository/trash.go",
			"\tif err := r.fsys.SyncDir(path.Dir(visible)); err != nil {\n"+back, ""),
		m("back-not-synced", "a revision is said to be back before that is durable", "repository/undelete.go",
			"\tif err == nil {\n\t\terr = fsys.SyncDir(path.Dir(visible))\n\t}\n", ""),
		m("leftover-keeps-both-names", "of what a power cut left in the trash and where it was, both names stay", "repository/trash.go",
			"\tif err := r.fsys.Remove(trashed); err != nil && !notFound(err) {\n\t\treturn err\n\t}\n", ""),
		m("fold-keeps-its-parent", "a revision into which its parent was folded still builds on it", "repository/fold.go",
			"st.Kind, st.Parent, st.Nonce = oldest.Kind, oldest.Parent, d.nonce", "st.Kind, st.Nonce = oldest.Kind, d.nonce"),
		{
			name: "cut-off-comes-back", what: "what a shrunk volume lost comes back when it has grown again",
			file: "revision/resolve.go", old: "\t\tlimit = min(limit, m.statement.Chunks())\n", new: "",
			tests: []tests{{"revision", "."}},
		},
	}
}
