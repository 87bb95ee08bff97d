package main

// The tests that put the calls of several processes into one order after the other.
var (
	trapOrder     = tests{"internal/proof/interleave", "^TestEnumerateTraps$"}
	interleavings = tests{"internal/proof/interleave", "^TestEnumerateInterleavings$"}
)

// togetherMutants break what keeps those at work on one repository from harming each other.
func togetherMutants() []mutant {
	const (
		freely = "func(_ context.Context, change func() error) error { return change() }"
		locked = "\tif m.lock, err = r.lockVolume(ctx, m.volume, m.opts.Op, m.opts.Wait); err != nil {\n\t\treturn err\n\t}\n"
	)
	m := func(name, what, file, old, new string) mutant {
		return mutant{name: name, what: what, file: "repository/" + file, old: old, new: new, tests: []tests{trapOrder, interleavings}}
	}
	return []mutant{
		m("map-replaced-outside-the-gate", "a map is replaced outside the gate",
			"rewrite.go", "err = m.atGate(ctx, func() error {", "err = "+freely+"(ctx, func() error {"),
		m("trashed-outside-the-gate", "a revision goes outside the gate",
			"remove.go", "err := m.atGateKnowing(ctx, func() error {", "err := "+freely+"(ctx, func() error {"),
		m("back-outside-the-gate", "a revision comes back outside the gate",
			"undelete.go", "if err := u.atGate(ctx, func() error { return u.makeVisible(d, second, below) }); err != nil {", "if err := u.makeVisible(d, second, below); err != nil {"),
		m("removal-without-lock", "revisions are taken away without the lock of the volume",
			"remove.go", locked, ""),
		m("undelete-without-lock", "a revision comes back without the lock of the volume",
			"undelete.go", "\tif u.lock, err = r.lockVolume(ctx, u.volume, kindUndelete, wait); err != nil {\n\t\treturn nil, err\n\t}\n", ""),
		m("reader-without-lease", "who reads has no lease",
			"reader.go", "\t\trd.lease = l\n", "\t\tif err := l.bury(); err != nil {\n\t\t\treturn nil, err\n\t\t}\n"),
		m("changed-map-not-noticed", "whether a map is the one that was read is not looked at before others are folded into it",
			"firm.go", "\t\tif err := m.isAsRead(id); err != nil {\n\t\t\treturn err\n\t\t}\n", ""),
		m("copy-passes-for-its-revision", "a revision that went counts as there by its copy",
			"firm.go", "if !m.lost[id] { // or its copy", "if false { // or its copy"),
		m("nonce-not-compared", "a map that was rewritten passes for the one that was read",
			"work.go", "\tif st.Nonce != read {", "\tif false && st.Nonce != read {"),
		m("pin-not-looked-at", "a revision goes that was pinned meanwhile",
			"firm.go", "\t\t\tif err := m.notPinned(id); err != nil {\n\t\t\t\treturn err\n\t\t\t}\n", ""),
		m("back-on-what-is-gone", "a revision comes back on one that is gone",
			"undelete.go", "\t\tif err := u.groundStands(below); err != nil {\n\t\t\treturn err\n\t\t}\n", ""),
		m("came-back-unnoticed", "a revision that came back meanwhile counts as one that was there",
			"work.go", "\t\tif !w.known[id] {", "\t\tif _, was := w.known[id]; !was {"),
		m("removal-without-its-lease", "revisions go, or come back, without a lease",
			"work.go", "\tif err := w.lease.holds(); err != nil {\n\t\treturn err\n\t}\n\treturn w.nobodyCame()", "\treturn w.nobodyCame()"),
		m("purged-comes-back", "a revision comes back that was purged meanwhile",
			"undelete.go", "\tif err := u.stillTrashed(); err != nil {\n\t\treturn err\n\t}\n", ""),
		m("gc-marked-once", "what came since the marking is not marked before packs are condemned",
			"gccondemn.go", "\t\tif err := g.mark(ctx); err != nil || g.result.Incomplete {\n\t\t\treturn err\n\t\t}\n", ""),
		m("gc-purge-by-an-old-look", "whether a revision in the trash is visible too is looked up before the gate, and believed",
			"gcpurge.go", "alone, err := g.passAlone(ctx, func() error { return g.takeOut(t.Volume.UUID, t.ID, visible) })",
			"alone, err := true, g.pass(ctx, func() error { return g.takeOut(t.Volume.UUID, t.ID, visible) })"),
		m("gc-living-unlinks", "packs are removed that a living lease is older than",
			"gcunlink.go", "if b.waits(pack, since, others) {", "if b.waits(pack, since, others) && false {"),
		m("set-visible-outside-the-gate", "a set becomes visible outside the gate",
			"commitset.go", "err = r.passGate(ctx, gateWait, func(passage uint64) error {",
			"err = func(_ context.Context, _ time.Duration, change func(uint64) error) error { return change(0) }(ctx, gateWait, func(passage uint64) error {"),
		m("set-came-unnoticed", "a revision goes as one that waits although its set came meanwhile",
			"commitset.go", "\t\t\tcase stands:\n\t\t\t\treturn fmt.Errorf(\"%w: set %s came", "\t\t\tcase stands && false:\n\t\t\t\treturn fmt.Errorf(\"%w: set %s came"),
		{
			name: "set-locks-in-any-order", what: "the locks of a set are taken in the order in which its volumes are given",
			file: "backup/createset.go",
			old:  "\t\treturn strings.Compare(a.opts.Volume.String(), b.opts.Volume.String())\n", new: "\t\treturn strings.Compare(\"\", \"\")\n",
			tests: []tests{trapOrder, interleavings},
		},
	}
}
