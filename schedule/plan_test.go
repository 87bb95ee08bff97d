package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve/schedule"
)

const layout = "2006-01-02 15:04 -0700"

// Each plan is asked for all that is due from one moment on.
func TestDueTimes(t *testing.T) {
	tests := []struct {
		name, schedule, window, zone, after string
		want                                []string
	}{
		{"an ordinary week", "0 3 * * sun", "any", "Europe/Berlin", "2026-11-01 03:00 +0100",
			[]string{"2026-11-08 03:00 +0100", "2026-11-15 03:00 +0100"}},
		{"a time that does not exist is the first moment after", "daily at 02:30", "any", "Europe/Berlin", "2026-03-27 12:00 +0100",
			[]string{"2026-03-28 02:30 +0100", "2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"}},
		{"the same in a cron line", "30 2 * * *", "any", "Europe/Berlin", "2026-03-28 02:30 +0100",
			[]string{"2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"}},
		{"all that is jumped over is due once", "*/20 1-3 29 mar *", "any", "Europe/Berlin", "2026-03-29 01:39 +0100",
			[]string{"2026-03-29 01:40 +0100", "2026-03-29 03:00 +0200", "2026-03-29 03:20 +0200"}},
		{"a time that exists twice is due at its first", "daily at 02:30", "any", "Europe/Berlin", "2026-10-24 12:00 +0200",
			[]string{"2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"}},
		{"asked between the two", "daily at 02:30", "any", "Europe/Berlin", "2026-10-25 02:10 +0100",
			[]string{"2026-10-26 02:30 +0100"}},
		{"hours from midnight, on a day of 25", "every 6h", "any", "Europe/Berlin", "2026-10-24 23:00 +0200",
			[]string{"2026-10-25 00:00 +0200", "2026-10-25 06:00 +0100", "2026-10-25 12:00 +0100"}},
		{"hours from midnight, on a day of 23", "every 2h", "any", "Europe/Berlin", "2026-03-29 00:00 +0100",
			[]string{"2026-03-29 03:00 +0200", "2026-03-29 04:00 +0200"}},
		{"the south goes forward in spring", "daily at 02:30", "any", "Australia/Sydney", "2026-10-03 12:00 +1000",
			[]string{"2026-10-04 03:00 +1100", "2026-10-05 02:30 +1100"}},
		{"the south goes back in autumn", "daily at 02:30", "any", "Australia/Sydney", "2026-04-04 12:00 +1100",
			[]string{"2026-04-05 02:30 +1100", "2026-04-06 02:30 +1000"}},
		{"half an hour forward", "daily at 02:15", "any", "Australia/Lord_Howe", "2026-10-03 12:00 +1030",
			[]string{"2026-10-04 02:30 +1100", "2026-10-05 02:15 +1100"}},
		{"half an hour back", "daily at 01:45", "any", "Australia/Lord_Howe", "2026-04-04 12:00 +1100",
			[]string{"2026-04-05 01:45 +1100", "2026-04-06 01:45 +1030"}},
		{"midnight does not exist", "daily at 00:00", "any", "America/Sao_Paulo", "2018-11-03 12:00 -0300",
			[]string{"2018-11-04 01:00 -0200", "2018-11-05 00:00 -0200"}},
		{"a day does not exist", "daily at 12:00", "any", "Pacific/Apia", "2011-12-29 11:00 -1000",
			[]string{"2011-12-29 12:00 -1000", "2011-12-31 00:00 +1400", "2011-12-31 12:00 +1400"}},
		{"the last day of a leap year", "daily at 07:00", "any", "Europe/Berlin", "2040-12-30 12:00 +0100",
			[]string{"2040-12-31 07:00 +0100", "2041-01-01 07:00 +0100"}},
		{"the last day of a leap year in the south", "daily at 07:00", "any", "Australia/Sydney", "2040-12-30 12:00 +1100",
			[]string{"2040-12-31 07:00 +1100", "2041-01-01 07:00 +1100"}},
		{"outside of the window does not count", "every 6h", "22:00-06:00", "Europe/Berlin", "2026-11-24 00:00 +0100",
			[]string{"2026-11-25 00:00 +0100"}},
		{"nor when the clock jumps out of it", "daily at 02:30", "02:00-03:00", "Europe/Berlin", "2026-03-28 02:30 +0100",
			[]string{"2026-03-30 02:30 +0200"}},
		{"nor what jumps into it", "30 2,4 * * *", "03:00-05:00", "Europe/Berlin", "2026-03-28 04:30 +0100",
			[]string{"2026-03-29 04:30 +0200"}},
		{"steps that do not divide a day", "every 7h", "any", "UTC", "2001-01-01 00:00 +0000",
			[]string{"2001-01-01 07:00 +0000", "2001-01-01 14:00 +0000", "2001-01-01 21:00 +0000", "2001-01-02 04:00 +0000"}},
		{"and before that was ever counted from", "every 7h", "any", "UTC", "2000-12-31 10:00 +0000",
			[]string{"2000-12-31 17:00 +0000", "2001-01-01 00:00 +0000"}},
		{"weeks begin on Monday", "every 1w", "any", "Europe/Berlin", "2026-11-24 12:00 +0100",
			[]string{"2026-11-30 00:00 +0100"}},
		{"a day of the month or of the week", "0 0 13 * fri", "any", "UTC", "2026-11-06 00:00 +0000",
			[]string{"2026-11-13 00:00 +0000", "2026-11-20 00:00 +0000", "2026-11-27 00:00 +0000"}},
		{"a star makes it both", "0 0 */2 * mon", "any", "UTC", "2026-11-01 00:00 +0000",
			[]string{"2026-11-09 00:00 +0000", "2026-11-23 00:00 +0000"}},
		{"a day of the week", "sunday at 03:00", "any", "Europe/Berlin", "2026-11-01 03:00 +0100",
			[]string{"2026-11-08 03:00 +0100", "2026-11-15 03:00 +0100"}},
		{"some days of the week", "mon-wed, sat at 02:30", "any", "Europe/Berlin", "2026-03-25 12:00 +0100",
			[]string{"2026-03-28 02:30 +0100", "2026-03-30 02:30 +0200", "2026-03-31 02:30 +0200", "2026-04-01 02:30 +0200", "2026-04-04 02:30 +0200"}},
		{"a day of the week whose hour does not exist", "sun at 02:30", "any", "Europe/Berlin", "2026-03-28 12:00 +0100",
			[]string{"2026-03-29 03:00 +0200", "2026-04-05 02:30 +0200"}},
		{"a day of the week, spread", "sat,sun", "22:00-06:00", "UTC", "2026-11-24 12:00 +0000",
			[]string{"2026-11-28 03:03 +0000", "2026-11-29 03:03 +0000", "2026-12-05 03:03 +0000"}},
		{"leap days", "0 0 29 2 *", "any", "UTC", "2096-02-28 23:59 +0000",
			[]string{"2096-02-29 00:00 +0000", "2104-02-29 00:00 +0000"}},
		{"leap days on a Sunday", "0 0 29 2 */7", "any", "UTC", "2088-02-29 00:00 +0000",
			[]string{"2128-02-29 00:00 +0000"}},
		{"Sunday is 0 and 7", "0 0 * * 5-7", "any", "UTC", "2026-11-25 00:00 +0000",
			[]string{"2026-11-27 00:00 +0000", "2026-11-28 00:00 +0000", "2026-11-29 00:00 +0000", "2026-12-04 00:00 +0000"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := schedule.Plan{
				Schedule: parse(t, test.schedule), Window: window(t, test.window), Zone: zone(t, test.zone), Name: "db1",
			}
			if err := p.Validate(); err != nil {
				t.Error(err)
			}
			at, err := time.Parse(layout, test.after)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range test.want {
				at = p.Next(at)
				got = append(got, at.Format(layout))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("due\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			for i := len(got) - 1; i >= 0; i-- {
				if back := p.Prev(at).Format(layout); back != got[i] {
					t.Errorf("before %v it was due %s, want %s", at, back, got[i])
				}
				at = p.Prev(at).Add(-1)
			}
		})
	}
}

func TestNever(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	for _, p := range []schedule.Plan{
		{},
		{Window: window(t, "22:00-06:00")},
		{Schedule: parse(t, "daily at 12:00"), Window: window(t, "22:00-06:00")},
		{Schedule: parse(t, "every 6h"), Window: window(t, "01:00-05:00")},
		{Schedule: parse(t, "*/5 9-17 * * *"), Window: window(t, "18:00-09:00")},
	} {
		if next, prev, gap := p.Next(now), p.Prev(now), p.Gap(now); !next.IsZero() || !prev.IsZero() || gap != 0 {
			t.Errorf("%v in %v is due %v, was due %v, every %v", p.Schedule, p.Window, next, prev, gap)
		}
		if err := p.Validate(); (err == nil) != p.Schedule.IsZero() {
			t.Errorf("%v in %v: %v", p.Schedule, p.Window, err)
		}
	}
}

func TestValidateTellsBoth(t *testing.T) {
	p := schedule.Plan{Schedule: parse(t, "daily at 12:00"), Window: window(t, "22:00-06:00")}
	if err := p.Validate(); err == nil || err.Error() != `the schedule "daily at 12:00" never falls into the window 22:00-06:00` {
		t.Errorf("got %v", err)
	}
}

func TestGap(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for _, test := range []struct {
		schedule string
		at       time.Time
		want     time.Duration
	}{
		{"daily at 02:00", time.Date(2026, 11, 24, 3, 0, 0, 0, berlin), 24 * time.Hour},
		{"daily at 04:00", time.Date(2026, 10, 24, 12, 0, 0, 0, berlin), 25 * time.Hour},
		{"daily at 04:00", time.Date(2026, 3, 28, 12, 0, 0, 0, berlin), 23 * time.Hour},
		{"0 3 * * sun", time.Date(2026, 11, 24, 3, 0, 0, 0, berlin), 7 * 24 * time.Hour},
		{"0 9 * * mon-fri", time.Date(2026, 11, 21, 3, 0, 0, 0, berlin), 3 * 24 * time.Hour},
		{"every 6h", time.Date(2026, 11, 21, 6, 0, 0, 0, berlin), 6 * time.Hour}, // due just now
	} {
		p := schedule.Plan{Schedule: parse(t, test.schedule), Zone: berlin}
		if got := p.Gap(test.at); got != test.want {
			t.Errorf("%s at %v: gap %v, want %v", test.schedule, test.at, got, test.want)
		}
	}
}

// Jobs of "daily" lie all over the window, each at the same time every day, whatever else there is.
func TestSpread(t *testing.T) {
	p := schedule.Plan{Schedule: parse(t, "daily"), Window: window(t, "22:00-06:00"), Zone: time.UTC}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	hours := map[int]int{}
	for i := range 800 {
		p.Name = fmt.Sprintf("vms/vm-%d", i)
		next := p.Next(now)
		if again := p.Next(next); again.Sub(next) != 24*time.Hour {
			t.Fatalf("%s is due %v, then %v", p.Name, next, again)
		}
		hours[next.Hour()]++
	}
	for _, hour := range []int{22, 23, 0, 1, 2, 3, 4, 5} {
		if n := hours[hour]; n < 60 || n > 140 {
			t.Errorf("%d of 800 jobs begin in hour %d of 8", n, hour)
		}
	}
	p.Name = "db1" // what a name gives stays what it is
	if got := p.Next(now).Format(layout); got != dueOfDB1 {
		t.Errorf("db1 is due %s, want %s", got, dueOfDB1)
	}
	p.Schedule = parse(t, "daily at 02:00")
	if a, b := p.Next(now), (schedule.Plan{Schedule: p.Schedule, Window: p.Window, Name: "db2"}).Next(now); !a.Equal(b) {
		t.Errorf("daily at 02:00 is spread: %v, %v", a, b)
	}
}

const dueOfDB1 = "2026-11-25 03:03 +0000"

var zones = []string{
	"UTC", "Europe/Berlin", "Australia/Sydney", "Australia/Lord_Howe", "America/Sao_Paulo", "America/St_Johns", "Africa/Casablanca",
	"Pacific/Apia", "Asia/Kathmandu", "Africa/Monrovia", "America/Scoresbysund", "Antarctica/Troll",
}

// wholeZones never skipped a day, and were always some minutes from UTC, without seconds.
var wholeZones = slices.DeleteFunc(slices.Clone(zones), func(name string) bool {
	return name == "Pacific/Apia" || name == "Africa/Monrovia"
})

func plans() *rapid.Generator[schedule.Plan] {
	return rapid.Custom(func(t *rapid.T) schedule.Plan {
		clock := func(label string) string {
			return fmt.Sprintf("%02d:%02d", rapid.IntRange(0, 23).Draw(t, label), rapid.SampledFrom([]int{0, 1, 30, 59}).Draw(t, label))
		}
		p := schedule.Plan{Zone: zone(t, rapid.SampledFrom(zones).Draw(t, "zone")), Name: rapid.StringN(0, 9, -1).Draw(t, "name")}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			p.Schedule = parse(t, daysOf(t))
		case 1:
			p.Schedule = parse(t, daysOf(t)+" at "+clock("at"))
		case 2:
			unit := rapid.SampledFrom([]string{"m", "h", "d"}).Draw(t, "unit")
			p.Schedule = parse(t, fmt.Sprintf("every %d%s", rapid.IntRange(1, 100).Draw(t, "step"), unit))
		case 3:
			p.Schedule = parse(t, cronLine(t))
		}
		if rapid.Bool().Draw(t, "windowed") {
			if w, err := schedule.ParseWindow(clock("from") + "-" + clock("to")); err == nil {
				p.Window = w
			}
		}
		return p
	}).Filter(func(p schedule.Plan) bool { return p.Validate() == nil })
}

