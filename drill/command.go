package drill

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"varve/loopmount"
)

// command mounts all file systems where the command finds them, and runs it.
func (r *room) command(devices []*loopmount.Device) error {
	owners, err := newOwners()
	if err != nil {
		return err
	}
	r.say(answer{Step: "running the command"})
	for _, device := range devices {
		dir := mountDir
		if r.Table {
			dir = path.Join(mountDir, strconv.Itoa(device.Part.Number))
		}
		if err := place(device, owners, dir); err != nil {
			return fmt.Errorf("%s: %w", device.Part.Words(), err)
		}
	}
	cmd := exec.Command("/bin/sh", "-c", r.Command)
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "TMPDIR=/tmp", "USER=nobody", "LOGNAME=nobody", "LANG=C.UTF-8",
		"VARVE_MOUNT=" + mountDir, "VARVE_VOLUME=" + r.Volume, "VARVE_REVISION=" + r.Revision,
	}
	cmd.SysProcAttr = inOwnUsers()
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_SYS_CHROOT}
	ended := r.run(cmd, r.CommandTimeout)
	r.say(answer{Command: &Command{Exit: ended.exit, Output: ended.output, Took: ended.took, Failed: ended.words()}})
	return nil
}

// place mounts the file system of a device at a directory, which is made.
func place(device *loopmount.Device, owners *os.File, dir string) error {
	f, err := device.Mount()
	if err != nil {
		return err
	}
	if err := f.MapOwners(owners); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return errors.Join(err, f.Close())
	}
	err = os.MkdirAll(dir, 0o755)
	if err == nil {
		err = f.Place(dir)
	}
	return errors.Join(err, f.Close())
}

// inOwnUsers has a process in a user namespace of its own, of users that nobody has.
func inOwnUsers() *syscall.SysProcAttr {
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: firstUser, Size: users}}
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true}
}

// newOwners gives a user namespace of those users, to map owners by. It has no process.
func newOwners() (_ *os.File, err error) {
	cmd := exec.Command("/bin/sh", "-c", "read end")
	cmd.SysProcAttr = inOwnUsers()
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("make a user namespace, which nobody can in a chroot, or where user.max_user_namespaces says so: %w", err)
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", cmd.Process.Pid))
	_ = in.Close() // which ends the process
	_ = cmd.Wait() // it read the end, which its shell calls a failure
	if err != nil {
		return nil, fmt.Errorf("open a user namespace: %w", err)
	}
	return f, nil
}
