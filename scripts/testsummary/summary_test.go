package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	passing = `{"Action":"start","Package":"varve/a"}
{"Action":"run","Package":"varve/a","Test":"TestOne"}
{"Action":"pass","Package":"varve/a","Test":"TestOne"}
{"Action":"pass","Package":"varve/a"}
{"Action":"skip","Package":"varve/notests"}
`
	skipping = `{"Action":"output","Package":"varve/a","Test":"TestXFS","Output":"=== RUN   TestXFS\n"}
{"Action":"output","Package":"varve/a","Test":"TestXFS","Output":"    x_test.go:9: no mkfs.xfs here\n"}
{"Action":"output","Package":"varve/a","Test":"TestXFS","Output":"--- SKIP: TestXFS (0.00s)\n"}
{"Action":"skip","Package":"varve/a","Test":"TestXFS"}
`
	failing = `{"Action":"fail","Package":"varve/a","Test":"TestOne/sub"}
{"Action":"fail","Package":"varve/a","Test":"TestOne"}
{"Action":"fail","Package":"varve/a"}
`
	unbuilt = `{"ImportPath":"varve/b [varve/b.test]","Action":"build-output","Output":"# varve/b\n"}
{"ImportPath":"varve/b [varve/b.test]","Action":"build-fail"}
{"Action":"fail","Package":"varve/b","FailedBuild":"varve/b [varve/b.test]"}
`
)

func TestRun(t *testing.T) {
	tests := []struct {
		name  string
		files []string
		ci    bool
		ok    bool
		want  string // the last line
	}{
		{"all passed", []string{passing}, true, true, "1 passed, 0 failed, 0 skipped"},
		{"two files", []string{passing, passing}, true, true, "2 passed, 0 failed, 0 skipped"},
		{"a skip at home", []string{passing + skipping}, false, true, "1 passed, 0 failed, 1 skipped"},
		{"a kernel in CI", []string{passing + strings.ReplaceAll(skipping, "no mkfs.xfs here", "needs a kernel with wings")}, true, true, "1 passed, 0 failed, 1 skipped"},
		{"a skip in CI", []string{passing + skipping}, true, false, "1 passed, 0 failed, 1 skipped"},
		{"failed, with a subtest", []string{passing + failing}, false, false, "1 passed, 2 failed, 0 skipped"},
		{"a package that does not build", []string{passing + unbuilt}, false, false, "1 passed, 1 failed, 0 skipped"},
		{"the first of two files failed", []string{failing, passing}, false, false, "1 passed, 2 failed, 0 skipped"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			ok, err := run(&out, write(t, tt.files), tt.ci, false)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if got := lines[len(lines)-1]; ok != tt.ok || got != tt.want {
				t.Errorf("got ok %v and %q, want %v and %q", ok, got, tt.ok, tt.want)
			}
		})
	}
}

func TestRunNamesSkipsWithTheirReason(t *testing.T) {
	var out strings.Builder
	if _, err := run(&out, write(t, []string{skipping}), false, false); err != nil {
		t.Fatal(err)
	}
	want := "skipped  varve/a TestXFS: x_test.go:9: no mkfs.xfs here\n"
	if got := out.String(); !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want it to begin with %q", got, want)
	}
}

func TestRunRefusesWhatProvesNothing(t *testing.T) {
	for name, content := range map[string]string{
		"empty":     "",
		"truncated": `{"Action":"pass","Package":"varve/a","Te`,
		"no tests":  `{"Action":"skip","Package":"varve/a"}`,
	} {
		if ok, err := run(new(strings.Builder), write(t, []string{content}), false, false); ok || err == nil {
			t.Errorf("%s file: got ok %v, error %v", name, ok, err)
		}
	}
	if ok, err := run(new(strings.Builder), []string{filepath.Join(t.TempDir(), "absent")}, false, false); ok || err == nil {
		t.Errorf("absent file: got ok %v, error %v", ok, err)
	}
}

// write makes one file of each content and returns their names.
func write(t *testing.T, contents []string) []string {
	t.Helper()
	var names []string
	for _, content := range contents {
		f, err := os.CreateTemp(t.TempDir(), "*.json")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(content); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		names = append(names, f.Name())
	}
	return names
}
