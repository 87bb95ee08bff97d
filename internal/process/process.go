// Package process says which process does something, to those who wait for it on this
// host or on another, and tells whether it is there still. It reads what the kernel
// says of processes; where that says nothing, so do the answers.
package process

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"
)

// An Identity is a process that does something, and since when.
type Identity struct {
	Command string    `json:"command"` // what it does: "backup", "restore"
	Host    string    `json:"host"`
	User    string    `json:"user"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
}

// Own is that of this process, which does something from now on; by default "varve".
func Own(command string) Identity {
	i := Identity{Command: command, PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second)}
	if command == "" {
		i.Command = "varve"
	}
	i.Host, _ = os.Hostname() // empty where the kernel does not tell
	i.User = strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		i.User = u.Username
	}
	return i
}

func (i Identity) String() string { return i.Doing(i.Command) }

// Doing is what a process is called that does this.
func (i Identity) Doing(what string) string {
	return fmt.Sprintf("%s (pid %d on %s, user %s, since %s)", what, i.PID, i.Host, i.User, i.Since.Local().Format(time.DateTime+" MST"))
}

// Runs tells whether a process of this host, since it was booted, is there still: one
// of its number that was not begun after it.
func (i Identity) Runs() bool {
	s, err := readStat(i.PID)
	if err != nil {
		return false
	}
	begun, known := s.begun()
	return !known || !begun.After(i.Since.Add(time.Minute))
}

// Boot names this boot of this host; empty where the kernel does not tell.
func Boot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// Name is what a process of this host is called, with its number: "sh (process 17)".
func Name(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(name)), pid)
}
