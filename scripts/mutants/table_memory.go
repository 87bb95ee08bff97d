package main

// memoryMutants have status say what it remembers, and what is not so any more.
func memoryMutants() []mutant {
	m := func(name, what, file, old, new, test string) mutant {
		return mutant{name: name, what: what, file: "repository/" + file, old: old, new: new, tests: []tests{{"repository", "^" + test + "$"}}}
	}
	return []mutant{
		m("memory-of-another-time", "what changed is remembered as it was",
			"memory.go", "l.stamps == was.stamps && !was.read", "!was.read", "TestMemory.*"),
		m("memory-of-a-tick", "what changes in the same tick of a file system's clock is missed",
			"memory.go", "if l.begun.Sub(was.since) >= memorySettles {", "if true {", "TestMemory"),
		m("memory-for-ever", "what rots in place is never read anew",
			"memory.go", " && now.Sub(was.read) < memoryAges", "", "TestMemory"),
		m("memory-past-a-torn-line", "a line of the journal that was being written is never read again",
			"journalmemo.go", "settled = settled && len(said) > 0 && line[len(line)-1] == '\\n'; settled", "settled", "TestMemoryOfHalfALine"),
		m("memory-of-late-events", "events that were passed over once are missed by who asks for more",
			"journalmemo.go", " || since.Before(known.since)", "", "TestMemoryAgrees"),
		m("memory-of-old-proofs", "a scrub changes nothing that is remembered",
			"proofs.go", "\t\t\t\treturn stamps{proofs}, nil\n", "\t\t\t\treturn stamps{{inode: 1}}, nil\n", "TestMemoryAgrees"),
		m("new-for-lost", "a revision that is committed while others are listed is taken for lost",
			"revisions.go", "isNew := err == nil //", "isNew := false //", "TestListedWhileOneIsCommitted"),
		m("lost-volume-unseen", "a volume whose directory is gone is not missed by status",
			"summary.go", "\tfor _, l := range lost {\n", "\tfor _, l := range lost[:0] {\n", "TestALostVolume"),
		m("lost-volume-unfound", "a scrub does not find that the directory of a volume is gone",
			"inspectfiles.go", "\tfor _, l := range lost {\n", "\tfor _, l := range lost[:0] {\n", "TestALostVolume"),
		m("lost-notes", "a lost volume comes back without its pins, and what nobody trusted is good",
			"lostvolumes.go", "\t\tif !noted {\n", "\t\tif true || !noted {\n", "TestALostVolume"),
		m("removed-for-lost", "what is in the trash is taken for lost",
			"lostvolumes.go", "return slices.Contains(trashed, id) })", "return slices.Contains(trashed[:0], id) })", "TestNotALostVolume"),
	}
}
