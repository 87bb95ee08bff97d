package repository

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// FormatVersion is the one format of repositories that this program writes and reads.
const FormatVersion = 1

// Chunk sizes of repositories, in bytes; see [chunkstore.CheckChunkSize] for which
// are possible.
const (
	MinChunkSize     = chunkstore.MinChunkSize
	DefaultChunkSize = 1 << 20
)

// Features by name that this program knows. A repository lists those that its
// readers must know; none exist yet.
var knownFeatures = []string{}

// Descriptor is what a repository says of itself, in two copies. docs/format.md
// describes each field.
type Descriptor struct {
	Format     int             `json:"format"`
	Features   []string        `json:"features"`
	Serial     int             `json:"serial"` // grows with each rewriting; the higher copy wins
	Repository revision.UUID   `json:"repository"`
	Former     []revision.UUID `json:"former"` // ids it had before it was copied, the oldest first
	Lineage    revision.UUID   `json:"lineage"`
	Created    time.Time       `json:"created"`
	ChunkSize  int             `json:"chunk_size"`
	Names      string          `json:"content_ids"`
	Prints     string          `json:"fingerprints"`
	Key        hexBytes        `json:"content_key"`
	Seed       hexBytes        `json:"fingerprint_seed"`
	Codec      string          `json:"codec"` // default for what is written
}

// How objects are named; a repository that says otherwise is of another kind.
const (
	contentAlgorithm     = "blake3-256-keyed"
	fingerprintAlgorithm = "xxh3-128-seeded"
)

type hexBytes []byte

func (b hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(b)), nil }

func (b *hexBytes) UnmarshalText(text []byte) error {
	decoded, err := hex.DecodeString(string(text))
	*b = decoded
	return err
}

// hasher returns the names of the lineage.
func (d *Descriptor) hasher() chunkstore.Hasher {
	return chunkstore.NewHasher([32]byte(d.Key), binary.LittleEndian.Uint64(d.Seed))
}

// validate refuses a descriptor that cannot be worked by.
func (d *Descriptor) validate() error {
	if err := chunkstore.CheckChunkSize(d.ChunkSize); err != nil {
		return err
	}
	switch {
	case len(d.Key) != 32 || len(d.Seed) != 8:
		return fmt.Errorf("%w: keys have the wrong length", errBadContent)
	case d.Repository.IsZero() || d.Lineage.IsZero() || d.Serial < 1:
		return fmt.Errorf("%w: an id or the serial number is missing", errBadContent)
	case d.Names != contentAlgorithm || d.Prints != fingerprintAlgorithm:
		return fmt.Errorf("objects are named by %q and %q, this program knows %q and %q",
			d.Names, d.Prints, contentAlgorithm, fingerprintAlgorithm)
	}
	_, err := chunkstore.ParseCodec(d.Codec)
	return err
}

// decodeDescriptor looks at the version first, so that a newer format is called
// that and not damage.
func decodeDescriptor(file []byte) (*Descriptor, error) {
	data, err := unsealData(file)
	if err != nil {
		return nil, err
	}
	var peek struct {
		Format   int      `json:"format"`
		Features []string `json:"features"`
	}
	if err := json.Unmarshal(data, &peek); err != nil {
		return nil, fmt.Errorf("%w: %v", errBadContent, err)
	}
	if peek.Format != FormatVersion {
		return nil, &FormatError{Format: peek.Format}
	}
	unknown := slices.DeleteFunc(slices.Clone(peek.Features), func(f string) bool { return slices.Contains(knownFeatures, f) })
	if len(unknown) > 0 {
		return nil, &FormatError{Format: peek.Format, Features: unknown}
	}
	d := new(Descriptor)
	if err := unseal(file, d); err != nil {
		return nil, err
	}
	return d, d.validate()
}

// descriptors reads both copies. It returns the one to go by, and whether the two
// agree; without any, ErrNoRepository or what is wrong with them.
func descriptors(fsys durable.FS) (d *Descriptor, agree bool, err error) {
	main, mainErr := readDescriptor(fsys, descriptorName)
	second, secondErr := readDescriptor(fsys, descriptorCopyName)
	newer := new(FormatError)
	switch {
	case mainErr == nil && secondErr == nil:
		return newest(main, second)
	case errors.As(mainErr, &newer), errors.As(secondErr, &newer):
		return nil, false, newer // even if a newer program wrote one copy only: it had begun
	case mainErr == nil:
		return main, false, nil
	case secondErr == nil:
		return second, false, nil
	case !notFound(mainErr):
		return nil, false, mainErr
	case !notFound(secondErr):
		return nil, false, secondErr
	}
	return nil, false, ErrNoRepository
}

// newest picks the copy that was written last. Copies that were written together
// and differ are not both ours, and there is no telling which is.
func newest(main, second *Descriptor) (d *Descriptor, agree bool, err error) {
	switch {
	case main.Serial > second.Serial:
		return main, false, nil
	case main.Serial < second.Serial:
		return second, false, nil
	case !reflect.DeepEqual(main, second):
		return nil, false, &DamagedFileError{
			Path: descriptorCopyName, Cause: fmt.Errorf("%w: it contradicts %s", errBadContent, descriptorName),
		}
	}
	return main, true, nil
}

func readDescriptor(fsys durable.FS, name string) (*Descriptor, error) {
	file, err := durable.ReadFile(fsys, name, maxSmallFile)
	if err != nil {
		return nil, damagedFile(name, err)
	}
	d, err := decodeDescriptor(file)
	if format := new(FormatError); err != nil && !errors.As(err, &format) {
		return nil, &DamagedFileError{Path: name, Cause: err}
	}
	return d, err
}

// writeDescriptors replaces both copies, one after the other, so that at any
// moment one of them is whole.
func writeDescriptors(fsys durable.FS, temps *durable.Temps, d *Descriptor) error {
	if err := replaceSmall(fsys, temps, descriptorCopyName, d); err != nil {
		return err
	}
	return replaceSmall(fsys, temps, descriptorName, d)
}
