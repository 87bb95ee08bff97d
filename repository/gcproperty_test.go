package repository_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
	"varve/scrub"
)

// Random histories of several volumes that share content: backups, some of which die,
// revisions that are taken away, and collections, beside readers that stay. Whatever is
// visible or in the trash reads as it was; and once nobody is there any more and the
// trash is empty, no pack is left in which anything is dead.
func TestGCOfRandomHistories(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := &gcWorld{place: &place{t: t, state: t.TempDir()}, disk: durabletest.NewDisk(), kept: map[*revision.Statement]*image{}, held: map[*revision.Statement]*image{}}
		if _, err := repository.Init(t.Context(), w.disk, repository.InitOptions{ChunkSize: chunkSize, Codec: "lz4"}); err != nil {
			rt.Fatal(err)
		}
		r, err := repository.Open(w.disk, repository.Options{StateDir: w.state, Command: "gc", PackSize: 100_000})
		if err != nil {
			rt.Fatal(err)
		}
		const most = 8 * chunkSize
		now := map[revision.Name]*image{"a": randomImage(1, 3), "b": randomImage(1, 3), "c": randomImage(2, 2)}
		chains := map[revision.Name][]*revision.Statement{}
		var readers []*repository.Reader
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			name := rapid.SampledFrom([]revision.Name{"a", "b", "c"}).Draw(rt, "volume")
			switch rapid.IntRange(0, 11).Draw(rt, "step") {
			default: // a backup
				for range rapid.IntRange(0, 3).Draw(rt, "changes") {
					change(rt, now[name], most)
				}
				opts := storeOptions{full: rapid.IntRange(0, 4).Draw(rt, "full") == 0, whole: rapid.Bool().Draw(rt, "whole")}
				st, err := store(t.Context(), r, name, now[name], opts)
				if err != nil {
					rt.Fatal(err)
				}
				w.kept[st] = now[name].clone()
				chains[name] = append(chains[name], st)
			case 5: // one that dies
				w.interrupt(r, name, now[name])
			case 6, 7: // the newest is taken away, perhaps for good
				chain := chains[name]
				if len(chain) == 0 {
					continue
				}
				st := chain[len(chain)-1]
				chains[name] = chain[:len(chain)-1]
				until := testTime.AddDate(rapid.SampledFrom([]int{0, 60}).Draw(rt, "years"), 0, 0)
				if err := r.MoveToTrash(t.Context(), st, until); err != nil {
					rt.Fatal(err)
				}
				if until.After(testTime) {
					w.held[st] = w.kept[st]
				}
				delete(w.kept, st)
			case 8:
				rd, err := r.NewReader(t.Context())
				if err != nil {
					rt.Fatal(err)
				}
				readers = append(readers, rd)
			case 9:
				collectRandomly(rt, w, r)
			case 10, 11:
				scrubRandomly(rt, r)
			}
		}
		for _, rd := range readers {
			if err := rd.Close(); err != nil {
				rt.Fatal(err)
			}
		}
		collectRandomly(rt, w, r)
		scrubRandomly(rt, r)
		for range 2 { // what became garbage in the first is taken by the second
			result, err := r.CollectGarbage(t.Context(), repository.GCOptions{Now: time.Now().AddDate(1, 0, 0), EmptyTrash: true, Threshold: 1e-9})
			if err != nil || len(result.Findings) > 0 || result.Dead != 0 || result.WaitingPacks != 0 || result.Kept != 0 {
				rt.Fatalf("at last: %+v, %v", result, err)
			}
		}
		w.held = nil
		if err := w.check(w.disk); err != nil {
			rt.Fatalf("at last: %v", err)
		}
		if err := w.finish(w.disk); err != nil {
			rt.Fatalf("at last: %v", err)
		}
	})
}

// scrubRandomly looks through all there is, and finds nothing wrong.
func scrubRandomly(rt *rapid.T, r *repository.Repository) {
	report, err := scrub.Run(rt.Context(), r, scrub.Options{
		Light: rapid.IntRange(0, 3).Draw(rt, "light") == 0, OlderThan: rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(rt, "older"), Workers: 2,
	})
	if err != nil {
		rt.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Grade != scrub.Note {
			rt.Fatalf("a false alarm: %+v", f)
		}
	}
	if !report.Light && report.Due == report.Packs && !report.Oldest.IsZero() && report.Oldest.Before(report.Begun) {
		rt.Fatalf("all was read, and a byte waits since %v: %+v", report.Oldest, report)
	}
}

func collectRandomly(rt *rapid.T, w *gcWorld, r *repository.Repository) {
	opts := repository.GCOptions{Now: testTime, Threshold: rapid.SampledFrom([]float64{1e-9, 0.1, 0.2, 0.5, 1, 2}).Draw(rt, "threshold")}
	result, err := r.CollectGarbage(w.t.Context(), opts)
	if err != nil || len(result.Findings) > 0 {
		rt.Fatalf("%+v, %v", result, err)
	}
	if err := w.check(w.disk); err != nil {
		rt.Fatal(fmt.Errorf("after %+v: %w", result, err))
	}
}
