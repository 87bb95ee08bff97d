package hostlimit_test

import (
	"errors"
	"strings"
	"testing"

	"varve/hostlimit"
)

func TestFreeEnough(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for name, c := range map[string]struct {
		available, total int64
		min              hostlimit.MinFree
		says             string // empty: enough
	}{
		"nothing is asked for":         {0, 0, hostlimit.MinFree{}, ""},
		"just enough bytes":            {gib, 100 * gib, hostlimit.MinFree{Bytes: gib}, ""},
		"a byte too few":               {gib - 1, 100 * gib, hostlimit.MinFree{Bytes: gib}, "1 GiB"},
		"just enough of the whole":     {5 * gib, 100 * gib, hostlimit.MinFree{Percent: 5}, ""},
		"too little of the whole":      {4 * gib, 100 * gib, hostlimit.MinFree{Percent: 5}, "5%"},
		"half a percent":               {gib, 1000 * gib, hostlimit.MinFree{Percent: 0.5}, "0.5%"},
		"enough bytes, too small part": {5 * gib, 1000 * gib, hostlimit.MinFree{Bytes: gib, Percent: 1}, "1%"},
		"enough part, too few bytes":   {5 * gib, 10 * gib, hostlimit.MinFree{Bytes: 6 * gib, Percent: 1}, "6"},
		"a large file system":          {1 << 59, 1 << 62, hostlimit.MinFree{Percent: 13}, "13%"},
	} {
		err := hostlimit.FreeEnough(c.available, c.total, c.min)
		full := new(hostlimit.FullError)
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (!errors.As(err, &full) || full.Available != c.available || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v", name, err)
		}
	}
}
