package hook

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// endFreeze kills what is left of a freeze whose guardian ended in the middle of it: it
// would freeze after the thaw. The guardian's session is known by its number as long as
// the guardian is not reaped.
func (g *guarded) endFreeze() error {
	for limit := time.Now().Add(g.runner.grace); ; time.Sleep(look) {
		orphans, err := inSession(g.process.Process.Pid)
		if err != nil {
			return g.runner.freezeError(fmt.Errorf("end what is left of it: %w", err))
		}
		if len(orphans) == 0 {
			return nil
		}
		for _, pid := range orphans {
			_ = syscall.Kill(pid, syscall.SIGKILL) // an error says that it is gone
		}
		if time.Now().After(limit) {
			return g.runner.freezeError(fmt.Errorf("what is left of it cannot be killed: %v", orphans))
		}
	}
}

// inSession lists the processes of a session that run, but for its leader.
func inSession(leader int) (pids []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == leader {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it ended
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the name before it may hold anything
		const state, session = 0, 3
		if len(fields) <= session || string(fields[session]) != strconv.Itoa(leader) {
			continue
		}
		if s := string(fields[state]); s != "Z" && s != "X" { // dead, and not reaped
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
