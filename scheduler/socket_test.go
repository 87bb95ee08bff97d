package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"varve/revision"
	"varve/scheduler"
)

func TestAsk(t *testing.T) {
	h := newHouse(t, task("a", plan(t, "never", "any", "UTC", "a")))
	h.opts.Group = os.Getgid()
	h.opts.Config = func() scheduler.Config { return scheduler.Config{Path: "/etc/x", Text: []byte("secret")} }
	dir := scheduler.Dir(h.dir, revision.UUID{})
	ask := func(r scheduler.Request) (scheduler.Answer, error) { return scheduler.Ask(t.Context(), dir, r) }
	if _, err := ask(scheduler.Request{Do: scheduler.AskStatus}); !errors.Is(err, scheduler.ErrNone) {
		t.Errorf("before there ever was one: %v", err)
	}
	if left, err := scheduler.ReadLeft(dir, time.Now()); left != nil || err != nil {
		t.Errorf("before there ever was one, it left %v, %v", left, err)
	}
	h.runs(func(s *scheduler.Scheduler) {
		stop, err := s.Listen()
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		a, err := ask(scheduler.Request{Do: scheduler.AskStatus})
		if err != nil || a.Status == nil || a.Status.Process.PID != os.Getpid() {
			t.Errorf("%+v, %v", a, err)
		}
		if _, err := ask(scheduler.Request{Do: scheduler.AskPause}); !errors.As(err, new(*scheduler.RefusedError)) {
			t.Errorf("a pause of no length: %v", err)
		}
		if _, err := ask(scheduler.Request{Do: "dance"}); !errors.As(err, new(*scheduler.RefusedError)) {
			t.Errorf("an unknown action: %v", err)
		}
		if a, err := ask(scheduler.Request{Do: scheduler.AskConfig}); err != nil || a.Config == nil || string(a.Config.Text) != "secret" {
			t.Errorf("its configuration: %+v, %v", a, err)
		}
		if os.Geteuid() == 0 {
			asStranger(t, h.dir, func() {
				if a, err := ask(scheduler.Request{Do: scheduler.AskStatus}); err != nil || a.Status == nil {
					t.Errorf("of the group: %+v, %v", a, err)
				}
				if a, err := ask(scheduler.Request{Do: scheduler.AskConfig}); !errors.As(err, new(*scheduler.RefusedError)) || a.Config != nil {
					t.Errorf("its configuration, of the group: %+v, %v", a, err)
				}
			})
		}
		conn, err := net.Dial("unix", filepath.Join(dir, "control"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Write([]byte("{}x\n"))
		answer := make([]byte, 1000)
		if n, _ := conn.Read(answer); !strings.Contains(string(answer[:n]), "no request") {
			t.Errorf("nonsense is answered %q", answer[:n])
		}
		if left, err := scheduler.ReadLeft(dir, time.Now()); left == nil || left.Process == nil || err != nil {
			t.Errorf("while it runs, it left %+v, %v", left, err)
		}
	})
	if _, err := ask(scheduler.Request{Do: scheduler.AskStatus}); !errors.Is(err, scheduler.ErrNone) {
		t.Errorf("after its end: %v", err)
	}
	if left, err := scheduler.ReadLeft(dir, time.Now()); left == nil || left.Process != nil || left.Stopped.IsZero() || err != nil {
		t.Errorf("after its end, it left %+v, %v", left, err)
	}
}

// asStranger does something as another user of our group, who may come as far as a directory.
func asStranger(t *testing.T, dir string, do func()) {
	t.Helper()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: nobody else gets this thread
		const nobody = 65534
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			t.Error(errno)
			return
		}
		do()
	}()
	<-done
}

