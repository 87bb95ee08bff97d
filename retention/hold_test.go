package retention_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve/retention"
	"varve/revision"
)

// start is when the histories of these tests begin, or about when.
var start = time.Date(2024, 1, 10, 2, 0, 0, 0, time.UTC)

var zones = []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata", "America/St_Johns"}

func drawZone(t *rapid.T) *time.Location {
	zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func drawRules(t *rapid.T) retention.Rules {
	count := func(name string) int { return rapid.IntRange(0, 5).Draw(t, name) }
	r := retention.Rules{
		Last: count("last"), Hourly: count("hourly"), Daily: count("daily"), Weekly: count("weekly"),
		Monthly: count("monthly"), Yearly: count("yearly"),
		Within: time.Duration(rapid.IntRange(0, 50*24).Draw(t, "within")) * time.Hour,
	}
	if rapid.Bool().Draw(t, "tags") {
		r.Tags = []string{"release"}
	}
	if r.IsZero() {
		r.Last = 1
	}
	return r
}

// steps are from one revision to the next, in minutes, where clocks are right.
func drawSteps(t *rapid.T) []int {
	longest := rapid.SampledFrom([]int{100, 26 * 60, 7 * 24 * 60}).Draw(t, "longest step")
	return rapid.SliceOfN(rapid.IntRange(0, longest), 0, 60).Draw(t, "steps")
}

// drawRight draws a history in which all clocks are right, and no gap is a long one.
func drawRight(t *rapid.T) (history []retention.Revision, now time.Time) {
	now = start
	for i, step := range drawSteps(t) {
		now = now.Add(time.Duration(step) * time.Minute)
		history = append(history, drawRevision(t, uint64(i+1), now))
	}
	return history, now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "since")) * time.Minute)
}

func drawRevision(t *rapid.T, number uint64, begun time.Time) retention.Revision {
	r := retention.Revision{ID: revision.ID(fmt.Sprint(number)), Sequence: number, Begun: begun, Trusted: true}
	switch rapid.IntRange(0, 15).Draw(t, "kind") {
	case 0, 1, 2:
		r.Trusted = false
	case 3:
		r.Tags = []string{"other", "release"}
	case 4:
		r.Pin = &revision.Pin{}
	case 5:
		r.Pin = &revision.Pin{Until: begun.AddDate(0, 0, rapid.IntRange(0, 40).Draw(t, "pinned"))}
	}
	return r
}

// drawAny draws a history in which no clock means anything.
func drawAny(t *rapid.T) (history []retention.Revision, now time.Time) {
	history, now = drawRight(t)
	jumps := []time.Duration{
		time.Hour, 20 * time.Hour, 3 * 24 * time.Hour, 10 * 24 * time.Hour, 45 * 24 * time.Hour, 3 * 366 * 24 * time.Hour,
	}
	ahead := time.Duration(0)
	for i := range history {
		if rapid.IntRange(0, 3).Draw(t, "jumps") == 0 {
			jump := rapid.SampledFrom(jumps).Draw(t, "jump")
			if rapid.Bool().Draw(t, "back") {
				jump = -jump
			}
			if rapid.Bool().Draw(t, "for good") {
				ahead += jump
			} else {
				history[i].Begun = history[i].Begun.Add(jump)
			}
		}
		history[i].Begun = history[i].Begun.Add(ahead)
	}
	if rapid.Bool().Draw(t, "now is odd") {
		now = now.Add(ahead - rapid.SampledFrom(jumps).Draw(t, "now by"))
	}
	return history, now
}

type fatal interface {
	Helper()
	Fatal(args ...any)
}

