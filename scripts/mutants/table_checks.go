package main

// commitMutants leave out a check, or the gate, between the barrier and ★.
func commitMutants() []mutant {
	return []mutant{
		{
			name: "commit-outside-the-gate", what: "a revision becomes visible outside the gate",
			file: "repository/commit.go",
			old:  "\terr = b.atGate(ctx, func() error {\n", new: "\terr = func(change func() error) error { return change() }(func() error {\n",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "gate-without-lock", what: "the gate is opened, and not locked",
			file:  "repository/gate.go",
			old:   "\tf, err := durable.WaitLocked(patience, fsys, gateName)\n",
			new:   "\tf, err := fsys.OpenWrite(gateName)\n\tif notFound(err) {\n\t\tf, err = fsys.Create(gateName)\n\t}\n\t_ = patience\n",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "gate-does-not-count", what: "the gate's counter is not raised",
			file: "repository/gate.go",
			old:  "\tpassage, err := raiseCounter(f)\n", new: "\tpassage := uint64(0)\n",
			edits: []edit{{"// raiseCounter adds one", "var _ = raiseCounter\n\n// raiseCounter adds one"}},
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "rename-during-a-backup", what: "a volume is renamed without its lock",
			file: "repository/rename.go",
			old:  "r.lockVolume(ctx, v, kindRename, wait)", new: "durable.OpenLocked(r.fsys, \"locks/volumes/none\")",
			edits: []edit{
				{"\t\"varve/revision\"\n", "\t\"varve/internal/durable\"\n\t\"varve/revision\"\n"},
				{"const kindRename = \"rename\"", "const kindRename = \"rename\"\n\nvar _ = kindRename"},
			},
			tests: []tests{unitRename},
		},
		{
			name: "listing-during-a-rename", what: "a volume that is renamed while it is listed is not listed again",
			file: "repository/revisions.go",
			old:  "\t\tif !moved {\n", new: "\t\tif !moved || moved {\n",
			tests: []tests{unitRename},
		},
		{
			name: "reader-loses-a-renamed-volume", what: "who opens a revision of a volume that was renamed since does not look for it",
			file: "repository/image.go",
			old:  "\t\tv, _ = rd.repo.movedTo(v)\n", new: "",
			tests: []tests{unitRename},
		},
		{
			name: "lease-not-checked", what: "a revision becomes visible without its lease",
			file: "repository/commit.go",
			old:  "\tif err := b.lease.holds(); err != nil {\n\t\treturn err\n\t}\n", new: "",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "lease-name-not-checked", what: "a lease that somebody buried passes as long as it takes writes",
			file: "repository/lease.go",
			old:  "\tif !ours {\n\t\treturn fmt.Errorf(\"%w: the lease of this run is gone\", ErrLostGround)\n\t}\n", new: "\t_ = ours\n",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "lease-write-not-checked", what: "a lease passes whose file system takes no writes any more",
			file: "repository/lease.go",
			old:  "\tif _, err := l.file.WriteAt([]byte(\"{\"), 0); err != nil { // the byte that is there already\n\t\treturn fmt.Errorf(\"%w: the lease of this run cannot be written: %w\", ErrLostGround, err)\n\t}\n", new: "",
			tests: []tests{unitCommit, trapSync, unitRepository, backupFaults},
		},
		{
			name: "home-not-looked-at", what: "a revision becomes visible in a directory that is another volume's by now",
			file: "repository/commit.go",
			old:  "\tif err := b.repo.homeStands(b.volume); err != nil {\n\t\treturn err\n\t}\n", new: "",
			tests: []tests{{"internal/proof/interleave", "TestEnumerateTraps"}},
		},
		{
			name: "home-of-what-comes-back-not-looked-at", what: "a revision comes back into a directory that is another volume's by now",
			file: "repository/undelete.go",
			old:  "\tif err := r.homeStands(u.volume); err != nil {\n\t\treturn err\n\t}\n", new: "",
			tests: []tests{{"internal/proof/interleave", "TestEnumerateTraps"}},
		},
		{
			name: "built-on-not-looked-at", what: "a revision goes on which somebody else has put another meanwhile",
			file: "repository/firm.go",
			old:  "\tif is != parent {\n", new: "\tif is != parent && false {\n",
			tests: []tests{{"internal/proof/interleave", "TestEnumerateTraps"}},
		},
		{
			name: "parent-not-checked", what: "a delta becomes visible whose parent is gone",
			file: "repository/commit.go",
			old:  "\tif err := b.parentStands(); err != nil {\n\t\treturn err\n\t}\n", new: "",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "parent-digest-not-checked", what: "a delta becomes visible whose parent is another image",
			file: "repository/commit.go",
			old:  "\tif digest != p.Digest {\n", new: "\tif digest != p.Digest && b.parent == nil {\n",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "packs-not-checked", what: "a revision becomes visible whose packs are gone or condemned",
			file: "repository/commit.go",
			old:  "\tif err := b.packsStand(); err != nil {\n\t\treturn err\n\t}\n", new: "",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "packs-not-looked-for", what: "a revision becomes visible whose packs are gone",
			file: "repository/work.go",
			old:  "\t\tif notFound(err) {\n\t\t\treturn fmt.Errorf(\"%w: pack %s is gone\", ErrLostGround, pack)\n\t\t}\n", new: "\t\tif notFound(err) {\n\t\t\terr = nil\n\t\t}\n",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "condemned-not-spared", what: "a revision becomes visible whose packs stay condemned",
			file: "repository/work.go",
			old:  "\t\tdelete(spared, pack)\n", new: "",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "condemned-by-the-lease", what: "what is condemned is read when the lease is born, and not at the commit",
			file: "repository/work.go",
			old:  "\tcurrent, err := w.repo.currentGeneration()\n\tif err != nil {\n\t\treturn err\n\t}\n", new: "\tcurrent := w.lease.generation\n",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "opaque-not-checked", what: "a revision becomes visible while nobody can tell what is condemned",
			file: "repository/work.go",
			old:  "\tif current.Opaque && !w.lease.generation.Opaque {\n", new: "\tif current.Opaque && w.lease == nil {\n",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "number-not-checked", what: "a revision becomes visible beside one that came meanwhile",
			file: "repository/commit.go",
			old:  "\treturn b.nobodyCame() // all", new: "\treturn nil // all",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "trash-number-given-again", what: "the number of a trashed revision is given again",
			file: "repository/backup.go",
			old:  "\t\tnote(id, m.Statement())\n", new: "",
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "unread-number-given-again", what: "the number of a revision that cannot be read is given again",
			file: "repository/backup.go",
			old:  "\tb.sequence = highest + unread + 1\n", new: "\tb.sequence = highest + 1\n",
			tests: []tests{unitCommit, trapSync, unitRepository, {"repository", "^TestEnumerateCorruptMaps$"}},
		},
		{
			name: "name-taken-over", what: "a small file takes the place of one that has the name already",
			file: file,
			old:  "\tif err := fsys.RenameNew(temp, name); err != nil {\n", new: "\tif err := fsys.Rename(temp, name); err != nil {\n",
			tests: []tests{unitDurable, unitRepository},
		},
		{
			name: "map-not-read-again", what: "the map and its copy are not read again before they count",
			file: "repository/draft.go",
			old:  "\treturn checkMapFile(d.repo.fsys, d.name)\n", new: "\treturn nil\n",
			edits: []edit{{"func checkMapFile(", "var _ = checkMapFile\n\nfunc checkMapFile("}},
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "cancelled-all-the-same", what: "a backup that was interrupted before ★ goes on to it",
			file: "repository/commit.go",
			old:  "\tif err := ctx.Err(); err != nil {\n\t\treturn nil, errors.Join(err, b.dropSecond())\n\t}\n", new: "\tctx = context.WithoutCancel(ctx)\n",
			edits: []edit{
				{"b.chunks.Barrier(ctx)", "b.chunks.Barrier(context.WithoutCancel(ctx))"},
				{"err = b.atGate(ctx,", "err = b.atGate(context.WithoutCancel(ctx),"},
			},
			tests: []tests{unitCommit, trapSync, unitRepository},
		},
		{
			name: "half-a-set-visible", what: "a revision is visible before its set is",
			file: "repository/set.go",
			old:  "\tif !slices.ContainsFunc(revisions, func(rev Revision) bool { return rev.waits }) {\n", new: "\tif revisions != nil {\n",
			tests: []tests{unitSets, trapOrder},
		},
		{
			name: "lost-set-hides", what: "a set that lost its files hides its revisions, whatever the journal knows",
			file: "repository/set.go",
			old:  "\t\t\tif !known.has(rev) {\n", new: "\t\t\tif known.sets != nil {\n",
			tests: []tests{unitSets},
		},
		{
			name: "set-collected-unlooked", what: "the file of a set goes though a revision of it may have come back",
			file:  "repository/gcsets.go",
			old:   "\t\talone, err := g.passAlone(ctx, func() error { return g.removeSets(idle) })\n",
			new:   "\t\talone, err := true, g.pass(ctx, func() error { return g.removeSets(idle) })\n",
			tests: []tests{unitSets},
		},
		{
			name: "two-backups-at-once", what: "the lock of a volume keeps nobody out",
			file:  "repository/volumelock.go",
			old:   "\t\tf, err := durable.OpenLocked(r.fsys, name)\n",
			new:   "\t\tf, err := r.fsys.OpenWrite(name)\n\t\tif notFound(err) {\n\t\t\tf, err = r.fsys.Create(name)\n\t\t}\n\t\t_ = durable.OpenLocked\n",
			tests: []tests{{"backup", "^TestASecondBackupOfAVolumeIsBusy$"}, {"repository", "^TestABusyVolumeSaysByWhom$"}},
		},
		{
			name: "damaged-parent-handed-on", what: "chunks are left to a parent whose copy of them is known to be hurt",
			file: "backup/chunk.go",
			old:  "\tif before != nil && c.backup.Hurt(before.Stack) {\n", new: "\tif before != nil && c.backup == nil {\n",
			tests: []tests{unitBackup},
		},
		{
			name: "unread-parent-handed-on", what: "a chunk is left to a parent whose copy of it was just found to be hurt",
			file: "backup/chunk.go",
			old:  " && s.belowState != unreadable && ", new: " && ",
			tests: []tests{{"backup", "BlocksThatDidNotChange"}},
		},
		{
			name: "parent-regions-not-resolved", what: "a parent is built on whose map has a hole",
			file: "repository/backup.go",
			old:  "\t\t\tif err = im.checkRegions(ctx); err == nil {\n", new: "\t\t\tif err == nil {\n",
			tests: []tests{unitBackup, unitRepository},
		},
	}
}

