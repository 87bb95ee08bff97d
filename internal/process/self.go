package process

import "os"

// exe is this program for the kernel, whatever file has its name by now.
const exe = "/proc/self/exe"

// Self is the path by which this program is started anew: itself, even if another one has its
// name by now.
func Self() string {
	if _, err := os.Stat(exe); err == nil {
		return exe
	}
	path, err := os.Executable()
	if err != nil {
		return exe // starting it will fail, and say so
	}
	return path
}

// SelfByName is the path by which this program is started anew with its name in lists of
// processes, for as long as a file has that; else it is [Self].
func SelfByName() string {
	path, err := os.Executable()
	if err != nil {
		return Self()
	}
	if _, err := os.Stat(path); err != nil {
		return Self()
	}
	return path
}
