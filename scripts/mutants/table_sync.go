package main

// The tests that are to catch mutants, by what they look at.
var (
	unitDurable    = tests{"internal/durable", "."}
	unitRepository = tests{"repository", "^Test[^E]"}
	unitRebuild    = tests{"repository", "^TestGC(Rebuilds|Keeps|ReadsAgain)"}
	unitChunkstore = tests{"chunkstore", "."}
	unitBackup     = tests{"backup", "."}
	unitTargets    = tests{"volume/filevolume", "Target|Replac|Partial|Range"}
	unitCommands   = tests{"cmd/varve", "."}
	backupFaults   = tests{"internal/proof", "^TestEnumerateFaults$/^commands$/^delta_with_patches$"}
	initFaults     = tests{"internal/proof", "^TestEnumerateFaults$/^commands$/^init$"}
	crashes        = tests{"internal/proof", "^TestEnumerateCrashes$"}
	faults         = tests{"internal/proof", "^TestEnumerateFaults$"}

	unitRename      = tests{"repository", "Rename"}
	crashesOfRename = tests{"internal/proof", "^TestEnumerateCrashes$/rename"}

	unitCommit = tests{"repository", "^Test(Commit|Trap|ACancelled|RunRecords|Generations|AnUnreadable|Opaque|Condemned|TheTrash|TheGate|WhichPacks|PacksOf)"}
	// unitSets is a part of unitRepository: sets.
	unitSets   = tests{"repository", "^Test(ASet|TrapHalfASet|TrapASet|WhatWaits|ALostSet|TheFileOfASet|CommitSet)"}
	unitLeases = tests{"repository", "^Test(TheGate|ALease|TheDead|ANewborn|AWriter|EveryBackup|ADead|Reading|CommitOnLost|ALock|Init)"}

	trapSync    = tests{"internal/proof", "^TestTrap(RenameWithoutSync|CompleteBeforeItsChunks|PacksOfNobody|LeaseReads.*|FoundBefore.*|RevisionTakenBack.*)$"}
	trapFaults  = tests{"internal/proof", "^TestTrap(FailedSyncTriedAgain|FailedCloseIgnored|FullDiskSwallowed)$"}
	trapFound   = tests{"internal/proof/traps", "^TestTrap(Catalog.*|Lease.*|References.*|Truncated.*)$"}
	trapRestore = tests{"internal/proof/traps", "^TestTrap(Truncated.*|Vanished.*|TwoCopies.*|ChunkThat.*|TargetNot.*|Fingerprints.*)$"}
)

const file = "internal/durable/write.go"

