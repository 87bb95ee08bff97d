package status

import (
	"errors"

	"varve/internal/human"
	"varve/repository"
)

// lost says what a damaged revision has lost.
func lost(rev repository.Revision) string {
	total := bytesLost(rev)
	if total == 0 {
		return rev.ID.Short() + ": " + rev.Info.Reason
	}
	return rev.ID.Short() + " lost " + human.Size(total)
}

// bytesLost is how much a damaged revision has lost. Zero: it cannot be opened.
func bytesLost(rev repository.Revision) (total int64) {
	for _, e := range rev.Info.Lost {
		total += e.Length
	}
	return total
}

// repairUnread is what makes good what could not be read; empty: that depends.
func repairUnread(err error) string {
	if errors.As(err, new(*repository.LostVolumeError)) {
		return "varve scrub --light --repair"
	}
	return ""
}

// repair is what may make a damaged revision good: its source, of bytes that are known to be lost;
// where its map cannot be read, which no source tells, a copy of the repository.
func (v *Volume) repair(rev repository.Revision) string {
	command := "varve scrub " + v.typed("")
	if bytesLost(rev) == 0 {
		return command + " --repair-from-repo REPO"
	}
	return command + " --repair-from-source"
}
