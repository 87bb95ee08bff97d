package repository_test

import (
	"errors"
	"testing"

	"varve/repository"
)

// Where what a dead run left takes the room that is to stay free, the next backup
// removes it and goes on: nobody else would.
func TestARunMakesRoomOfWhatTheDeadLeft(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	left := "packs/00/.tmp-00112233aabbccdd-1"
	p.write(left, make([]byte, 4096))
	noRoom := errors.New("no room")
	asked := 0
	b, err := p.open().BeginBackup(t.Context(), repository.BackupOptions{Volume: "db", Room: func(int64, int64) error {
		if asked++; p.exists(left) {
			return noRoom
		}
		return nil
	}})
	if err != nil {
		t.Fatalf("asked %d times: %v", asked, err)
	}
	closeAfter(t, b)
	if asked < 2 || p.exists(left) {
		t.Errorf("asked %d times", asked)
	}
	always := repository.BackupOptions{Volume: "other", Room: func(int64, int64) error { return noRoom }}
	if _, err := p.open().BeginBackup(t.Context(), always); !errors.Is(err, noRoom) {
		t.Errorf("without any room: %v", err)
	}
}
