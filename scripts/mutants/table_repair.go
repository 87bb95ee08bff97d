package main

// The tests of repairs.
var unitRepair = tests{"repository", "^Test(Repair|EnumerateRepairs|What(CannotBeRepaired|LiesInTwoPacks))"}

// repairMutants break what keeps a repair from making things worse, and from saying that they
// are better than they are.
func repairMutants() []mutant {
	m := func(name, what, file, old, new string) mutant {
		return mutant{name: name, what: what, file: file, old: old, new: new, tests: []tests{unitRepair}}
	}
	return []mutant{
		m("repaired-before-durable", "what was stored again is not made durable before it counts", "repository/repairobjects.go",
			"\treturn p.chunks.Barrier(ctx)\n", "\treturn nil\n"),
		m("repair-takes-any-content", "whatever a source holds now passes for what it held", "repository/repairobjects.go",
			" && p.repo.names.ChunkID(plain) == h.entry.Content", ""),
		m("repaired-unread", "a revision counts again that was not read back", "repository/repairproof.go",
			"\t\tproof.Lost, proof.Cause, err = im.prove(ctx)\n", ""),
		m("needed-pack-put-aside", "a pack is put aside of which not all that is needed was found", "repository/repairpacks.go",
			"\t\tcase needed[pack.id]:\n", "\t\tcase needed[pack.id] && false:\n"),
		m("pack-put-aside-unseen", "a pack is put aside though a map cannot be read that may need it", "repository/repairpacks.go",
			"\t\tcase now.hidden:\n", "\t\tcase now.hidden && false:\n"),
		m("repair-without-lock", "the files of a volume are repaired without its lock", "repository/repairrevisions.go",
			"lock, err := p.repo.lockVolume(ctx, v, kindRepair, p.opts.Wait)", "lock, err := p.repo.lockVolume(ctx, Volume{UUID: newUUID()}, kindRepair, p.opts.Wait)"),
		m("repair-of-what-is-purged", "what was purged meanwhile is put back into the trash", "repository/repairrevisions.go",
			"err != nil || nonce != second.Nonce {", "false && (err != nil || nonce != second.Nonce) {"),
		m("repair-takes-any-image", "another repository's map counts, whatever image it makes", "repository/repairrecord.go",
			"\tif st.Digest != want {\n", "\tif false && st.Digest != want {\n"),
		m("repair-takes-any-volume", "another repository's volume of a name passes for the one that had it here", "repository/repairfiles.go",
			" || !known && !p.isOurs(name, other, theirs) {", " {"),
		m("repair-forgets-damage", "damage that others found while a revision was read back is forgotten", "repository/info.go",
			"\tif i.State == Damaged && (seen.State", "\tif false && (seen.State"),
		m("repair-trusts-a-suspect", "what was suspect is trusted once it was repaired", "repository/info.go",
			"\tif i.State == Suspect {\n\t\ti.Suspect", "\tif false {\n\t\ti.Suspect"),
		m("hurt-though-found", "a chunk is stored anew of which a good copy is found", "repository/hurt.go",
			" || b.chunks.Finds(kind, ref.ID) {", " {"),
	}
}
