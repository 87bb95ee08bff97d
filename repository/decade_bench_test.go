package repository_test

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"varve/job"
	"varve/repository"
	"varve/retention"
)

// decade is years of a volume by a clock of its own, in one process: a revision each
// hour, and each night a pruning and a collection of garbage. Of the revisions of a day,
// the last is a backup, and the others are forged.
type decade struct {
	*forger
	b     *testing.B
	clock time.Time
}

// keptForYears are rules as people write them, and keptInTrash is how long what goes by
// them can come back.
var keptForYears = retention.Rules{Hourly: 24, Daily: 7, Weekly: 4, Monthly: 12, Yearly: 10}

const keptInTrash = 24 * time.Hour

func (d *decade) day() {
	d.batch(func(b *repository.Backup) {
		for range 23 {
			d.clock = d.clock.Add(time.Hour)
			st := d.revision(b, d.clock)
			err := d.repo.Record(d.b.Context(), repository.Event{
				Time: d.clock, Op: repository.OpBackup, Result: repository.ResultOK, Volume: d.volume, UUID: &st.Volume.UUID,
				Revision: st.ID, Sequence: st.Sequence, Kind: string(st.Kind), Seconds: 1,
			})
			if err != nil {
				d.b.Fatal(err)
			}
		}
	})
	d.clock = d.clock.Add(time.Hour)
	d.newest = d.p.mustStoreWith(d.repo, d.volume, d.im, storeOptions{begun: d.clock})
}

// prune is a night's pruning. What goes can come back by the clock of this life, while
// the trash is dated by another.
func (d *decade) prune() time.Duration {
	v := repository.Volume{Name: d.volume, UUID: d.newest.Volume.UUID}
	p := job.Pruning{Rules: keptForYears, Undelete: keptInTrash - time.Since(d.clock), MaxChain: 100}
	begun := time.Now()
	if done := job.Prune(d.b.Context(), d.repo, v, p, d.clock); done.Err != nil {
		d.b.Fatal(done.Err)
	}
	return time.Since(begun)
}

func (d *decade) collect() time.Duration {
	begun := time.Now()
	result, err := d.repo.CollectGarbage(d.b.Context(), repository.GCOptions{Now: d.clock})
	if err != nil || len(result.Findings) > 0 {
		d.b.Fatal(err, result.Findings)
	}
	return time.Since(begun)
}

// heap is how many bytes are in use once what nobody needs is gone.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func medianOf(times []time.Duration) float64 {
	slices.Sort(times)
	return times[len(times)/2].Seconds()
}

// BenchmarkDecade lives VARVE_BENCH_YEARS years of hourly revisions, and tells how long
// the prunings of the last year took. There may not be more memory or more files in use
// at the end of any year than at that of the first, but for the few revisions that years
// add.
func BenchmarkDecade(b *testing.B) {
	years, err := strconv.Atoi(os.Getenv("VARVE_BENCH_YEARS"))
	if err != nil || years < 1 {
		b.Skip("VARVE_BENCH_YEARS says how many years; one takes minutes")
	}
	for b.Loop() {
		p := newPlace(b)
		d := &decade{forger: p.newForger(p.open(), "db"), b: b, clock: time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC)}
		heapBefore, filesBefore := 0.0, 0
		for year := range years {
			var prunes, collections []time.Duration
			for range 365 {
				d.day()
				prunes, collections = append(prunes, d.prune()), append(collections, d.collect())
			}
			heapNow, files, kept := heap(), len(p.files("")), len(p.revisions(d.repo, "db"))
			b.Logf("year %d: median seconds of a pruning %.4f (at most %.3f), of a collection %.4f; %.1f MiB in use, %d files, %d revisions",
				year+1, medianOf(prunes), slices.Max(prunes).Seconds(), medianOf(collections), heapNow/(1<<20), files, kept)
			b.ReportMetric(medianOf(prunes), "s/pruning")
			b.ReportMetric(slices.Max(prunes).Seconds(), "s/longest-pruning")
			b.ReportMetric(heapNow, "B-in-use")
			if year == 0 {
				heapBefore, filesBefore = heapNow, files
			}
			// A revision is a file, a copy and at most a pack; the journal has a file a month.
			if more := 3*revisionsOfYears(year) + 12*year; heapNow > heapBefore+(2<<20) || files > filesBefore+more {
				b.Errorf("in year %d, %.0f bytes are in use and there are %d files; in the first it was %.0f and %d", year+1, heapNow, files, heapBefore, filesBefore)
			}
		}
	}
}

// revisionsOfYears is how many revisions more than after the first year there may be.
func revisionsOfYears(year int) int { return year + 24 }

// BenchmarkUnpruned asks of a volume of VARVE_BENCH_REVISIONS hourly revisions, 10,000
// unless it says otherwise, that nobody ever pruned, and at last prunes it.
func BenchmarkUnpruned(b *testing.B) {
	n := 10000
	if given := os.Getenv("VARVE_BENCH_REVISIONS"); given != "" {
		var err error
		if n, err = strconv.Atoi(given); err != nil {
			b.Fatal(err)
		}
	}
	p := newPlace(b)
	r := p.open()
	f := p.newForger(r, "db")
	now := time.Now()
	f.batch(func(bk *repository.Backup) {
		for i := range n {
			f.full = i%100 == 0
			f.revision(bk, now.Add(time.Duration(i-n)*time.Hour))
		}
	})
	v := repository.Volume{Name: "db", UUID: f.newest.Volume.UUID}
	for _, operation := range []struct {
		name string
		run  func() error
	}{
		{"list", func() error { _, err := r.Revisions(v); return err }},
		{"summary", func() error { _, err := r.Summary(v); return err }},
		{"backup", func() error { _, err := store(b.Context(), r, "db", f.im, storeOptions{}); return err }},
		{"unique", func() error { _, err := r.UniqueToRevisions(b.Context(), v); return err }},
		{"unique-again", func() error { _, err := r.UniqueToRevisions(b.Context(), v); return err }},
		{"prune", func() error {
			return job.Prune(b.Context(), r, v, job.Pruning{Rules: keptForYears, Undelete: time.Hour, MaxChain: 100}, now).Err
		}},
		{"gc", func() error {
			_, err := r.CollectGarbage(b.Context(), repository.GCOptions{EmptyTrash: true})
			return err
		}},
	} {
		b.Run(operation.name, func(b *testing.B) {
			if b.N > 1 {
				b.Skip("it runs once: -benchtime 1x")
			}
			spent := processorTime()
			if err := operation.run(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric((processorTime() - spent).Seconds(), "s-processor")
			b.ReportMetric(heap()/(1<<20), "MiB-in-use")
		})
	}
}
