package drill

import (
	"slices"

	"varve/disk"
)

// newPart says of a part, before anything is used, what it can come to.
func newPart(p disk.Part) Part {
	part := Part{Part: p}
	_, checked := checkers[p.Kind]
	switch {
	case p.Problem != "":
		part.Outcome, part.Reason = Failed, p.Problem
	case checked, p.Kind == disk.Swap, p.Kind == disk.Empty, p.Kind == disk.Unknown && isBootCode(p):
	case p.Kind.IsFileSystem():
		part.Outcome, part.Reason = NotApplicable, "nothing that checks "+p.What+" is known here"
	default:
		part.Outcome, part.Reason = NotApplicable, "it holds "+p.What+", which is not looked into"
	}
	return part
}

// isToCheck tells whether it is a file system that can be checked and mounted.
func (p *Part) isToCheck() bool {
	_, checked := checkers[p.Kind]
	return checked && p.Outcome == ""
}

// isBootCode tells whether a partition is one that holds no more than what a machine begins with, or nothing, by
// its purpose.
func isBootCode(p disk.Part) bool {
	return slices.Contains([]string{"BIOS boot", "Windows reserved"}, p.Type)
}
