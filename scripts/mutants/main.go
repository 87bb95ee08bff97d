// Mutants breaks the program on purpose, one way at a time, and makes sure that a
// test notices: a write that is not synced, two steps in the wrong order, an error
// that is swallowed, a check that is left out. What survives is a hole in the tests.
//
// Each mutant is applied to a copy of the tree, in a temporary directory; the tree
// itself is only read. See mutant.go for how a mutant is described, and the files
// table_*.go for all of them.
//
//	go run ./scripts/mutants              all of them
//	go run ./scripts/mutants -run gate    those whose name matches
//	go run ./scripts/mutants -by proof    caught by tests of these packages alone
//	go run ./scripts/mutants -tags ''     without those of what is built with librbd
//	go run ./scripts/mutants -list        their names
//	go run ./scripts/mutants -markdown    the table for docs/reliability.md
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	var o options
	pattern := flag.String("run", "", "only the mutants whose name matches the `REGEXP`")
	by := flag.String("by", "", "only tests of packages that match the `REGEXP` may catch them")
	flag.BoolVar(&o.list, "list", false, "list the mutants, and do nothing")
	flag.BoolVar(&o.markdown, "markdown", false, "print a table for docs/reliability.md")
	flag.IntVar(&o.parallel, "j", 2, "this many at a time")
	flag.DurationVar(&o.limit, "limit", 20*time.Minute, "how long one test run may take")
	flag.StringVar(&o.tags, "tags", "ceph", "the build tag that there is all that it takes for; mutants that need another are left out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx, *pattern, *by, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

type options struct {
	list, markdown bool
	parallel       int
	limit          time.Duration
	tags           string
}

// run tries the mutants that were asked for, and tells whether all were caught.
func run(ctx context.Context, pattern, by string, o options) (bool, error) {
	chosen, err := choose(allMutants(), pattern, by)
	if err == nil {
		chosen, err = buildable(chosen, o.tags)
	}
	switch {
	case err != nil:
		return false, err
	case o.list:
		for _, m := range chosen {
			fmt.Printf("%-34s %s\n", m.name, m.file)
		}
		return true, nil
	}
	out := os.Stdout
	if o.markdown {
		out = os.Stderr
	}
	begun := func(n int) { _, _ = fmt.Fprintf(os.Stderr, "%d of %d: %s\n", n+1, len(chosen), chosen[n].name) }
	results, err := tryAll(ctx, chosen, o, begun, func(r result) { _, _ = fmt.Fprintln(out, r) })
	if err != nil {
		return false, err
	}
	if o.markdown {
		fmt.Print(markdown(results))
	}
	text, ok := summary(results)
	fmt.Println(text)
	return ok, nil
}

// choose picks the mutants whose name matches, and of their tests those whose
// package does; a mutant that no test is left for is left out.
func choose(all []mutant, pattern, by string) (chosen []mutant, err error) {
	wanted, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	allowed, err := regexp.Compile(by)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		m.tests = slices.DeleteFunc(m.tests, func(t tests) bool { return !allowed.MatchString(t.pkg) })
		if wanted.MatchString(m.name) && len(m.tests) > 0 {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no mutant matches %q, with tests in %q", pattern, by)
	}
	return chosen, nil
}

// buildable leaves out the mutants that need a build tag other than that one.
func buildable(chosen []mutant, tag string) (can []mutant, err error) {
	for _, m := range chosen {
		needs, err := m.tags(".")
		if err != nil {
			return nil, err
		}
		if needs == "" || needs == tag {
			can = append(can, m)
		}
	}
	if left := len(chosen) - len(can); left > 0 {
		_, _ = fmt.Fprintf(os.Stderr, "%d mutants are left out: they need another build tag than %q\n", left, tag)
	}
	return can, nil
}

// summary is one line on all results, and tells whether every mutant was caught.
func summary(results []result) (text string, ok bool) {
	survived, broken := 0, 0
	for _, r := range results {
		switch {
		case r.err != nil:
			broken++
		case r.caughtBy == "":
			survived++
		}
	}
	text = fmt.Sprintf("%d mutants: %d caught, %d survived, %d could not be tried",
		len(results), len(results)-survived-broken, survived, broken)
	return text, survived+broken == 0
}

// markdown is the results as a table.
func markdown(results []result) string {
	var text strings.Builder
	text.WriteString("| mutant | what is broken | caught by |\n|---|---|---|\n")
	for _, r := range results {
		caught := r.caughtBy
		switch {
		case r.err != nil:
			caught = "not tried: " + r.err.Error()
		case caught == "":
			caught = "**survives**"
		}
		fmt.Fprintf(&text, "| %s | %s | %s |\n", r.name, r.what, caught)
	}
	return text.String()
}
