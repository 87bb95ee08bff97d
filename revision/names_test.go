package revision_test

import (
	"strings"
	"testing"

	"varve/revision"
)

func TestNamesOnDisk(t *testing.T) {
	t.Parallel()
	for name, encoded := range map[string]string{
		"db1": "db1", "vms/vm-17": "vms%2Fvm-17", "../x": "%2E.%2Fx", ".": "%2E", "..": "%2E.", "a.b": "a.b",
		"100%": "100%25", "%2F": "%252F", "größe": "größe", "a b": "a b", "a:b": "a:b", "/": "%2F", "tag:": "tag:",
		strings.Repeat("x", 240): strings.Repeat("x", 240),
	} {
		n, err := revision.ParseName(name)
		if err != nil || n.Encode() != encoded {
			t.Errorf("ParseName(%q) = %q on disk, %v, want %q", name, n.Encode(), err, encoded)
		}
		if back, err := revision.DecodeName(encoded); err != nil || back != n {
			t.Errorf("DecodeName(%q) = %q, %v, want %q", encoded, back, err, name)
		}
	}
}

func TestBadNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", "a@b", "@", "a:/b", ":/", "a\x00b", "a\nb", "a\x7f", "a\u0085b", "\xff", "a\xc3", strings.Repeat("x", 241),
		strings.Repeat("/", 81),
	} {
		if n, err := revision.ParseName(name); err == nil {
			t.Errorf("ParseName(%q) = %q", name, n)
		}
	}
	for _, encoded := range []string{
		"", ".", ".x", "a/b", "a%2fb", "a%2E", "%41", "%", "a%2", "%zz", "a%0Ab", "a%00", "a%40b", "%2e", "a@b", "\xff",
		strings.Repeat("x", 241),
	} {
		if n, err := revision.DecodeName(encoded); err == nil {
			t.Errorf("DecodeName(%q) = %q", encoded, n)
		}
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]bool{
		"nightly": true, "v1.0_rc-2": true, "A": true, strings.Repeat("x", 64): true,
		"": false, "a b": false, "ä": false, "a/b": false, "a@b": false, strings.Repeat("x", 65): false,
	} {
		if err := revision.CheckTag(tag); (err == nil) != want {
			t.Errorf("CheckTag(%q) = %v, want good: %v", tag, err, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, volume, selector string }{
		{"db1", "db1", ""}, {"db1@k3f9", "db1", "k3f9"}, {"vms/vm-17@latest~2", "vms/vm-17", "latest~2"},
		{"db1@2026-11-19T02:00", "db1", "2026-11-19T02:00"}, {"db1@a@b", "db1", "a@b"},
	} {
		volume, selector, err := revision.SplitAddress(c.text)
		if err != nil || string(volume) != c.volume || selector != c.selector {
			t.Errorf("SplitAddress(%q) = %q, %q, %v", c.text, volume, selector, err)
		}
	}
	for _, bad := range []string{"", "@k3f9", "db1@", "a\nb@k3f9"} {
		if volume, selector, err := revision.SplitAddress(bad); err == nil {
			t.Errorf("SplitAddress(%q) = %q, %q", bad, volume, selector)
		}
	}
	for _, c := range []struct {
		text, address, path string
		found               bool
	}{
		{"db1@k3f9:/etc/passwd", "db1@k3f9", "/etc/passwd", true}, {"db1@2026-11-19T02:00:/", "db1@2026-11-19T02:00", "/", true},
		{"a/b@latest:/x:/y", "a/b@latest", "/x:/y", true}, {"a:b", "a:b", "", false},
	} {
		if address, path, found := revision.CutPath(c.text); address != c.address || path != c.path || found != c.found {
			t.Errorf("CutPath(%q) = %q, %q, %v", c.text, address, path, found)
		}
	}
}
