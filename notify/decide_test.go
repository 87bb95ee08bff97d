package notify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)

const day = 24 * time.Hour

// trouble is written "kind volume", with a "!" if it is critical.
func trouble(text string) Trouble {
	kind, volume, _ := strings.Cut(strings.TrimSuffix(text, "!"), " ")
	t := Trouble{Kind: kind, Volume: volume, Grade: Warning, Why: "of something"}
	if strings.HasSuffix(text, "!") {
		t.Grade = Critical
	}
	return t
}

func troubles(texts ...string) (all []Trouble) {
	for _, text := range texts {
		all = append(all, trouble(text))
	}
	return all
}

// said is a message in short: what is new, still so, and over.
func said(m Message) string {
	var all []string
	for _, part := range []struct {
		sign string
		of   []Trouble
	}{{"+", m.New}, {"=", m.Still}, {"-", m.Over}} {
		for _, t := range part.of {
			all = append(all, part.sign+t.Kind+" "+t.Volume)
		}
	}
	return strings.Join(all, ", ")
}

func TestDecide(t *testing.T) {
	t.Parallel()
	type look struct {
		after    time.Duration // since the look before
		troubles []Trouble
		partial  bool
		want     string
	}
	for name, looks := range map[string][]look{
		"all is well":     {{}, {after: day}},
		"told once":       {{troubles: troubles("overdue a!"), want: "+overdue a"}, {after: time.Minute, troubles: troubles("overdue a!")}, {after: 23 * time.Hour, troubles: troubles("overdue a!")}},
		"and every day":   {{troubles: troubles("overdue a!"), want: "+overdue a"}, {after: day, troubles: troubles("overdue a!"), want: "=overdue a"}, {after: time.Hour, troubles: troubles("overdue a!")}, {after: day, troubles: troubles("overdue a!"), want: "=overdue a"}},
		"a warning once":  {{troubles: troubles("live-source a"), want: "+live-source a"}, {after: 9 * day, troubles: troubles("live-source a")}},
		"over":            {{troubles: troubles("overdue a!"), want: "+overdue a"}, {after: time.Hour, want: "-overdue a"}, {after: time.Hour}},
		"over, and again": {{troubles: troubles("overdue a!"), want: "+overdue a"}, {after: time.Hour, want: "-overdue a"}, {after: time.Hour, troubles: troubles("overdue a!"), want: "+overdue a"}},
		"it comes and goes": {
			{troubles: troubles("warned a"), want: "+warned a"}, {after: time.Hour, want: "-warned a"}, {after: time.Hour, troubles: troubles("warned a"), want: "+warned a"},
			{after: time.Hour}, {after: time.Hour, troubles: troubles("warned a")}, {after: time.Hour}, {after: 21 * time.Hour, want: "-warned a"}, {after: 9 * day},
		},
		"a failure that lasts": {
			{troubles: troubles("failed a"), want: "+failed a"}, {after: time.Hour, troubles: troubles("failed a")}, {after: time.Hour, troubles: troubles("overdue a!"), want: "+overdue a"},
			{after: time.Hour, troubles: troubles("failed a")}, {after: time.Hour, troubles: troubles("overdue a!")}, {after: time.Hour, want: "-overdue a"},
		},
		"many in one night": {{troubles: troubles("anomaly a", "anomaly b", "anomaly c"), want: "+anomaly a, +anomaly b, +anomaly c"}, {after: time.Hour, troubles: troubles("anomaly b"), want: "-anomaly a, -anomaly c"}},
		"many in one night, one after the other": {
			{troubles: troubles("anomaly a"), want: "+anomaly a"}, {after: time.Minute, troubles: troubles("anomaly a", "anomaly b")},
			{after: time.Hour, troubles: troubles("anomaly a", "anomaly b", "anomaly c")},
			{after: 11 * time.Hour, troubles: troubles("anomaly a", "anomaly b", "anomaly c"), want: "+anomaly b, +anomaly c"},
			{after: time.Hour, troubles: troubles("anomaly a", "anomaly b", "anomaly c")},
		},
		"many in one night, and something else": {
			{troubles: troubles("anomaly a"), want: "+anomaly a"}, {after: time.Hour, troubles: troubles("anomaly a", "anomaly b")},
			{after: time.Hour, troubles: troubles("anomaly a", "anomaly b", "overdue a!"), want: "+overdue a, +anomaly b"},
			{after: time.Hour, troubles: troubles("anomaly a", "anomaly b", "overdue a!", "anomaly c")},
		},
		"one of a night comes back": {
			{troubles: troubles("anomaly a", "anomaly b"), want: "+anomaly a, +anomaly b"}, {after: time.Hour, troubles: troubles("anomaly a"), want: "-anomaly b"},
			{after: time.Hour, troubles: troubles("anomaly a", "anomaly b")}, {after: 10 * time.Hour, troubles: troubles("anomaly a", "anomaly b"), want: "+anomaly b"},
			{after: time.Hour, troubles: troubles("anomaly a")}, {after: 23 * time.Hour, troubles: troubles("anomaly a"), want: "-anomaly b"},
		},
		"the repository is away": {
			{troubles: troubles("overdue a!"), want: "+overdue a"}, {after: time.Hour, troubles: troubles("unreachable !"), partial: true, want: "+unreachable "},
			{after: day, troubles: troubles("unreachable !"), partial: true, want: "=unreachable "}, {after: time.Hour, troubles: troubles("overdue a!"), want: "=overdue a, -unreachable "},
		},
		"a clock that ran ahead": {{troubles: troubles("overdue a!"), want: "+overdue a"}, {after: -900 * day, troubles: troubles("overdue a!"), want: "=overdue a"}, {after: time.Hour, troubles: troubles("overdue a!")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l ledger
			now := start
			for i, look := range looks {
				now = now.Add(look.after)
				var m Message
				m, l = l.decide(Situation{Now: now, Troubles: look.troubles, Partial: look.partial}, day)
				if got := said(m); got != look.want {
					t.Fatalf("look %d: %q, want %q", i, got, look.want)
				}
			}
			if last := looks[len(looks)-1]; last.troubles == nil && len(l) > 0 && last.after > 2*day {
				t.Errorf("what is over for long is kept: %+v", l)
			}
		})
	}
}

