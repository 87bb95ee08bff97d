package drill_test

import (
	"os"
	"strings"
	"testing"

	"varve/drill"
)

// Called where there are processes of others, the room does nothing: what it does would be done to
// the host.
func TestTheRoomIsNoPlaceOfTheHost(t *testing.T) {
	t.Parallel()
	image, err := os.Create(t.TempDir() + "/image")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = image.Close() }()
	var said strings.Builder
	if err := drill.Room(strings.NewReader(""), &said, image); err == nil || !strings.Contains(err.Error(), "namespace") || said.Len() > 0 {
		t.Errorf("it said %q, and ended with %v", said.String(), err)
	}
}
