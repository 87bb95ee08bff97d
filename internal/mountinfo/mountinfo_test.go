package mountinfo_test

import (
	"testing"

	"varve/internal/mountinfo"
)

func TestUnescape(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain": "plain", `a\040b\011c`: "a b\tc", `\134`: `\`, `end\`: `end\`, `\04`: `\04`, `\999`: `\999`,
	} {
		if got := mountinfo.Unescape(text); got != want {
			t.Errorf("Unescape(%q) = %q, want %q", text, got, want)
		}
	}
}
