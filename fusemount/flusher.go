package fusemount

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// StartFlusher calls start, which starts a process, such that all threads of that process are
// in the state IO_FLUSHER of prctl(2): to serve a write, they do not wait for memory that only
// this write would free. A child has it of the thread that made it. The process that serves a
// writable mount is to be started so. Where the kernel does not allow it, which takes
// CAP_SYS_RESOURCE, it is started without.
func StartFlusher(start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if !isIOFlusher() && setIOFlusher(1) == nil {
		defer func() { _ = setIOFlusher(0) }() // who may set it may do so
	}
	return start()
}

// BecomeFlusher puts all threads of this process into the state IO_FLUSHER, for the one that
// serves a writable mount and was not started by [StartFlusher]. In a program with C in it
// that cannot be done, which is [syscall.ENOTSUP].
func BecomeFlusher() error {
	if isIOFlusher() {
		return nil
	}
	if _, _, errno := syscall.AllThreadsSyscall6(syscall.SYS_PRCTL, unix.PR_SET_IO_FLUSHER, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func setIOFlusher(to uintptr) error { return unix.Prctl(unix.PR_SET_IO_FLUSHER, to, 0, 0, 0) }

// isIOFlusher tells whether this thread is in the state.
func isIOFlusher() bool {
	is, err := unix.PrctlRetInt(unix.PR_GET_IO_FLUSHER, 0, 0, 0, 0)
	return err == nil && is == 1
}