// Whatever happens, and whichever messages are lost: who is told knows of all that is
// critical, hears of no trouble twice within the time but where it came back, and of none
// that is over twice within it; and what is quiet for long is believed to be over.
func TestDecideProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		const again = 24 * time.Hour
		var l ledger
		now := start
		believed, told, over := map[string]bool{}, map[string]time.Time{}, map[string]time.Time{}
		for range rapid.IntRange(1, 60).Draw(rt, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(1, 40).Draw(rt, "hours")) * time.Hour)
			var is []Trouble
			bad := map[string]bool{}
			for _, name := range []string{"overdue a!", "damaged b!", "warned c", "anomaly d", "anomaly e"} {
				if bad[name] = rapid.Bool().Draw(rt, name); bad[name] {
					is = append(is, trouble(name))
				}
			}
			s := Situation{Now: now, Troubles: is, Partial: rapid.IntRange(0, 5).Draw(rt, "partial") == 0}
			m, then := l.decide(s, again)
			if rapid.IntRange(0, 4).Draw(rt, "lost") == 0 {
				continue // nobody took it
			}
			l = then
			name := func(t Trouble) string {
				return t.Kind + " " + t.Volume + map[string]string{Critical: "!"}[t.Grade]
			}
			for _, t := range m.New {
				if believed[name(t)] {
					rt.Errorf("%s is told as new, and was told", name(t))
				}
				believed[name(t)], told[name(t)] = true, now
			}
			for _, t := range m.Still {
				if !believed[name(t)] || now.Sub(told[name(t)]) < again || t.Grade != Critical {
					rt.Errorf("%s is told again, last at %v", name(t), told[name(t)])
				}
				told[name(t)] = now
			}
			for _, t := range m.Over {
				if !believed[name(t)] || bad[name(t)] || s.Partial || !over[name(t)].IsZero() && now.Sub(over[name(t)]) < again {
					rt.Errorf("%s is told to be over, last at %v", name(t), over[name(t)])
				}
				believed[name(t)], over[name(t)] = false, now
			}
			for name, is := range bad {
				if is && !believed[name] && (!strings.HasPrefix(name, "anomaly") || now.Sub(latest(told, "anomaly")) >= night) {
					rt.Errorf("%s is so, and nobody knows", name)
				}
				if is && strings.HasSuffix(name, "!") && now.Sub(told[name]) >= again {
					rt.Errorf("%s lasts, and was not told since %v", name, told[name])
				}
			}
		}
		m, l := l.decide(Situation{Now: now.Add(again)}, again)
		for _, t := range m.Over {
			believed[t.Kind+" "+t.Volume+map[string]string{Critical: "!"}[t.Grade]] = false
		}
		for name, is := range believed {
			if is {
				rt.Errorf("%s was over for long, and nobody knows", name)
			}
		}
		if _, l = l.decide(Situation{Now: now.Add(3 * again)}, again); len(l) > 0 {
			rt.Errorf("kept for ever: %+v", l)
		}
	})
}

// What was told comes back from the file, and what is no such file is refused.
func TestStateFile(t *testing.T) {
	t.Parallel()
	told := map[string]ledger{"webhook": {{Trouble: trouble("overdue ü\"b!"), Told: start, Over: start.Add(-time.Hour), Open: true}}, "email": {}}
	file, err := encodeState(told)
	if err != nil {
		t.Fatal(err)
	}
	again, err := decodeState(file)
	if err != nil || fmt.Sprint(again) != fmt.Sprint(told) {
		t.Errorf("%v, %v\nwant %v", again, err, told)
	}
	for _, bad := range [][]byte{nil, file[:len(file)/2], []byte(`{"varve":2,"told":{}}`), []byte(`{"varve":1,"told":{},"more":1}`), []byte("[]")} {
		if _, err := decodeState(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// A text has its summary first, is of lines that are not endless, and lists what many have in common once.
func TestText(t *testing.T) {
	t.Parallel()
	good := start.Add(-day)
	m := Message{Time: start, Host: "backup1", Repository: "/srv/varve", Verdict: notSafe, Open: 70, Over: troubles("warned c")}
	for i := range 60 {
		one := trouble(fmt.Sprintf("live-source v%d", i))
		one.Why, one.Do, one.LastGood = "line\nof two", "varve backup v", &good
		m.New = append(m.New, one)
	}
	m.summarize()
	if m.Summary != "NOT SAFE: live source v0 and 59 more; over: warned c" {
		t.Errorf("summary %q", m.Summary)
	}
	lines := strings.Split(m.text(), "\n")
	for _, want := range []string{m.Summary, "NEW", "  live source v49: line of two", "      last good   Mon 23 Nov 2026 03:12 UTC", "      what to do  varve backup v", "  and 10 more", "OVER", "  warned c: of something"} {
		if !slices.Contains(lines, want) {
			t.Errorf("there is no line %q in\n%s", want, m.text())
		}
	}
	if slices.Contains(lines, "STILL SO") {
		t.Error("it tells of what still lasts, and nothing does")
	}
}

// latest is the last of the times whose names begin so.
func latest(times map[string]time.Time, prefix string) (last time.Time) {
	for name, at := range times {
		if strings.HasPrefix(name, prefix) && at.After(last) {
			last = at
		}
	}
	return last
}
