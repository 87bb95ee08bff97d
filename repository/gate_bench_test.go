package repository_test

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
)

// gateWatch is an FS that notes how long the gate is held each time.
type gateWatch struct {
	durable.FS
	held  []time.Duration
	spent []time.Duration // of it, by the processor for this process
}

func (w *gateWatch) Create(name string) (durable.File, error) { return w.watch(w.FS.Create(name)) }

func (w *gateWatch) Open(name string) (durable.File, error) { return w.watch(w.FS.Open(name)) }

func (w *gateWatch) OpenWrite(name string) (durable.File, error) {
	return w.watch(w.FS.OpenWrite(name))
}

func (w *gateWatch) watch(f durable.File, err error) (durable.File, error) {
	if err != nil || f.Name() != repository.GateName {
		return f, err
	}
	return &watchedGate{File: f, over: w}, nil
}

// watchedGate is a handle on the gate.
type watchedGate struct {
	durable.File
	over  *gateWatch
	since time.Time // when it was had; zero: it was not
	spent time.Duration
}

func (g *watchedGate) TryLock() (bool, error) {
	got, err := g.File.TryLock()
	if got {
		g.since, g.spent = time.Now(), processorTime()
	}
	return got, err
}

func (g *watchedGate) Close() error {
	err := g.File.Close()
	if !g.since.IsZero() {
		g.over.held = append(g.over.held, time.Since(g.since))
		g.over.spent = append(g.over.spent, processorTime()-g.spent)
	}
	return err
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// report tells the median and the longest of what was held since the last time.
func (w *gateWatch) report(b *testing.B) {
	b.Helper()
	n := len(w.held)
	b.ReportMetric(float64(n), "gates")
	for unit, of := range map[string][]time.Duration{"held": w.held, "processor": w.spent} {
		slices.Sort(of)
		b.ReportMetric(float64(of[n/2].Microseconds())/1000, "ms-"+unit)
		b.ReportMetric(float64(of[n-1].Microseconds())/1000, "ms-"+unit+"-longest")
	}
	b.ReportMetric(0, "ns/op")
	w.held, w.spent = nil, nil
}

// tenThousand makes so many revisions of a volume, an hour apart, each in a pack of its
// own, and a full each week.
func (p *place) tenThousand(volume revision.Name) {
	p.t.Helper()
	r, err := repository.Open(p.tree(), repository.Options{StateDir: p.state, Command: "backup", PackSize: 1})
	if err != nil {
		p.t.Fatal(err)
	}
	closeAfter(p.t, r)
	f := p.newForger(r, volume)
	f.batch(func(b *repository.Backup) {
		for i := range 10000 {
			f.full = i%168 == 0
			f.revision(b, time.Now().Add(time.Duration(i-10000)*time.Hour))
		}
	})
}

// BenchmarkGate tells how long the gate is held by each operation on a volume of 10,000
// revisions, which lie in as many packs. Each runs once, in this order.
func BenchmarkGate(b *testing.B) {
	p := newPlace(b)
	p.tenThousand("db")
	w := &gateWatch{FS: p.tree()}
	r := p.openOn(w)
	v, err := r.Volume("db")
	if err != nil {
		b.Fatal(err)
	}
	im := randomImage(1, 4)
	remove := func(b *testing.B, op string, pick func(i int) bool) {
		var going []revision.ID
		for i, rev := range p.revisions(r, "db") {
			if pick(i) {
				going = append(going, rev.ID)
			}
		}
		w.held, w.spent = nil, nil
		if _, err := r.Remove(b.Context(), v, going, repository.RemoveOptions{Op: op, Undelete: time.Hour}); err != nil {
			b.Fatal(err)
		}
	}
	collect := func(b *testing.B, opts repository.GCOptions) {
		if _, err := r.CollectGarbage(b.Context(), opts); err != nil {
			b.Fatal(err)
		}
	}
	for _, operation := range []struct {
		name string
		run  func(b *testing.B)
	}{
		{"backup", func(b *testing.B) {
			for i := range 5 {
				im.write(int64(i), []byte{7})
				if _, err := store(b.Context(), r, "db", im, storeOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{"mark", func(b *testing.B) {
			for _, rev := range p.revisions(r, "db")[:20] {
				if err := r.Mark(b.Context(), rev, func(i *repository.Info) { i.Note = "marked" }); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{"merge", func(b *testing.B) { remove(b, repository.OpMerge, func(i int) bool { return i == 5000 }) }},
		{"rm", func(b *testing.B) { remove(b, repository.OpRemove, func(i int) bool { return i%1000 == 11 }) }},
		{"prune", func(b *testing.B) { remove(b, repository.OpPrune, func(i int) bool { return i%100 < 50 }) }},
		{"undelete", func(b *testing.B) {
			trash, err := r.TrashOf(v)
			if err != nil {
				b.Fatal(err)
			}
			for _, t := range trash[:5] {
				if _, err := r.Undelete(b.Context(), t, 0); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{"gc", func(b *testing.B) { collect(b, repository.GCOptions{}) }},
		{"gc-of-the-trash", func(b *testing.B) { collect(b, repository.GCOptions{EmptyTrash: true}) }},
	} {
		b.Run(operation.name, func(b *testing.B) {
			if b.N > 1 {
				b.Skip("it runs once: -benchtime 1x")
			}
			begun := time.Now()
			w.held, w.spent = nil, nil
			operation.run(b)
			b.ReportMetric(time.Since(begun).Seconds(), "s")
			w.report(b)
		})
	}
}
