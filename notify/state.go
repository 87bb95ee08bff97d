package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"varve/internal/durable"
)

// The files of this host.
const (
	stateFile    = "notify.json"
	lockFile     = "notify.lock"
	maxStateFile = 64 << 20
	stateForm    = 1
)

// longestTurn is how long others may take to tell what they have to.
const longestTurn = 5 * time.Minute

// state is what was told, while nobody else tells anything.
type state struct {
	tree *durable.Tree
	lock durable.File
	file []byte            // as it stands there
	told map[string]ledger // by channel
	lost error             // why it could not be read; nil: it was, or there is none
}

// stored is the file.
type stored struct {
	Varve int               `json:"varve"`
	Told  map[string]ledger `json:"told"`
}

func openState(ctx context.Context, dir string) (s *state, err error) {
	if err := durable.EnsureDir(dir); err != nil {
		return nil, err
	}
	s = new(state)
	if s.tree, err = durable.OpenTree(dir); err != nil {
		return nil, err
	}
	waiting, stop := context.WithTimeout(ctx, longestTurn)
	defer stop()
	if s.lock, err = durable.WaitLocked(waiting, s.tree, lockFile); err != nil {
		return nil, errors.Join(err, s.tree.Close())
	}
	s.file, err = durable.ReadFile(s.tree, stateFile, maxStateFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		s.lost = err
	default:
		s.told, s.lost = decodeState(s.file)
	}
	return s, nil
}

// decodeState reads what [encodeState] wrote, and nothing else.
func decodeState(file []byte) (map[string]ledger, error) {
	var is stored
	dec := json.NewDecoder(bytes.NewReader(file))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&is); err != nil {
		return nil, err
	}
	if is.Varve != stateForm {
		return nil, fmt.Errorf("it has form %d, this program reads %d", is.Varve, stateForm)
	}
	return is.Told, nil
}

func encodeState(told map[string]ledger) ([]byte, error) {
	return json.Marshal(stored{stateForm, told})
}

// keep writes down what was told, if that is not what stands there.
func (s *state) keep(told map[string]ledger) error {
	file, err := encodeState(told)
	if err != nil || bytes.Equal(file, s.file) {
		return err
	}
	if err := durable.Replace(s.tree, durable.NewTemps("notify-"+rand.Text()), stateFile, file); err != nil {
		return fmt.Errorf("what was told cannot be written down, and is told again: %w", err)
	}
	return nil
}

func (s *state) close() error { return errors.Join(s.lock.Close(), s.tree.Close()) }
