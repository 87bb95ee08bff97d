package scheduler

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"varve/internal/durable"
	"varve/internal/process"
)

// state is what a scheduler knows, as its file has it. All of it can be had again: what
// was done, the repository tells.
type state struct {
	Version   int               `json:"version"`
	Process   *process.Identity `json:"process"` // that runs; null: it ended in order
	Heartbeat time.Time         `json:"heartbeat,omitzero"`
	Stopped   time.Time         `json:"stopped,omitzero"` // when the last one ended in order
	Pause     Pause             `json:"pause,omitzero"`
	Records   map[Key]*Record   `json:"records"`
}

// Names in the directory of a scheduler.
const (
	stateName  = "state.json"
	lockName   = "lock"
	socketName = "control"
)

const (
	stateVersion = 1
	maxState     = 64 << 20
)

// The file is one line: {"sum":"<sha256 of data, hex>","data":{…}}
const (
	beforeSum  = `{"sum":"`
	beforeData = `","data":`
	afterData  = "}\n"
)

var errBadState = errors.New("it is damaged")

func newState() *state { return &state{Version: stateVersion, Records: map[Key]*Record{}} }

func (s *state) encode() ([]byte, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return fmt.Appendf(nil, "%s%s%s%s%s", beforeSum, hex.EncodeToString(sum[:]), beforeData, data, afterData), nil
}

func decodeState(file []byte) (*state, error) {
	rest, ok := bytes.CutPrefix(file, []byte(beforeSum))
	said, rest, cut := bytes.Cut(rest, []byte(beforeData))
	data, whole := bytes.CutSuffix(rest, []byte(afterData))
	sum := sha256.Sum256(data)
	if !ok || !cut || !whole || hex.EncodeToString(sum[:]) != string(said) {
		return nil, errBadState
	}
	s := newState()
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("%w: %v", errBadState, err)
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("version %d, this program reads %d", s.Version, stateVersion)
	}
	for k, r := range s.Records {
		if r == nil {
			delete(s.Records, k)
		}
	}
	if s.Records == nil {
		s.Records = map[Key]*Record{}
	}
	return s, nil
}

// readState reads the state; nil without an error: there is none yet.
func readState(tree durable.FS) (*state, error) {
	file, err := durable.ReadFile(tree, stateName, maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		var s *state
		if s, err = decodeState(file); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("read the state of the scheduler: %w", err)
}

func (s *state) write(tree durable.FS, temps *durable.Temps) error {
	file, err := s.encode()
	if err == nil {
		err = durable.Replace(tree, temps, stateName, file)
	}
	if err != nil {
		return fmt.Errorf("write the state of the scheduler: %w", err)
	}
	return nil
}
