package retention_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"varve/retention"
)

// draw writes a calendar as a command may print it.
func draw(p retention.Plan) string {
	marks := map[retention.Mark]string{retention.Outside: " ", retention.None: "-", retention.Goes: ".", retention.Keeps: "k"}
	var out strings.Builder
	for _, w := range p.Weeks() {
		if w.Skipped > 0 {
			fmt.Fprintf(&out, "%d weeks without\n", w.Skipped)
		}
		out.WriteString(w.Monday.Format("Jan 02"))
		for i, d := range w.Days {
			if want := w.Monday.AddDate(0, 0, i); !d.Date.Equal(want) {
				fmt.Fprintf(&out, " (%v, not %v)", d.Date, want)
			}
			out.WriteString("  " + marks[d.Mark])
		}
		for _, b := range w.Because {
			fmt.Fprintf(&out, " | %v%s", b.Reason.Cause, strings.TrimRight(" "+b.Reason.Text, " "))
			for _, date := range b.Dates {
				fmt.Fprintf(&out, " %d", date.Day())
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

func nights(zone *time.Location, begun ...string) (history []retention.Revision) {
	for i, text := range begun {
		at, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
		if err != nil {
			panic(err)
		}
		history = append(history, retention.Revision{Sequence: uint64(i + 1), Begun: at, Trusted: true})
	}
	return history
}

func TestWeeks(t *testing.T) {
	berlin, apia := location(t, "Europe/Berlin"), location(t, "Pacific/Apia")
	november := []string{"2026-11-10 02:00"}
	for day := 11; day <= 24; day++ {
		if day != 22 {
			november = append(november, fmt.Sprintf("2026-11-%d 02:00", day))
		}
	}
	for name, test := range map[string]struct {
		history []retention.Revision
		rules   retention.Rules
		now     string
		zone    *time.Location
		want    string
	}{
		"three weeks, with a night that was missed": {
			nights(berlin, november...), retention.Rules{Last: 3, Daily: 7, Weekly: 4}, "2026-11-24 03:00", berlin,
			"Nov 09     .  .  .  .  .  k | weekly 15\n" +
				"Nov 16  .  k  k  k  k  k  - | last 21 | daily 17 18 19 20 21 | weekly 21\n" +
				"Nov 23  k  k                | newest 24 | last 23 24 | daily 23 24 | weekly 24\n",
		},
		"several a day, today without one, and the week after a gap": {
			nights(berlin, "2026-10-25 00:30", "2026-10-25 23:30", "2026-11-16 01:00", "2026-11-16 23:59", "2026-11-17 12:00"),
			retention.Rules{Last: 1, Weekly: 2}, "2026-11-19 03:00", berlin,
			"Oct 19                    k | weekly 25\n3 weeks without\nNov 16  .  k  -             | newest 17 | last 17 | weekly 17\n",
		},
		"a year that ends, and one ten years ahead": {
			nights(berlin, "2026-12-31 02:00", "2036-12-30 02:00", "2027-01-01 02:00"), retention.Rules{Yearly: 1}, "2027-01-01 03:00", berlin,
			"Dec 28           .  k       | newest 1 | yearly 1\n521 weeks without\nDec 29     k                | yearly 30\n",
		},
		"a day that never was": {
			nights(apia, "2011-12-29 12:00", "2011-12-31 12:00"), retention.Rules{Daily: 3}, "2012-01-02 12:00", apia,
			"Dec 26           k  -  k  - | newest 31 | daily 29 31\n",
		},
		"nothing": {nil, retention.Rules{Daily: 3}, "2012-01-02 12:00", apia, ""},
	} {
		now := nights(test.zone, test.now)[0].Begun
		if got := draw(decide(t, test.history, test.rules, now, test.zone)); got != test.want {
			t.Errorf("%s: got\n%swant\n%s", name, got, test.want)
		}
	}
}

func location(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}