func decide(t fatal, history []retention.Revision, rules retention.Rules, now time.Time, zone *time.Location) retention.Plan {
	t.Helper()
	plan, err := retention.Decide(history, rules, now, zone)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// stays lists the numbers of what stays.
func stays(p retention.Plan) (numbers []uint64) {
	for _, d := range p.Decisions {
		if d.Stays() {
			numbers = append(numbers, d.Sequence)
		}
	}
	return numbers
}

// lost lists what is in one list and not in another.
func lost(from, of []uint64) []uint64 {
	return slices.DeleteFunc(slices.Clone(from), func(n uint64) bool { return slices.Contains(of, n) })
}

func keptOf(p retention.Plan) (kept []retention.Revision) {
	for _, d := range p.Decisions {
		if d.Stays() {
			kept = append(kept, d.Revision)
		}
	}
	return kept
}

// describe writes a plan for a person who looks for a mistake.
func describe(p retention.Plan) string {
	text := fmt.Sprintf("%v, now %v, clock %v\n", p.Rules, p.Now, p.Clock)
	for _, d := range p.Decisions {
		text += fmt.Sprintf("%3d  %v  trusted=%v  %v\n", d.Sequence, d.Begun.In(p.Now.Location()), d.Trusted, d.Reasons)
	}
	return text
}

// Whatever clocks say: the newest, the newest that is trusted and what is pinned stay;
// the order in which revisions come does not matter; and a plan that was carried out
// leaves nothing for the next one.
func TestPlansHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history, now := drawAny(t)
		rules, zone := drawRules(t), drawZone(t)
		plan := decide(t, history, rules, now, zone)
		kept := stays(plan)
		newest, newestTrusted := uint64(0), uint64(0)
		for _, r := range history {
			newest = r.Sequence
			if r.Trusted {
				newestTrusted = r.Sequence
			}
			pinned := r.Pin != nil && (r.Pin.Until.IsZero() || r.Pin.Until.After(now))
			if pinned && !slices.Contains(kept, r.Sequence) {
				t.Fatalf("%d is pinned and goes:\n%s", r.Sequence, describe(plan))
			}
		}
		for _, n := range []uint64{newest, newestTrusted} {
			if n > 0 && !slices.Contains(kept, n) {
				t.Fatalf("%d goes:\n%s", n, describe(plan))
			}
		}
		shuffled := slices.Clone(history)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if again := decide(t, shuffled, rules, now, zone); describe(again) != describe(plan) {
			t.Fatalf("in another order:\n%s\nin order:\n%s", describe(again), describe(plan))
		}
		if again := decide(t, keptOf(plan), rules, now, zone); len(again.Going()) > 0 {
			t.Fatalf("first\n%s\nand then\n%s", describe(plan), describe(again))
		}
	})
}

// Whoever asks for more gets more.
func TestMoreKeepsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history, now := drawAny(t)
		less, zone := drawRules(t), drawZone(t)
		more := less
		for _, n := range []*int{&more.Last, &more.Hourly, &more.Daily, &more.Weekly, &more.Monthly, &more.Yearly} {
			*n += rapid.IntRange(0, 3).Draw(t, "more")
		}
		more.Within += time.Duration(rapid.IntRange(0, 2000).Draw(t, "longer")) * time.Minute
		a, b := decide(t, history, less, now, zone), decide(t, history, more, now, zone)
		if gone := lost(stays(a), stays(b)); len(gone) > 0 {
			t.Fatalf("%v: less\n%s\nmore\n%s", gone, describe(a), describe(b))
		}
	})
}

// What the rules keep of the trusted revisions alone stays, whatever the others are.
func TestWhatIsNotTrustedTakesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history, now := drawAny(t)
		rules, zone := drawRules(t), drawZone(t)
		var trusted []retention.Revision
		for i := range history {
			history[i].Pin = nil
			if history[i].Trusted {
				trusted = append(trusted, history[i])
			}
		}
		plan, alone := decide(t, history, rules, now, zone), decide(t, trusted, rules, now, zone)
		if gone := lost(stays(alone), stays(plan)); len(gone) > 0 {
			t.Fatalf("%v: trusted alone\n%s\nall\n%s", gone, describe(alone), describe(plan))
		}
	})
}

// counted is what rules keep as a person counts on a calendar, where all clocks are right.
func counted(history []retention.Revision, rules retention.Rules, now time.Time, zone *time.Location) map[uint64]bool {
	want := map[uint64]bool{}
	for i, r := range history {
		if i == len(history)-1 || len(history)-i <= rules.Last || now.Sub(r.Begun) <= rules.Within && rules.Within > 0 ||
			len(rules.Tags) > 0 && len(r.Tags) > 0 || r.Pin != nil && (r.Pin.Until.IsZero() || r.Pin.Until.After(now)) {
			want[r.Sequence] = true
		}
	}
	for layout, n := range map[string]int{
		"2006-01-02 15 -0700": rules.Hourly, "2006-01-02": rules.Daily, "week": rules.Weekly, "2006-01": rules.Monthly, "2006": rules.Yearly,
	} {
		seen := map[string]bool{}
		for _, r := range slices.Backward(history) {
			name := r.Begun.In(zone).Format(layout)
			if layout == "week" {
				year, week := r.Begun.In(zone).ISOWeek()
				name = fmt.Sprint(year, week)
			}
			if !seen[name] && len(seen) < n {
				want[r.Sequence] = true
			}
			seen[name] = true
		}
	}
	return want
}

