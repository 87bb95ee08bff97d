package main

import (
	"flag"
	"fmt"
	"math"
	"testing"
	"time"

	"varve/revision"
)

func TestValues(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.FixedZone("CET", 3600))
	tests := []struct {
		value flag.Value
		text  string
		want  string // what it became; empty: refused
	}{
		{new(size), "200MiB", "209715200"},
		{new(size), "8388608T", ""},
		{new(size), "", ""},
		{new(size), "-1", ""},
		{new(duration), "6h", "6h0m0s"},
		{new(duration), "7d", "168h0m0s"},
		{new(duration), "5", ""},
		{new(duration), "-1s", ""},
		{new(duration), "99999999999w", ""},
		{new(extent), "0+1", "0+1"},
		{new(extent), "8GiB+4096", "8589934592+4096"},
		{new(extent), "1K+1K", "1024+1024"},
		{new(extent), "5", ""},
		{new(extent), "5+", ""},
		{new(extent), "+5", ""},
		{new(extent), "5+0", ""},
		{new(extent), "-5+1", ""},
		{new(extent), "1+2+3", ""},
		{new(extent), "9223372036854775807+1", ""},
		{new(tags), "nightly", "[nightly]"},
		{new(tags), "a,b", ""},
		{new(tags), "", ""},
		{&choice{of: []string{"a", "b"}}, "b", "b"},
		{&choice{of: []string{"a", "b"}}, "c", ""},
		{&moment{now: now}, "7d", "2026-11-17T03:00:00+01:00"},
		{&moment{now: now}, "2026-11-19", "2026-11-19T00:00:00+01:00"},
		{&moment{now: now}, "2026-11-19T02:00", "2026-11-19T02:00:00+01:00"},
		{&moment{now: now}, "2026-11-19T02:00:00Z", "2026-11-19T02:00:00Z"},
		{&moment{now: now}, "yesterday", "2026-11-23T00:00:00+01:00"},
		{&moment{now: now}, "today", "2026-11-24T00:00:00+01:00"},
		{&moment{now: now}, "tuesday", "2026-11-24T00:00:00+01:00"},
		{&moment{now: now}, "monday", "2026-11-23T00:00:00+01:00"},
		{&moment{now: now}, "90m", "2026-11-24T01:30:00+01:00"},
		{&moment{now: now}, "tomorrow", ""},
		{new(count), "20", "20"},
		{new(count), "-1", ""},
		{new(count), "x", ""},
	}
	for _, test := range tests {
		err := test.value.Set(test.text)
		got := ""
		if err == nil {
			got = plain(test.value)
		}
		if got != test.want {
			t.Errorf("%T: %q is %q, want %q (%v)", test.value, test.text, got, test.want, err)
		}
	}
}

// plain writes a value exactly.
func plain(v flag.Value) string {
	switch v := v.(type) {
	case *size:
		return fmt.Sprint(int64(*v))
	case *duration:
		return time.Duration(*v).String()
	case *tags:
		return fmt.Sprint([]string(*v))
	}
	return v.String()
}

func FuzzExtent(f *testing.F) {
	f.Add("8GiB+4096")
	f.Fuzz(func(t *testing.T, text string) {
		var e, again extent
		if e.Set(text) != nil {
			return
		}
		if e.Offset < 0 || e.Length <= 0 || e.Length > math.MaxInt64-e.Offset {
			t.Errorf("%q is %+v", text, e)
		}
		if err := again.Set(e.String()); err != nil || again != e {
			t.Errorf("%q is %v, and that is %v, %v", text, &e, &again, err)
		}
	})
}

func FuzzTags(f *testing.F) {
	f.Add("before-upgrade")
	f.Fuzz(func(t *testing.T, text string) {
		var list tags
		if list.Set(text) == nil && (len(list) != 1 || list[0] != text || revision.CheckTag(text) != nil) {
			t.Errorf("%q became %q", text, list)
		}
	})
}

func FuzzMoment(f *testing.F) {
	f.Add("2026-11-19T02:00")
	f.Add("7d")
	f.Fuzz(func(t *testing.T, text string) {
		m := moment{now: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)}
		again := m
		if m.Set(text) != nil {
			return
		}
		if year := m.UTC().Year(); year < 1 || year > 9998 {
			return // RFC 3339 has no such years
		}
		if err := again.Set(m.Format(time.RFC3339)); err != nil || again.Sub(m.Time).Abs() >= time.Second {
			t.Errorf("%q is %v, and that is %v, %v", text, m.Time, again.Time, err)
		}
	})
}

// FuzzAddress makes sure that what is taken for an address names the volume and the
// revision that were typed.
func FuzzAddress(f *testing.F) {
	f.Add("vms/vm-17@latest~2")
	f.Add("db1")
	s := newSession(nil, nil, nil)
	f.Fuzz(func(t *testing.T, text string) {
		want, err := s.parseAddress(text)
		if err != nil {
			if exitCode(err) != exitUsage {
				t.Errorf("%q: %v is no usage error", text, err)
			}
			return
		}
		if got := want.volume.String() + "@" + want.selector.String(); got != text && got != text+"@latest" {
			t.Errorf("%q is taken for %q", text, got)
		}
	})
}
