package filevolume

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// preadOnce is one pread: it may come back short. At the end it returns io.EOF.
// os.File.ReadAt would go on from where a short read ended, which O_DIRECT refuses.
func preadOnce(f *os.File, p []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(int(f.Fd()), p, off)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, err
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// preadFull reads until p is full, an error, or the end.
func preadFull(f *os.File, p []byte, off int64) (int, error) {
	for done := 0; ; {
		n, err := preadOnce(f, p[done:], off+int64(done))
		done += n
		if done == len(p) || err != nil {
			return done, err
		}
	}
}

// pwriteFull writes all of p.
func pwriteFull(f *os.File, p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Pwrite(int(f.Fd()), p[done:], off+int64(done))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return done, err
		case n == 0:
			return done, io.ErrShortWrite
		}
		done += n
	}
	return done, nil
}

// fallocate is fallocate(2), again where a signal came between.
func fallocate(fd uintptr, mode uint32, off, n int64) error {
	for {
		err := unix.Fallocate(int(fd), mode, off, n)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// isUnsupported tells an operation that this file system or device does not have from one that failed.
func isUnsupported(err error) bool {
	for _, errno := range []unix.Errno{unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL, unix.ENOTTY, unix.ENODEV} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
