package main

import (
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"varve/config"
)

// A source that is a pipe is not opened, which would last until somebody writes into it.
func TestSizeOfPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	told := make(chan int64, 1)
	go func() { told <- sizeOfSource(config.Volume{Source: pipe}) }()
	for {
		select {
		case size := <-told:
			if size != 0 {
				t.Errorf("it has %d bytes", size)
			}
			return
		default:
		}
		fd, err := unix.Open(pipe, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			t.Error("somebody reads from it")
			_ = unix.Close(fd)
			return
		}
		if !errors.Is(err, unix.ENXIO) && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
}
