package status

import (
	"varve/internal/human"
	"varve/repository"
)

// lost says what a damaged revision has lost.
func lost(rev repository.Revision) string {
	var total int64
	for _, e := range rev.Info.Lost {
		total += e.Length
	}
	if total == 0 {
		return rev.ID.Short() + ": " + rev.Info.Reason
	}
	return rev.ID.Short() + " lost " + human.Size(total)
}
