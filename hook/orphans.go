package hook

import (
	"fmt"
	"time"

	"varve/internal/process"
)

// endFreeze kills what is left of a freeze whose guardian ended in the middle of it: it
// would freeze after the thaw. The guardian's session is known by its number as long as
// the guardian is not reaped.
func (g *guarded) endFreeze() error {
	for limit := time.Now().Add(g.runner.grace); ; time.Sleep(look) {
		orphans, err := process.KillSession(g.process.Process.Pid)
		if err != nil {
			return g.runner.freezeError(fmt.Errorf("end what is left of it: %w", err))
		}
		if len(orphans) == 0 {
			return nil
		}
		if time.Now().After(limit) {
			return g.runner.freezeError(fmt.Errorf("what is left of it cannot be killed: %v", orphans))
		}
	}
}
