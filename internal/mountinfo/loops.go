package mountinfo

import (
	"os"
	"path/filepath"
	"strings"
)

// A Loop is a loop device that has a file.
type Loop struct {
	Name    string // of the device: "loop0"
	Device  string // its number, as in [Mount]
	Backing string // the file; of one that was deleted, with a word that says so
}

// Loops lists the loop devices in use, as far as /sys shows them.
func Loops() (loops []Loop) {
	paths, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return nil
	}
	for _, path := range paths {
		dir := filepath.Dir(filepath.Dir(path))
		backing, err := os.ReadFile(path)
		if err != nil {
			continue // detached since
		}
		number, err := os.ReadFile(filepath.Join(dir, "dev"))
		if err != nil {
			continue
		}
		loops = append(loops, Loop{Name: filepath.Base(dir), Device: strings.TrimSpace(string(number)), Backing: strings.TrimSuffix(string(backing), "\n")})
	}
	return loops
}