// One that is there and says nothing keeps nobody waiting for ever.
func TestAskSilent(t *testing.T) {
	h := newHouse(t)
	s, err := scheduler.Open(h.opts)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := s.Listen() // and it never runs
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := scheduler.Ask(ctx, scheduler.Dir(h.dir, revision.UUID{}), scheduler.Request{Do: scheduler.AskStatus}); !errors.Is(err, scheduler.ErrSilent) {
		t.Errorf("it says %v", err)
	}
	stop()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// That it does not answer, it says itself where it can; and whoever asks is told so.
func TestAnswersSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		s, err := scheduler.Open(h.opts) // and it never runs
		if err != nil {
			t.Fatal(err)
		}
		ours, its := net.Pipe()
		go s.Answer(t.Context(), its)
		if _, err := ours.Write([]byte(`{"varve":1,"do":"status"}` + "\n")); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(ours)
		if err != nil || !strings.Contains(string(answer), scheduler.ErrSilent.Error()) {
			t.Errorf("the answer is %q, %v", answer, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, want := range []error{scheduler.ErrSilent, scheduler.ErrNone} {
		dir := t.TempDir()
		l, err := net.Listen("unix", filepath.Join(dir, "control"))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if conn, err := l.Accept(); err == nil {
				_ = json.NewDecoder(conn).Decode(new(scheduler.Request))
				_ = json.NewEncoder(conn).Encode(scheduler.Answer{Varve: 1, Error: want.Error()})
				_ = conn.Close()
			}
		}()
		if _, err := scheduler.Ask(t.Context(), dir, scheduler.Request{Do: scheduler.AskStatus}); !errors.Is(err, want) {
			t.Errorf("one that says %q: %v", want, err)
		}
		_ = l.Close()
	}
}

func TestChild(t *testing.T) {
	sh := func(text string) scheduler.Child {
		return scheduler.Child{Path: "/bin/sh", Args: []string{"sh", "-c", text}, Grace: 50 * time.Millisecond}
	}
	if out := sh("echo one; echo two >&2; exit 3").Run(t.Context()); string(out.Stdout) != "one\n" || out.Stderr != "two\n" || out.Exit != 3 || out.Err != nil {
		t.Errorf("%+v", out)
	}
	if out := sh("kill -9 $$").Run(t.Context()); out.Exit != -1 || out.Err == nil {
		t.Errorf("killed: %+v", out)
	}
	if out := (scheduler.Child{Path: "/nowhere"}).Run(t.Context()); out.Exit != -1 || out.Err == nil {
		t.Errorf("not there: %+v", out)
	}
	if out := sh("head -c 17000000 /dev/zero; head -c 9000 /dev/zero >&2").Run(t.Context()); len(out.Stdout) != 16<<20 || !out.Cut || len(out.Stderr) != 8<<10 {
		t.Errorf("much output: %d bytes, cut: %v, %d bytes", len(out.Stdout), out.Cut, len(out.Stderr))
	}
	told := sh("cat")
	told.Input = []byte("what it is told")
	if out := told.Run(t.Context()); string(out.Stdout) != "what it is told" {
		t.Errorf("it was told %q", out.Stdout)
	}
	told = sh("exec 0<&-; echo deaf")
	told.Input = make([]byte, 1<<20)
	if out := told.Run(t.Context()); string(out.Stdout) != "deaf\n" || out.Exit != 0 || out.Err != nil {
		t.Errorf("one that does not listen: %+v", out)
	}
	file := filepath.Join(t.TempDir(), "began")
	for name, c := range map[string]struct {
		text string
		exit int
	}{
		"that listens":    {"trap 'exit 143' TERM; echo >" + file + "; while :; do sleep 0.01; done", 143},
		"that does not":   {"trap '' TERM; echo >" + file + "; while :; do sleep 1; done", -1},
		"with a hung one": {"trap '' TERM; (trap '' TERM; sleep 100) & echo >" + file + "; wait", -1},
	} {
		_ = os.Remove(file)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan scheduler.Output, 1)
		go func() { ended <- sh(c.text).Run(ctx) }()
		for {
			if info, err := os.Stat(file); err == nil && info.Size() > 0 {
				break
			}
		}
		cancel()
		if out := <-ended; out.Exit != c.exit || !out.Signaled {
			t.Errorf("one %s: %+v", name, out)
		}
	}
}

// A report is made beside all else; one that hangs keeps nobody waiting for long, and not even that
// from being told anything else.
func TestAskReport(t *testing.T) {
	h := newHouse(t, task("a", plan(t, "never", "any", "UTC", "a")))
	hung, free := make(chan struct{}), make(chan struct{})
	h.opts.Report = func(_ context.Context, is *scheduler.Status, r scheduler.Request) ([]byte, error) {
		switch r.Names[0] {
		case "hang":
			close(hung)
			<-free
		case "wrong":
			return nil, errors.New("that is wrong")
		}
		return json.Marshal(is.Process.PID)
	}
	dir := scheduler.Dir(h.dir, revision.UUID{})
	h.runs(func(s *scheduler.Scheduler) {
		stop, err := s.Listen()
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		ask := func(what string) (scheduler.Answer, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return scheduler.Ask(ctx, dir, scheduler.Request{Do: scheduler.AskReport, Names: []string{what}})
		}
		if a, err := ask("right"); err != nil || string(a.Report) != strconv.Itoa(os.Getpid()) {
			t.Errorf("the report is %s, %v", a.Report, err)
		}
		var refused *scheduler.RefusedError
		if _, err := ask("wrong"); !errors.As(err, &refused) || refused.Error() != "that is wrong" {
			t.Errorf("one that cannot be made: %v", err)
		}
		late := make(chan error, 1)
		go func() {
			_, err := ask("hang")
			late <- err
		}()
		<-hung
		if _, err := ask("right"); !errors.As(err, &refused) {
			t.Errorf("while one hangs, another: %v", err)
		}
		if err := <-late; !errors.As(err, &refused) {
			t.Errorf("one that hangs: %v", err)
		}
		if _, err := scheduler.Ask(t.Context(), dir, scheduler.Request{Do: scheduler.AskStatus}); err != nil {
			t.Errorf("while one hangs, its status: %v", err)
		}
		close(free)
		if a, err := ask("right"); err != nil || len(a.Report) == 0 {
			t.Errorf("after that: %s, %v", a.Report, err)
		}
	})
}
