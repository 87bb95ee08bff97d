package human_test

import (
	"strings"
	"testing"

	"varve/internal/human"
)

func TestNearest(t *testing.T) {
	names := []string{"schedule", "window", "tags", "source", "overdue", "hooks"}
	for word, want := range map[string]string{
		"schedule": "schedule", "shedule": "schedule", "windows": "window", "tag": "tags", "sourec": "source",
		"colour": "", "x": "", "": "", strings.Repeat("schedule", 20): "",
	} {
		if got := human.Nearest(word, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
	if got := human.Nearest("ab", []string{"bb", "aa"}); got != "aa" {
		t.Errorf("of two that are as near, Nearest gives %q, not the first", got)
	}
}
