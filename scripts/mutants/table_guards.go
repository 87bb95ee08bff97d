package main

// guardMutants leave out what stands between a person's mistake and somebody's data.
func guardMutants() []mutant {
	unitGuards := tests{"volume/filevolume", "Repository|InUse|BelongsToSomething|ShortVolume"}
	unitSources := tests{"backup", "Source"}
	return []mutant{
		{
			name: "repository-through-a-mount", what: "a target in the repository is not known through another mount of it",
			file:  "volume/filevolume/overlap.go",
			old:   "ok && known && at.isIn(of) {\n",
			new:   "ok && known && at.isIn(of) && dir == \"\" {\n",
			tests: []tests{unitGuards},
		},
		{
			name: "repository-under-a-device", what: "a device that the repository lies on is a target like others",
			file:  "volume/filevolume/overlap.go",
			old:   "\tif g.hasBytesOf(id) {\n",
			new:   "\tif g.hasBytesOf(id) && path == \"\" {\n",
			tests: []tests{unitGuards},
		},
		{
			name: "repository-behind-a-loop", what: "a device that shows a file of the repository is a target like others",
			file:  "volume/filevolume/overlap.go",
			old:   "inside || err != nil {\n\t\t\treturn inside, err\n",
			new:   "err != nil {\n\t\t\treturn inside, err\n",
			tests: []tests{unitGuards},
		},
		{
			name: "use-not-refused", what: "a target that is in use is overwritten",
			file:  "volume/filevolume/target.go",
			old:   "\tif err != nil || len(uses) == 0 {\n",
			new:   "\tif err != nil || path != \"\" {\n",
			tests: []tests{unitGuards},
		},
		{
			name: "member-not-refused", what: "a disk that belongs to something not assembled is overwritten",
			file:  "volume/filevolume/target.go",
			old:   "append(uses, memberUses(members, opts.Content, size)...)",
			new:   "uses",
			tests: []tests{unitGuards},
		},
		{
			name: "member-of-another", what: "a disk with a mark is taken for the volume's own, whosever the mark is",
			file:  "volume/filevolume/members.go",
			old:   "slices.Contains(marks, m.Signature)",
			new:   "len(marks) > 0",
			tests: []tests{unitGuards},
		},
		{
			name: "lies-about-blocks-pass", what: "a change tracker that leaves out blocks of a chunk that changed is not caught",
			file:  "backup/partial.go",
			old:   "if !bytes.Equal(now[from:to], below[from:to]) {",
			new:   "if from > to && !bytes.Equal(now[from:to], below[from:to]) {",
			tests: []tests{{"backup", "LiesAboutBlocks"}},
		},
		{
			name: "wrong-source-stored", what: "a source that holds something else is stored as the volume",
			file:  "backup/guard.go",
			old:   "\tif agree*sampleTenth >= len(samples) {\n",
			new:   "\tif agree >= 0 {\n",
			tests: []tests{unitSources},
		},
		{
			name: "source-known-by-path", what: "another disk under the name of the former is not looked at",
			file:  "backup/guard.go",
			old:   "was.Identity != \"\" && was.Kind == now.Kind && was.Path == revision.Recorded(now.Path) && was.Identity == revision.Recorded(now.Identity)",
			new:   "was.Path == revision.Recorded(now.Path)",
			tests: []tests{unitSources},
		},
		{
			name: "emptied-source-not-told", what: "a source that was wiped is stored without a word",
			file:  "backup/guard_content.go",
			old:   "\tif newest == nil || c.opts.SourceChanged {\n",
			new:   "\tif newest != nil || c.opts.SourceChanged {\n",
			tests: []tests{{"backup", "EmptiedSource"}},
		},
		{
			name: "part-in-the-place-of-the-whole", what: "a range is written over the beginning of a device, or in the place of an image",
			file:  "cmd/varve/restoretarget.go",
			old:   "to.Content, to.Force = nil, false\n",
			new:   "to.Content, to.Force = nil, r.f.force\n",
			tests: []tests{{"cmd/varve", "^TestScript$/^restore-range$"}},
		},
		{
			name: "configuration-of-anybody", what: "root runs the hooks of a configuration that lies in somebody else's directory",
			file:  "config/exposed.go",
			old:   "\tif st.Uid != 0 {\n",
			new:   "\tif st.Uid != 0 && !info.IsDir() {\n",
			tests: []tests{{"config", "Exposed"}},
		},
		{
			name: "one-of-several-not-reported", what: "of several volumes, one fails, and the run ends as if all had gone well",
			file:  "cmd/varve/several.go",
			old:   "\treturn n, n.judge(job.Gravest(results, agenda.Problems))\n",
			new:   "\t_ = n.judge(job.Gravest(results, agenda.Problems))\n\treturn n, nil\n",
			tests: []tests{unitCommands},
		},
		{
			name: "some-written-although-one-is-refused", what: "of several volumes, some are restored although the target of another is refused",
			file:  "cmd/varve/restoreseveral.go",
			old:   "\t\trefused = refused || r.refused\n",
			new:   "\t\trefused = refused && r.refused\n",
			tests: []tests{{"cmd/varve", "^TestScript$/^restore-several$"}},
		},
		{
			name: "two-volumes-for-one-target", what: "of several volumes, one is restored over another",
			file:  "cmd/varve/restoreseveral.go",
			old:   "\t\tif other, twice := taken[same]; twice {\n",
			new:   "\t\tif other, twice := taken[is]; twice && other == r.name {\n",
			tests: []tests{{"cmd/varve", "^TestScript$/^restore-several$"}},
		},
		{
			name: "out-of-the-template", what: "the name of a volume leads its restore out of the directory",
			file:  "cmd/varve/template.go",
			old:   "\tif !staysBelow(t.at.Path, at.Path) {\n",
			new:   "\tif !staysBelow(t.at.Path, at.Path) && at.Path == \"\" {\n",
			tests: []tests{{"cmd/varve", "^TestScript$/^restore-several$"}},
		},
		{
			name: "room-for-each-alone", what: "several volumes are restored to where only each alone has room",
			file:  "cmd/varve/restoreseveral.go",
			old:   "\t\t\tfree += r.replaces() - n\n",
			new:   "\t\t\tfree += r.replaces()\n",
			tests: []tests{{"cmd/varve", "RoomOfSeveral"}},
		},
		{
			name: "stream-error-taken-for-its-end", what: "a stream that breaks makes a revision of what came before",
			file:  "backup/feed.go",
			old:   "\tcase err != nil:\n\t\tf.err = err\n\t\treturn 0, err\n",
			new:   "\tcase err != nil:\n\t\tf.over = true\n",
			tests: []tests{{"backup", "AStream"}},
		},
		{
			name: "empty-stream-stored", what: "a stream of nothing makes a revision of nothing",
			file: "backup/feed.go",
			old:  "\t\treturn ErrEmptyStream\n", new: "\t\t_ = ErrEmptyStream\n",
			tests: []tests{{"backup", "AStream"}},
		},
		{
			name: "history-out-of-order", what: "a revision of an earlier time becomes the latest",
			file: "repository/backup.go",
			old:  "\treturn b.checkOrder()\n", new: "\t_ = b.checkOrder()\n\treturn nil\n",
			tests: []tests{{"repository", "History"}},
		},
		{
			name: "room-not-looked-at", what: "a backup goes on though the repository's file system is to keep room",
			file: "backup/limits.go",
			old:  "\t\t\treturn &RoomError{Err: err}\n", new: "\t\t\t_ = &RoomError{Err: err}\n",
			tests: []tests{{"backup", "Room"}, unitBackup},
		},
		{
			name: "not-thawed-by-the-guardian", what: "a source stays frozen when the run that froze it is killed",
			file: "hook/guard.go",
			old:  "\toutput, err = o.thaw()\n", new: "\toutput, err = \"\", nil\n",
			tests: []tests{{"hook", "."}},
		},
	}
}
