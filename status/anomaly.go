package status

import (
	"fmt"
	"slices"

	"varve/internal/human"
	"varve/revision"
)

// AnomalyRules say when a delta is unlike those before it. By the zero value, none is.
type AnomalyRules struct {
	Stored  float64 // from so many times the median on of what the deltas before it stored; zero: however much it is
	AtLeast int64   // bytes that it has to store; less is not looked at
	Ratio   float64 // from this share on of what changed that is stored: it hardly compresses; zero: however much it is
	History int     // so many deltas before it count
}

// leastHistory is how many deltas it takes to say what is usual.
const leastHistory = 3

// Judge tells why a revision is unlike those before it, the oldest first; empty: it is
// not, or there are too few to tell. Only deltas count: a full stores what it stores.
func (r AnomalyRules) Judge(before []*revision.Statement, st *revision.Statement) (why string) {
	stored := int64(st.Statistics.Stored)
	if st.Kind != revision.Delta || stored < r.AtLeast {
		return ""
	}
	var amounts, shares []float64
	for _, one := range slices.Backward(before) {
		if len(amounts) == r.History {
			break
		}
		if one.Kind != revision.Delta {
			continue
		}
		amounts = append(amounts, float64(one.Statistics.Stored))
		if share, known := storedShare(one); known {
			shares = append(shares, share)
		}
	}
	if len(amounts) < leastHistory {
		return ""
	}
	usual := median(amounts)
	if r.Stored > 0 && float64(stored) > r.Stored*usual {
		if usual < 1 {
			return fmt.Sprintf("it stored %s, and those before it usually nothing", human.Size(stored))
		}
		return fmt.Sprintf("it stored %s, %.0f times the usual %s", human.Size(stored), float64(stored)/usual, human.Size(int64(usual)))
	}
	share, known := storedShare(st)
	if r.Ratio <= 0 || !known || len(shares) < leastHistory || share < r.Ratio {
		return ""
	}
	// What never compressed well has not changed: half of what compression usually saves has to be gone.
	if usual := median(shares); usual < r.Ratio && 2*(1-share) < 1-usual {
		return fmt.Sprintf("it hardly compresses: %.0f %% of the %s that changed was stored, usually %.0f %%",
			100*share, human.Size(int64(st.Statistics.Changed)), 100*usual)
	}
	return ""
}

// storedShare is how much of what changed was stored; unknown: nothing changed.
func storedShare(st *revision.Statement) (share float64, known bool) {
	if st.Statistics.Changed == 0 {
		return 0, false
	}
	return float64(st.Statistics.Stored) / float64(st.Statistics.Changed), true
}

// median sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}
