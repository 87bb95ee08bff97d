package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"varve/fusemount"
	"varve/repository"
	"varve/revision"
)

// serveImageName is the command by which this program starts itself again, to serve an image as a file.
//
// Who reads files of a file system in an image must not be who serves the image: the kernel may wait for it where nothing
// can interrupt that, and a process that is killed meanwhile could neither answer nor end.
const serveImageName = "__serve-image"

// servedAt is where the image is mounted, among mounts that the serving process alone has: a directory that there is
// wherever FUSE is, and into which nothing of that process looks, nor a library. If something did, it would wait for itself.
const servedAt = "/sys/fs/fuse/connections"

// serveImageCache bounds what is kept of the image: the kernel keeps what was read of it, too.
const serveImageCache = 128 << 20

// serveImageCommand is what serves a revision until its standard input ends. It first says, in a line, where the image is, or why there is none.
func serveImageCommand(s *session) *command {
	return &command{
		name: serveImageName, args: "REVISION",
		run: func(ctx context.Context, args []string) (result, error) {
			told := false
			err := s.serveImage(ctx, args[0], func(path string) error {
				told = true
				return json.NewEncoder(s.stdout).Encode(served{Path: path})
			})
			if err == nil || told {
				return nil, err
			}
			return nil, json.NewEncoder(s.stdout).Encode(served{Error: err.Error(), Hint: hint(err, s.about), Exit: exitCode(err)})
		},
	}
}

// served is what the serving process says of itself.
type served struct {
	Path        string // of the image, for the one that serves
	Error, Hint string
	Exit        int // the code that the error stands for
}

// serveImage shows a revision as a file, to who may look into the mounts of this process, until nobody uses it.
func (s *session) serveImage(ctx context.Context, text string, ready func(path string) error) error {
	name, id, err := revision.SplitAddress(text)
	if err != nil {
		return err
	}
	repo, err := s.openRepository(toRead)
	if err != nil {
		return err
	}
	defer s.close("close the repository", repo)
	if f, err := os.Open("/dev/fuse"); err == nil { // which has the kernel load what is a module
		s.close("close /dev/fuse", f)
	}
	m, err := fusemount.Mount(ctx, repo, servedAt, fusemount.Options{
		Show: func(each revision.Name) bool { return each == name }, Cache: serveImageCache, Log: s.log,
	})
	if err != nil {
		return err
	}
	err = ready(filepath.Join(servedAt, fusemount.ImagePath(name, revision.ID(id))))
	if err == nil {
		_, err = io.Copy(io.Discard, s.stdin)
	}
	// Who used it may be about to end: the mount goes with the last file that is open in it.
	return errors.Join(err, syscall.Unmount(servedAt, syscall.MNT_DETACH), m.Wait())
}

// imageServer is a process that serves an image.
type imageServer struct {
	path    string // of the image, for this process
	process *exec.Cmd
	in      io.Closer
	said    sync.WaitGroup // until all that it said was read
}

// A servedError is why an image is not served.
type servedError struct{ served }

func (e *servedError) Error() string { return e.served.Error }

// startServer starts a process that serves the image of a revision.
func (s *session) startServer(rev repository.Revision) (_ *imageServer, err error) {
	dir, err := s.repositoryDir()
	if err != nil {
		return nil, err
	}
	words := []string{"varve", serveImageName, "--repo=" + dir}
	if s.globals.config != "" {
		words = append(words, "--config="+s.globals.config)
	}
	cmd := exec.Command("/proc/self/exe") // this program, even if another one has its name by now
	cmd.Args = append(words, "--", rev.Volume.Name.String()+"@"+string(rev.ID))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Unshareflags: syscall.CLONE_NEWNS} // what is meant for our terminal is not for it
	server := &imageServer{process: cmd}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	server.in = in
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
	server.said.Go(func() { s.passOn(complaints) })
	var said served
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		return nil, errors.Join(fmt.Errorf("the process that serves the image did not begin: %w", err), server.Close())
	}
	if said.Path == "" {
		return nil, errors.Join(&servedError{said}, server.Close())
	}
	server.path = fmt.Sprintf("/proc/%d/root%s", cmd.Process.Pid, said.Path)
	return server, nil
}

// passOn tells what the serving process warns of, as warnings of this one.
func (s *session) passOn(complaints io.Reader) {
	lines := bufio.NewScanner(complaints)
	for lines.Scan() {
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "WARNING"))
		if text != "" && !strings.HasPrefix(text, "reading without a lease") { // which this process has said, if it matters
			s.warn("%s", text)
		}
	}
	_, _ = io.Copy(io.Discard, complaints) // of a line that is too long, the rest
}

// Close ends the process. Nothing may use the image any more.
func (i *imageServer) Close() error {
	err := i.in.Close()
	i.said.Wait()
	return errors.Join(err, i.process.Wait())
}