// foundMutants rely on what must not be relied on.
func foundMutants() []mutant {
	return []mutant{
		{
			name: "catalog-believed", what: "what the catalog says is believed, and no pack opened",
			file: "chunkstore/found.go",
			old:  "\tp, err := w.packs.acquire(pack)\n", new: "\tif len(key.id) > 0 {\n\t\treturn true\n\t}\n\tp, err := w.packs.acquire(pack)\n",
			tests: []tests{trapFound, unitChunkstore},
		},
		{
			name: "contents-not-looked-at", what: "a pack that the catalog names is opened, and its table of contents not looked at",
			file: "chunkstore/found.go",
			old:  "\te, ok := p.file.contents.find(key)\n\treturn ok && w.store.possible(e)\n", new: "\treturn true\n",
			tests: []tests{trapFound, unitChunkstore},
		},
		{
			name: "pack-name-not-checked", what: "a pack is taken for the one that its name says",
			file: "chunkstore/packfile.go",
			old:  "\tif p.info.ID != id {\n\t\treturn p.corrupt(id, 0, errPackName)\n\t}\n", new: "",
			tests: []tests{trapFound, unitChunkstore},
		},
		{
			name: "condemned-relied-on", what: "condemned packs are relied on",
			file: "chunkstore/found.go",
			old:  "\tif view.Condemned[pack] || view.Damaged", new: "\tif view.Damaged",
			tests: []tests{trapFound, unitChunkstore},
		},
		{
			name: "damaged-relied-on", what: "a copy that is known to be damaged is relied on",
			file: "chunkstore/found.go",
			old:  "\tif view.Condemned[pack] || view.Damaged[Copy{pack, key.id}] {\n", new: "\tif view.Condemned[pack] {\n",
			tests: []tests{trapFound, unitChunkstore},
		},
		{
			name: "opaque-relied-on", what: "packs of others are relied on while nobody can tell what is condemned",
			file: "repository/backup.go",
			old:  "!b.opts.Full && !b.lease.generation.Opaque && ", new: "!b.opts.Full && ",
			tests: []tests{trapFound, unitCommit, unitRepository},
		},
		{
			name: "living-runs-relied-on", what: "the packs of a run that has not succeeded are relied on",
			file: "repository/run.go",
			old:  "\treturn record == nil || record.Kind == kindBackup && record.Volume == volume\n", new: "\treturn record == nil || record.Kind == kindBackup || record.Volume == volume\n",
			tests: []tests{trapFound, unitCommit, unitRepository},
		},
		{
			name: "unreadable-runs-relied-on", what: "the packs of a run whose record cannot be read are relied on",
			file: "repository/run.go",
			old:  "\tif err != nil {\n\t\treturn false\n\t}\n\treturn record == nil", new: "\tif err != nil {\n\t\treturn true\n\t}\n\treturn record == nil",
			tests: []tests{trapFound, unitCommit, unitRepository},
		},
		{
			name: "foreign-packs-relied-on", what: "the packs of another repository are relied on",
			file: "repository/run.go",
			old:  "from != r.desc.Repository && !slices.Contains(r.desc.Former, from) {\n", new: "from == (revision.UUID{}) && !slices.Contains(r.desc.Former, from) {\n",
			tests: []tests{trapFound, unitCommit, unitRepository},
		},
		{
			name: "full-relies-on-others", what: "a forced full relies on packs of others",
			file: "repository/backup.go",
			old:  "!b.opts.Full && !b.lease.generation.Opaque && ", new: "!b.lease.generation.Opaque && ",
			tests: []tests{trapFound, unitBackup, unitCommit, unitRepository},
		},
		{
			name: "found-not-relied-on", what: "found packs are not noted as relied on",
			file: "chunkstore/found.go",
			old:  "\t\t\tw.mu.Lock()\n\t\t\tw.rely(pack)\n\t\t\tw.mu.Unlock()\n", new: "",
			tests: []tests{trapFound, unitChunkstore},
		},
		{
			name: "own-packs-not-withdrawn", what: "a run's packs stay in a directory that could not be synced",
			file: "chunkstore/writer.go",
			old:  "\t\t\terr = errors.Join(err, w.withdraw(first))\n", new: "",
			edits: []edit{{"// withdraw removes", "var _ = (*Writer).withdraw\n\n// withdraw removes"}},
			tests: []tests{trapFound, unitChunkstore},
		},
		{
			name: "frames-not-decoded", what: "a frame is listed without having been decoded and compared",
			file: "chunkstore/writer.go",
			old:  "\tif err := c.verifyFrame(frame, key.kind, key.id, plain); err != nil {\n\t\treturn Put{}, fmt.Errorf(\"verify what was encoded: %w\", err)\n\t}\n", new: "",
			tests: []tests{trapFound, unitChunkstore},
		},
		{
			name: "kinds-not-told-apart", what: "a patch of the same id as a chunk is taken for it",
			file: "chunkstore/pack.go",
			old:  "\twant[32] = byte(key.kind)\n", new: "\twant[32] = byte(Chunk)\n",
			tests: []tests{trapFound, unitChunkstore},
		},
		{
			name: "catalog-seal-not-checked", what: "a catalog is opened that is not as its last writer left it",
			file: "chunkstore/catalogseal.go",
			old:  "\tif string(was[:]) != string(is.append(nil)) {\n\t\treturn errCatalogSeal\n\t}\n\treturn nil\n", new: "\treturn nil\n",
			tests: []tests{{"chunkstore", "^TestTrapCatalogNotAsItsWriterLeftIt$"}}, // of what bbolt makes of it, the machine might not recover
		},
	}
}

