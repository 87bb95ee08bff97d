package main

// orderMutants swap two steps of which one has to come first.
func orderMutants() []mutant {
	const (
		copyNamed = "\tif err := fsys.RenameNew(b.second, copied); err != nil {\n\t\treturn errors.Join(err, b.takeBack(copied))\n\t}\n" +
			"\tif err := fsys.SyncDir(path.Dir(copied)); err != nil {\n\t\treturn errors.Join(err, b.takeBack(copied))\n\t}\n"
		revisionNamed = "\tif err := fsys.RenameNew(b.draft.name, visible); err != nil { // ★\n\t\treturn errors.Join(err, b.takeBack(visible, copied))\n\t}\n" +
			"\tif err := fsys.SyncDir(path.Dir(visible)); err != nil {\n\t\treturn errors.Join(err, b.takeBack(visible, copied))\n\t}\n"
		barrier = "\tif err := b.chunks.Barrier(ctx); err != nil {\n\t\treturn nil, fmt.Errorf(\"make packs durable: %w\", err)\n\t}\n"
		synced  = "\tif err := f.file.Sync(); err != nil {\n\t\treturn err\n\t}\n"
	)
	return []mutant{
		{
			name: "revision-before-copy", what: "the revision becomes visible before its copy has its name",
			file: "repository/commit.go", old: copyNamed + revisionNamed, new: revisionNamed + copyNamed,
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "run-record-after-packs", what: "the run record is written after the first pack was begun",
			file: "repository/work.go",
			old:  "\tif err := w.record(ctx, kind, sequence); err != nil {\n\t\treturn wrapReadOnly(err)\n\t}\n", new: "",
			edits: []edit{{
				"\tif err := w.repo.fsys.SyncDir(runsDir)",
				"\tif err := w.record(context.Background(), kindBackup, 1); err != nil {\n\t\treturn err\n\t}\n\tif err := w.repo.fsys.SyncDir(runsDir)",
			}},
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "run-record-before-lease", what: "the run record is written before there is a lease",
			file: "repository/work.go",
			old:  "\tif w.lease, err = w.repo.bear(ctx",
			new: "\tw.lease = &lease{repo: w.repo, id: randomHex(), temps: durable.NewTemps(\"early-\" + randomHex())}\n" +
				"\tif err := w.record(ctx, kind, sequence); err != nil {\n\t\tw.lease = nil\n\t\treturn wrapReadOnly(err)\n\t}\n" +
				"\tif w.lease, err = w.repo.bear(ctx",
			edits: []edit{{"\tif err := w.record(ctx, kind, sequence); err != nil {\n\t\treturn wrapReadOnly(err)\n\t}\n\tw.reader, err", "\tw.reader, err"}},
			tests: []tests{trapSync, unitRepository, backupFaults, crashes},
		},
		{
			name: "run-record-gone-too-early", what: "the run record is removed before the revision is visible",
			file: "repository/commit.go",
			old:  "\tvar err error\n\tif b.second, err", new: "\terr := b.repo.fsys.Remove(runName(b.run))\n\tif err != nil {\n\t\treturn nil, err\n\t}\n\tif b.second, err",
			edits: []edit{{"func (b *Backup) Finished() error { return b.finished() }", "func (b *Backup) Finished() error {\n\tb.recorded = false\n\treturn nil\n}"}},
			tests: []tests{trapSync, unitRepository, backupFaults, crashes},
		},
		{
			name: "descriptor-first", what: "init writes the descriptors before the directories are there",
			file:  "repository/init.go",
			old:   "\tif err := makeTree(fsys); err != nil {\n\t\treturn err\n\t}\n",
			new:   "\tif err := writeDescriptors(fsys, temps, d); err != nil {\n\t\treturn err\n\t}\n\tif err := makeTree(fsys); err != nil {\n\t\treturn err\n\t}\n",
			edits: []edit{{"\treturn writeDescriptors(fsys, temps, d)\n}\n\n// noFlock", "\treturn nil\n}\n\n// noFlock"}},
			tests: []tests{trapSync, initFaults, unitRepository, crashes},
		},
		{
			name: "barrier-after-commit", what: "packs become durable after the revision is visible",
			file: "repository/commit.go", old: barrier, new: "",
			edits: []edit{{"\tb.nowVisible()\n\treturn made, nil\n", barrier + "\tb.nowVisible()\n\treturn made, nil\n"}},
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "no-barrier", what: "a revision becomes visible and nobody waits for its packs",
			file: "repository/commit.go", old: barrier, new: "",
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "pack-named-before-sync", what: "a pack gets its name, and is synced then",
			file: "chunkstore/seal.go", old: synced, new: "\tif err := fsys.RenameNew(f.temp, PackName(f.info.ID)); err != nil {\n\t\treturn err\n\t}\n" + synced,
			edits: []edit{{"\treturn fsys.RenameNew(f.temp, PackName(f.info.ID))\n", "\treturn nil\n"}},
			tests: []tests{trapSync, unitChunkstore, unitRepository, crashes},
		},
		{
			name: "dirs-synced-before-seal", what: "directories are synced before the last pack has its name",
			file: "chunkstore/writer.go",
			old:  "\tif err := w.failure(ctx); err != nil {\n\t\treturn fmt.Errorf(\"make objects durable: %w\", err)\n\t}\n\tif err := w.syncDirs(); err != nil {\n\t\treturn fmt.Errorf(\"make objects durable: %w\", err)\n\t}\n\treturn nil\n",
			new:  "\tif err := w.failure(ctx); err != nil {\n\t\treturn fmt.Errorf(\"make objects durable: %w\", err)\n\t}\n\treturn nil\n",
			edits: []edit{{
				"\tw.mu.Lock()\n\tf := w.filling\n\tw.filling = nil\n",
				"\tif err := w.syncDirs(); err != nil {\n\t\treturn fmt.Errorf(\"make objects durable: %w\", err)\n\t}\n\tw.mu.Lock()\n\tf := w.filling\n\tw.filling = nil\n",
			}},
			tests: []tests{trapSync, unitChunkstore, unitRepository, crashes},
		},
		{
			name: "visible-before-checks", what: "the revision becomes visible before anything is checked",
			file:  "repository/commit.go",
			old:   "\t\tif err := b.standsFirm(); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tif err := b.makeVisible(); err != nil {\n\t\t\treturn err\n\t\t}\n",
			new:   "\t\tif err := b.makeVisible(); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tif err := b.standsFirm(); err != nil {\n\t\t\treturn err\n\t\t}\n",
			tests: []tests{trapSync, unitRepository, crashes},
		},
		{
			name: "gone-records-not-synced", what: "the record of a run whose packs are relied on may come back",
			file:  "repository/work.go",
			old:   "w.repo.fsys.SyncDir(runsDir); err != nil",
			new:   "error(nil); err != nil",
			tests: []tests{unitRepository},
		},
		{
			name: "copy-taken-back-first", what: "what is taken back loses its copy before its name",
			file:  "repository/commit.go",
			old:   "\tif err := fsys.SyncDir(path.Dir(visible)); err != nil {\n\t\treturn errors.Join(err, b.takeBack(visible, copied))\n",
			new:   "\tif err := fsys.SyncDir(path.Dir(visible)); err != nil {\n\t\treturn errors.Join(err, b.takeBack(copied, visible))\n",
			tests: []tests{trapSync, unitRepository, backupFaults, crashes},
		},
		{
			name: "target-named-before-sync", what: "a restored file gets its name, and is synced then",
			file: "volume/filevolume/filetarget.go",
			old:  "\tif err := t.file.Sync(); err != nil {\n\t\treturn err\n\t}\n", new: "",
			edits: []edit{{"\treturn t.tree.SyncDir(\".\")\n", "\tif err := t.file.Sync(); err != nil {\n\t\treturn err\n\t}\n\treturn t.tree.SyncDir(\".\")\n"}},
			tests: []tests{unitTargets},
		},
	}
}

