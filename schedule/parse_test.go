package schedule_test

import (
	"strings"
	"testing"
	"time"

	"varve/schedule"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{ // empty: refused
		"": "never", "never": "never", " ": "never",
		"daily": "daily", " DAILY ": "daily",
		"daily at 02:00": "daily at 02:00", "daily  at 2:05": "daily at 02:05", "Daily at 23:59": "daily at 23:59",
		"sunday": "sun", "Sun": "sun", "mon-fri": "mon,tue,wed,thu,fri", "fri-mon": "mon,fri,sat,sun", "sat, wed": "wed,sat", "mon-sun": "daily",
		"monday at 2:00": "mon at 02:00", "Mon-Wed, Saturday at 02:00": "mon,tue,wed,sat at 02:00", "tue,tuesday": "tue", "sun-sat at 0:30": "daily at 00:30",
		"mon , tue , wed at 02:00": "mon,tue,wed at 02:00", "thursday-friday": "thu,fri",
		"every 6h": "every 6h", "every 90m": "every 90m", "every 1w": "every 1w", "every 60s": "every 60s", "every 366d": "every 366d",
		"0 3 * * sun": "0 3 * * sun", "0  3 * * SUN": "0 3 * * sun", "*/15 8-18/2 1,15 jan-mar mon-fri": "*/15 8-18/2 1,15 jan-mar mon-fri",
		"0 0 29 2 *": "0 0 29 2 *", "0 0 30 2 mon": "0 0 30 2 mon", "0 0 31 2,3 *": "0 0 31 2,3 *", "0 0 * * fri-sun": "0 0 * * fri-sun",
		"0 0 * * 7": "0 0 * * 7",

		"monday at": "", "monday at 25:00": "", "monday at 02:00 03:00": "", "mon tue": "", "mon,": "", "mon,,tue": "", ",mon": "", "mon-": "", "mon-x at 02:00": "",
		"mon,day": "", "mond": "", "at 02:00 mon": "", "mon-tue-wed": "", "sunday daily": "", "daily, mon": "",
		"daily at 24:00": "", "daily at 2": "", "daily at 02:60": "", "daily at 02:5": "", "daily at 002:00": "", "daily at": "",
		"daily at 02:00 04:00": "", "hourly": "", "@daily": "", "at 02:00": "", "nightly": "",
		"every": "", "every 6": "", "every 30s": "", "every 90s": "", "every 0h": "", "every 367d": "", "every -1h": "", "every 6h 5m": "",
		"60 * * * *": "", "* 24 * * *": "", "* * 0 * *": "", "* * 32 * *": "", "* * * 0 *": "", "* * * 13 *": "", "* * * * 8": "",
		"* * * *": "", "* * * * * *": "", "*/0 * * * *": "", "*/60 * * * *": "", "5/2 * * * *": "", "5-3 * * * *": "", "a * * * *": "",
		"-1 * * * *": "", "1- * * * *": "", "1,,2 * * * *": "", "1-2-3 * * * *": "", "*5 * * * *": "", "* * * sun *": "", "* * * * jan": "",
		"0 0 30 2 *": "", "0 0 31 4,6,9,11 *": "", "+1 * * * *": "", "00001 * * * *": "", "0 0 * * sunday": "",
		strings.Repeat("1,", 99) + "1 * * * *": "",
	} {
		s, err := schedule.Parse(text)
		got := s.String()
		if err != nil {
			got = ""
		}
		if got != want {
			t.Errorf("Parse(%q) = %q, %v, want %q", text, got, err, want)
		}
		if err == nil && s.IsZero() != (want == "never") {
			t.Errorf("Parse(%q).IsZero() = %v", text, s.IsZero())
		}
		if err != nil && s != (schedule.Schedule{}) && s.IsZero() {
			t.Errorf("Parse(%q) gives %v with an error", text, s)
		}
	}
}

func TestParseWindow(t *testing.T) {
	for text, want := range map[string]string{ // empty: refused
		"any": "any", "22:00-06:00": "22:00-06:00", "8:00 - 18:30": "08:00-18:30", "00:00-24:00": "any", "22:00-00:00": "22:00-24:00",
		"22:00-24:00": "22:00-24:00", "00:00-06:00": "00:00-06:00",
		"": "", "22:00": "", "22:00-22:00": "", "00:00-00:00": "", "24:00-06:00": "", "22-6": "", "22:00-25:00": "", "22:00-06:00-07:00": "",
		"ANY ": "",
	} {
		w, err := schedule.ParseWindow(text)
		got := w.String()
		if err != nil {
			got = ""
		}
		if got != want {
			t.Errorf("ParseWindow(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestWindowContains(t *testing.T) {
	for _, test := range []struct {
		window, time string
		want         bool
	}{
		{"any", "12:00", true},
		{"22:00-06:00", "21:59", false}, {"22:00-06:00", "22:00", true}, {"22:00-06:00", "00:00", true},
		{"22:00-06:00", "05:59", true}, {"22:00-06:00", "06:00", false}, {"22:00-06:00", "12:00", false},
		{"08:00-18:00", "07:59", false}, {"08:00-18:00", "08:00", true}, {"08:00-18:00", "17:59", true},
		{"08:00-18:00", "18:00", false}, {"22:00-24:00", "23:59", true}, {"22:00-24:00", "00:00", false},
	} {
		at, err := time.ParseInLocation("15:04", test.time, zone(t, "Europe/Berlin"))
		if err != nil {
			t.Fatal(err)
		}
		if got := window(t, test.window).Contains(at.Add(59 * time.Second)); got != test.want {
			t.Errorf("%s contains %s: %v, want %v", test.window, test.time, got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"daily", "daily at 02:00", "sunday", "mon-fri,sun at 02:00", "every 6h", "0 3 * * sun", "*/15 8-18/2 1,15 jan-mar mon-fri", "never"} {
		f.Add(text, "22:00-06:00")
	}
	f.Add("every 7h", "any")
	at := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text, windowText string) {
		w, err := schedule.ParseWindow(windowText)
		if err == nil {
			if again, err := schedule.ParseWindow(w.String()); err != nil || again != w {
				t.Errorf("window %q is %v, which is read as %v, %v", windowText, w, again, err)
			}
		}
		s, err := schedule.Parse(text)
		if err != nil {
			return
		}
		if again, err := schedule.Parse(s.String()); err != nil || again != s {
			t.Errorf("schedule %q is %v, which is read as %v, %v", text, s, again, err)
		}
		p := schedule.Plan{Schedule: s, Window: w, Zone: zone(t, "Europe/Berlin"), Name: text}
		if p.Validate() == nil && !s.IsZero() {
			relate(t, p, at)
		}
	})
}

func parse(t fataler, text string) schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(text)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s
}

func window(t fataler, text string) schedule.Window {
	t.Helper()
	w, err := schedule.ParseWindow(text)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return w
}

func zone(t fataler, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return z
}

// fataler is what testing and rapid have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}
