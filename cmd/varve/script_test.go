package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what the scripts compare with anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"varve": main, helperName: main})
}

// TestScript runs testdata/script: one file per behaviour, written as people type.
func TestScript(t *testing.T) {
	testscript.Run(t, scripts(filepath.Join("testdata", "script")))
}

// scripts is how those of a directory are run.
func scripts(dir string) testscript.Params {
	return testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Setenv("VARVE_REPO", filepath.Join(env.WorkDir, "repo"))
			env.Setenv("VARVE_STATE", filepath.Join(env.WorkDir, "state"))
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or each of the many processes sleeps for a second
			env.Setenv("TZ", "UTC")
			env.Setenv("LC_ALL", "C")
			env.Setenv("CEPH_CONF", filepath.Join(env.WorkDir, "none.conf"))
			env.Defer(func() { unmountBelow(env.WorkDir) })
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name == "bind" { // may we mount something read-only, where only we see it?
				return exec.Command("unshare", "-m", "mount", "--bind", "/", "/").Run() == nil, nil
			}
			if name == "fuse" { // may we mount what this program serves?
				return cannotMount() == "", nil
			}
			if name == "ceph" { // was this built with it?
				return strings.Contains(knownVolumes, "RBD"), nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "image": image, "poke": poke, "corrupt": corrupt, "await": await,
			"interrupt": interrupt, "mask": mask, "less": less,
		},
		UpdateScripts: *update,
	}
}

// exits CODE COMMAND...: the command ends with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// image FILE SIZE SEED [HOLE-OFFSET HOLE-LENGTH]: makes a file of random bytes.
func image(ts *testscript.TestScript, _ bool, args []string) {
	size := number(ts, args[1])
	seed := number(ts, args[2])
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	source := rand.NewChaCha8([32]byte{byte(seed)})
	block := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(block)) {
		part := block[:min(int64(len(block)), size-off)]
		_, _ = source.Read(part) // it never fails
		if len(args) > 3 && off >= number(ts, args[3]) && off < number(ts, args[3])+number(ts, args[4]) {
			continue
		}
		_, err := f.WriteAt(part, off)
		ts.Check(err)
	}
	ts.Check(f.Truncate(size))
	ts.Check(f.Close())
}

func number(ts *testscript.TestScript, text string) int64 {
	var n size
	ts.Check(n.Set(text))
	return int64(n)
}

// poke FILE OFFSET TEXT: writes into a file.
func poke(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	_, err = f.WriteAt([]byte(args[2]), number(ts, args[1]))
	ts.Check(errors.Join(err, f.Close()))
}

// corrupt PATTERN OFFSET: turns a byte of each file around.
func corrupt(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("no file %s", args[0])
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		ts.Check(err)
		data[number(ts, args[1])] ^= 0xff
		ts.Check(os.WriteFile(name, data, 0o600))
	}
}

// await PATTERN: waits until there is such a file with something in it.
func await(ts *testscript.TestScript, _ bool, args []string) {
	if err := awaitFile(ts.MkAbs(args[0])); err != nil {
		ts.Fatalf("%v", err)
	}
}

func awaitFile(pattern string) error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, name := range files {
			if info, err := os.Stat(name); err == nil && info.Size() > 0 {
				return nil
			}
		}
	}
	return fmt.Errorf("there is no %s", pattern)
}

// interrupt SIGNAL PATTERN CODE varve...: runs varve until there is such a file,
// sends the signal, and expects the exit code. What it said is in the file interrupted.
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	number := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT}[args[0]]
	var stderr bytes.Buffer
	cmd := exec.Command(args[3], args[4:]...)
	cmd.Dir, cmd.Stderr = ts.MkAbs("."), &stderr
	cmd.Env = append(os.Environ(), "VARVE_REPO="+ts.Getenv("VARVE_REPO"), "VARVE_STATE="+ts.Getenv("VARVE_STATE"), "LC_ALL=C")
	ts.Check(cmd.Start())
	err := awaitFile(ts.MkAbs(args[1]))
	ts.Check(cmd.Process.Signal(number))
	_ = cmd.Wait() // the code tells
	ts.Check(err)
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[2] {
		ts.Fatalf("exit code %s, want %s\n%s", got, args[2], &stderr)
	}
	ts.Check(os.WriteFile(ts.MkAbs("interrupted"), stderr.Bytes(), 0o600))
	if !strings.Contains(stderr.String(), "SIG"+args[0]) {
		ts.Fatalf("it does not say what interrupted it:\n%s", &stderr)
	}
}

// volatile are the fields of JSON that differ from run to run.
var volatile = regexp.MustCompile(`^(revision|parent|newest|repository|former|uuid|lineage|id|identity|digest|nonce|` +
	`begun|ended|proven|seconds|milliseconds|stored|commit|version|go|system|script|text|objects)$`)

// mask FILE: writes the JSON that the last command printed, without what differs
// from run to run. It must be one document and nothing else.
func mask(ts *testscript.TestScript, _ bool, args []string) {
	var document any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &document))
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	ts.Check(enc.Encode(masked(document, false)))
	text := strings.ReplaceAll(out.String(), ts.Getenv("WORK"), "WORK")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

func masked(value any, hide bool) any {
	switch v := value.(type) {
	case map[string]any:
		for key, field := range v {
			v[key] = masked(field, volatile.MatchString(key))
		}
	case []any:
		for i := range v {
			v[i] = masked(v[i], hide)
		}
	case string:
		if hide {
			return "..."
		}
	case float64:
		if hide {
			return 0
		}
	}
	return value
}

// less FIELD A B: the number in one document's result is much smaller than in another's.
func less(ts *testscript.TestScript, _ bool, args []string) {
	var n [2]float64
	for i, name := range args[1:3] {
		var document struct{ Result map[string]any }
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(name)), &document))
		n[i], _ = document.Result[args[0]].(float64)
	}
	if n[0]*1.3 >= n[1] {
		ts.Fatalf("%s is %.0f, and not much less than %.0f", args[0], n[0], n[1])
	}
}
