package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stat is the fields of /proc/PID/stat from the third one on.
type stat [][]byte

// Fields, by their numbers in proc_pid_stat(5) less three.
const (
	fieldState     = 0
	fieldSession   = 3
	fieldStartTime = 19
)

func readStat(pid int) (stat, error) {
	name := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	s := stat(bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])) // the program's name before it may hold anything
	if len(s) <= fieldStartTime {
		return nil, fmt.Errorf("%s has %d fields", name, len(s))
	}
	return s, nil
}

// isDead tells whether a process has ended, and nobody has taken notice.
func (s stat) isDead() bool {
	state := string(s[fieldState])
	return state == "Z" || state == "X"
}

// clockTicks is USER_HZ, which is 100 on every Linux that Go runs on (proc(5)).
const clockTicks = 100

// begun is when the process was.
func (s stat) begun() (at time.Time, known bool) {
	ticks, err := strconv.ParseInt(string(s[fieldStartTime]), 10, 64)
	boot, known := bootTime()
	if err != nil || !known {
		return time.Time{}, false
	}
	return boot.Add(time.Duration(ticks) * time.Second / clockTicks), true
}

// bootTime is when this host was booted, by its clock (btime of /proc/stat).
func bootTime() (at time.Time, known bool) {
	f, err := os.Open("/proc/stat")
	if err != nil {
		return time.Time{}, false
	}
	defer func() { _ = f.Close() }() // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), "btime "); found {
			seconds, err := strconv.ParseInt(text, 10, 64)
			return time.Unix(seconds, 0), err == nil
		}
	}
	return time.Time{}, false
}

// InSession lists the processes of a session that run, but for its leader.
func InSession(leader int) (pids []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == leader {
			continue
		}
		s, err := readStat(pid)
		if err != nil {
			continue // it ended
		}
		if string(s[fieldSession]) == strconv.Itoa(leader) && !s.isDead() {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// KillSession kills the processes of a session, but for its leader, and lists those that ran. The session has its number
// as long as the leader is not reaped.
func KillSession(leader int) (pids []int, err error) {
	if pids, err = InSession(leader); err != nil {
		return nil, err
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // an error says that it is gone
	}
	return pids, nil
}
