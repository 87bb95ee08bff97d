package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// terminal is a real one, of tmux, with a program in it.
type terminal struct {
	t      *testing.T
	socket string
	dir    string // where the program is started
}

// binDir has varve, which is this test's own program under another name.
func binDir(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "varve")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// needs skips the test where a program is missing.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s, in which varve is tried by hand, is not installed", program)
		}
	}
}

// startTerminal runs a program in a terminal of that many columns.
func startTerminal(t *testing.T, dir string, columns int, env []string, program ...string) *terminal {
	t.Helper()
	needs(t, "tmux")
	sockets, err := os.MkdirTemp("", "varve") // t.TempDir can be longer than a socket's path may be
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, socket: filepath.Join(sockets, "tmux"), dir: dir}
	var inside string // the process of the program
	t.Cleanup(func() {
		_ = term.command("kill-server").Run() // it may have ended by itself
		for range 1000 {                      // what it still writes is in the way of who clears up
			if _, err := os.Stat("/proc/" + inside); err != nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if err := os.RemoveAll(sockets); err != nil {
			t.Error(err)
		}
	})
	start := term.command(append([]string{"new-session", "-d", "-x", fmt.Sprint(columns), "-y", "50"}, program...)...)
	start.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "GORACE=atexit_sleep_ms=0")
	start.Env = append(start.Env, env...)
	if out, err := start.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v\n%s", err, out)
	}
	inside = strings.TrimSpace(term.do("display-message", "-p", "#{pane_pid}"))
	return term
}

func (term *terminal) command(words ...string) *exec.Cmd {
	cmd := exec.Command("tmux", append([]string{"-u", "-S", term.socket, "-f", "/dev/null"}, words...)...)
	cmd.Dir = term.dir
	return cmd
}

// do has tmux do something.
func (term *terminal) do(words ...string) string {
	term.t.Helper()
	out, err := term.command(words...).CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return string(out)
}

// types types text as it is; presses presses keys that have names.
func (term *terminal) types(text string) {
	term.t.Helper()
	term.do("send-keys", "-l", text)
}

func (term *terminal) presses(keys ...string) {
	term.t.Helper()
	term.do(append([]string{"send-keys"}, keys...)...)
}

// screen is what can be seen, without the empty lines at the end.
func (term *terminal) screen() string {
	term.t.Helper()
	return strings.TrimRight(term.do("capture-pane", "-p"), "\n")
}

var errNever = errors.New("it never came to that")

// await waits until what can be seen is as wanted.
func (term *terminal) await(wanted func(screen string) bool) (screen string, err error) {
	term.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if screen = term.screen(); wanted(screen) {
			return screen, nil
		}
	}
	return screen, errNever
}
