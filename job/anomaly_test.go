package job_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/config"
	"varve/job"
	"varve/repository"
	"varve/revision"
	"varve/status"
)

// scribble overwrites part of the disk, with bytes that do not compress or with one that does.
func (b *bench) scribble(blocks int, seed byte, random bool) {
	b.t.Helper()
	text := make([]byte, blocks*4096)
	for i := range text {
		text[i] = 'a' + seed
	}
	if random {
		_, _ = rand.NewChaCha8([32]byte{seed}).Read(text) // it never fails
	}
	f, err := os.OpenFile(b.path("disk"), os.O_RDWR, 0)
	b.must(err)
	_, err = f.WriteAt(text, 0)
	b.must(err)
	b.must(f.Close())
}

// nights backs up a few small deltas, and gives what comes of them.
func (b *bench) nights(name revision.Name, n int, opts job.Options) {
	b.t.Helper()
	for i := range n {
		b.scribble(1, byte(i), true)
		b.must(job.Do(b.t.Context(), b.repo, b.job(name), opts).Err)
	}
}

// all are the revisions of a volume.
func (b *bench) all(name revision.Name) []repository.Revision {
	b.t.Helper()
	v, err := b.repo.Volume(name)
	b.must(err)
	all, err := b.repo.Revisions(v)
	b.must(err)
	return all
}

// What is unlike the nights before is tagged and told, and the last normal night pinned, also over several such nights.
func TestAnomaliesAreFlagged(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	opts := b.options()
	opts.Anomaly = config.Anomaly{Stored: 10, AtLeast: 1000, Ratio: 0.95, History: 7, Pin: 30 * 24 * time.Hour}
	var troubles []string
	opts.Tell = func(e job.Event) {
		if e.Kind == job.Trouble {
			troubles = append(troubles, e.Err.Error())
		}
	}
	b.nights("v", 6, opts)
	for _, rev := range b.all("v") {
		if len(rev.Info.Tags) > 0 || rev.Info.Pin != nil {
			t.Fatalf("%s, a normal night, has %+v", rev.ID, rev.Info)
		}
	}
	j := b.job("v")
	j.Create.Note, j.Create.Tags = "Tuesday", []string{"nightly"}
	var first string
	for i := range 2 {
		b.scribble(40, byte(100+i), true)
		done := job.Do(t.Context(), b.repo, j, opts)
		b.must(done.Err)
		all := b.all("v")
		odd, normal := all[6+i], all[5]
		if i == 0 {
			first = odd.ID.Short()
		}
		if !slices.Equal(odd.Info.Tags, []string{"nightly", repository.AnomalyTag}) || !strings.HasPrefix(odd.Info.Note, "Tuesday; it stored ") || odd.Info.Pin != nil {
			t.Errorf("night %d: the odd revision has %+v", i, odd.Info)
		}
		if normal.Info.Pin == nil || time.Until(normal.Info.Pin.Until) < 29*24*time.Hour || !strings.HasPrefix(normal.Info.Pin.Reason, first+" after it") || strings.Contains(normal.Info.Pin.Reason, "before that") {
			t.Errorf("night %d: the last normal one has the pin %+v", i, normal.Info.Pin)
		}
		if told := done.Created.Warnings; len(told) == 0 || !strings.Contains(told[len(told)-1], normal.ID.Short()+" before it is pinned") {
			t.Errorf("night %d: it warns %q", i, told)
		}
	}
	if len(troubles) > 0 {
		t.Errorf("told %q", troubles)
	}
	events, err := b.repo.Events()
	b.must(err)
	ops := map[string]int{}
	for _, e := range events {
		ops[e.Op]++
	}
	if ops[repository.OpTag] != 2 || ops[repository.OpPin] == 0 {
		t.Errorf("the journal has %v", ops)
	}
	summaries, err := b.repo.Summaries(t.Context())
	b.must(err)
	if r := status.Judge(status.Input{Now: time.Now(), Volumes: summaries}); len(r.Cases) != 2 || r.Cases[0].Kind != status.Anomaly {
		t.Errorf("status tells %+v", r.Cases)
	}
}