// daysOf are all days, or some of a week.
func daysOf(t *rapid.T) string {
	day := rapid.SampledFrom([]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"})
	switch rapid.IntRange(0, 2).Draw(t, "days") {
	case 0:
		return "daily"
	case 1:
		return day.Draw(t, "from") + "-" + day.Draw(t, "to")
	}
	return strings.Join(rapid.SliceOfN(day, 1, 4).Draw(t, "some"), ",")
}

func cronLine(t *rapid.T) string {
	field := func(label string, first, last int) string {
		number := rapid.IntRange(first, last)
		switch rapid.IntRange(0, 3).Draw(t, label) {
		case 0:
			return fmt.Sprint(number.Draw(t, label))
		case 1:
			return fmt.Sprintf("*/%d", rapid.IntRange(1, last-first).Draw(t, label))
		case 2:
			from := number.Draw(t, label)
			return fmt.Sprintf("%d-%d,%d", from, rapid.IntRange(from, last).Draw(t, label), number.Draw(t, label))
		}
		return "*"
	}
	for {
		line := strings.Join([]string{
			field("minute", 0, 59), field("hour", 0, 23), field("day", 1, 31), field("month", 1, 12), field("weekday", 0, 7),
		}, " ")
		if _, err := schedule.Parse(line); err == nil {
			return line
		}
	}
}

// moments are near changes of clocks as often as not.
func moments(p schedule.Plan) *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		from, to := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
		at := time.Unix(rapid.Int64Range(from.Unix(), to.Unix()).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		if rapid.Bool().Draw(t, "near a change") {
			if _, end := at.In(p.Zone).ZoneBounds(); !end.IsZero() {
				at = end.Add(time.Duration(rapid.Int64Range(-180, 180).Draw(t, "minutes")) * time.Minute)
			}
		}
		return at
	})
}

