package mountinfo

import "syscall"

// Follow makes the mounts of a namespace that was copied, for this process alone, follow those that they were copied from: what
// is unmounted there is unmounted here, too, and nothing that is mounted here is seen there. Without it, a disk that a person
// unmounts would stay in use for as long as this process lives. Only of mounts that are shared, as systemd has them, the kernel tells the
// copies anything.
//
// It is for a process that was started with CLONE_NEWNS among its Cloneflags: with that among its Unshareflags, the syscall package
// has parted the mounts for good.
func Follow() error { return syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_SLAVE, "") }
