package hook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"varve/internal/process"
)

// Guardian says how the process that guards a freeze is started. The zero value is
// this very program, as "varve __guard", which is to run [Guard].
type Guardian struct {
	Path   string   // of the program
	Args   []string // its name and its arguments
	Stderr *os.File // where it says what it can tell nobody else; nil: nowhere
}

// Freeze runs the hook to freeze, under a guardian, and returns what thaws again: to
// be called once reading allows it. Called more than once, thaw does nothing more.
// After an error everything is thawed again, as far as that can be had, and the
// error tells if not. A context that ends has the same effect, after the freeze.
//
// What thaw returns is an [*Error], when the hook to thaw failed again and again.
func (r Runner) Freeze(ctx context.Context) (thaw func() error, err error) {
	r = r.withDefaults()
	if err := r.Hooks.Validate(); err != nil {
		return nil, err
	}
	if !r.Hooks.Freezes() {
		return nil, errors.New("there is no hook to freeze")
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	g, err := r.guard()
	if err != nil {
		return nil, r.freezeError(fmt.Errorf("start its guardian: %w", err))
	}
	select {
	case a, alive := <-g.answers:
		if !alive {
			return nil, errors.Join(r.freezeError(errGuardian), g.endFreeze(), g.thaw())
		}
		if err := a.err(r.Hooks.Freeze, r.Hooks.FreezeTimeout); err != nil {
			return nil, errors.Join(err, g.thaw())
		}
		return g.thaw, nil
	case <-ctx.Done():
		g.tell()
		if _, alive := <-g.answers; !alive {
			return nil, errors.Join(context.Cause(ctx), g.endFreeze(), g.thaw())
		}
		return nil, errors.Join(context.Cause(ctx), g.thaw())
	}
}

var errGuardian = errors.New("its guardian ended and did not say why")

func (r Runner) freezeError(err error) error {
	return &Error{Hook: Freeze, Command: r.Hooks.Freeze, Err: err}
}

// guarded is a freeze, seen from the parent.
type guarded struct {
	runner  Runner
	order   order
	process *exec.Cmd
	in      io.Closer
	answers <-chan answer // closed when the guardian has ended, or makes no sense

	told    sync.Once
	thawing sync.Once
	thawed  error
}

// guard starts a guardian and gives it its order.
func (r Runner) guard() (*guarded, error) {
	cmd := r.Guardian.command()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // what is meant for us and our terminal is not for it
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	answers := make(chan answer, 2) // all that are to come
	go func() {
		defer close(answers)
		lines := bufio.NewReader(out)
		for range cap(answers) {
			var a answer
			if readLine(lines, &a) != nil {
				return
			}
			answers <- a
		}
	}()
	g := &guarded{runner: r, process: cmd, in: in, answers: answers}
	g.order = order{
		Freeze: r.Hooks.Freeze, Thaw: r.Hooks.Thaw, Env: r.Subject.environ(),
		Limit: r.Hooks.FreezeTimeout, Grace: r.grace,
	}
	if err := writeLine(in, g.order); err != nil { // it did not read it all, so it has not begun
		g.tell()
		return nil, errors.Join(err, g.wait())
	}
	return g, nil
}

func (g Guardian) command() *exec.Cmd {
	if g.Path == "" {
		g.Path = process.Self()
	}
	if len(g.Args) == 0 {
		g.Args = []string{"varve", "__guard"}
	}
	cmd := exec.Command(g.Path)
	cmd.Args = g.Args
	if g.Stderr != nil {
		cmd.Stderr = g.Stderr
	}
	return cmd
}

// tell says that it is time to thaw: by hanging up.
func (g *guarded) tell() {
	g.told.Do(func() { _ = g.in.Close() }) // nothing is left to be written
}

// thaw has the guardian thaw, and waits until it has. If there is no guardian any
// more, we do it.
func (g *guarded) thaw() error {
	g.thawing.Do(func() {
		g.tell()
		a, alive := <-g.answers
		if !alive {
			g.runner.Log.Warn("the guardian of a frozen source is gone; thawing without it", "volume", g.runner.Subject.Volume)
			_, g.thawed = g.order.thaw()
		} else {
			g.thawed = a.err(g.runner.Hooks.Thaw, g.runner.Hooks.FreezeTimeout)
		}
		_ = g.wait() // how it ended says nothing that it has not said
	})
	return g.thawed
}

// wait reaps the guardian.
func (g *guarded) wait() error {
	for range g.answers { // Wait closes what is read
	}
	return g.process.Wait()
}
