package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shells are tried with what they are given by varve completion, and nothing else.
var shells = map[string][]string{
	"bash": {"bash", "--norc", "--noprofile", "-i"},
	"zsh":  {"zsh", "-f", "-i"},
	"fish": {"fish", "--no-config", "-i"},
}

// What a shell is told first.
var setUps = map[string]string{
	"bash": `source <(varve completion bash)`,
	"zsh":  `autoload -U compinit; compinit -u -D; source <(varve completion zsh); unsetopt list_beep`,
	"fish": `varve completion fish | source`,
}

// What is typed before the key, and how the line begins after it.
var completions = []struct{ typed, line string }{
	{"varve resto", "varve restore"},
	{"varve help compl", "varve help completion"},
	{"varve log --uni", "varve log --unique"},
	{"varve log --color=al", "varve log --color=always"},
	{"varve volumes --sort un", "varve volumes --sort unique"},
	{"varve log vm", "varve log vms/a"},
	{"varve show db1@latest-", "varve show db1@latest-good"},
	{"varve show db1@tag:ni", "varve show db1@tag:nightly"},
	{"varve tag db1@latest --remove ni", "varve tag db1@latest --remove nightly"},
	{"varve pin vm", "varve pin vms/a@"},
	{"varve restore db1 ou", "varve restore db1 outfile"},
	{"varve restore db1 'in d", "varve restore db1 'in dir'/"},
	{"varve log -r rep", "varve log -r repo/"},
	{"varve log --repo=rep", "varve log --repo=repo/"},
	{"varve -r repo log vm", "varve -r repo log vms/a"},
	{`varve show my`, `varve show my\ vm`},
	{`varve show 'my`, `varve show 'my vm'`},
	{`varve show my\ vm@latest-`, `varve show my\ vm@latest-good`},
}

// TestScriptCompletion presses the tabulator key.
func TestScriptCompletion(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("VARVE_STATE", filepath.Join(dir, "state"))
	t.Setenv("VARVE_REPO", filepath.Join(dir, "repo"))
	t.Setenv("PATH", binDir(t)+":"+os.Getenv("PATH"))
	t.Setenv("HOME", dir)
	disk := filepath.Join(dir, "outfile")
	if err := os.WriteFile(disk, []byte("something"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "in dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	mustType(t, "init", "--chunk-size", "64K")
	for _, name := range []string{"db1", "vms/a", "my vm"} {
		mustType(t, "backup", name, disk, "--tag", "nightly")
	}
	for name, program := range shells {
		t.Run(name, func(t *testing.T) {
			needs(t, program[0])
			term := startTerminal(t, dir, 100, []string{"PS1=$ ", "INPUTRC=/dev/null"}, program...)
			term.types(setUps[name] + "; clear; echo rea''dy")
			term.presses("Enter")
			if screen, err := term.await(func(s string) bool { return strings.Contains(s, "ready\n") && !strings.Contains(s, "echo") }); err != nil {
				t.Fatalf("%v:\n%s", err, screen)
			}
			for _, c := range completions {
				term.types(c.typed)
				term.presses("Tab")
				want := c.line
				if name == "zsh" && strings.Contains(c.typed, "'") || name == "fish" && strings.Contains(c.typed, "'") {
					want = strings.TrimSuffix(want, "'/") // where the quote is closed differs
				}
				if screen, err := term.await(func(s string) bool { return strings.Contains(s, want) }); err != nil {
					t.Errorf("%q is not completed to %q:\n%s", c.typed, want, screen)
				}
				term.presses("C-u", "C-l")
				if screen, err := term.await(func(s string) bool { return !strings.Contains(s, "varve") }); err != nil {
					t.Fatalf("%v:\n%s", err, screen)
				}
			}
		})
	}
}
