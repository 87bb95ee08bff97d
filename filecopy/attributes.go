package filecopy

import (
	"strings"

	"varve/internal/durable"
	"varve/loopmount"
)

// attributesOf gives what can be kept of a file's attributes. With an error come those that could be read.
func attributesOf(n *loopmount.Node) (durable.Attributes, error) {
	a := durable.Attributes{Mode: n.Mode, UID: n.UID, GID: n.GID, Accessed: n.Accessed, Modified: n.Modified}
	all, err := n.Attributes()
	for name, value := range all {
		if isKept(name) {
			if a.Extended == nil {
				a.Extended = map[string][]byte{}
			}
			a.Extended[name] = value
		}
	}
	return a, err
}

// isKept leaves out what file systems make up of what they are: it means nothing elsewhere.
func isKept(attribute string) bool {
	for _, prefix := range []string{"user.", "trusted.", "security.", "system.posix_acl_"} {
		if strings.HasPrefix(attribute, prefix) {
			return true
		}
	}
	return false
}