// syncMutants leave out the sync of a file's content.
func syncMutants() []mutant {
	const (
		fill   = "\treturn f.Sync()\n}\n\n// removeLeftover"
		sealed = "\tif err := d.file.Sync(); err != nil {\n\t\treturn err\n\t}\n\tif err := d.file.Close()"
	)
	unless := func(condition string) string {
		return "\tif " + condition + " {\n\t\treturn nil\n\t}\n" + fill
	}
	return []mutant{
		{
			name: "pack-not-synced", what: "a pack gets its name without its content being synced",
			file: "chunkstore/seal.go",
			old:  "\tif err := f.file.Sync(); err != nil {\n\t\treturn err\n\t}\n", new: "",
			tests: []tests{trapSync, unitChunkstore, unitRepository, crashes},
		},
		{
			name: "map-not-synced", what: "the revision's file is not synced before it becomes visible",
			file: "repository/draft.go",
			old:  sealed, new: "\tif d.writer == nil {\n\t\tif err := d.file.Sync(); err != nil {\n\t\t\treturn err\n\t\t}\n\t}\n\tif err := d.file.Close()",
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "copy-not-synced", what: "the second copy of a revision's file is not synced",
			file: "repository/draft.go",
			old:  sealed, new: "\tif d.writer != nil {\n\t\tif err := d.file.Sync(); err != nil {\n\t\t\treturn err\n\t\t}\n\t}\n\tif err := d.file.Close()",
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "rename-of-a-volume-not-synced", what: "a volume has its new name before that is durable",
			file: "repository/rename.go",
			old:  "\tif err == nil {\n\t\terr = r.fsys.SyncDir(volumesDir)\n\t}\n", new: "",
			tests: []tests{crashesOfRename},
		},
		{
			name: "name-of-a-volume-not-synced", what: "a backup relies on a volume's name that may not be durable",
			file: "repository/work.go",
			old:  "w.repo.fsys.SyncDir(volumesDir)", new: "error(nil)",
			tests: []tests{crashesOfRename},
		},
		{
			name: "small-file-not-synced", what: "no small file is synced before it gets its name",
			file: file, old: fill, new: "\treturn nil\n}\n\n// removeLeftover",
			tests: []tests{trapSync, unitDurable, unitRepository, crashes},
		},
		{
			name: "run-record-not-synced", what: "the run record is not synced",
			file: file, old: fill, new: unless(`strings.HasPrefix(f.Name(), "runs/")`),
			tests: []tests{trapSync, unitDurable, unitRepository, crashes},
		},
		{
			name: "generation-not-synced", what: "a generation is not synced",
			file: file, old: fill, new: unless(`strings.HasPrefix(f.Name(), "gc/")`),
			tests: []tests{trapSync, unitDurable, unitRepository, crashes},
		},
		{
			name: "descriptor-not-synced", what: "the descriptor is not synced",
			file: file, old: fill, new: unless(`!strings.Contains(f.Name(), "/")`),
			tests: []tests{trapSync, unitDurable, unitRepository, crashes},
		},
		{
			name: "volume-file-not-synced", what: "volume.json, and what is noted of revisions, is not synced",
			file: file, old: fill, new: unless(`strings.HasPrefix(f.Name(), "volumes/")`),
			tests: []tests{trapSync, unitDurable, unitRepository, crashes},
		},
		{
			name: "damage-not-synced", what: "what is known of damage is not synced",
			file: file, old: fill, new: unless(`strings.HasPrefix(f.Name(), "damage/")`),
			tests: []tests{trapSync, unitDurable, unitRepository, crashes},
		},
		{
			name: "journal-not-synced", what: "a line of the journal is not synced",
			file: "repository/journal.go",
			old:  "\terr := f.Sync()\n", new: "\tvar err error\n",
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "target-not-synced", what: "a restore reports success without having synced its target",
			file: "volume/filevolume/filetarget.go",
			old:  "\tif err := t.file.Sync(); err != nil {\n\t\treturn err\n\t}\n", new: "",
			tests: []tests{unitTargets},
		},
		{
			name: "pack-sync-retried", what: "a sync that failed is tried again, and believed",
			file:  "chunkstore/seal.go",
			old:   "\tif err := f.file.Sync(); err != nil {\n\t\treturn err\n\t}\n",
			new:   "\tif err := f.file.Sync(); err != nil {\n\t\tif err := f.file.Sync(); err != nil {\n\t\t\treturn err\n\t\t}\n\t}\n",
			tests: []tests{trapFaults, unitChunkstore, faults},
		},
		{
			name: "small-file-sync-retried", what: "a sync of a small file that failed is tried again, and believed",
			file: file, old: fill, new: "\tif f.Sync() == nil {\n\t\treturn nil\n\t}\n" + fill,
			tests: []tests{trapFaults, unitDurable, faults},
		},
		{
			name: "map-sync-retried", what: "a sync of a map that failed is tried again, and believed",
			file: "repository/draft.go",
			old:  sealed, new: "\tif err := d.file.Sync(); err != nil {\n\t\tif err := d.file.Sync(); err != nil {\n\t\t\treturn err\n\t\t}\n\t}\n\tif err := d.file.Close()",
			tests: []tests{trapFaults, unitRepository, faults},
		},
	}
}

