package fusemount

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"

	"varve/internal/process"
)

// A Server is a process of its own that serves one image, for as long as this process lives and does not close it.
//
// Who uses what is mounted must not be who serves it: the kernel may wait for the image where nothing can interrupt that, and a
// process that is killed meanwhile could neither answer nor end.
type Server struct {
	path    string // of the image, for this process
	process *exec.Cmd
	in      io.Closer
	said    sync.WaitGroup // until all that it said was read

	mu      sync.Mutex
	mishaps []Mishap
}

// maxMishaps bounds how many are kept; the first say what is wrong.
const maxMishaps = 64

// StartServer starts this program anew with some words, by which it has to come to [ServeImage]. What it says on standard error
// is given to hear, line by line. An error that it told is a [*Failure].
func StartServer(words []string, hear func(line string)) (_ *Server, err error) {
	cmd := exec.Command(process.Self())
	cmd.Args = append([]string{"varve"}, words...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWNS} // what is meant for our terminal is not for it
	s := &Server{process: cmd}
	if s.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	complaints, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the process that serves the image: %w", err)
	}
	s.said.Go(func() { listen(complaints, hear) })
	messages := json.NewDecoder(out)
	var first message
	if err := messages.Decode(&first); err != nil {
		return nil, errors.Join(fmt.Errorf("the process that serves the image did not begin: %w", err), s.Close())
	}
	s.said.Go(func() { s.note(messages) })
	if first.Failure != nil {
		return nil, errors.Join(first.Failure, s.Close())
	}
	s.path = fmt.Sprintf("/proc/%d/root%s", cmd.Process.Pid, first.Path)
	return s, nil
}

// listen hands on lines; of one that is too long, nothing, and nothing of what comes after it.
func listen(r io.Reader, hear func(line string)) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		hear(lines.Text())
	}
	_, _ = io.Copy(io.Discard, r)
}

// note keeps the mishaps that it tells of.
func (s *Server) note(messages *json.Decoder) {
	for {
		var m message
		if err := messages.Decode(&m); err != nil {
			return // it ended
		}
		s.mu.Lock()
		if m.Mishap != nil && len(s.mishaps) < maxMishaps {
			s.mishaps = append(s.mishaps, *m.Mishap)
		}
		s.mu.Unlock()
	}
}

// Path is where the image is, for this process.
func (s *Server) Path() string { return s.path }

// OpenWritable opens the image for writing, which was served for that.
func (s *Server) OpenWritable() (*os.File, error) { return os.OpenFile(s.path, os.O_RDWR, 0) }

// Mishaps are those that were met so far; all of them, once it is closed.
func (s *Server) Mishaps() []Mishap {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mishaps)
}

// Kill ends the process at once. Whoever uses the image gets errors.
func (s *Server) Kill() { _ = s.process.Process.Kill() } // an error says that it has ended

// Close ends the process, and waits until nobody uses the image any more.
func (s *Server) Close() error {
	err := s.in.Close()
	s.said.Wait()
	return errors.Join(err, s.process.Wait())
}
