package hostlimit

import (
	"strconv"

	"varve/internal/human"
)

// MinFree is how much of a file system is to stay free; the larger one counts. The
// zero value asks for nothing.
type MinFree struct {
	Bytes   int64
	Percent float64 // of the whole
}

// String is what a person would write: "5%", "10 GiB".
func (m MinFree) String() string {
	percent := strconv.FormatFloat(m.Percent, 'f', -1, 64) + "%"
	switch {
	case m.Percent <= 0:
		return human.Size(m.Bytes)
	case m.Bytes <= 0:
		return percent
	}
	return human.Size(m.Bytes) + " and " + percent
}

// FreeEnough tells, of a file system with so many bytes available and so many in
// all, whether enough is free: if not, it is a [*FullError].
func FreeEnough(available, total int64, min MinFree) error {
	if available < min.Bytes || float64(available) < min.Percent/100*float64(total) {
		return &FullError{Available: available, Total: total, Min: min}
	}
	return nil
}