// dirSyncMutants leave out the sync of a directory.
func dirSyncMutants() []mutant {
	return []mutant{
		{
			name: "own-pack-dirs-not-synced", what: "the directories of a run's own packs are not synced",
			file: "chunkstore/seal.go",
			old:  "\t\tw.unsynced[pack[0]] = true\n", new: "\t\tif !w.own[pack] {\n\t\t\tw.unsynced[pack[0]] = true\n\t\t}\n",
			tests: []tests{trapSync, unitChunkstore, unitRepository, crashes},
		},
		{
			name: "found-pack-dirs-not-synced", what: "the directories of found packs are not synced",
			file: "chunkstore/seal.go",
			old:  "\t\tw.unsynced[pack[0]] = true\n", new: "\t\tif w.own[pack] {\n\t\t\tw.unsynced[pack[0]] = true\n\t\t}\n",
			tests: []tests{trapSync, unitChunkstore, unitRepository, crashes},
		},
		{
			name: "orphans-not-adopted", what: "a pack of a dead run is synced as it was found, though an earlier sync may have failed on it",
			file: "chunkstore/writer.go",
			old:  "\tif err := w.adoptOrphans(); err != nil {\n", new: "\tif err := error(nil); err != nil {\n",
			tests: []tests{{"internal/proof", "TestEnumerateOrphans"}},
		},
		{
			name: "superseded-orphans", what: "packs that a revision may stand on are renamed as orphans",
			file: "repository/backup.go",
			old:  " && record.Sequence >= b.sequence", new: "",
			tests: []tests{{"internal/proof", "TestEnumerateOrphans"}},
		},
		{
			name: "generation-dir-not-synced", what: "a generation that spares what is relied on is not synced",
			file: "repository/work.go",
			old:  "\t\treturn w.repo.fsys.SyncDir(generationsDir)\n", new: "",
			tests: []tests{unitRepository},
		},
		{
			name: "volume-dir-not-synced", what: "the directory is not synced after a revision became visible",
			file: "repository/commit.go",
			old:  "\tif err := fsys.SyncDir(path.Dir(visible)); err != nil {\n\t\treturn errors.Join(err, b.takeBack(visible, copied))\n\t}\n", new: "",
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "copies-dir-not-synced", what: "the directory of the second copy is not synced",
			file: "repository/commit.go",
			old:  "\tif err := fsys.SyncDir(path.Dir(copied)); err != nil {\n\t\treturn errors.Join(err, b.takeBack(copied))\n\t}\n", new: "",
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "new-dirs-not-synced", what: "the parent of a new directory is not synced",
			file:  file,
			old:   "if err := fsys.SyncDir(parent); err != nil {",
			new:   "if err := error(nil); err != nil || parent == \"\" {",
			tests: []tests{trapSync, unitDurable, crashes},
		},
		{
			name: "found-dirs-not-synced", what: "a directory that somebody else made is taken to be durable",
			file:  file,
			old:   "} else if !errors.Is(err, fs.ErrExist) {\n\t\t\t\treturn err\n\t\t\t}\n",
			new:   "} else if errors.Is(err, fs.ErrExist) {\n\t\t\t\tcontinue\n\t\t\t} else {\n\t\t\t\treturn err\n\t\t\t}\n",
			tests: []tests{trapSync, unitDurable, crashes},
		},
		{
			name: "unsynced-dirs-kept", what: "a directory whose sync failed stays, and is taken to be durable by the next run",
			file: file,
			old:  "\t\t\t_ = fsys.Remove(name) // one that is in use by now stays\n", new: "\t\t\t_ = name\n",
			tests: []tests{unitDurable, faults},
		},
		{
			name: "new-name-not-synced", what: "the directory of a new small file is not synced",
			file: file,
			old:  "\tif err := fsys.SyncDir(path.Dir(name)); err != nil {\n\t\treturn errors.Join(err, removeLeftover(fsys, name))\n\t}\n", new: "",
			tests: []tests{trapSync, unitDurable, unitRepository, crashes},
		},
		{
			name: "replaced-name-not-synced", what: "the directory of a small file that was replaced is not synced",
			file:  file,
			old:   "\t\treturn errors.Join(err, removeLeftover(fsys, temp))\n\t}\n\treturn fsys.SyncDir(path.Dir(name))\n",
			new:   "\t\treturn errors.Join(err, removeLeftover(fsys, temp))\n\t}\n\treturn nil\n",
			tests: []tests{trapSync, unitDurable, unitRepository, crashes},
		},
		{
			name: "journal-dir-not-synced", what: "the directory of a new month of the journal is not synced",
			file: "repository/journal.go",
			old:  "\t\treturn true, r.fsys.SyncDir(dir)\n", new: "\t\treturn true, nil\n",
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "journal-host-dir-not-synced", what: "the journal's directory for a new host is not durable",
			file: "repository/journal.go",
			old:  "\tif err := durable.MkdirAll(r.fsys, dir); err != nil {\n", new: "\tif err := r.fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {\n",
			edits: []edit{{"\t\"io\"\n", "\t\"io\"\n\t\"io/fs\"\n"}},
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "target-dir-not-synced", what: "the directory of a restored file is not synced",
			file: "volume/filevolume/filetarget.go",
			old:  "\treturn t.tree.SyncDir(\".\")\n", new: "\treturn nil\n",
			tests: []tests{unitTargets},
		},
		{
			name: "tree-not-synced", what: "init does not sync the directories that it makes",
			file:  "repository/init.go",
			old:   "if err := durable.MakeDirs(fsys, append(slices.Clone(topLevel), movedDir, volumeLocksDir, leasesDir)...); err != nil {\n\t\treturn err\n\t}\n",
			new:   "for _, dir := range append(slices.Clone(topLevel), movedDir, volumeLocksDir, leasesDir) {\n\t\tif err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {\n\t\t\treturn err\n\t\t}\n\t}\n",
			tests: []tests{trapSync, unitRepository, initFaults, crashes},
		},
		{
			name: "pack-dirs-not-synced", what: "init does not sync the directories for packs",
			file:  "chunkstore/packfile.go",
			old:   "\treturn durable.MakeDirs(fsys, dirs...)\n",
			new:   "\tfor _, dir := range dirs {\n\t\tif err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {\n\t\t\treturn err\n\t\t}\n\t}\n\treturn nil\n",
			tests: []tests{trapSync, unitChunkstore, unitRepository, initFaults, crashes},
		},
		{
			name: "copy-folder-not-durable", what: "the folder for a volume's copies is not made durable",
			file:  "repository/draft.go",
			old:   "\tif err := durable.MkdirAll(w.repo.fsys, dir); err != nil {\n",
			new:   "\tif err := w.repo.fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {\n",
			edits: []edit{{"\t\"io\"\n", "\t\"io\"\n\t\"io/fs\"\n"}},
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "volume-folder-not-durable", what: "the folder of a new volume is not made durable",
			file:  "repository/volumes.go",
			old:   "\treturn durable.MkdirAll(r.fsys, volumeDir(name))\n",
			new:   "\tif err := r.fsys.Mkdir(volumeDir(name)); err != nil && !errors.Is(err, fs.ErrExist) {\n\t\treturn err\n\t}\n\treturn nil\n",
			edits: []edit{{"\t\"fmt\"\n", "\t\"fmt\"\n\t\"io/fs\"\n"}},
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "taking-back-not-synced", what: "a revision that is taken back may be there again after a power cut",
			file: "repository/work.go",
			old:  "\t\t\terr = w.repo.fsys.SyncDir(path.Dir(name))\n", new: "\t\t\terr = nil\n",
			tests: []tests{trapSync, unitRepository, crashes},
		},
	}
}