// errorMutants swallow an error.
func errorMutants() []mutant {
	return []mutant{
		{
			name: "pack-sync-error-ignored", what: "the error of a pack's sync is swallowed",
			file: "chunkstore/seal.go",
			old:  "\tif err := f.file.Sync(); err != nil {\n\t\treturn err\n\t}\n", new: "\t_ = f.file.Sync()\n",
			tests: []tests{trapFaults, trapSync, unitChunkstore, faults},
		},
		{
			name: "pack-write-error-ignored", what: "a write into a pack that failed, as on a full disk, is swallowed",
			file: "chunkstore/seal.go",
			old:  "\t\tw.fail(fmt.Errorf(\"write pack %s: %w\", r.pack.info.ID, err))\n", new: "\t\t_ = err\n",
			tests: []tests{trapFaults, trapSync, unitChunkstore, faults},
		},
		{
			name: "pack-tail-error-ignored", what: "the error of writing a pack's table of contents is swallowed",
			file: "chunkstore/seal.go",
			old:  "\tif _, err := f.file.WriteAt(footer.append(tail), f.size); err != nil {\n\t\treturn err\n\t}\n", new: "\t_, _ = f.file.WriteAt(footer.append(tail), f.size)\n",
			tests: []tests{trapFaults, trapSync, unitChunkstore, faults},
		},
		{
			name: "pack-close-error-ignored", what: "the error of closing a pack is swallowed",
			file: "chunkstore/seal.go",
			old:  "\tif err := file.Close(); err != nil {\n\t\treturn err\n\t}\n", new: "\t_ = file.Close()\n",
			tests: []tests{trapFaults, trapSync, unitChunkstore, faults},
		},
		{
			name: "pack-rename-error-ignored", what: "the error of giving a pack its name is swallowed",
			file: "chunkstore/seal.go",
			old:  "\treturn fsys.RenameNew(f.temp, PackName(f.info.ID))\n", new: "\t_ = fsys.RenameNew(f.temp, PackName(f.info.ID))\n\treturn nil\n",
			tests: []tests{trapFaults, trapSync, unitChunkstore, faults},
		},
		{
			name: "seal-error-ignored", what: "a pack that could not be sealed is taken for one that was",
			file: "chunkstore/seal.go",
			old:  "\t\t\tw.fail(fmt.Errorf(\"seal pack %s: %w\", f.info.ID, err))\n\t\t\treturn\n", new: "\t\t\t_ = err\n",
			tests: []tests{trapFaults, trapSync, unitChunkstore, faults},
		},
		{
			name: "pack-dir-sync-error-ignored", what: "the error of syncing a directory of packs is swallowed",
			file: "chunkstore/writer.go",
			old:  "\t\t\tw.fail(err)\n\t\t\treturn err\n\t\t}\n\t}\n\tw.mu.Lock()\n", new: "\t\t\t_ = err\n\t\t}\n\t}\n\tw.mu.Lock()\n",
			tests: []tests{trapFaults, trapSync, unitChunkstore, faults},
		},
		{
			name: "barrier-error-ignored", what: "the error of the barrier is swallowed",
			file: "repository/commit.go",
			old:  "\tif err := b.chunks.Barrier(ctx); err != nil {\n\t\treturn nil, fmt.Errorf(\"make packs durable: %w\", err)\n\t}\n", new: "\t_ = b.chunks.Barrier(ctx)\n",
			tests: []tests{trapFaults, trapSync, backupFaults, unitRepository, faults},
		},
		{
			name: "map-error-ignored", what: "the error of writing, syncing or checking the map is swallowed",
			file: "repository/commit.go",
			old:  "\tif err := b.draft.seal(); err != nil {\n\t\treturn nil, fmt.Errorf(\"make the map durable: %w\", err)\n\t}\n", new: "\t_ = b.draft.seal()\n",
			tests: []tests{trapFaults, trapSync, unitRepository, backupFaults, faults},
		},
		{
			name: "map-write-error-ignored", what: "a write into the map that failed, as on a full disk, is swallowed",
			file: "repository/draft.go",
			old:  "\td.at.Add(int64(n))\n\treturn n, err\n", new: "\td.at.Add(int64(len(p)))\n\t_, _ = n, err\n\treturn len(p), nil\n",
			edits: []edit{{"\treturn checkMapFile(d.repo.fsys, d.name)\n", "\treturn nil\n"}},
			tests: []tests{trapFaults, trapSync, unitRepository, backupFaults, faults},
		},
		{
			name: "map-sync-error-ignored", what: "the error of the map's sync is swallowed",
			file: "repository/draft.go",
			old:  "\tif err := d.file.Sync(); err != nil {\n\t\treturn err\n\t}\n", new: "\t_ = d.file.Sync()\n",
			tests: []tests{trapFaults, trapSync, unitRepository, backupFaults, faults},
		},
		{
			name: "map-close-error-ignored", what: "the error of closing the map is swallowed",
			file: "repository/draft.go",
			old:  "\tif err := d.file.Close(); err != nil {\n\t\treturn err\n\t}\n", new: "\t_ = d.file.Close()\n",
			tests: []tests{trapFaults, trapSync, unitRepository, faults},
		},
		{
			name: "copy-error-ignored", what: "a copy that could not be written is given its name all the same",
			file: "repository/draft.go",
			old:  "\tif err := d.copyFrom(of.name); err != nil {\n\t\treturn \"\", errors.Join(err, d.discard())\n\t}\n", new: "\t_ = d.copyFrom(of.name)\n",
			tests: []tests{trapFaults, trapSync, unitRepository, backupFaults, faults},
		},
		{
			name: "volume-dir-error-ignored", what: "the error of the sync after ★ is swallowed",
			file: "repository/commit.go",
			old:  "\tif err := fsys.SyncDir(path.Dir(visible)); err != nil {\n\t\treturn errors.Join(err, b.takeBack(visible, copied))\n\t}\n", new: "\t_ = fsys.SyncDir(path.Dir(visible))\n",
			tests: []tests{trapFaults, trapSync, unitRepository, backupFaults, faults},
		},
		{
			name: "volume-dir-error-not-undone", what: "the sync after ★ fails, and the revision stays",
			file: "repository/commit.go",
			old:  "\tif err := fsys.SyncDir(path.Dir(visible)); err != nil {\n\t\treturn errors.Join(err, b.takeBack(visible, copied))\n\t}\n", new: "\tif err := fsys.SyncDir(path.Dir(visible)); err != nil {\n\t\treturn err\n\t}\n",
			tests: []tests{trapFaults, trapSync, unitRepository, backupFaults, faults},
		},
		{
			name: "copies-dir-error-ignored", what: "the error of syncing the directory of copies is swallowed",
			file: "repository/commit.go",
			old:  "\tif err := fsys.SyncDir(path.Dir(copied)); err != nil {\n\t\treturn errors.Join(err, b.takeBack(copied))\n\t}\n", new: "\t_ = fsys.SyncDir(path.Dir(copied))\n",
			tests: []tests{trapFaults, trapSync, unitRepository, backupFaults, faults},
		},
		{
			name: "counter-error-ignored", what: "the gate's counter cannot be raised, and the change goes on",
			file: "repository/gate.go",
			old:  "\tpassage, err := raiseCounter(f)\n", new: "\tpassage, _ := raiseCounter(f)\n",
			tests: []tests{trapFaults, trapSync, unitRepository, backupFaults, faults},
		},
		{
			name: "run-record-error-ignored", what: "the run record cannot be written, and the backup goes on",
			file: "repository/work.go",
			old:  "\tif err := w.record(ctx, kind, sequence); err != nil {\n\t\treturn wrapReadOnly(err)\n\t}\n", new: "\t_ = w.record(ctx, kind, sequence)\n",
			tests: []tests{trapFaults, trapSync, unitRepository, backupFaults, faults},
		},
		{
			name: "generation-error-ignored", what: "packs cannot be taken off the list, and the revision becomes visible",
			file: "repository/work.go",
			old:  "\treturn w.repo.publish(w.lease.temps, current.Number+1, spared)\n", new: "\t_ = w.repo.publish(w.lease.temps, current.Number+1, spared)\n\treturn nil\n",
			tests: []tests{trapFaults, trapSync, unitRepository, faults},
		},
		{
			name: "small-write-error-ignored", what: "a small file that could not be written whole gets its name",
			file: file,
			old:  "\tif _, err := f.WriteAt(data, 0); err != nil {\n\t\treturn err\n\t}\n", new: "\t_, _ = f.WriteAt(data, 0)\n",
			tests: []tests{trapFaults, trapSync, unitDurable, faults},
		},
		{
			name: "small-close-error-ignored", what: "the error of closing a small file is swallowed",
			file: file,
			old:  "errors.Join(fill(f, data), f.Close())", new: "errors.Join(fill(f, data), func() error { _ = f.Close(); return nil }())",
			tests: []tests{trapFaults, trapSync, unitDurable, faults},
		},
		{
			name: "small-dir-error-ignored", what: "the error of syncing a small file's directory is swallowed",
			file: file,
			old:  "\tif err := fsys.SyncDir(path.Dir(name)); err != nil {\n\t\treturn errors.Join(err, removeLeftover(fsys, name))\n\t}\n", new: "\t_ = fsys.SyncDir(path.Dir(name))\n",
			tests: []tests{trapFaults, trapSync, unitDurable, faults},
		},
		{
			name: "source-error-ignored", what: "what cannot be read of the source is stored as zeros",
			file:  "backup/chunk.go",
			old:   "\tif n < len(p) {\n\t\tif err == nil {\n\t\t\terr = io.ErrUnexpectedEOF\n\t\t}\n\t\treturn err\n\t}\n",
			new:   "\tif err == io.ErrUnexpectedEOF {\n\t\treturn err\n\t}\n\tclear(p[n:])\n",
			tests: []tests{unitBackup},
		},
		{
			name: "failure-not-journaled", what: "the journal says of a backup that failed that it went well",
			file: "backup/create.go",
			old:  "\t\te.Result, e.Error = repository.ResultFailed, failure.Error()\n", new: "\t\te.Error = failure.Error()\n",
			tests: []tests{unitBackup},
		},
		{
			name: "failure-not-reported", what: "a backup that failed ends as if it had gone well",
			file: "cmd/varve/backup.go",
			old:  "\t\treturn nil, s.inWords(done.Err)\n", new: "\t\treturn nil, nil\n",
			tests: []tests{unitCommands},
		},
		{
			name: "target-commit-error-ignored", what: "a restore whose target could not be synced reports success",
			file: "backup/restore.go",
			old:  "\tif err := target.Commit(ctx); err != nil {\n\t\treturn nil, fmt.Errorf(\"restore revision %s: finish the target: %w\", im.Statement().ID, err)\n\t}\n", new: "\t_ = target.Commit(ctx)\n",
			tests: []tests{trapRestore, unitBackup},
		},
		{
			name: "target-write-error-ignored", what: "a write to the target of a restore that failed is swallowed",
			file: "volume/filevolume/filetarget.go",
			old:  "\tif err != nil {\n\t\treturn n, &volume.WriteError{Volume: t.name, Offset: off + int64(n), Err: err}\n\t}\n\treturn n, nil\n", new: "\t_, _ = n, err\n\treturn len(p), nil\n",
			tests: []tests{unitTargets},
		},
	}
}