// leaseMutants break leases, temporary files and locks.
func leaseMutants() []mutant {
	return []mutant{
		{
			name: "living-buried", what: "leases of the living are buried",
			file: "repository/lease.go",
			old:  "\treturn got, errors.Join(err, f.Close())\n", new: "\t_ = got\n\treturn true, errors.Join(err, f.Close())\n",
			tests: []tests{unitLeases, unitRepository},
		},
		{
			name: "temps-of-the-living-swept", what: "temporary files of the living are swept",
			file: "repository/lease.go",
			old:  "\t\t\tif living[durable.TempOwner(path.Base(name))] {\n", new: "\t\t\tif living[name] {\n",
			tests: []tests{unitLeases, unitRepository},
		},
		{
			name: "swept-by-an-old-look", what: "whose temporary files are swept is settled before the gate",
			file: "repository/lease.go",
			old:  "\treturn r.atGateWithin(ctx, wait, func() error {\n\t\tliving, dead, err := r.leases()\n\t\tif err != nil {\n\t\t\treturn err\n\t\t}\n",
			new:  "\treturn r.atGateWithin(ctx, wait, func() error {\n",
			edits: []edit{{
				"\ttemps, err := r.findTemps()\n\tif err != nil {\n\t\treturn err\n\t}\n",
				"\tliving, dead, err := r.leases()\n\tif err != nil {\n\t\treturn err\n\t}\n\ttemps, err := r.findTemps()\n\tif err != nil {\n\t\treturn err\n\t}\n",
			}},
			tests: []tests{unitLeases, unitRepository},
		},
		{
			name: "temps-of-the-dead-stay", what: "what the dead left is never swept",
			file: "repository/lease.go",
			old:  "\tif sweep {\n", new: "\tif sweep && ctx == nil {\n",
			tests: []tests{unitLeases, unitRepository},
		},
		{
			name: "draft-not-removed", what: "the temporary file of a map that came to nothing stays",
			file: "repository/draft.go",
			old:  "\tif rerr := d.repo.fsys.Remove(d.name); !notFound(rerr) {\n", new: "\tif rerr := error(nil); !notFound(rerr) {\n",
			tests: []tests{unitLeases, unitRepository},
		},
		{
			name: "unsealed-packs-not-removed", what: "the temporary file of a pack that was not sealed stays",
			file: "chunkstore/seal.go",
			old:  "\tif rerr := fsys.Remove(f.temp); !errors.Is(rerr, fs.ErrNotExist) {\n", new: "\tif rerr := error(nil); !errors.Is(rerr, fs.ErrNotExist) {\n",
			tests: []tests{unitChunkstore},
		},
		{
			name: "lease-not-locked", what: "a lease is made and not locked",
			file: "repository/lease.go",
			old:  "\tgot, err := l.file.TryLock()\n", new: "\tgot, err := true, error(nil)\n",
			tests: []tests{unitLeases, unitRepository},
		},
		{
			name: "lease-of-another-buried", what: "whoever ends its lease removes another's in its place",
			file: "repository/lease.go",
			old:  "\t\tif err != nil || !ours {\n\t\t\treturn err\n\t\t}\n", new: "\t\t_, _ = ours, err\n",
			tests: []tests{unitLeases, unitRepository},
		},
		{
			name: "lock-on-a-removed-file", what: "a lock on a file that was removed meanwhile counts",
			file: "internal/durable/lock.go",
			old:  "\t\tif same {\n", new: "\t\tif same || !same {\n",
			tests: []tests{unitDurable},
		},
		{
			name: "lock-always-had", what: "a lock that another has is taken for one's own",
			file: "internal/durable/tree.go",
			old:  "\t\tcase errors.Is(err, unix.EWOULDBLOCK):\n\t\t\treturn false, nil\n", new: "\t\tcase errors.Is(err, unix.EWOULDBLOCK):\n\t\t\treturn true, nil\n",
			tests: []tests{unitDurable},
		},
		{
			name: "forgetful-locks-accepted", what: "init accepts a file system on which locks exclude nobody",
			file: "internal/durable/lock.go",
			old:  "\tif second != nil {\n\t\treturn errors.Join(ErrNoFlock, second.Close())\n\t}\n", new: "\tif second != nil {\n\t\treturn second.Close()\n\t}\n",
			tests: []tests{unitDurable, unitRepository},
		},
	}
}

