package doctest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is that of the tree.
const root = "../.."

// mostIllustrative bounds how many blocks of all documents may be shown without
// being run: who adds one has to say here that there is no other way.
const mostIllustrative = 8

// build makes the program that the documents speak of.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "varve")
	cmd := exec.Command("go", "build", "-o", program, "./cmd/varve")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build varve: %v\n%s", err, out)
	}
	return program
}

func documents(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	return append(all, filepath.Join(root, "README.md"), filepath.Join(root, "docs", "monitoring", "README.md"))
}

// TestDocuments runs every document.
func TestDocuments(t *testing.T) {
	program := build(t)
	m := &manual{program, map[string]map[string]bool{}}
	illustrative := 0
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(path, root+"/")
		doc, err := parse(string(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, p := range lookUp(m, filepath.Dir(path), doc) {
			t.Errorf("%s:%s", name, p)
		}
		for _, s := range doc.steps {
			if s.illustrative != "" {
				illustrative++
				t.Logf("%s:%d is illustrative: %s", name, s.line, s.illustrative)
			}
		}
		t.Run(name, func(t *testing.T) {
			if len(doc.steps) == 0 {
				return
			}
			if why := unable(); why != "" {
				t.Skip(why)
			}
			t.Parallel()
			for _, p := range runDocument(t, program, doc) {
				t.Errorf("%s:%s", name, p)
			}
		})
	}
	if t.Logf("%d blocks are illustrative", illustrative); illustrative > mostIllustrative {
		t.Errorf("%d blocks are only illustrative; there were to be %d at most", illustrative, mostIllustrative)
	}
}

// lookUp gives the problems with what a document in a directory speaks of without
// running it: commands and links.
func lookUp(m *manual, dir string, doc document) (all []string) {
	for _, p := range doc.prose {
		for _, problem := range append(m.inProse(p.text), deadLinks(dir, p.text)...) {
			all = append(all, fmt.Sprintf("%d: %s", p.line, problem))
		}
	}
	for _, s := range doc.steps {
		if s.illustrative == "" {
			continue
		}
		for _, problem := range m.problems(s.script) {
			all = append(all, fmt.Sprintf("%d: %s", s.line, problem))
		}
	}
	return all
}

// runDocument runs the steps of a document in one session, and gives the problems
// with them: each begins with its line. Where a command is missing that a step needs,
// a subtest is skipped.
func runDocument(t *testing.T, program string, doc document) (problems []string) {
	t.Helper()
	s := start(t, program)
	for _, step := range doc.steps {
		if missing := missingOf(step.needs); missing != "" && step.illustrative == "" {
			t.Run(fmt.Sprintf("line-%d", step.line), func(t *testing.T) { t.Skip("there is no " + missing + " here") })
			continue
		}
		if step.illustrative != "" {
			if out, err := exec.Command("bash", "-n", "-c", step.script).CombinedOutput(); err != nil {
				problems = append(problems, fmt.Sprintf("%d: is no shell: %s", step.line, out))
			}
			continue
		}
		got, err := s.run(scriptOf(step))
		if err != nil {
			return append(problems, fmt.Sprintf("%d: %v\n%s", step.line, err, got.output))
		}
		wrong := judge(step, got)
		for i, p := range wrong {
			if wrong[i] = fmt.Sprintf("%d: %s", step.line, p); i == len(wrong)-1 {
				wrong[i] += "; it printed:\n" + got.output
			}
		}
		problems = append(problems, wrong...)
	}
	return problems
}

func missingOf(needs []string) string {
	for _, tool := range needs {
		if _, err := exec.LookPath(tool); err != nil {
			return tool
		}
	}
	return ""
}

// scriptOf gives what a step is for the shell.
func scriptOf(s step) string {
	switch {
	case s.file != "":
		return fmt.Sprintf("mkdir -p \"$(dirname '%s')\"\ncat >'%s' <<'END-OF-THE-FILE'\n%sEND-OF-THE-FILE\n", s.file, s.file, s.script)
	case s.cron:
		return cronScript(s.script)
	}
	return s.script
}

// when takes a line of a crontab of /etc/cron.d apart: five fields, the user, the command.
var when = regexp.MustCompile(`^(?:[-0-9*/,a-z]+ +){5}root +(.*)$`)

// cronScript runs the commands of a crontab one after the other, each with the few
// variables that cron gives, and those that the crontab sets.
func cronScript(text string) string {
	env, script := "HOME=/root LOGNAME=root PATH=/usr/bin:/bin SHELL=/bin/sh", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		m := when.FindStringSubmatch(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case m == nil && regexp.MustCompile(`^[A-Z_]+=`).MatchString(line):
			env += " '" + line + "'"
		case m == nil || strings.Contains(strings.ReplaceAll(m[1], `\%`, ""), "%"):
			script += fmt.Sprintf("echo 'no line of a crontab: %s'; false\n", strings.ReplaceAll(line, "'", "’"))
		default:
			script += "env -i " + env + " /bin/sh -c '" + strings.ReplaceAll(strings.ReplaceAll(m[1], `\%`, "%"), "'", `'\''`) + "'\n"
		}
	}
	return script
}

// judge compares what a step did with what the document says of it.
func judge(s step, got outcome) (problems []string) {
	failed := slices.Clone(got.failed)
	if s.exit != got.exit {
		problems = append(problems, fmt.Sprintf("ended with %d, and was to end with %d", got.exit, s.exit))
	} else if s.exit != 0 && len(failed) > 0 {
		failed = failed[:len(failed)-1]
	}
	for _, line := range failed {
		problems = append(problems, "failed (line of the block, code, command): "+line)
	}
	if s.want != nil {
		if missing, ok := prints(*s.want, got.output); !ok {
			problems = append(problems, "did not print: "+missing)
		}
	}
	for _, re := range s.says {
		if !re.MatchString(got.output) {
			problems = append(problems, fmt.Sprintf("did not say %q", re))
		}
	}
	return problems
}
