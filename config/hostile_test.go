package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"varve/config"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file("good", "repository: /srv/varve"), link); err != nil {
		t.Fatal(err)
	}
	if c, err := config.Load(link); err != nil || c.Repository != "/srv/varve" || c.Path != link {
		t.Errorf("got %+v, %v", c, err)
	}
	for path, want := range map[string]string{
		dir: "is no regular file", pipe: "is no regular file", "/dev/zero": "is no regular file",
		filepath.Join(dir, "none"):                          "no such file",
		file("huge", strings.Repeat("# comment\n", 200000)): "is larger than 1 MiB",
		file("binary", "a: \x00\x01"):                       "it is no text in UTF-8",
		file("latin1", "a: \xe4"):                           "it is no text in UTF-8",
		file("wrong", "jobs: 1"):                            "unknown key",
	} {
		c, err := config.Load(path)
		if c != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v, want %q", path, c, err, want)
		}
	}
	if _, err := config.Load(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what there is not gives %v", err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		named  string
		places []string
		want   string
	}{
		{"", nil, ""},
		{"", []string{dir + "/none", there + "/below", there, dir}, there},
		{"", []string{dir + "/none"}, ""},
		{dir + "/named", []string{there}, dir + "/named"},
	}
	for _, test := range tests {
		if got := config.Find(test.named, test.places...); got != test.want {
			t.Errorf("Find(%q, %q) = %q, want %q", test.named, test.places, got, test.want)
		}
	}
}

// Files that are made to hurt are refused, and cost little.
func TestHostile(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for name := 'b'; name <= 'z'; name++ {
		bomb += string(name) + ": &" + string(name) + " [" + strings.Repeat("*"+string(name-1)+", ", 9) + "]\n"
	}
	const most = 1 << 18 // a quarter of what is read, for the race detector's sake
	for name, text := range map[string]string{
		"an alias bomb":               bomb,
		"an alias bomb of volumes":    "defaults: &d " + wide(5000) + "\nvolumes: {" + strings.Repeat("a: *d, ", 20000) + "}",
		"a mapping that is in itself": "volumes: &v {a: *v}",
		"deep lists":                  "volumes: " + strings.Repeat("[", most/2) + strings.Repeat("]", most/2-10),
		"deep mappings":               strings.Repeat("{a: ", most/5) + strings.Repeat("}", most/5),
		"deep blocks":                 deep(700),
		"never closed":                strings.Repeat("[{", most/2),
		"very many keys":              wide(25000),
		"very many items":             "volumes: {a: {source: /a, tags: [" + strings.Repeat("\"\",", most/4) + "]}}",
		"one key all over":            strings.Repeat("a: 1\n", most/5),
		"a long key":                  strings.Repeat("a", most-10) + ": 1",
		"a long value":                "repository: " + strings.Repeat("a", most-20),
		"a long schedule":             "defaults: {schedule: \"" + strings.Repeat("0,", most/3) + "0 * * * *\"}",
		"a long pattern":              "volumes: {\"a*\": {source: \"/*\", exclude: [\"" + strings.Repeat("[", most/2) + "\"]}}",
		"many anchors":                strings.Repeat("&a ", most/4) + "x",
	} {
		if len(text) > most {
			t.Fatalf("%s has %d bytes, and would be refused for that", name, len(text))
		}
		list := problems(t, text)
		if len(list) == 0 || len(list) > 101 {
			t.Errorf("%s: %d problems", name, len(list))
		}
		for _, problem := range list {
			if len(problem) > 1000 {
				t.Errorf("%s: a problem takes %d bytes: %.200s", name, len(problem), problem)
			}
		}
	}
}

func wide(keys int) string {
	var text strings.Builder
	for i := range keys {
		text.WriteString("k")
		for ; i > 0; i /= 26 {
			text.WriteByte(byte('a' + i%26))
		}
		text.WriteString(": 1\n"[:3])
		text.WriteString(",\n")
	}
	return "{" + text.String() + "}"
}

func deep(levels int) string {
	var text strings.Builder
	for i := range levels {
		text.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return text.String()
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("volumes: {\"a*\": {source: \"rbd:x/*\"}}"))
	f.Add([]byte("groups: {a: &a {tags: [x]}, b: *a}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("x", data)
		if err != nil {
			var wrong *config.Error
			if c != nil || !errors.As(err, &wrong) || len(wrong.Problems) == 0 {
				t.Errorf("%q: %v, %v", data, c, err)
			}
			return
		}
		all, _ := c.Volumes(func(string) ([]string, error) { return []string{"a", "scratch-1"}, nil })
		for _, v := range all {
			if err := v.Plan.Validate(); err != nil || v.Source == "" || v.Overdue < 1 || v.CompareAll < 1 || v.StallTimeout <= 0 {
				t.Errorf("%q: %+v, %v", data, v, err)
			}
			if again, found := c.Volume(v.Name); !found || again.Name != v.Name {
				t.Errorf("%q: %v is not found again", data, v.Name)
			}
		}
	})
}
