package human_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"varve/internal/human"
)

// parsers write exactly what they read.
var parsers = map[string]func(text string) (string, error){
	"size": func(text string) (string, error) {
		n, err := human.ParseSize(text)
		return fmt.Sprint(n), err
	},
	"duration": func(text string) (string, error) {
		d, err := human.ParseDuration(text)
		return d.String(), err
	},
	"percent": func(text string) (string, error) {
		p, err := human.ParsePercent(text)
		return fmt.Sprint(p), err
	},
}

func TestParse(t *testing.T) {
	tests := []struct{ kind, text, want string }{ // want is empty: refused
		{"size", "0", "0"},
		{"size", "4096", "4096"},
		{"size", "7B", "7"},
		{"size", "1K", "1024"},
		{"size", "2m", "2097152"},
		{"size", "1KB", "1000"},
		{"size", "3MB", "3000000"},
		{"size", "200MiB", "209715200"},
		{"size", "5GB", "5000000000"},
		{"size", "5gib", "5368709120"},
		{"size", "1T", "1099511627776"},
		{"size", "1TB", "1000000000000"},
		{"size", "8388607T", "9223370937343148032"},
		{"size", "8388608T", ""},
		{"size", "9223372036854775807", "9223372036854775807"},
		{"size", "9223372036854775808", ""},
		{"size", "", ""},
		{"size", "K", ""},
		{"size", "-1", ""},
		{"size", "+1", ""},
		{"size", "1.5G", ""},
		{"size", "1 K", ""},
		{"size", "1KiBs", ""},
		{"size", "1P", ""},
		{"duration", "90s", "1m30s"},
		{"duration", "15m", "15m0s"},
		{"duration", "6h", "6h0m0s"},
		{"duration", "7d", "168h0m0s"},
		{"duration", "4w", "672h0m0s"},
		{"duration", "0s", "0s"},
		{"duration", "9223372036s", "2562047h47m16s"},
		{"duration", "9223372037s", ""},
		{"duration", "5", ""},
		{"duration", "1M", ""},
		{"duration", "1h30m", ""},
		{"duration", "-1s", ""},
		{"duration", "99999999999w", ""},
		{"percent", "5%", "5"},
		{"percent", "12.5%", "12.5"},
		{"percent", "0%", "0"},
		{"percent", "100%", "100"},
		{"percent", "100.1%", ""},
		{"percent", "5", ""},
		{"percent", "%", ""},
		{"percent", ".%", ""},
		{"percent", "1.2.3%", ""},
		{"percent", "5%%", ""},
		{"percent", "-1%", ""},
		{"percent", "1e1%", ""},
		{"percent", "0x1%", ""},
		{"percent", "NaN%", ""},
		{"percent", "1_0%", ""},
	}
	for _, test := range tests {
		got, err := parsers[test.kind](test.text)
		if err != nil {
			got = ""
		}
		if got != test.want {
			t.Errorf("%s %q is %q, want %q (%v)", test.kind, test.text, got, test.want, err)
		}
		if bad := new(human.ValueError); err != nil && (!errors.As(err, &bad) || bad.Text != test.text) {
			t.Errorf("%s %q: %v is no ValueError of it", test.kind, test.text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("200MiB")
	f.Add("5GB")
	f.Add("7d")
	f.Add("12.5%")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := human.ParseSize(text); err == nil {
			if again, err := human.ParseSize(fmt.Sprint(n)); err != nil || again != n || n < 0 {
				t.Errorf("%q is %d, and that is %d, %v", text, n, again, err)
			}
		}
		if d, err := human.ParseDuration(text); err == nil {
			seconds := fmt.Sprintf("%ds", d/time.Second)
			if again, err := human.ParseDuration(seconds); err != nil || again != d || d < 0 {
				t.Errorf("%q is %v, and %s is %v, %v", text, d, seconds, again, err)
			}
		}
		if p, err := human.ParsePercent(text); err == nil && !(p >= 0 && p <= 100) {
			t.Errorf("%q is %v", text, p)
		}
	})
}
