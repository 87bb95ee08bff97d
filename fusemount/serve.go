package fusemount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"varve/internal/mountinfo"
	"varve/repository"
	"varve/revision"
)

// servedAt is where a process that serves one image mounts it, among mounts that it alone has: a directory that there is
// wherever FUSE is, and into which nothing of that process looks, nor a library. If something did, it would wait for itself.
const servedAt = "/sys/fs/fuse/connections"

// A Failure is why an image is not served, and what the process that was to do it advises. It is an error of the one that
// started that.
type Failure struct {
	Text string `json:"error"`
	Hint string `json:"hint"`
	Exit int    `json:"exit"` // the code that it stands for
}

func (f *Failure) Error() string { return f.Text }

// message is a line that a serving process says on its standard output. The first has a path or a failure.
type message struct {
	Path    string   `json:"path,omitempty"` // of the image, for the one that serves
	Failure *Failure `json:"failure,omitempty"`
	Mishap  *Mishap  `json:"mishap,omitempty"`
}

// ServeImage is the whole of a process that serves one image, which [StartServer] started: it shows a revision as a file, to who may
// look into the mounts of this process, until in ends and nobody uses it. What is wrong before that can be is told by explain,
// to the one that started it.
func ServeImage(
	ctx context.Context, repo *repository.Repository, volume revision.Name, id revision.ID, opts Options, in io.Reader, out io.Writer,
	explain func(error) Failure,
) error {
	var mu sync.Mutex
	say := func(m message) error {
		mu.Lock()
		defer mu.Unlock()
		return json.NewEncoder(out).Encode(m)
	}
	opts.Show = func(each revision.Name) bool { return each == volume }
	opts.OnMishap = func(t Mishap) { _ = say(message{Mishap: &t}) } // to one that is gone, it is of no interest
	refuse := func(err error) error {
		failure := explain(err)
		return say(message{Failure: &failure})
	}
	if err := mountinfo.Follow(); err != nil {
		return refuse(fmt.Errorf("part from the mounts of this host: %w", err))
	}
	if f, err := os.Open("/dev/fuse"); err == nil { // which has the kernel load what is a module
		_ = f.Close()
	}
	m, err := Mount(ctx, repo, servedAt, opts)
	if err != nil {
		return refuse(err)
	}
	err = say(message{Path: filepath.Join(servedAt, imagePath(volume, id))})
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	// Who used it may be about to end: the mount goes with the last file that is open in it.
	return errors.Join(err, syscall.Unmount(servedAt, syscall.MNT_DETACH), m.Wait())
}

// RefuseImage tells the one that started this process why it does not come to [ServeImage].
func RefuseImage(out io.Writer, failure Failure) error {
	return json.NewEncoder(out).Encode(message{Failure: &failure})
}
