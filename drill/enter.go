package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"varve/fusemount"
	"varve/internal/process"
)

// stubborn is how long a process that was killed may take to end. One that waits for the image ends when that is gone.
const stubborn = 30 * time.Second

// inRoom starts the room, has it do what is ordered, and notes what it answers. It returns when the room is gone, and all that was in it.
func (r *Result) inRoom(ctx context.Context, server *fusemount.Server, image *os.File, o order, limit time.Duration, opts Options) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &TimeoutError{Limit: limit})
	defer cancel()
	said := new(process.Tail)
	cmd := exec.Command(process.Self())
	cmd.Args = append([]string{"varve"}, opts.Room...)
	cmd.ExtraFiles, cmd.Stderr = []*os.File{image}, said
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the room dies with the thread that started it
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the process for the drill: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) // an error says that it has ended
	werr := json.NewEncoder(in).Encode(o)
	rerr := r.listen(out, opts)
	eerr := await(cmd, server)
	stop()
	_ = in.Close() // it has ended, or is left
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(rerr, new(*RoomError)):
		return rerr
	case errors.Join(werr, rerr, eerr) != nil:
		return &RoomError{Text: fmt.Sprintf("the process for the drill did not end well: %v %s", errors.Join(werr, rerr, eerr), said)}
	}
	return nil
}

// await waits until a process has ended that has said all, or was killed. What hinders it can be that somebody waits for the image: so after a
// while that goes. If even then it does not end, it is left.
func await(cmd *exec.Cmd, server *fusemount.Server) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for range 2 {
		select {
		case err := <-ended:
			return err
		case <-time.After(stubborn):
			server.Kill()
		}
	}
	return errors.New("it cannot be killed")
}

// listen notes what the room answers, until it ends.
func (r *Result) listen(out io.Reader, opts Options) error {
	for answers := json.NewDecoder(out); ; {
		var a answer
		switch err := answers.Decode(&a); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		switch {
		case a.Error != "":
			return newRoomError(a.Error)
		case a.Step != "":
			opts.OnStep(a.Step)
		case a.Command != nil:
			r.Command = a.Command
		case a.Part != nil:
			r.note(*a.Part)
		}
	}
}

// note takes what came of a part for what is known of it.
func (r *Result) note(done Part) {
	for i := range r.Parts {
		if r.Parts[i].Number == done.Number && r.Parts[i].isToCheck() {
			r.Parts[i] = done
			return
		}
	}
}
