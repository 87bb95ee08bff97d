package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// terminalBench is a repository with a few volumes, and a configuration.
func terminalBench(t *testing.T) (dir string) {
	t.Helper()
	b := newBench(t)
	t.Setenv("PATH", binDir(t)+":"+os.Getenv("PATH"))
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("VARVE_CONFIG", b.path("varve/varve.yaml"))
	b.disk("disk", 4<<20, 1)
	b.write("varve/varve.yaml", `timezone: Asia/Kolkata
defaults: {schedule: daily}
volumes:
  db1: {source: DIR/disk}
  customers/a-name-that-is-rather-long: {source: DIR/disk}
  gone: {source: DIR/absent}
`)
	b.does("init --chunk-size 64K")
	b.does("backup db1 --tag nightly --note as-it-was-before-the-upgrade-to-fourteen-point-two")
	typed("backup", "gone")
	return b.dir
}

// onTerminal runs a shell's line in a terminal, and gives what can be seen in the end
// and every byte that was written.
func onTerminal(t *testing.T, dir string, columns int, env []string, line string) (screen, raw string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "raw")
	term := startTerminal(t, dir, columns, env, "sh", "-c", "read go; "+line+"; echo ended with $?; read go")
	term.do("pipe-pane", "-o", "cat >"+log)
	term.presses("Enter")
	screen, err := term.await(func(s string) bool { return strings.Contains(s, "ended with ") })
	if err != nil {
		t.Fatalf("%s: %v:\n%s", line, err, screen)
	}
	term.do("pipe-pane") // ends it
	for {
		data, err := os.ReadFile(log)
		if err == nil && bytes.Contains(data, []byte("ended with ")) {
			return strings.TrimPrefix(screen, "\n"), string(data)
		}
	}
}

var (
	escape = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")
	ofABar = regexp.MustCompile(`(reading|restoring|verifying) [━╸#-]|\d %`)
)

// looksRight finds what does not belong on a terminal: lines that are broken by it,
// rubbish of bars, and bars that are wider than it.
func looksRight(t *testing.T, what string, columns int, screen, raw string) {
	t.Helper()
	if ofABar.MatchString(screen) {
		t.Errorf("%s, %d columns: a bar is left:\n%s", what, columns, screen)
	}
	for _, drawn := range regexp.MustCompile("(?:^|[\r\n])((?:reading|restoring)[^\r\n\x1b]*)").FindAllStringSubmatch(raw, -1) {
		if textWidth(drawn[1]) >= columns {
			t.Errorf("%s: a bar of %d columns in %d: %q", what, textWidth(drawn[1]), columns, drawn[1])
		}
	}
	for _, line := range strings.FieldsFunc(raw, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if line = escape.ReplaceAllString(line, ""); textWidth(line) > columns && strings.Contains(strings.TrimSpace(line), " ") {
			t.Errorf("%s: a line of %d columns in %d: %q", what, textWidth(line), columns, line)
		}
	}
}

// TestTerminals runs what draws bars and tables in terminals of several widths.
func TestTerminals(t *testing.T) {
	dir := terminalBench(t)
	for _, columns := range []int{60, 80, 100, 200} {
		for _, c := range []struct{ line, want string }{
			{"varve backup db1 --read-all --limit-rate 3MiB", `db1@.... is safe`},
			{"varve backup customers/a-name-that-is-rather-long", `is safe`},
			{"varve restore db1 out --force", `is restored`},
			{"varve distrust db1@latest --reason faulty >/dev/null; varve status db1; varve status", `(→ |    )varve verify db1@.... --against SOURCE`},
			{"varve backup --all --limit-rate 3MiB", `2 of 3 volumes are safe`},
			{"varve status; varve status --all; varve status gone", `SAFE`},
			{"varve log db1 -n 2; varve history -n 3; varve volumes", `REVISIONS`},
		} {
			screen, raw := onTerminal(t, dir, columns, nil, c.line)
			looksRight(t, c.line, columns, screen, raw)
			if !regexp.MustCompile(c.want).MatchString(screen) {
				t.Errorf("%s in %d columns does not say %q:\n%s", c.line, columns, c.want, screen)
			}
			if strings.Contains(c.line, "limit-rate") && !strings.Contains(raw, "reading ━") && !strings.Contains(raw, "reading ╸") {
				t.Errorf("%s in %d columns has no bar:\n%q", c.line, columns, raw)
			}
		}
	}
}

