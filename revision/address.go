package revision

import (
	"fmt"
	"strings"
)

// SplitAddress takes VOLUME or VOLUME@REV apart. The selector is empty if the
// address has none; whether it is well formed is for [ParseSelector] to say.
func SplitAddress(text string) (volume Name, selector string, err error) {
	before, selector, found := strings.Cut(text, "@")
	if volume, err = ParseName(before); err != nil {
		return "", "", err
	}
	if found && selector == "" {
		return "", "", fmt.Errorf("bad address %q: no revision after %q", text, "@")
	}
	return volume, selector, nil
}

// CutPath takes VOLUME@REV:/PATH apart into the address and the absolute path
// inside the volume. Without a path, found is false and address is the whole text.
func CutPath(text string) (address, path string, found bool) {
	i := strings.Index(text, ":/")
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}
