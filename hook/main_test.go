package hook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve/hook"
)

// TestMain lets the test binary be a guardian, or a parent that can be killed:
// "__freezer DIR STAGE" freezes, says so, and thaws when its standard input ends.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		var err error
		switch os.Args[1] {
		case "__guard":
			err = hook.Guard(os.Stdin, os.Stdout)
		case "__freezer":
			err = freezer(os.Args[2], os.Args[3])
		default:
			os.Exit(m.Run())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func freezer(dir, stage string) error {
	thaw, err := scene(dir).runner(stage).Freeze(context.Background())
	if err != nil {
		return err
	}
	fmt.Println("frozen")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return thaw()
}

// scene is a directory in which something is frozen: the file "frozen" is there as
// long as it is. What the hooks do stands in "log". A hook that is the stage stops
// halfway, at two pipes, until it is let go.
type scene string

const (
	inFreeze = "freeze"
	inThaw   = "thaw"
	nowhere  = "nowhere"
)

func newScene(t *testing.T) scene {
	t.Helper()
	s := scene(t.TempDir())
	for _, name := range []string{"at", "go"} {
		if err := unix.Mkfifo(s.path(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s scene) path(name string) string { return filepath.Join(string(s), name) }

func (s scene) hooks(stage string) hook.Hooks {
	script := func(name, do string) string {
		text := fmt.Sprintf("cd '%s' || exit 1; echo %s $PPID >> log; ", string(s), name)
		if stage == name {
			text += "echo here > at; read _ < go; "
		}
		return text + do + "; echo done >> log"
	}
	return hook.Hooks{
		Freeze: script("freeze", "touch frozen"), Thaw: script("thaw", "rm -f frozen"), FreezeTimeout: time.Hour,
	}
}

func (s scene) runner(stage string) hook.Runner {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return hook.Runner{
		Hooks:    s.hooks(stage),
		Subject:  hook.Subject{Volume: "v", Source: "/dev/x", Repository: "/srv"},
		Guardian: hook.Guardian{Path: self, Args: []string{"varve", "__guard"}, Stderr: os.Stderr},
	}
}

// reached waits until the hook that is the stage is halfway.
func (s scene) reached(t *testing.T) {
	t.Helper()
	if data, err := os.ReadFile(s.path("at")); err != nil || string(data) != "here\n" {
		t.Fatalf("at the stage: %q, %v", data, err)
	}
}

// letGo lets it go on.
func (s scene) letGo(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(s.path("go"), []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
}

// log is what the hooks did, and the parent of each.
func (s scene) log(t *testing.T) (lines, parents []string) {
	t.Helper()
	data, err := os.ReadFile(s.path("log"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		name, parent, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines = append(lines, name)
		if parent != "" {
			parents = append(parents, parent)
		}
	}
	return lines, parents
}

func (s scene) frozen() bool {
	_, err := os.Stat(s.path("frozen"))
	return err == nil
}

// assertThawed makes sure that the freeze, if it ran, was followed by a whole thaw.
func (s scene) assertThawed(t *testing.T) {
	t.Helper()
	lines, _ := s.log(t)
	if s.frozen() {
		t.Errorf("left frozen; the hooks did %q", lines)
	}
	if len(lines) == 0 {
		return
	}
	if got := strings.Join(lines, " "); got != "freeze done thaw done" {
		t.Errorf("the hooks did %q", got)
	}
}
