package volume

import (
	"fmt"
	"slices"
	"strings"
)

// A Scheme is a kind of place where volumes are.
type Scheme string

// The schemes that [ParseLocation] knows.
const (
	SchemeFile   Scheme = "file"   // a raw file or a block device
	SchemeRBD    Scheme = "rbd"    // a Ceph RBD image
	SchemeStream Scheme = "stream" // standard input of a source, standard output of a target
)

// A Location is where a volume is, as a person types it.
type Location struct {
	Scheme Scheme
	Path   string // of SchemeFile
	Image  Image  // of SchemeRBD
}

// An Image names an RBD image.
type Image struct {
	Pool      string
	Namespace string // may be empty
	Name      string
	Snapshot  string // may be empty
}

// ParseLocation reads a SOURCE or TARGET argument: a path, "file:PATH", "rbd:POOL[/NAMESPACE]/IMAGE[@SNAPSHOT]"
// or "-". Text that begins like a scheme is never taken for a path: a file of such a name is written "./x:y".
func ParseLocation(text string) (Location, error) {
	if text == "-" {
		return Location{Scheme: SchemeStream}, nil
	}
	scheme, rest, found := cutScheme(text)
	if !found {
		return fileLocation(text, text)
	}
	switch Scheme(scheme) {
	case SchemeFile:
		return fileLocation(text, rest)
	case SchemeRBD:
		image, err := parseImage(rest)
		if err != nil {
			return Location{}, &LocationError{Text: text, Cause: err.Error()}
		}
		return Location{Scheme: SchemeRBD, Image: image}, nil
	}
	return Location{}, &LocationError{
		Text:  text,
		Cause: fmt.Sprintf("unknown scheme %q (a file of that name is written %q)", scheme, "./"+text),
	}
}

// ParsePlace reads where volumes are: the path of a directory, "file:PATH", "rbd:POOL[/]", "rbd:POOL/NAMESPACE/" or
// "rbd:POOL/[NAMESPACE/]IMAGE". A pool or namespace is an image without a name. Text alone does not tell whether
// "rbd:POOL/NAME" is an image or a namespace, so it is read as an image.
func ParsePlace(text string) (Location, error) {
	scheme, rest, found := cutScheme(text)
	if !found || Scheme(scheme) != SchemeRBD {
		return ParseLocation(text)
	}
	path, isDir := strings.CutSuffix(rest, "/")
	parts := strings.Split(path, "/")
	if len(parts) > 3 || len(parts) == 3 && isDir || slices.Contains(parts, "") || strings.ContainsAny(rest, "@\x00") {
		return Location{}, &LocationError{Text: text, Cause: fmt.Sprintf("%q is not POOL, POOL/NAMESPACE or POOL/[NAMESPACE/]IMAGE", rest)}
	}
	at := Image{Pool: parts[0]}
	switch {
	case len(parts) == 3:
		at.Namespace, at.Name = parts[1], parts[2]
	case len(parts) == 2 && isDir:
		at.Namespace = parts[1]
	case len(parts) == 2:
		at.Name = parts[1]
	}
	return Location{Scheme: SchemeRBD, Image: at}, nil
}

func fileLocation(text, path string) (Location, error) {
	if path == "" {
		return Location{}, &LocationError{Text: text, Cause: "no path"}
	}
	if strings.ContainsRune(path, 0) {
		return Location{}, &LocationError{Text: text, Cause: "a zero byte in the path"}
	}
	return Location{Scheme: SchemeFile, Path: path}, nil
}

// cutScheme splits text after a leading scheme: a letter, then letters, digits, '+', '-' and '.', then a colon.
func cutScheme(text string) (scheme, rest string, found bool) {
	scheme, rest, found = strings.Cut(text, ":")
	if !found || scheme == "" {
		return "", text, false
	}
	for i, c := range []byte(scheme) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		other := '0' <= c && c <= '9' || strings.IndexByte("+-.", c) >= 0
		if !letter && (i == 0 || !other) {
			return "", text, false
		}
	}
	return scheme, rest, true
}

func parseImage(text string) (Image, error) {
	path, snapshot, hasSnapshot := strings.Cut(text, "@")
	if hasSnapshot && (snapshot == "" || strings.ContainsAny(snapshot, "/@")) {
		return Image{}, fmt.Errorf("%q is not the name of a snapshot", snapshot)
	}
	parts := strings.Split(path, "/")
	for _, part := range parts {
		if part == "" || strings.ContainsRune(part, 0) {
			return Image{}, fmt.Errorf("%q is not POOL/IMAGE or POOL/NAMESPACE/IMAGE", path)
		}
	}
	switch len(parts) {
	case 2:
		return Image{Pool: parts[0], Name: parts[1], Snapshot: snapshot}, nil
	case 3:
		return Image{Pool: parts[0], Namespace: parts[1], Name: parts[2], Snapshot: snapshot}, nil
	}
	return Image{}, fmt.Errorf("%q is not POOL/IMAGE or POOL/NAMESPACE/IMAGE", path)
}

// String is text that parses to the same location.
func (l Location) String() string {
	switch l.Scheme {
	case SchemeStream:
		return "-"
	case SchemeRBD:
		return string(SchemeRBD) + ":" + l.Image.String()
	}
	if _, _, found := cutScheme(l.Path); found || l.Path == "-" {
		return string(SchemeFile) + ":" + l.Path
	}
	return l.Path
}

// String is the image as rbd(8) writes it; without a name, where images are.
func (i Image) String() string {
	text := i.Pool
	if i.Namespace != "" {
		text += "/" + i.Namespace
	}
	if i.Name != "" {
		text += "/" + i.Name
	}
	if i.Snapshot != "" {
		text += "@" + i.Snapshot
	}
	return text
}