// TestTerminalsThatCanLess is about those that show no colours, no bars or only ASCII.
func TestTerminalsThatCanLess(t *testing.T) {
	dir := terminalBench(t)
	const backup = "varve backup db1 --read-all --limit-rate 3MiB"
	for name, c := range map[string]struct {
		line        string
		must, never string // in all that is written
	}{
		"as it is":      {backup, "\x1b\\[1m", "#"},
		"no colours":    {"NO_COLOR=1 " + backup, "━", "\x1b\\[[0-9;]*m"},
		"dumb":          {"TERM=dumb " + backup, "is safe", "\x1b|━|#"},
		"dumb, a bar":   {"TERM=dumb " + backup + " --progress always", "reading", "\x1b"},
		"ASCII":         {"LC_ALL=C " + backup, "reading [#-]", "[^\x00-\x7f]"},
		"ASCII, status": {"LC_ALL=C varve status", "->", "[^\x00-\x7f]"},
		"into a file":   {backup + " >file 2>&1; cat file", "safe: delta", "\x1b|reading"},
		"a file, a bar": {backup + " --progress always >file 2>&1; cat file", "reading", "\x1b\\["},
	} {
		_, raw := onTerminal(t, dir, 100, nil, c.line)
		raw, _, _ = strings.Cut(raw, "ended with")
		if !regexp.MustCompile(c.must).MatchString(raw) {
			t.Errorf("%s: %q is not in %q", name, c.must, raw)
		}
		if found := regexp.MustCompile(c.never).FindString(raw); found != "" {
			t.Errorf("%s: %q is in %q", name, found, raw)
		}
	}
}

// TestProgressForWhoAsks sends SIGUSR1: one line, whether there is a bar or none.
func TestProgressForWhoAsks(t *testing.T) {
	for _, flags := range []string{"", " --progress never"} {
		dir := terminalBench(t) // another repository: the one before is in use
		pid := filepath.Join(t.TempDir(), "pid")
		term := startTerminal(t, dir, 80, nil, "sh", "-c",
			fmt.Sprintf("varve backup db1 --read-all --limit-rate 1MiB%s & echo $! >%s; wait; read go", flags, pid))
		if screen, err := term.await(func(s string) bool { return strings.Contains(s, "delta on") }); err != nil {
			t.Fatalf("%v:\n%s", err, screen)
		}
		var process int
		data, err := os.ReadFile(pid)
		if _, scanned := fmt.Sscan(string(data), &process); err != nil || scanned != nil {
			t.Fatal(err, scanned)
		}
		if err := syscall.Kill(process, syscall.SIGUSR1); err != nil {
			t.Fatalf("%v: process %q\n%s", err, data, term.screen())
		}
		line := regexp.MustCompile(`(?m)^reading +(\d+ %  .* of |.* so far)`)
		if screen, err := term.await(line.MatchString); err != nil || len(line.FindAllString(screen, -1)) != 1 {
			t.Errorf("%q: %v:\n%s", flags, err, screen)
		}
	}
}

// A terminal that becomes narrower breaks the bar, which goes away all the same.
func TestNothingIsLeftOfABarInANarrowerTerminal(t *testing.T) {
	dir := terminalBench(t)
	term := startTerminal(t, dir, 100, nil, "sh", "-c", "echo above; varve backup db1 --read-all --limit-rate 2MiB; read go")
	if screen, err := term.await(func(s string) bool { return strings.Contains(s, "MiB/s") }); err != nil {
		t.Fatalf("%v:\n%s", err, screen)
	}
	term.do("resize-window", "-x", "33", "-y", "50")
	_, err := term.await(func(s string) bool { return strings.Contains(s, "is safe") })
	screen := strings.TrimRight(term.do("capture-pane", "-p", "-S", "-"), "\n") // with what went out of sight
	if err != nil || !strings.HasPrefix(screen, "above\n") || regexp.MustCompile(`reading|━| %  `).MatchString(screen) {
		t.Errorf("%v:\n%s", err, screen)
	}
}
