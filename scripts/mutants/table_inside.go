package main

// insideMutants hurt what copies files out of images.
func insideMutants() []mutant {
	unitInside, unitCopies := tests{"loopmount", "Links"}, tests{"filecopy", "."}
	return []mutant{
		{
			name: "image-link-leads-out", what: "a link in an image leads to a file of this host",
			file: "loopmount/node.go",
			old:  "\"/\"+name, flags, unix.RESOLVE_IN_ROOT)", new: "\"/\"+name, flags, 0)",
			tests: []tests{unitInside},
		},
		{
			name: "image-child-leads-out", what: "an entry of a directory in an image is followed where it leads",
			file: "loopmount/node.go",
			old:  "name, unix.O_NOFOLLOW, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)", new: "name, unix.O_NOFOLLOW, 0)",
			tests: []tests{unitInside},
		},
		{
			name: "copy-replaces", what: "a copy out of an image replaces files that nobody gave leave to",
			file: "filecopy/copy.go",
			old:  "\tif isDirectory || isSpecial || !c.opts.Force {\n", new: "\tif isDirectory || isSpecial {\n",
			tests: []tests{unitCopies},
		},
		{
			name: "copy-of-unread-bytes", what: "a file that cannot be read to its end is copied with zeros instead",
			file: "filecopy/content.go",
			old:  "from.ReadAt(p, off); got < len(p) {", new: "from.ReadAt(p, off); got > len(p) {",
			tests: []tests{unitCopies},
		},
		{
			name: "copy-without-its-lock", what: "a copy takes away what another run is putting together",
			file: "internal/durable/stage.go",
			old:  "\tcase mine:\n\t\terr = d.RemoveAll(name)\n\tdefault:\n", new: "\tcase mine || !mine:\n\t\terr = d.RemoveAll(name)\n\tdefault:\n",
			tests: []tests{unitCopies},
		},
		{
			name: "copy-inherits", what: "a copy gets the ACLs that its place has new files inherit",
			file: "internal/durable/stage.go",
			old:  "\t\t\terr = stage.inheritNothing()\n", new: "\t\t\terr = stage.Sync()\n",
			edits: []edit{{"// inheritNothing takes", "var _ = (*Dir).inheritNothing\n\n// inheritNothing takes"}},
			tests: []tests{unitCopies},
		},
		{
			name: "copy-loses-set-uid", what: "the owner of a copy is given after its mode, which takes bits of that away",
			file: "internal/durable/attributes.go",
			old:  "\tnote(\"owner\", unix.Fchownat(d.fd(), name, int(a.UID), int(a.GID), unix.AT_SYMLINK_NOFOLLOW))\n", new: "",
			edits: []edit{{"\ttimes := []unix.Timespec{", "\tnote(\"owner\", unix.Fchownat(d.fd(), name, int(a.UID), int(a.GID), unix.AT_SYMLINK_NOFOLLOW))\n\ttimes := []unix.Timespec{"}},
			tests: []tests{unitCopies},
		},
	}
}