// A pin that holds for longer stays, one that holds for less is prolonged and not forgotten.
func TestPinsOfOthersStay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		until time.Duration // from now; 0: for ever
		want  string
	}{"for ever": {0, "audit"}, "for longer": {90 * 24 * time.Hour, "audit"}, "for less": {time.Hour, "before that: audit"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			opts := b.options()
			opts.Anomaly = config.Anomaly{Stored: 10, AtLeast: 1000, History: 7, Pin: 30 * 24 * time.Hour}
			b.nights("v", 5, opts)
			pin := revision.Pin{Reason: "audit"}
			if c.until > 0 {
				pin.Until = time.Now().Add(c.until).UTC().Truncate(time.Second)
			}
			b.must(b.repo.Mark(t.Context(), b.all("v")[4], func(info *repository.Info) { info.Pin = &pin }))
			b.scribble(40, 100, true)
			b.must(job.Do(t.Context(), b.repo, b.job("v"), opts).Err)
			got := b.all("v")[4].Info.Pin
			if got == nil || !strings.Contains(got.Reason, c.want) || c.want == "audit" && *got != pin || c.want != "audit" && time.Until(got.Until) < 29*24*time.Hour {
				t.Errorf("the pin is %+v", got)
			}
		})
	}
}

// Data that was encrypted is told by how badly it compresses; without rules nothing is.
func TestEncryptionIsFlagged(t *testing.T) {
	t.Parallel()
	for _, rules := range []config.Anomaly{{Ratio: 0.95, AtLeast: 1000, History: 7}, {}} {
		t.Run(fmt.Sprint(rules.Ratio), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			opts := b.options()
			opts.Anomaly = rules
			for i := range 5 {
				b.scribble(20, byte(i), false)
				b.must(job.Do(t.Context(), b.repo, b.job("v"), opts).Err)
			}
			b.scribble(20, 100, true)
			b.must(job.Do(t.Context(), b.repo, b.job("v"), opts).Err)
			newest := b.all("v")[5]
			if flagged := slices.Contains(newest.Info.Tags, repository.AnomalyTag); flagged != (rules.Ratio > 0) || flagged && !strings.Contains(newest.Info.Note, "hardly compresses") {
				t.Errorf("it has %+v", newest.Info)
			}
			if b.all("v")[4].Info.Pin != nil {
				t.Error("one is pinned, and that was not asked for")
			}
		})
	}
}

// Of a set, each volume is judged by itself.
func TestAnomaliesInSets(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("other", fmt.Sprintf("%0300000d", 8))
	conf := b.config("volumes: {v: {source: %[1]s/disk}, w: {source: %[1]s/other}}\nsets: {shop: {volumes: [v, w], consistent: no}}\n", b.dir)
	opts := b.options()
	opts.Anomaly = config.Anomaly{Stored: 10, AtLeast: 1000, History: 7, Pin: time.Hour}
	night := func() {
		t.Helper()
		agenda, err := job.Choose(b.repo, conf, nil, job.Choice{Set: "shop"}, opts)
		b.must(err)
		for _, r := range job.DoAll(t.Context(), b.repo, agenda.Jobs, opts) {
			b.must(r.Err)
		}
	}
	for i := range 5 {
		b.scribble(1, byte(i), true)
		night()
	}
	b.scribble(40, 100, true)
	night()
	v, w := b.all("v"), b.all("w")
	if !slices.Contains(v[5].Info.Tags, repository.AnomalyTag) || v[4].Info.Pin == nil {
		t.Errorf("what changed has %+v, and before it %+v", v[5].Info, v[4].Info)
	}
	if len(w[5].Info.Tags) > 0 || w[4].Info.Pin != nil {
		t.Errorf("what did not has %+v, and before it %+v", w[5].Info, w[4].Info)
	}
}
