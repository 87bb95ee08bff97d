// Testsummary reads what go test -json wrote and closes a test run with the
// tests that were skipped, each with its reason, and one line of counts. With
// CI=true in the environment a skipped test is a failure: CI is the place that
// has what the tests need, and a test that never runs protects nobody. Only a
// kernel cannot be installed: a test that says "needs a kernel with …" may be
// skipped there too.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	lastLine := flag.Bool("last-line", false, "print the line of counts only")
	flag.Parse()
	ok, err := run(os.Stdout, flag.Args(), os.Getenv("CI") == "true", *lastLine)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// run prints the summary of the files to w and reports whether the tests may
// be called passed.
func run(w io.Writer, files []string, ci, lastLine bool) (bool, error) {
	var s summary
	for _, name := range files {
		if err := s.readFile(name); err != nil {
			return false, err
		}
	}
	if s.passed+len(s.failed)+len(s.skipped) == 0 {
		return false, fmt.Errorf("no test ran in %q", files)
	}
	var text strings.Builder
	if !lastLine {
		for _, t := range s.skipped {
			fmt.Fprintf(&text, "skipped  %s\n", t)
		}
		if ci && s.missed() > 0 {
			fmt.Fprintln(&text, "CI is to run every test, so a skipped one counts as failed")
		}
	}
	fmt.Fprintf(&text, "%d passed, %d failed, %d skipped\n", s.passed, len(s.failed), len(s.skipped))
	_, err := io.WriteString(w, text.String())
	return len(s.failed) == 0 && !(ci && s.missed() > 0), err
}