func TestPlanRelations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plans().Draw(t, "plan")
		relate(t, p, moments(p).Draw(t, "at"))
	})
}

// relate checks what holds of every plan that is ever due.
func relate(t interface {
	fataler
	Errorf(format string, args ...any)
}, p schedule.Plan, at time.Time) {
	t.Helper()
	prev, next := p.Prev(at), p.Next(at)
	what := fmt.Sprintf("%v in %v of %v at %v: due %v, then %v", p.Schedule, p.Window, p.Zone, at, prev, next)
	if prev.IsZero() || next.IsZero() || prev.After(at) || !next.After(at) {
		t.Fatalf("%s", what)
	}
	if got := p.Next(prev); !got.Equal(next) {
		t.Errorf("%s; but Next of Prev is %v", what, got)
	}
	if got := p.Prev(next); !got.Equal(next) {
		t.Errorf("%s; but Prev of Next is %v", what, got)
	}
	if got := p.Prev(next.Add(-1)); !got.Equal(prev) {
		t.Errorf("%s; but a moment before the latter it was due %v", what, got)
	}
	if got := p.Gap(at); got != next.Sub(prev) || got <= 0 {
		t.Errorf("%s; the gap is %v", what, got)
	}
	if !p.Window.Contains(prev.In(p.Zone)) || !p.Window.Contains(next.In(p.Zone)) {
		t.Errorf("%s; the window is closed then", what)
	}
	if later := p.Next(next); !later.After(next) {
		t.Errorf("%s, then %v", what, later)
	}
}