// restoreMutants give back wrong bytes, or report success without having checked.
func restoreMutants() []mutant {
	return []mutant{
		{
			name: "damage-restored-as-zeros", what: "a restore passes over what is damaged, and reports success",
			file: "backup/walk.go",
			old:  "\tif len(w.lost) > 0 {\n", new: "\tif len(w.lost) > 0 && w.cause == nil {\n",
			edits: []edit{{"\tif !w.keepGoing {\n", "\tif !w.keepGoing && w.cause == nil {\n"}},
			tests: []tests{trapRestore, unitBackup},
		},
		{
			name: "fingerprint-not-checked", what: "what is read of a chunk is not compared with its fingerprint",
			file: "chunkstore/reader.go",
			old:  "\tif len(stack.Patches) == 0 && !h.matches(buf, want) {\n", new: "\tif len(stack.Patches) == 0 && !h.matches(buf, want) && len(buf) == 0 {\n",
			tests: []tests{trapRestore, unitChunkstore, unitRepository, unitBackup},
		},
		{
			name: "stack-not-checked", what: "patches are applied to whatever lies below, and nobody looks at the outcome",
			file: "chunkstore/reader.go",
			old:  "\t\tcase i == 0 && !isBelow(buf, head.below), i > 0 && head.below != below:\n", new: "\t\tcase len(buf) == 0 && head.below == below:\n",
			edits: []edit{{"\t\tif !h.matches(buf, head.result) {\n", "\t\tif !h.matches(buf, head.result) && len(buf) == 0 {\n"}},
			tests: []tests{trapRestore, unitChunkstore, unitRepository, unitBackup},
		},
		{
			name: "segment-not-checked", what: "stored bytes are decoded without their checksum",
			file: "chunkstore/frame.go",
			old:  "\tif checksum(stored) != h.sum(i) {\n", new: "\tif len(stored) == 0 {\n",
			tests: []tests{trapRestore, unitChunkstore},
		},
		{
			name: "content-not-checked", what: "what is restored is not compared with its content id",
			file: "backup/walk.go",
			old:  "\tif got := im.Hasher().ChunkID(buf); got != c.Content {\n", new: "\tif got := im.Hasher().ChunkID(buf); got != c.Content && len(buf) == 0 {\n",
			tests: []tests{trapRestore, unitBackup},
		},
		{
			name: "one-copy-tried", what: "when the first copy of an object is hurt, the others are not tried",
			file:  "chunkstore/locate.go",
			old:   "\tpacks, listed, err := s.everywhere(ctx)\n\tif err != nil {\n\t\treturn false, 0, err\n\t}\n",
			new:   "\tif s.damage != nil {\n\t\treturn false, 0, s.damage\n\t}\n\tpacks, listed, err := s.everywhere(ctx)\n\tif err != nil {\n\t\treturn false, 0, err\n\t}\n",
			tests: []tests{trapRestore, unitChunkstore},
		},
		{
			name: "vanished-pack-not-looked-for", what: "a pack that vanishes while it is read is not looked for again",
			file: "chunkstore/locate.go",
			old:  "\t\tif !s.absent || attempt > 0 && listed == before || attempt == maxAttempts {\n", new: "\t\tif !s.absent || listed == before || attempt < maxAttempts {\n",
			tests: []tests{trapRestore, unitChunkstore},
		},
		{
			name: "parent-of-another-image", what: "a chain is read whose parent is not the image that its child was made on",
			file: "revision/chain.go",
			old:  "\tcase child.Parent.Digest != parent.Digest:\n", new: "\tcase child.Parent.Digest != parent.Digest && child == parent:\n",
			tests: []tests{trapRestore, unitRepository},
		},
		{
			name: "rebuilt-not-read-again", what: "what was stored anew is not read again before a map names it",
			file: "repository/fold.go",
			old:  "\t\tif err := errors.Join(err, bad); err != nil {\n", new: "\t\tif err := errors.Join(err, bad); err != nil && len(entries) == 0 {\n",
			tests: []tests{unitRebuild},
		},
		{
			name: "rebuilt-of-another-content", what: "a chunk is stored anew whose bytes its content id does not name",
			file: "repository/rebuild.go",
			old:  "\tif b.repo.names.ChunkID(buf) != name {\n", new: "\tif b.repo.names.ChunkID(buf) != name && len(buf) == 0 {\n",
			tests: []tests{unitRebuild},
		},
		{
			name: "rebuilt-though-shared", what: "a chunk is stored anew for the sake of bytes that others need",
			file: "repository/rebuild.go",
			old:  "\t\tif size.ownBase = b.under.named[keyOf(e.BaseRef.ID)] == 1; size.ownBase {\n", new: "\t\tif size.ownBase = b.under.named[keyOf(e.BaseRef.ID)] >= 1; size.ownBase {\n",
			tests: []tests{unitRebuild},
		},
		{
			name: "copy-makes-visible", what: "a copy alone makes a revision visible",
			file: "repository/lost.go",
			old:  "\t\tif !committed[id] {\n\t\t\tcontinue\n\t\t}\n", new: "",
			tests: []tests{trapRestore, unitRepository, backupFaults},
		},
	}
}
