package repository

// An Origin is where good bytes came from, or were looked for. The zero value is nowhere.
type Origin struct {
	Kind OriginKind
	Name string // of the file, or what whoever asked for the repair calls it; empty: the kind says it
}

// OriginKind says what an origin is.
type OriginKind string

// The kinds of origin.
const (
	OriginFile      OriginKind = "file"      // another file of the repository: Name
	OriginFrames    OriginKind = "frames"    // frames of the file Name: of a pack that cannot be opened, or of what was put aside
	OriginElsewhere OriginKind = "elsewhere" // other places of the repository, which hold the same
	OriginPacks     OriginKind = "packs"     // of a pack that was put aside: other packs have all that is needed of it
	OriginRevisions OriginKind = "revisions" // a volume's own revisions, which say whose they are
	OriginProgram   OriginKind = "program"   // this program, which writes the same for every repository
	OriginSource    OriginKind = "source"    // what a volume is read from
	OriginOther     OriginKind = "other"     // another repository
	OriginUnneeded  OriginKind = "unneeded"  // none: nothing needs it any more
)

// IsZero tells that it is nowhere.
func (o Origin) IsZero() bool { return o == Origin{} }

// String is for logs.
func (o Origin) String() string {
	if o.Name == "" {
		return string(o.Kind)
	}
	return string(o.Kind) + " " + o.Name
}
