package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"varve/config"
)

// Every command has a page that man(1) can set, and that says what help says.
func TestManPages(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("mandoc is not installed: it judges manual pages")
	}
	s := newSession(nil, nil, nil)
	all := commands(s)
	pages := map[string]string{"varve": overviewPage(all, s.globals.flags())}
	for _, c := range all {
		if c.group != "" {
			pages["varve-"+c.name] = c.manPage(s.globals.flags())
		}
	}
	pages["varve.yaml"] = configPage()
	for name, page := range pages {
		lint := exec.Command("mandoc", "-T", "lint", "-W", "warning")
		lint.Stdin = strings.NewReader(page)
		if complaints, err := lint.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, complaints)
		}
		set := exec.Command("mandoc", "-T", "utf8", "-O", "width=200")
		set.Stdin = strings.NewReader(page)
		text, err := set.Output()
		if err != nil {
			t.Fatal(err)
		}
		text = regexp.MustCompile(`.\x08`).ReplaceAll(text, nil) // how bold is set
		plain := strings.Join(strings.Fields(string(text)), " ")
		for _, part := range pageParts(all, name) {
			if !strings.Contains(plain, strings.Join(strings.Fields(part), " ")) {
				t.Errorf("%s does not say %q", name, part)
			}
		}
	}
}

// pageParts is what a page has to say.
func pageParts(all []*command, name string) []string {
	if name == "varve.yaml" {
		var parts []string
		for _, key := range config.Reference() {
			parts = append(parts, key.Path, key.Text)
		}
		return parts
	}
	c := find(all, strings.TrimPrefix(name, "varve-"))
	if c == nil {
		return []string{"varve init /srv/varve", environment[2].meaning}
	}
	parts := []string{c.summary, c.about, c.example}
	for _, f := range describeFlags(c.flags) {
		parts = append(parts, f.usage)
	}
	for _, code := range c.exitCodes() {
		parts = append(parts, code.meaning)
	}
	return parts
}
