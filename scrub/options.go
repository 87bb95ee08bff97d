package scrub

import (
	"errors"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"varve/repository"
)

// ErrNothingToResume reports that no scrub was cut off that could be gone on with.
var ErrNothingToResume = errors.New("no scrub was cut off")

// Options tunes [Run]. The zero value looks at everything and reads every byte.
type Options struct {
	Volumes []repository.Volume // whose revisions are looked at, and the packs that these need; nil: all
	Light   bool                // read no content

	Sample      float64       // read only a part of the packs, and of what maps make of them; 0: all
	OlderThan   time.Duration // only what was not proven for so long; 0: whatever its age
	MaxDuration time.Duration // begin with nothing more after so long; 0: no limit
	Resume      bool          // go on with the scrub that was cut off, as it was asked for

	BytesPerSecond int64 // read from packs; 0: no limit
	Workers        int   // frames and chunks in flight; 0 means one for each processor
	Meter          *Meter
	Step           func(what string) // is told of each part of the work; may be nil
	Now            func() time.Time  // nil: time.Now
	Log            *slog.Logger      // nil discards
}

func (o Options) withDefaults() Options {
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Meter == nil {
		o.Meter = new(Meter)
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Meter counts what a scrub has done. It may be read at any time, from any goroutine.
type Meter struct {
	Total    atomic.Int64 // bytes of packs that are to be read; 0 until that is known
	Done     atomic.Int64 // of these
	Findings atomic.Int64 // of damage and trouble, so far
}

// A Report is what a scrub came to.
type Report struct {
	Begun time.Time
	Light bool

	Volumes   int
	Revisions int
	Objects   int   // that maps name
	Packs     int   // that were looked at
	Stored    int64 // bytes of these
	Images    int64 // bytes of the newest image of each volume

	LightTook time.Duration
	DeepTook  time.Duration
	Due       int   // packs that were to be read
	Read      int   // of these, that were
	ReadBytes int64 // of packs
	Plain     int64 // bytes of objects that were decoded, and of chunks that were put together

	Finished   bool      // nothing is left of what was to be done
	Proven     int       // revisions that were marked so
	Unrecorded bool      // the repository takes no writes: nothing is remembered
	Oldest     time.Time // since when a byte waits to be proven again; zero: it is not known, or nothing is there

	Unprotected error // why there was no lease; nil: there was one

	Findings []Finding // the gravest first
}

// Count tells how many findings have a grade.
func (r *Report) Count(g Grade) (n int) {
	for i := range r.Findings {
		if r.Findings[i].Grade == g {
			n++
		}
	}
	return n
}

// Losses sums up what the findings take away, of each revision once.
func (r *Report) Losses() []Loss {
	var sum losses
	for i := range r.Findings {
		for _, l := range r.Findings[i].Lost {
			sum.add(l)
		}
	}
	return sum.sorted()
}
