package durable

import (
	"errors"
	"os"
	"testing"
)

// Who may rename what lies in a directory can put another in the place of a stage, before it is opened.
func TestAStageOfSomebodyElse(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to give a directory to somebody else")
	}
	path := t.TempDir()
	dir, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	stage, err := dir.Stage("stage")
	if err != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(path + "/stage"); err != nil || len(names) > 0 {
		t.Errorf("a new one has %v, %v", names, err)
	}
	if err := os.Chown(path+"/stage", 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if err := stage.isOurs(); !errors.Is(err, errReplaced) {
		t.Errorf("one of somebody else: %v", err)
	}
	if err := errors.Join(stage.Close(), dir.Close()); err != nil {
		t.Error(err)
	}
}
