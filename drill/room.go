package drill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"varve/disk"
	"varve/loopmount"
)

// order is what the room is to do: one line on its standard input.
type order struct {
	Parts            []disk.Part
	Table            bool // the disk has one
	Tools            []string
	CheckTimeout     time.Duration
	Command          string
	CommandTimeout   time.Duration
	Volume, Revision string
}

// answer is a line that the room says.
type answer struct {
	Step    string   `json:"step,omitempty"` // that it begins
	Part    *Part    `json:"part,omitempty"`
	Command *Command `json:"command,omitempty"`
	Error   string   `json:"error,omitempty"` // it could not go on
}

// room is what this process is.
type room struct {
	order
	image *os.File
	say   func(answer)
}

// Room is the whole of the process in which a revision is used: it reads an order from in, and says on out what comes of it. It ends at once when in
// ends. It is the first process of its namespace: whatever it started ends with it, and so do its mounts and devices. image is the image, open for writing.
func Room(in io.Reader, out io.Writer, image *os.File) error {
	// Anywhere else, what is done here would be done to the host: its mounts made read-only, its processes ended.
	if os.Getpid() != 1 {
		return errNotInRoom
	}
	// The image is for this process alone, and so is whatever else was handed down.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("keep open files to this process: %w", err)
	}
	r := &room{image: image}
	answers := json.NewEncoder(out)
	r.say = func(a answer) {
		if answers.Encode(a) != nil {
			syscall.Exit(1) // nobody is there any more
		}
	}
	orders := json.NewDecoder(in)
	if err := orders.Decode(&r.order); err != nil {
		return fmt.Errorf("read what to do: %w", err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		syscall.Exit(1)
	}()
	if err := r.work(); err != nil {
		r.say(answer{Error: err.Error()})
	}
	return nil
}

// work has all parts checked, and then the command run.
func (r *room) work() error {
	if err := enclose(); err != nil {
		return err
	}
	var mountable []*loopmount.Device
	wellDone := true
	for _, p := range r.Parts {
		part := Part{Part: p}
		device, err := r.part(&part)
		if err != nil {
			return fmt.Errorf("%s: %w", part.Words(), err)
		}
		r.say(answer{Part: &part})
		wellDone = wellDone && part.Outcome == Passed
		mountable = append(mountable, device)
	}
	if r.Command == "" || !wellDone {
		return nil
	}
	return r.command(mountable)
}

// part has one file system mounted, so that its journal is replayed, and then checked. The device stays open: it goes with this process.
func (r *room) part(p *Part) (*loopmount.Device, error) {
	device, err := loopmount.Attach(r.image, p.Part, true)
	if err != nil {
		return nil, err
	}
	if p.Kind == disk.VFAT {
		if err := markUnmounted(device); err != nil {
			return nil, err
		}
	}
	r.say(answer{Step: fmt.Sprintf("mounting %s of %s", the(p.Kind), p.Words())})
	mountOutcome, mountReason, err := r.mount(device, p)
	if err != nil {
		return nil, err
	}
	check := checkers[p.Kind]
	program, found := check.find(r.Tools)
	if found {
		r.say(answer{Step: fmt.Sprintf("checking %s of %s with %s", the(p.Kind), p.Words(), check.program)})
		node, err := makeNode(device, p.Number)
		if err != nil {
			return nil, err
		}
		check.judge(p, r.run(checkerProcess(program, append(append([]string{}, check.flags...), node), r.Tools), r.CheckTimeout))
	} else {
		p.Outcome, p.Reason = Undone, fmt.Sprintf("%s is not here, which checks %s", check.program, p.What)
	}
	// What the kernel does not mount is broken, whatever else is; that it does not know it is no more than that.
	if mountOutcome == Failed && p.Outcome != Failed || mountOutcome == Undone && p.Outcome == "" {
		p.Outcome, p.Reason = mountOutcome, mountReason
	}
	if p.Outcome == "" {
		p.Outcome = Passed
	}
	return device, nil
}

// mount mounts, reads the root directory, and unmounts.
func (r *room) mount(device *loopmount.Device, p *Part) (o Outcome, reason string, err error) {
	f, err := device.Mount()
	var unknown *loopmount.UnknownError
	var refused *loopmount.MountError
	switch {
	case errors.As(err, &unknown):
		return Undone, fmt.Sprintf("this kernel does not know %s, so that it was not mounted", p.Kind), nil
	case errors.As(err, &refused) && isNoFault(refused.Err):
		return Undone, err.Error(), nil
	case errors.As(err, &refused):
		return Failed, err.Error(), nil
	case err != nil:
		return "", "", err
	}
	root, err := f.Lookup("/", true)
	if err == nil {
		_, err = root.Names()
		err = errors.Join(err, root.Close())
	}
	if err != nil {
		return Failed, fmt.Sprintf("the root directory of %s cannot be read: %v", the(p.Kind), err), f.Close()
	}
	p.Mounted = true
	return "", "", f.Close()
}

// isNoFault tells whether an error of mounting says nothing of the file system: a btrfs of the same uuid is mounted on this host, or it lacks memory.
func isNoFault(err error) bool {
	return errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOMEM)
}

// markUnmounted takes the mark of being in use off a FAT.
func markUnmounted(device *loopmount.Device) error {
	boot := make([]byte, 512)
	if _, err := device.ReadAt(boot, 0); err != nil {
		return nil // which its checker will say
	}
	at := dirtyByte(boot)
	if boot[at]&1 == 0 {
		return nil
	}
	if _, err := device.WriteAt([]byte{boot[at] &^ 1}, at); err != nil {
		return fmt.Errorf("take the mark of use off the file system: %w", err)
	}
	return nil
}

// Where things are in the room.
const (
	ownDir   = "/run/varve"
	mountDir = ownDir + "/mount"
)

// makeNode makes a node by which everybody in the room may read a device.
func makeNode(device *loopmount.Device, number int) (string, error) {
	is, err := device.Number()
	if err != nil {
		return "", err
	}
	node := path.Join(ownDir, "device"+strconv.Itoa(number))
	if err := unix.Mknod(node, unix.S_IFBLK|0o444, int(is)); err != nil {
		return "", fmt.Errorf("make %s: %w", node, err)
	}
	return node, nil
}
