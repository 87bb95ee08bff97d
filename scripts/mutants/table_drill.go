package main

// drillMutants break what a drill promises: that what passes was proven, and that who uses an image has nothing but that.
func drillMutants() []mutant {
	m := func(name, what, file, old, new, test string) mutant {
		return mutant{name: name, what: what, file: "drill/" + file, old: old, new: new, tests: []tests{{"drill", "^" + test + "$"}}}
	}
	return []mutant{
		m("drill-without-replay", "file systems are checked before their journal was replayed",
			"room.go", "\tmountOutcome, mountReason, err := r.mount(device, p)\n", "\tmountOutcome, mountReason, err := Outcome(\"\"), \"\", error(nil)\n", "TestGoodFileSystems"),
		m("drill-ignores-damage", "a drill passes although stored bytes are lost",
			"result.go", "\tif lost := of(fusemount.Lost); len(lost) > 0 {", "\tif lost := of(fusemount.Lost); false {", "TestStoredDamage"),
		m("drill-passes-lvm", "what nothing looks into passes a drill",
			"part.go", "part.Outcome, part.Reason = NotApplicable, \"it holds \"+p.What", "part.Outcome, part.Reason = Passed, \"it holds \"+p.What", "TestNotApplicable"),
		m("drill-with-network", "the command of a drill has the host's network",
			"enter.go", "syscall.CLONE_NEWNET | ", "", "TestCommandIsUnprivileged"),
		m("drill-with-host-services", "the command of a drill sees the sockets of the host's services",
			"enclose.go", "{{\"/run\", \"0755\"}, {\"/tmp\", \"1777\"}", "{{\"/tmp\", \"1777\"}", "TestCommand"),
		m("drill-hands-down-the-image", "the command of a drill has the image itself",
			"room.go", "unix.CloseRange(3, ", "unix.CloseRange(1<<20, ", "TestCommand"),
		m("drill-leaves-owners", "owners of files are not mapped for the command of a drill",
			"command.go", "\tif err := f.MapOwners(owners); err", "\tif err := error(nil); err", "TestCommand"),
	}
}
