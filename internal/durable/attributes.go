package durable

import (
	"io/fs"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Attributes are what a file is besides its name and its content.
type Attributes struct {
	Mode               fs.FileMode // permissions, set-uid, set-gid, sticky; and its kind
	UID, GID           uint32
	Extended           map[string][]byte // extended attributes, ACLs among them
	Accessed, Modified time.Time         // the content
}

// Dress gives an entry its attributes, in the order in which none undoes another: a new owner takes set-uid bits and
// capabilities away. Each is tried; the errors are [*AttributeError].
func (d *Dir) Dress(name string, a Attributes) (failures []*AttributeError) {
	note := func(what string, err error) {
		if err != nil {
			failures = append(failures, &AttributeError{What: what, Err: err})
		}
	}
	note("owner", unix.Fchownat(d.fd(), name, int(a.UID), int(a.GID), unix.AT_SYMLINK_NOFOLLOW))
	for _, attribute := range slices.Sorted(maps.Keys(a.Extended)) {
		note(attribute, unix.Lsetxattr(d.below(name), attribute, a.Extended[attribute], 0))
	}
	if a.Mode.Type() != fs.ModeSymlink {
		note("mode", unix.Fchmodat(d.fd(), name, bitsOf(a.Mode), 0))
	}
	times := []unix.Timespec{timespec(a.Accessed), timespec(a.Modified)}
	note("times", unix.UtimesNanoAt(d.fd(), name, times, unix.AT_SYMLINK_NOFOLLOW))
	return failures
}

func timespec(t time.Time) unix.Timespec {
	return unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

// bitsOf writes permissions as the system does.
func bitsOf(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for bit, is := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if mode&is != 0 {
			bits |= bit
		}
	}
	return bits
}
