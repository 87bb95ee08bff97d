package durabletest_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"varve/internal/durable/durabletest"
)

// leaveVariable has this program make a directory, say where, and wait to be killed.
const leaveVariable = "VARVE_DURABLETEST_LEAVE"

func TestMain(m *testing.M) {
	if os.Getenv(leaveVariable) == "" {
		os.Exit(m.Run())
	}
	dir, _, err := durabletest.MakeDir()
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString(dir + "\n") // whoever started this notices
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// What a test leaves that is killed is removed by the next one, and not before.
func TestKilledTestsLeaveNothing(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), leaveVariable+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 1000)
	n, err := out.Read(said)
	if err != nil {
		t.Fatal(err)
	}
	left := strings.TrimSpace(string(said[:n]))
	mine := durabletest.TempDir(t)
	if err := errors.Join(os.Remove(mine), os.Mkdir(mine, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Errorf("the directory of a living test is gone: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	_ = in.Close() // likewise
	if durabletest.TempDir(t) == mine {
		t.Error("a directory is given twice")
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory of a killed test is still there: %v", err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("the directory of this test is gone: %v", err)
	}
}
