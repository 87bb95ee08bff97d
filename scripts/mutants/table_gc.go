package main

// unitGC are the tests of collections of garbage.
var unitGC = tests{"repository", "^Test((Trap)?GC|EnumerateGCKills|Enumerate.*BesideGC)"}

// gcMutants break what keeps a collection from taking away what is needed.
func gcMutants() []mutant {
	m := func(name, what, file, old, new string) mutant {
		return mutant{name: "gc-" + name, what: what, file: "repository/" + file, old: old, new: new, tests: []tests{unitGC}}
	}
	return []mutant{
		m("two-at-once", "the lock of collections keeps nobody out",
			"gc.go", "lock, err := r.lockSigned(ctx, gcLockName, \"the garbage collector\", kindGC, opts.Wait) // 0", "lock, err := r.fsys.Create(gcLockName + g.run.String())"),
		m("gate-counter", "packs are condemned although somebody was at the gate since the marking",
			"gc.go", "if alone = g.known == before+1; !alone {", "if alone = true; !alone || before == 1 {"),
		m("marks-once", "what came to live since a pack was weighed is not looked for in it",
			"gccondemn.go", "came = came || g.marker.added[keyOf(e.ID)]", "came = came && g.marker.added[keyOf(e.ID)]"),
		m("copies-unmarked", "what only the copy of a revision names is not marked",
			"gcmark.go", "[]string{volumesDir, trashDir, copiesDir}", "[]string{volumesDir, trashDir}"),
		m("trash-unmarked", "what is in the trash is not marked",
			"gcmark.go", "[]string{volumesDir, trashDir, copiesDir}", "[]string{volumesDir, copiesDir}"),
		m("unreadable-ignored", "a map that cannot be read counts as naming nothing",
			"gcmark.go", "\tm.hidden = append(m.hidden, err)", "\t_ = err"),
		m("living-run", "packs of a run that lives are candidates",
			"gccandidates.go", "case record == nil || g.runs.living[record.Lease]:", "case record == nil:"),
		m("foreign-pack", "packs of other repositories are candidates",
			"gccandidates.go", "if from == r.desc.Repository || slices.Contains(r.desc.Former, from) {", "if !from.IsZero() {"),
		m("hurt-copy", "a copy that is known to be hurt makes another needless",
			"gcweigh.go", "case damaged[chunkstore.Copy{Pack: p.id, ID: e.ID}]:", "case false && damaged[chunkstore.Copy{Pack: p.id, ID: e.ID}]:"),
		m("copies-unread", "what was copied, or found again, is not read again",
			"gccompact.go", "\treturn g.checked(ctx, moved)", "\treturn moved, nil"),
		m("hurt-meanwhile", "a copy that was found hurt since makes a pack needless",
			"gccondemn.go", "if slices.ContainsFunc(p.copies,", "if false && slices.ContainsFunc(p.copies,"),
		m("copy-gone", "a copy that is gone makes a pack needless",
			"gccondemn.go", "stand && !already", "(stand || true) && !already"),
		m("visible-unsynced", "what was marked is not made durable before packs are condemned",
			"gccondemn.go", "if err := g.syncVisible(); err != nil {", "if err := error(nil); err != nil {"),
		m("newer-program", "packs are condemned under the eyes of a newer program",
			"gccondemn.go", "if _, _, err := descriptors(g.repo.fsys); err != nil {", "if err := error(nil); err != nil {"),
		m("needed-and-condemned", "a condemned pack that is needed stays condemned",
			"gccondemn.go", "delete(list, p.id)", "_ = p"),
		m("generation-number", "a generation gets a number below that of a lease",
			"gc.go", "number = max(number, l.gen)", "_ = l"),
		m("opaque-generation", "a generation that cannot be read is left as it is",
			"gc.go", "\tif !current.Opaque {\n\t\treturn nil\n\t}\n\tg.find", "\tif true {\n\t\treturn nil\n\t}\n\tg.find"),
		m("waits-for-nobody", "packs are removed that somebody may be reading",
			"gcunlink.go", "if l.gen < since {", "if l.gen+1 < since {"),
		m("lost-lease", "packs are condemned without a lease",
			"gccondemn.go", "\tif err := g.lease.holds(); err != nil {\n\t\treturn err\n\t}\n", ""),
		m("lost-lease-unlinks", "packs are removed without a lease",
			"gcunlink.go", "\tif err := b.lease.holds(); err != nil {\n\t\treturn err\n\t}\n", ""),
		m("unlink-unsynced", "the gate is left before removals are durable",
			"gcunlink.go", "\treturn b.syncPacks(b.removed)\n}", "\treturn nil\n}"),
		m("purge-unsynced", "what is purged is removed in any order",
			"gcpurge.go", "\treturn g.repo.fsys.SyncDir(path.Dir(name))", "\treturn nil"),
		m("purge-of-a-twin", "the copy of a visible revision is purged",
			"gcpurge.go", "\tif !visible {\n\t\tif err := g.removeDurably(copyName", "\tif true {\n\t\tif err := g.removeDurably(copyName"),
		m("purge-of-a-parent", "what a revision in the trash builds on is purged before it",
			"gcpurge.go", "needed[t.ID] || unread && t.Statement != nil:", "unread && t.Statement != nil:"),
		m("record-after-packs", "a collection writes packs without a run record",
			"gccompact.go", "\tif err := g.record(); err != nil {\n\t\treturn err\n\t}\n", ""),
		m("runs-unsynced", "packs of a run that is over are settled before their names are durable",
			"gcfinish.go", "case p.rank == rankLeft:", "case false:"),
	}
}
