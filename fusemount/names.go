package fusemount

import (
	"path"
	"strings"

	"varve/revision"
)

// What lies in the folder of a volume beside its revisions.
const (
	imageExt       = ".img"
	descriptionExt = ".json"
	latestName     = "latest" + imageExt
	goodName       = "latest-good" + imageExt
	tagsName       = "by-tag"
)

// imagePath is where the image of a revision is below the mount point.
func imagePath(volume revision.Name, id revision.ID) string {
	return path.Join(append(folders(volume), string(id)+imageExt)...)
}

// folders gives the path of a volume's folder. A slash of the name parts folders where
// something stands on both sides of it. What would be no name of a folder, or another's, is
// written with "%" and two hexadecimal digits: "%" itself, every other slash, the first
// character of "." and "..", and below a first folder that of a name which a volume's folder
// has for itself: "a/latest.img" could be the link of volume "a". So each volume has a path
// of its own, whichever other volumes there are.
func folders(name revision.Name) []string {
	var path []string
	var element strings.Builder
	text := string(name)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '/' && i > 0 && i+1 < len(text) && text[i-1] != '/' && text[i+1] != '/':
			path = append(path, element.String())
			element.Reset()
		case c == '/':
			element.WriteString("%2F")
		case c == '%':
			element.WriteString("%25")
		default:
			element.WriteByte(c)
		}
	}
	path = append(path, element.String())
	for i, e := range path {
		if e == "." || e == ".." || i > 0 && isReserved(e) {
			path[i] = escapeFirst(e)
		}
	}
	return path
}

// isReserved tells whether a volume's folder may have something of that name.
func isReserved(element string) bool {
	switch element {
	case latestName, goodName, tagsName:
		return true
	}
	_, _, ok := parseFile(element)
	return ok
}

// parseFile reads the name of an image or of the note beside it.
func parseFile(name string) (id revision.ID, ext string, ok bool) {
	for _, ext := range []string{imageExt, descriptionExt} {
		if base, has := strings.CutSuffix(name, ext); has {
			id, err := revision.ParseID(base)
			return id, ext, err == nil
		}
	}
	return "", "", false
}

func escapeFirst(element string) string {
	const digits = "0123456789ABCDEF"
	c := element[0]
	return string([]byte{'%', digits[c>>4], digits[c&15]}) + element[1:]
}
