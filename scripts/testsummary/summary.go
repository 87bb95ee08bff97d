package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// event is a line of go test -json; see go doc test2json.
type event struct {
	Action     string
	Package    string
	ImportPath string // instead of Package, where a build is told of
	Test       string
	Output     string
}

// test names a test; without a name it is all of a package.
type test struct{ pkg, name string }

func (t test) String() string {
	if t.name == "" {
		return t.pkg
	}
	return t.pkg + " " + t.name
}

// A summary counts tests and subtests, as gotestsum does. A package that
// failed without a failed test (it did not build, or panicked, or ran out of
// time) counts as one failure.
type summary struct {
	passed  int
	failed  []test
	skipped []skip
}

type skip struct {
	test
	reason string
}

// missed counts the skipped tests that could have been run.
func (s *summary) missed() (n int) {
	for _, t := range s.skipped {
		if !strings.Contains(t.reason, "needs a kernel with ") {
			n++
		}
	}
	return n
}

func (s skip) String() string { return s.test.String() + ": " + s.reason }

func (s *summary) readFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	failedIn := map[string]bool{}
	said := map[test]string{} // the last thing that a running test printed
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
		t := test{e.Package, e.Test}
		switch {
		case e.Action == "output":
			if text := strings.TrimSpace(e.Output); text != "" && !strings.HasPrefix(text, "---") {
				said[t] = text
			}
			continue
		case e.Action == "fail" && e.Test != "":
			s.failed = append(s.failed, t)
			failedIn[e.Package] = true
		case e.Action == "fail" && !failedIn[e.Package]:
			s.failed = append(s.failed, t)
		case e.Action == "pass" && e.Test != "":
			s.passed++
		case e.Action == "skip" && e.Test != "":
			s.skipped = append(s.skipped, skip{t, said[t]})
		}
		delete(said, t)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}