// Where clocks are right, rules keep what is counted, and nothing else.
func TestRightClocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history, now := drawRight(t)
		rules, zone := drawRules(t), drawZone(t)
		for i := range history {
			history[i].Trusted = true
		}
		want := counted(history, rules, now, zone)
		plan := decide(t, history, rules, now, zone)
		for _, d := range plan.Decisions {
			if d.Stays() != want[d.Sequence] {
				t.Fatalf("%d: want %v\n%s", d.Sequence, want[d.Sequence], describe(plan))
			}
		}
	})
}

// A clock that is wrong for one night takes nothing away that would have stayed had it
// been right: neither by a plan of that very night, nor by those that follow, nor when
// only the plan was made with it.
func TestAWrongNightTakesNothing(t *testing.T) {
	const night = 24 * time.Hour
	rapid.Check(t, func(t *rapid.T) {
		rules, zone := drawRules(t), drawZone(t)
		var history []retention.Revision
		now := start
		for i := range rapid.IntRange(0, 60).Draw(t, "nights") {
			now = now.Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "nights since")) * night)
			history = append(history, drawRevision(t, uint64(i+1), now))
		}
		// The clock is ahead by more than eight days, or behind the trusted backup before.
		by := time.Duration(rapid.IntRange(9, 5000).Draw(t, "wrong by")) * night
		if rapid.Bool().Draw(t, "behind") {
			by = -by + 8*night
			for i := len(history) - 1; i >= 0 && !history[i].Trusted; i-- {
				by -= history[i].Begun.Sub(history[max(0, i-1)].Begun)
			}
			by -= night
		}
		backup := rapid.Bool().Draw(t, "and a backup was made")
		right, wrong := slices.Clone(history), slices.Clone(history)
		for i := range rapid.IntRange(1, 5).Draw(t, "nights after") {
			now = now.Add(night)
			r := drawRevision(t, uint64(len(history)+i+1), now)
			right = append(right, r)
			var trusted []retention.Revision
			for _, r := range right {
				if r.Trusted {
					trusted = append(trusted, r)
				}
			}
			all, alone := counted(right, rules, now, zone), counted(trusted, rules, now, zone)
			right = slices.DeleteFunc(right, func(r retention.Revision) bool { return !all[r.Sequence] && !alone[r.Sequence] })
			clock := now
			if i == 0 {
				clock = clock.Add(by)
				r.Begun = clock
			}
			if i > 0 || backup {
				wrong = append(wrong, r)
			}
			plan := decide(t, wrong, rules, clock, zone)
			wrong = keptOf(plan)
			for _, was := range right {
				there := slices.ContainsFunc(wrong, func(r retention.Revision) bool { return r.Sequence == was.Sequence })
				if !there && was.Sequence != uint64(len(history)+1) {
					t.Fatalf("night %d: %d goes:\n%s", i, was.Sequence, describe(plan))
				}
			}
		}
	})
}

// A plan of ten years of hourly revisions takes a moment; see also BenchmarkDecide.
func decade() (history []retention.Revision, now time.Time) {
	now = start
	for i := range 87_600 {
		now = now.Add(time.Hour)
		history = append(history, retention.Revision{
			ID: "20240110T020000Z-k3f9", Sequence: uint64(i + 1), Begun: now, Trusted: i%100 != 7,
		})
	}
	return history, now
}

func BenchmarkDecide(b *testing.B) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	history, now := decade()
	rules := retention.Rules{Last: 3, Hourly: 48, Daily: 30, Weekly: 8, Monthly: 24, Yearly: 10, Within: 48 * time.Hour, Tags: []string{"release"}}
	b.ReportAllocs()
	for b.Loop() {
		decide(b, history, rules, now, zone)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(history)), "ns/revision")
}
