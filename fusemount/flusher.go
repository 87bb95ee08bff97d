package fusemount

import (
	"runtime"
	"syscall"
)

// What of prctl(2) is about who writes back what the kernel wants rid of: to serve a write,
// a thread must not wait for memory that is freed by that very write.
const (
	prSetIOFlusher = 57
	prGetIOFlusher = 58
)

// StartFlusher calls start, which starts a process, such that all threads of that process are
// in the state IO_FLUSHER: a child has it of the thread that made it. The process that serves
// a writable mount is to be started so. Where the kernel does not allow it, which takes
// CAP_SYS_RESOURCE, it is started without.
func StartFlusher(start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if !isIOFlusher() && setIOFlusher(1) == 0 {
		defer setIOFlusher(0)
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
	if _, _, errno := syscall.AllThreadsSyscall6(syscall.SYS_PRCTL, prSetIOFlusher, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func setIOFlusher(to uintptr) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetIOFlusher, to, 0, 0, 0, 0)
	return errno
}

// isIOFlusher tells whether this thread is in the state.
func isIOFlusher() bool {
	is, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prGetIOFlusher, 0, 0, 0, 0, 0)
	return errno == 0 && is == 1
}