// A plan is compared with one that looks at every minute on its way.
func TestPlanAsCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := schedule.Plan{Zone: zone(t, rapid.SampledFrom(wholeZones).Draw(t, "zone"))}
		hour, minute := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.SampledFrom([]int{0, 15, 30, 45}).Draw(t, "minute")
		p.Schedule = parse(t, fmt.Sprintf("daily at %02d:%02d", hour, minute))
		at := moments(p).Draw(t, "at").In(p.Zone).Truncate(time.Minute)
		var want time.Time
		// Due is the first moment of a day at which the clock shows the time or a later one.
		for day := at.Add(-50 * time.Hour); ; day = day.Add(time.Minute) {
			if first := firstOfDay(day, hour*60+minute); !first.IsZero() && first.After(at) {
				want = first
				break
			}
		}
		if got := p.Next(at); !got.Equal(want) {
			t.Errorf("%v of %v after %v is due %v, want %v", p.Schedule, p.Zone, at, got, want)
		}
	})
}

// firstOfDay is t if the clock shows the time then and has not shown it, or anything later, on that day before.
func firstOfDay(t time.Time, minute int) time.Time {
	shown := func(t time.Time) int64 {
		year, month, day := t.Date()
		return time.Date(year, month, day, t.Hour(), t.Minute(), 0, 0, time.UTC).Unix() / 60
	}
	year, month, day := t.Date()
	want := time.Date(year, month, day, 0, minute, 0, 0, time.UTC).Unix() / 60
	if shown(t) < want || shown(t.Add(-time.Minute)) >= want {
		return time.Time{}
	}
	for back := t.Add(-time.Minute); t.Sub(back) < 26*time.Hour; back = back.Add(-time.Minute) {
		if shown(back) >= want {
			return time.Time{}
		}
	}
	return t
}
