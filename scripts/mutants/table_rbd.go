package main

// The tests of volume/rbdvolume that ask a cluster. They are built with the tag ceph, as what they guard is.
func rbdTests(run string) []tests { return []tests{{"volume/rbdvolume", run}} }

// rbdMutants break what keeps RBD images, and what is known of their changes, safe.
func rbdMutants() []mutant {
	m := func(name, what, file, old, new, run string) mutant {
		return mutant{name: "rbd-" + name, what: what, file: "volume/rbdvolume/" + file, old: old, new: new, tests: rbdTests(run)}
	}
	return []mutant{
		m("tidies-others", "the snapshots of other volumes of the repository go with a volume's own",
			"source.go", "ours && is.Repository == label.Repository && is.Volume == label.Volume && !isNamed", "ours && is.Repository == label.Repository && !isNamed",
			"^TestTidyTouchesNoOthers$"),
		m("tidies-the-base", "the snapshot that the next backup counts from is removed",
			"source.go", "is.Volume == label.Volume && !isNamed(snap, but) {", "is.Volume == label.Volume {", "^TestTidyTouchesNoOthers$"),
		m("drops-by-name", "a snapshot goes that has the name of the one that was listed",
			"kept.go", "if one.Base == k.Base && one.Stable == k.Stable {", "if one.Name == k.Name {", "^TestKept$"),
		m("base-by-name", "changes are counted from another snapshot that has the name by now",
			"changes.go", "case info.Id == from.number && info.Name == from.name:", "case info.Name == from.name:", "^TestNoBase$"),
		m("older-forgotten", "that there were older snapshots when the last one was taken is forgotten, and fast-diff is asked",
			"changes.go", "found, mislead := false, from.older\n", "found, mislead := false, false\n", "^TestTrapRolledBack"),
		m("several-of-its-own", "several older snapshots of the volume's own are taken to mislead no object map",
			"snapshot.go", "if len(older) > 1 || !ours ||", "if !ours ||", "^TestTrapRolledBackToAnOwnSnapshotThatIsGone$"),
		m("smaller-between", "object maps are asked though a snapshot between is smaller",
			"changes.go", "\t\t\tmislead = mislead || info.Size != size\n", "", "^TestTrapASmallerSnapshotBetween$"),
		m("clone-that-shrank", "changes are counted in a clone that has less of its parent than it had",
			"changes.go", "\tif was != is {\n", "\tif was < is {\n", "^TestTrapACloneThatWasShrunk$"),
		m("invalid-maps", "object maps are believed that are not valid",
			"changes.go", "\t\tif invalid {\n", "\t\tif invalid && false {\n", "^TestFastDiffIsUsedWhereItIsRight$"),
		m("not-flushed", "a restore succeeds before what it wrote has reached the cluster",
			"target.go", "return 0, t.image.Flush() }", "return 0, nil }", "^TestCommitReachesTheCluster$"),
		m("zeros-by-discard", "what is to be zeros is discarded, which may leave it as it was",
			"target.go", "\t\t\tn, err := t.image.WriteSame(uint64(at), uint64(length), nothing[:], rados.OpFlagNone)\n\t\t\treturn int(n), err\n",
			"\t\t\t_ = rados.OpFlagNone\n\t\t\treturn t.image.Discard(uint64(at), uint64(length))\n", "^TestTrapZerosWhateverIsSet$"),
		m("partial-by-its-name", "a new image has its name before it is whole",
			"target.go", "\tat.Name += partialSuffix\n", "", "^TestANewImageIsThereOnlyWhenItIsWhole$"),
	}
}
