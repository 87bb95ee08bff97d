package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const unitsDir = "../../systemd"

// units are the texts of the units of systemd, by their names.
func units(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(unitsDir, "*.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no units: %v", err)
	}
	texts := map[string]string{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(name)] = string(text)
	}
	return texts
}

// systemd understands every line of the units, as they stand beside one another.
func TestUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze, of the package systemd")
	}
	dir, words := t.TempDir(), []string{"verify", "--man=no"}
	for name, text := range units(t) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "/usr/bin/varve", "/bin/true")), 0o600); err != nil {
			t.Fatal(err)
		}
		words = append(words, path)
	}
	out, err := exec.Command(analyze, words...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}

// Each timer has its service, each service its timer, and what a service starts is what varve does.
func TestUnitsStartWhatThereIs(t *testing.T) {
	b := newBench(t)
	b.disk("disk", 100_000, 1)
	b.write("varve/varve.yaml", "repository: DIR/repo\ndefaults: {keep: {last: 3}}\nmonitor: {textfile: DIR/varve.prom}\nnotify: {command: cat}\nvolumes: {db1: {source: DIR/disk}}\n")
	b.does("init DIR/repo")
	all := units(t)
	for _, name := range []string{"varve-backup", "varve-maintenance", "varve-metrics", "varve-notify"} {
		service, timer := all[name+".service"], all[name+".timer"]
		if service == "" || timer == "" {
			t.Errorf("%s has not both a service and a timer", name)
		}
		delete(all, name+".service")
		delete(all, name+".timer")
		starts := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/(varve .*)$`).FindAllStringSubmatch(service, -1)
		if len(starts) == 0 || len(starts) != strings.Count(service, "\nExec") {
			t.Errorf("%s.service has other commands than those of varve", name)
		}
		for _, line := range starts {
			if code := run(strings.Fields(line[1]), nil, io.Discard, io.Discard); code != 0 {
				t.Errorf("%s.service: %s ended with %d", name, line[1], code)
			}
		}
	}
	if daemon := all["varve-scheduler.service"]; !strings.Contains(daemon, "\nExecStart=/usr/bin/varve scheduler\n") || !strings.Contains(daemon, "\nExecReload=/usr/bin/varve scheduler reload\n") {
		t.Error("varve-scheduler.service does not start and reload a scheduler")
	}
	delete(all, "varve-scheduler.service")
	if len(all) > 0 {
		t.Errorf("nobody looks at %d other units", len(all))
	}
	for _, made := range []string{"repo/volumes/db1", "varve.prom"} {
		if _, err := os.Stat(b.path(made)); err != nil {
			t.Error(err)
		}
	}
}
