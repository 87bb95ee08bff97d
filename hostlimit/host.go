package hostlimit

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"varve/internal/durable"
)

// Limits is what a host can bear. The zero value limits nothing.
type Limits struct {
	// Jobs is how many slots there are; zero: as many as are asked for.
	Jobs int
	// Rate is how many bytes a second all slots together may read at a time of day;
	// nil or zero: any. It is called often, from many goroutines.
	Rate func(now time.Time) int64
	// Pressure is the share of time, in percent, that something waited for a disk in
	// the last ten seconds ("some avg10" of /proc/pressure/io) above which reading
	// pauses; zero: none.
	Pressure float64
	Log      *slog.Logger // nil discards
}

// A Host is this host's limits, and those who share them.
type Host struct {
	dir      string
	tree     durable.FS
	limits   Limits
	pressure gauge
}

const (
	slotsDir  = "slots"
	pressures = "/proc/pressure/io"
)

// Open begins to keep limits together with all who open the same state directory,
// which is made if there is none. They should agree on the limits: each keeps its
// own. Every error is a [*StateError]. The caller closes the Host, after its Slots.
func Open(stateDir string, l Limits) (*Host, error) {
	return open(stateDir, l, func() ([]byte, error) { return os.ReadFile(pressures) })
}

func open(stateDir string, l Limits, readPressure func() ([]byte, error)) (*Host, error) {
	if l.Log == nil {
		l.Log = slog.New(slog.DiscardHandler)
	}
	h := &Host{dir: filepath.Join(stateDir, slotsDir), limits: l}
	h.pressure = gauge{limit: l.Pressure, read: readPressure, log: l.Log}
	if err := durable.EnsureDir(h.dir); err != nil {
		return nil, h.wrong(err)
	}
	var err error
	if h.tree, err = durable.OpenTree(h.dir); err != nil {
		return nil, h.wrong(err)
	}
	return h, nil
}

// Close gives up the directory. Slots that are held stay so until they are closed.
func (h *Host) Close() error { return h.tree.Close() }

func (h *Host) wrong(err error) error { return &StateError{Dir: h.dir, Err: err} }
