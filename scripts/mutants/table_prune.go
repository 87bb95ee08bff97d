package main

var (
	unitPrune = tests{"job", "^TestPrune"}
	unitSpace = tests{"repository", "^Test(Unique|Space|EnumerateSpace|Freed)"}
	unitTake  = tests{"repository", "^Test(RemoveTheVolume|RemoveMends|RemoveTells|GCShortens)"}
)

// pruneMutants let a pruning take what must stay, or leave chains as they are.
func pruneMutants() []mutant {
	m := func(name, what, file, old, new string) mutant {
		return mutant{name: "prune-" + name, what: what, file: file, old: old, new: new, tests: []tests{unitPrune}}
	}
	return []mutant{
		m("plans-without-a-lock", "what goes is settled before the volume is locked", "job/prune.go",
			"repo.Remove(ctx, out.Volume, nil, opts)", "repo.Remove(ctx, out.Volume, going, repository.RemoveOptions{Op: opts.Op, Undelete: opts.Undelete, Wait: opts.Wait})"),
		m("chooses-nothing-else", "what is chosen under the lock goes besides what was to go", "repository/remove.go",
			"\tif m.opts.Choose != nil {\n\t\tids, err := m.opts.Choose(m.visible)", "\tif m.opts.Choose != nil && len(m.going) > 0 {\n\t\tids, err := m.opts.Choose(m.visible)"),
		m("trusts-lies", "what is suspect counts as trusted", "job/prune.go",
			"Trusted: c.Trusted, Pin", "Trusted: true, Pin"),
		m("forgets-pins", "pins do not keep", "job/prune.go", ", Pin: revisions[i].Info.Pin,", ","),
		m("forgets-tags", "tags do not keep", "job/prune.go", "Tags: c.Tags, ", ""),
		m("unread-first", "what cannot be read is the oldest", "job/prune.go", "Sequence: number,", "Sequence: c.Sequence,"),
		m("does-not-rehearse", "a rehearsal takes revisions away", "job/prune.go", "if err != nil || p.DryRun {", "if err != nil {"),
		m("keeps-no-trash", "what goes cannot come back", "job/prune.go", "Undelete: p.Undelete, Wait", "Wait"),
		m("chain-too-long", "a chain has one more than it may", "job/prune.go", "if n > limit &&", "if n > limit+1 &&"),
		m("full-every-is-less", "of two bounds the larger counts", "job/prune.go",
			"return min(p.MaxChain, p.FullEvery+1)", "return max(p.MaxChain, p.FullEvery+1)"),
		m("full-every-counts-fulls", "full_every counts the full, too", "job/prune.go", "\t\treturn p.FullEvery + 1\n", "\t\treturn p.FullEvery\n"),
		m("full-of-damage", "what is damaged becomes a full", "job/prune.go", " && rev.Info.State != repository.Damaged {", " {"),
		m("chain-goes-on", "a full that is made does not begin a chain", "job/prune.go",
			"fulls, n = append(fulls, rev.ID), 1", "fulls = append(fulls, rev.ID)"),
	}
}

// takeMutants take more than somebody agreed to, or leave behind what misleads later.
func takeMutants() []mutant {
	m := func(name, what, file, old, new string) mutant {
		return mutant{name: "take-" + name, what: what, file: "repository/" + file, old: old, new: new, tests: []tests{unitTake}}
	}
	return []mutant{
		m("newcomers", "what came since a volume was listed goes with it", "remove.go", "if m.opts.All && m.opts.Listed && ", "if m.opts.All && m.opts.DryRun && "),
		m("foreign-files", "somebody else's file goes with a volume", "remove.go", "\t\tif !ours {\n", "\t\tif !ours && dir == \"\" {\n"),
		m("copies-left", "a copy stays another writing than its revision", "remove.go", "\treturn m.mendCopies(ctx)\n", "\treturn nil\n"),
		m("long-ways", "each compaction adds a step to the way from a map to its objects", "gcmoved.go", "if len(there) == 0 || ", "if len(there) >= 0 || "),
	}
}

// spaceMutants tell that something takes more or less than it does.
func spaceMutants() []mutant {
	m := func(name, what, file, old, new string) mutant {
		return mutant{name: "space-" + name, what: what, file: "repository/" + file, old: old, new: new, tests: []tests{unitSpace}}
	}
	return []mutant{
		m("of-another-state", "what was true once is told", "space.go", " || s.State != state {", " {"),
		m("of-another-repository", "what another repository uses is told", "space.go", "s.Repository != r.desc.Repository || ", ""),
		m("of-another-version", "what another program wrote is believed", "space.go", "if s.Version != spaceVersion {", "if s.Version < 0 {"),
		m("lost-files", "a revision that lost its file counts as none", "space.go", "\t\tif !there[id] {\n\t\t\treturn fmt.Errorf", "\t\tif false {\n\t\t\treturn fmt.Errorf"),
		m("in-doubt", "what was in doubt is remembered", "space.go", "if err != nil || len(u.Unread) > 0 {", "if err != nil {"),
		m("nothing-remembered", "what was found out is forgotten", "space.go", "\tnote(s, u)\n", "\t_ = note\n"),
		m("several-count", "what several volumes use counts as the last one's", "unique.go",
			"\tif had, known := u[key]; known && had != who {\n", "\tif had, known := u[key]; known && had == several {\n"),
		m("foreign-counts", "what other volumes use, too, counts as a revision's", "unique.go", "if !used || foreign[keyOf(e.ID)] {", "if !used {"),
		m("patches-alone", "what patches lie on is not counted", "unique.go",
			"e.Base == revision.BaseContent || e.Base == revision.BaseObject {", "e.Base == revision.BaseObject {"),
		m("patches-nothing", "patches are not counted", "unique.go", "\tfor _, p := range e.Patches {\n\t\tuse(keyOf(p.ID))\n\t}\n", ""),
		m("copies-nothing", "a map that is hurt counts as using nothing", "unique.go",
			"namedBy(use)(r.openCopy(v, rev.ID)) == nil {", "false {"),
		m("inherits-nothing", "what a child leaves to its parent counts as the parent's alone", "lifetimes.go",
			"\t\t\t\ttop.shared = true\n", "\t\t\t\t_ = top\n"),
		m("below-a-patch", "what a child patches counts as the parent's alone", "lifetimes.go",
			"\t\t\tbelow.shared = true\n", "\t\t\t_ = below\n"),
		m("zeros-inherit", "zeros leave what was there before", "lifetimes.go", "\t\t\t\t\tnow[c-first] = nil\n", "\t\t\t\t\t_ = now\n"),
		m("staying-needs-nothing", "a set frees what those that stay are made of", "lifetimes.go",
			"\tif l.goes == nil || l.goes(l.ids[i]) {\n", "\tif l.goes == nil || len(now) > 0 {\n"),
		m("tops-too-soon", "what others build on is forgotten after the first of them", "lifetimes.go",
			"if kids[above]--; kids[above] == 0 {", "if kids[above]--; kids[above] >= 0 {"),
		m("tops-not-cleared", "a full has what was there before", "lifetimes.go", "\t\t\tclear(now)\n", ""),
	}
}
