package fusemount

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// needFlusher skips where the kernel lets nobody, or not us, be one.
func needFlusher(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := setIOFlusher(1); err != nil {
		t.Skipf("needs a kernel with PR_SET_IO_FLUSHER, and CAP_SYS_RESOURCE: %v", err)
	}
	if err := setIOFlusher(0); err != nil {
		t.Fatal(err)
	}
}

// flushers counts the threads of a process, and those of them that are in the state IO_FLUSHER,
// by the flags that the kernel shows.
func flushers(t *testing.T, pid int) (flushers, threads int) {
	t.Helper()
	const noIO, localThrottle = 0x0008_0000, 0x0010_0000 // PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE, which make the state
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		flags, err := strconv.ParseUint(fields[6], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		threads++
		if flags&noIO != 0 && flags&localThrottle != 0 {
			flushers++
		}
	}
	return flushers, threads
}

// All threads of the process that serves a writable mount are flushers, those too that come as
// it works; who started it is none.
func TestServersAreFlushers(t *testing.T) {
	p := newPlace(t, 64*kib)
	needFlusher(t)
	const size = 8 * mib
	id := p.backup("v", p.source("src", size, 1, extent{0, size}))
	dir := filepath.Join(p.base, "mnt")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("/proc/self/exe")
	server.Env = append(os.Environ(), "FUSEMOUNT_SERVE="+dir, "FUSEMOUNT_REPOSITORY="+p.dir, "FUSEMOUNT_OVERLAY="+p.base)
	server.Stderr = p.log
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := StartFlusher(server.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscallUnmount(dir); err != nil {
			t.Error(err)
		}
		if err := server.Wait(); err != nil {
			t.Error(err)
		}
	})
	if n, err := out.Read(make([]byte, 10)); n == 0 {
		t.Fatalf("the process that serves did not: %v\n%s", err, p.log.lines(""))
	}
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() { same(t, filepath.Join(dir, "v", string(id)+".img"), filepath.Join(p.base, "src")) })
	}
	readers.Wait()
	if are, threads := flushers(t, server.Process.Pid); are != threads || threads < 2 {
		t.Errorf("of %d threads that serve, %d are flushers", threads, are)
	}
	if are, threads := flushers(t, os.Getpid()); are != 0 {
		t.Errorf("of %d threads of who started it, %d are flushers", threads, are)
	}
}

// TestBecomeFlusher is of a process of its own, for it stays one.
func TestBecomeFlusher(t *testing.T) {
	needFlusher(t)
	if os.Getenv("FUSEMOUNT_FLUSHER") == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run", "^TestBecomeFlusher$", "-test.v")
		cmd.Env = append(os.Environ(), "FUSEMOUNT_FLUSHER=yes")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	switch err := BecomeFlusher(); {
	case errors.Is(err, syscall.ENOTSUP): // there is C in this program
		if are, _ := flushers(t, os.Getpid()); are != 0 {
			t.Errorf("%d threads are flushers, and it was said that none can be", are)
		}
		return
	case err != nil:
		t.Fatal(err)
	}
	var busy sync.WaitGroup
	block := make(chan bool)
	for range 8 { // each on a thread of its own
		busy.Go(func() {
			runtime.LockOSThread()
			<-block
		})
	}
	if are, threads := flushers(t, os.Getpid()); are != threads {
		t.Errorf("of %d threads, %d are flushers", threads, are)
	}
	close(block)
	busy.Wait()
}
