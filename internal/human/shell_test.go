package human_test

import (
	"os/exec"
	"testing"

	"varve/internal/human"
)

// What is written for a shell is read by a shell as it was.
func TestShellWord(t *testing.T) {
	for text, want := range map[string]string{
		"db1": "db1", "vms/web@k3f9": "vms/web@k3f9", "/dev/vg/db1-snap": "/dev/vg/db1-snap", "größe": "größe",
		"": "''", "bad name": "'bad name'", "a*": "'a*'", "$(id)": "'$(id)'", "~root": "'~root'", "a|b;c&d": "'a|b;c&d'",
		"it's": `'it'\''s'`, "#x": "'#x'", "a\\b": "'a\\b'", "!x": "'!x'", "{a,b}": "'{a,b}'",
	} {
		if got := human.ShellWord(text); got != want {
			t.Errorf("ShellWord(%q) = %s, want %s", text, got, want)
		}
		out, err := exec.Command("sh", "-c", "printf %s "+human.ShellWord(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("a shell reads %s as %q (%v), want %q", human.ShellWord(text), out, err, text)
		}
	}
}
