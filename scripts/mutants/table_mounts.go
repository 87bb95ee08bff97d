package main

// mountMutants break what a mount promises: that bytes are right or an error, that what is open
// stays and holds up nothing else, and that what is written ends with it.
func mountMutants() []mutant {
	m := func(name, what, file, old, new, test string) mutant {
		return mutant{name: name, what: what, file: "fusemount/" + file, old: old, new: new, tests: []tests{{"fusemount", "^" + test + "$"}}}
	}
	return []mutant{
		m("mounted-damage-as-zeros", "what is damaged reads as zeros in a mount",
			"read.go", "\t\tcase !whole:\n\t\t\treturn r.exactly(image, c, i, room, within, err)\n",
			"\t\tcase !whole:\n\t\t\tclear(room)\n\t\t\tr.add(room)\n\t\t\treturn nil\n", "TestDamageIsAnErrorForThatRangeAlone"),
		m("damage-costs-the-chunk", "damage costs all of a chunk in a mount, if that was being read ahead",
			"read.go", "\t\twhole = false\n\t}\n}\n", "\t\treturn err\n\t}\n}\n", "TestDamageIsAnErrorForThatRangeAlone"),
		m("open-without-lease", "an open image that was removed loses its lease",
			"lease.go", "\tm.replace(next)\n\tt.shareRegions()\n}",
			"\tfor i, o := range images {\n\t\tif moved[i] == nil {\n\t\t\t_ = o.leased.reader.rd.Close()\n\t\t}\n\t}\n\tm.replace(next)\n\tt.shareRegions()\n}",
			"TestAnOpenRevisionOutlivesItsRemoval"),
		m("lease-of-a-mount-not-renewed", "what is open keeps the lease that it was opened with",
			"lease.go", "\t\tm.move(images, next)\n", "\t\tm.replace(next)\n", "TestAnOpenRevisionOutlivesItsRemoval"),
		m("lease-of-an-idle-mount", "a mount in which nothing is open keeps its lease",
			"lease.go", "\tif len(images) == 0 {\n\t\tm.replace(nil)\n", "\tif len(images) == 0 {\n", "TestAnOpenRevisionOutlivesItsRemoval"),
		m("pinned-piece-gives-way", "what is handed to the kernel gives way to what is decoded",
			"cache.go", "\tfor oldest.pins > 0 {", "\tfor false {", "TestCache.*"),
		m("part-of-a-block-alone", "a part of a block is written over nothing",
			"write.go", "\tif l.isBelow(first) {", "\tif false && l.isBelow(first) {", "TestWrites"),
		m("layers-without-bounds", "layers take as much as there is",
			"layers.go", "\tif l.taken+blocks > l.room {", "\tif false {", "TestFullOverlay"),
		m("layer-of-the-unlisted", "what was written goes as soon as its volume is not listed for a moment",
			"layers.go", "\t\tcase l.missing[key]:\n", "\t\tcase l.missing[key] || true:\n", "TestLayersOfWhatIsGone"),
		m("dead-mount-not-noticed", "a mount whose process was killed passes for one that lives",
			"point.go", "\tif ours {\n", "\tif false {\n", "TestMountedOverWhatWasKilled"),
		m("stale-listing", "a listing is believed whatever changed",
			"listing.go", "\tif stamp, err := look(); err != nil || stamp != f.stamp {", "\tif _, err := look(); err != nil {", "TestAListingIsKeptUntilSomethingChanges"),
	}
}
