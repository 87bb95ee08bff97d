package main

import (
	"slices"
	"strings"
)

// helperName is what mount(8) calls, of "DIRECTORY DIR fuse.varve OPTIONS 0 0" in /etc/fstab,
// if this program has that name, too.
const helperName = "mount.fuse.varve"

// helperWords makes words of ours of those of mount(8):
//
//	mount.fuse.varve REPO DIR [-sfnv] [-N NAMESPACE] [-t TYPE] [-o OPTION,...]
//
// An option that is a flag of the command is that flag, with "_" or "-" between its words;
// volume=NAME, which may be there several times, is a volume or a pattern. What mount itself
// knows is left out. Anything else becomes a flag all the same: a usage error names it, unless
// -s asks to pass over it. It is nothing to do if -f asks for that.
func helperWords(args []string) (words []string, isToDo bool) {
	var places, options []string
	sloppy := false
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-o" && i+1 < len(args):
			i++
			options = append(options, strings.Split(args[i], ",")...)
		case (arg == "-N" || arg == "-t") && i+1 < len(args):
			i++
		case strings.HasPrefix(arg, "-") && len(arg) > 1:
			if strings.Contains(arg, "f") {
				return nil, false
			}
			sloppy = sloppy || strings.Contains(arg, "s")
		default:
			places = append(places, arg)
		}
	}
	words = []string{mountName, "--quiet"}
	if len(places) > 0 {
		words = append(words, "--repo="+places[0])
		places = places[1:]
	}
	for _, option := range options {
		name, value, hasValue := strings.Cut(option, "=")
		flag := "--" + strings.ReplaceAll(name, "_", "-")
		if hasValue {
			flag += "=" + value
		}
		switch {
		case name == "volume" && hasValue:
			places = append(places, value)
		case isMountsOwn(name), name == "":
		case slices.Contains(helperFlags, strings.ReplaceAll(name, "_", "-")), !sloppy:
			words = append(words, flag)
		}
	}
	return append(append(words, "--"), places...), true
}

// helperFlags are those that an option may be.
var helperFlags = []string{"config", "cache", "allow-other", "writable", "overlay", "overlay-size", "verbose"}

// isMountsOwn tells whether an option is for mount(8), systemd or the kernel's own idea of
// mounts, and changes nothing here.
func isMountsOwn(name string) bool {
	switch name {
	case "defaults", "ro", "rw", "auto", "noauto", "nofail", "_netdev", "user", "nouser", "users", "owner", "group",
		"suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync", "atime", "noatime", "diratime", "nodiratime",
		"relatime", "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime", "comment", "helper", "uhelper":
		return true
	}
	return strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "X-")
}
