package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// result is what became of a mutant.
type result struct {
	mutant
	caughtBy string        // the first test that failed; empty: it survived
	took     time.Duration // until then
	err      error         // it does not apply or does not compile
}

func (r result) String() string {
	caught := r.caughtBy
	switch {
	case r.err != nil:
		caught = "NOT TRIED: " + r.err.Error()
	case caught == "":
		caught = "SURVIVED"
	}
	return fmt.Sprintf("%-34s | %-60s | %4.0f s", r.name, caught, r.took.Seconds())
}

// tryAll tries mutants in several copies of the tree, and tells which is begun, and of
// each result as it comes, one at a time. The tests that are to catch them must first pass as things are.
func tryAll(ctx context.Context, chosen []mutant, o options, begun func(n int), tell func(result)) (results []result, err error) {
	temp, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	results = make([]result, len(chosen))
	next := make(chan int)
	var mu sync.Mutex
	var workers sync.WaitGroup
	sound := soundTests{limit: o.limit, verdicts: map[builtTests]*verdict{}}
	if sound.root, err = copyTree(ctx, filepath.Join(temp, "sound")); err != nil {
		return nil, err
	}
	for n := range max(1, o.parallel) {
		root, err := copyTree(ctx, filepath.Join(temp, fmt.Sprint(n)))
		if err != nil {
			return nil, err
		}
		workers.Go(func() {
			for i := range next {
				mu.Lock()
				begun(i)
				mu.Unlock()
				r := try(ctx, root, chosen[i], o.limit, &sound)
				if ctx.Err() != nil {
					continue // it says nothing
				}
				mu.Lock()
				results[i] = r
				tell(r)
				mu.Unlock()
			}
		})
	}
	for i := range chosen {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	return results, ctx.Err()
}

// try runs the tests on one mutant until one fails.
func try(ctx context.Context, root string, m mutant, limit time.Duration, sound *soundTests) (r result) {
	begun := time.Now()
	r.mutant = m
	restore, err := m.inject(root)
	if err != nil {
		r.err = err
		return r
	}
	defer func() {
		r.err = errors.Join(r.err, restore())
		r.took = time.Since(begun)
	}()
	tags, err := m.tags(root)
	if err != nil {
		r.err = err
		return r
	}
	if out, err := goCommand(ctx, root, "build", "-tags", tags, "./"+filepath.Dir(m.file)).CombinedOutput(); err != nil {
		r.err = fmt.Errorf("it does not compile: %s", bytes.TrimSpace(out))
		return r
	}
	for _, t := range m.tests {
		if r.err = sound.check(ctx, t, tags); r.err != nil {
			return r
		}
		r.caughtBy, r.err = runTests(ctx, root, t, tags, limit)
		if r.caughtBy != "" || r.err != nil {
			return r
		}
	}
	return r
}

var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// runTests names the test that failed, or nothing if none did.
func runTests(ctx context.Context, root string, t tests, tags string, limit time.Duration) (failed string, err error) {
	cmd := goCommand(ctx, root, "test", "-tags", tags, "-count=1", "-failfast", "-timeout="+limit.String(), "-run="+t.run, "./"+t.pkg)
	out, err := cmd.CombinedOutput()
	text := string(out)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]"):
		return "", fmt.Errorf("%s does not build: %s", t, strings.TrimSpace(text))
	case strings.Contains(text, "no tests to run"):
		return "", fmt.Errorf("no test is called %s", t)
	case err == nil:
		return "", nil
	case strings.Contains(text, "panic: test timed out"):
		return t.String() + " (it hangs)", nil
	}
	if m := failedTest.FindStringSubmatch(text); m != nil {
		return t.pkg + " " + m[1], nil
	}
	if strings.Contains(text, "panic: ") || strings.Contains(text, "fatal error: ") {
		return t.String() + " (it panics)", nil
	}
	return "", fmt.Errorf("%s: %w: %s", t, err, strings.TrimSpace(text))
}

// soundTests makes sure, once for each, that tests pass on the tree as it is: a
// test that fails anyway catches nothing.
type soundTests struct {
	root  string
	limit time.Duration

	mu       sync.Mutex
	verdicts map[builtTests]*verdict
}

// builtTests are tests as they are built with some tags.
type builtTests struct {
	tests
	tags string
}

type verdict struct {
	once sync.Once
	err  error
}

func (s *soundTests) check(ctx context.Context, t tests, tags string) error {
	s.mu.Lock()
	v := s.verdicts[builtTests{t, tags}]
	if v == nil {
		v = new(verdict)
		s.verdicts[builtTests{t, tags}] = v
	}
	s.mu.Unlock()
	v.once.Do(func() {
		failed, err := runTests(ctx, s.root, t, tags, s.limit)
		if v.err = err; err == nil && failed != "" {
			v.err = fmt.Errorf("%s fails without any mutant", failed)
		}
	})
	return v.err
}

// copyTree copies the files that git knows of, as they are now.
func copyTree(ctx context.Context, to string) (string, error) {
	list, err := exec.CommandContext(ctx, "git", "ls-files", "-z").Output()
	if err != nil {
		return "", fmt.Errorf("list the files of the tree: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		if err := copyFile(name, filepath.Join(to, name)); err != nil {
			return "", err
		}
	}
	return to, nil
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil // removed, and git not yet told
	}
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, info.Mode().Perm())
}

func goCommand(ctx context.Context, root string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(cmd.Environ(), "TMPDIR="+filepath.Dir(root)) // what killed tests leave goes with the copies
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // go, and the tests it runs
	cmd.WaitDelay = 10 * time.Second                                                     // a test's children may hold its output open
	return cmd
}
