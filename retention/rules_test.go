package retention_test

import (
	"errors"
	"testing"
	"time"

	"varve/internal/human"
	"varve/retention"
	"varve/revision"
)

func TestRulesThatDecideNothing(t *testing.T) {
	for name, test := range map[string]struct {
		rules  retention.Rules
		noRule bool
	}{
		"none":                {retention.Rules{}, true},
		"an empty list":       {retention.Rules{Tags: []string{}}, true},
		"below zero":          {retention.Rules{Last: 3, Daily: -1}, false},
		"beyond all measure":  {retention.Rules{Hourly: 1_000_001}, false},
		"a negative duration": {retention.Rules{Last: 3, Within: -time.Hour}, false},
		"a tag that is none":  {retention.Rules{Tags: []string{"a b"}}, false},
	} {
		plan, err := retention.Decide([]retention.Revision{{Sequence: 1}}, test.rules, start, nil)
		if err == nil || errors.Is(err, retention.ErrNoRules) != test.noRule || plan.Decisions != nil {
			t.Errorf("%s: %v, %v", name, plan.Decisions, err)
		}
	}
}

func TestRulesWriteThemselves(t *testing.T) {
	for want, rules := range map[string]retention.Rules{
		"none":   {},
		"last 3": {Last: 3},
		"last 1, hourly 2, daily 3, weekly 4, monthly 5, yearly 6, within 36h, tag a, tag b": {
			Last: 1, Hourly: 2, Daily: 3, Weekly: 4, Monthly: 5, Yearly: 6, Within: 36 * time.Hour, Tags: []string{"a", "b"},
		},
		"within 7d":  {Within: 7 * 24 * time.Hour},
		"within 90m": {Within: 90 * time.Minute},
		"within 61s": {Within: 61 * time.Second},
	} {
		if got := rules.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if rules.IsZero() != (want == "none") {
			t.Errorf("%s: IsZero is %v", want, rules.IsZero())
		}
	}
}

func TestParse(t *testing.T) {
	bad := new(human.ValueError)
	for text, want := range map[string]int{"0": 0, "7": 7, "1000000": 1_000_000, "1000001": -1, "-1": -1, "": -1, "all": -1, "1.5": -1, "0x7": -1} {
		got, err := retention.ParseCount(text)
		if err != nil {
			got = -1
		}
		if got != want || err != nil && !errors.As(err, &bad) {
			t.Errorf("ParseCount(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	if got, err := retention.ParseWithin("0s"); got != 0 || err != nil {
		t.Errorf("ParseWithin = %v, %v", got, err)
	}
	if _, err := retention.ParseWithin("48"); !errors.As(err, &bad) {
		t.Errorf("ParseWithin: %v", err)
	}
	if _, err := retention.ParseTag("a b"); err == nil {
		t.Error("ParseTag takes a tag that is none")
	}
}

// What there is to say of nothing, of one, and of numbers that are the same.
func TestFew(t *testing.T) {
	rules := retention.Rules{Last: 1}
	if plan := decide(t, nil, rules, start, nil); len(plan.Decisions) != 0 || len(plan.Going()) != 0 || plan.Now.Location() != time.UTC {
		t.Errorf("of nothing, %v", describe(plan))
	}
	damaged := retention.Revision{ID: "a", Sequence: 1, Begun: start}
	if plan := decide(t, []retention.Revision{damaged}, rules, start, nil); !plan.Decisions[0].Stays() {
		t.Errorf("the only one goes: %s", describe(plan))
	}
	same := []retention.Revision{{ID: "a", Sequence: 1, Trusted: true}, {ID: "b", Sequence: 1, Trusted: true}}
	if plan := decide(t, same, rules, start, nil); len(plan.Going()) != 1 || plan.Decisions[1].ID != "b" || !plan.Decisions[1].Stays() {
		t.Errorf("of two with one number, the later one is newer: %s", describe(plan))
	}
}

// Who carries a plan out, or prints it, sees by which clock it was made.
func TestClock(t *testing.T) {
	const day = 24 * time.Hour
	at := func(days int) time.Time { return start.Add(time.Duration(days) * day) }
	for name, test := range map[string]struct {
		begun []int // in days
		now   int
		want  int
	}{
		"as it should be":                     {[]int{0, 1, 2}, 3, 3},
		"a week between two":                  {[]int{0, 7, 14}, 21, 21},
		"a leap before the newest":            {[]int{0, 1, 100}, 101, 2},
		"a leap before now":                   {[]int{0, 1, 2}, 10, 2},
		"a leap before each":                  {[]int{0, 1, 100}, 200, 1},
		"eight days are a leap":               {[]int{0, 8}, 8, 0},
		"one that was confirmed":              {[]int{0, 100, 101}, 101, 101},
		"a clock that was set back is none":   {[]int{100, 101, 1, 102}, 102, 102},
		"nor is the newest from the future":   {[]int{0, 1, 100}, 2, 2},
		"nothing but what is from the future": {[]int{50, 51}, 2, 2},
		"nothing":                             {nil, 2, 2},
	} {
		var history []retention.Revision
		for i, days := range test.begun {
			history = append(history, retention.Revision{Sequence: uint64(i), Begun: at(days), Trusted: true})
		}
		if plan := decide(t, history, retention.Rules{Last: 1}, at(test.now), nil); !plan.Clock.Equal(at(test.want)) {
			t.Errorf("%s: the clock shows %v, want %v", name, plan.Clock, at(test.want))
		}
	}
}

func TestReasons(t *testing.T) {
	for want, r := range map[string]retention.Reason{
		"newest":                        {},
		"newest trusted":                {Cause: retention.NewestTrusted},
		"pinned":                        {Cause: retention.Pinned},
		"pinned until 2024-01-10 02:00": {Cause: retention.Pinned, Time: start},
		"tag release":                   {Cause: retention.Tagged, Text: "release"},
		"trusted last":                  {Cause: retention.Last, Trusted: true},
		"trusted weekly 2024-W02":       {Cause: retention.Weekly, Trusted: true, Time: start},
		"hourly 2024-01-10 02:00 +00:00": {
			Cause: retention.Hourly, Time: start,
		},
		"monthly 2024-01": {Cause: retention.Monthly, Time: start},
		"yearly 2024":     {Cause: retention.Yearly, Time: start},
		"within 2d":       {Cause: retention.Within, Text: "2d"},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	plan := decide(t, []retention.Revision{{Sequence: 1, Begun: start, Pin: &revision.Pin{Until: start.Add(1)}}}, retention.Rules{Last: 1}, start, nil)
	if got := plan.Decisions[0].Reasons[1].Cause; got != retention.Pinned {
		t.Errorf("one pinned for a moment longer stays for %v", got)
	}
}
