package chunkstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// catalog is this host's guess of which packs hold which objects, in one bbolt
// file that several processes share. Its methods never fail: what goes wrong costs
// hints, is logged, and if the file is to blame it is deleted and begun anew. A nil
// catalog knows nothing.
//
// bbolt locks its file while it is open, so it is opened for moments only: to read,
// shared and for at most sessionLength; to write, alone and for one batch. Readers
// that follow each other closely would keep a writer out for ever, so everybody
// takes the turn, a lock file next to the catalog, before opening it: a writer
// holds it until it has written, a reader only while it opens.
//
// Buckets:
//
//	"meta"     "format" → u32; "repository" → its id; "dropped" → u64, objects of dropped packs
//	"packs"    pack id → {number u32, objects u32, size of its file u64}
//	"numbers"  number u32 → pack id
//	"objects"  first 16 bytes of the id, kind → pack numbers u32, the newest last
//	"dirs"     first byte of pack ids → u64, mtime of a directory of which all packs are known
//
// Integers are big-endian here. A pack is dropped by dropping its number; rows of
// objects that name it then lead nowhere.
type catalog struct {
	path       string
	repository [16]byte
	log        *slog.Logger

	mu      sync.Mutex
	session *bolt.DB // open for reading, or nil
	expiry  *time.Timer
	retry   time.Time // no attempt to read before
	off     bool      // closed, or unusable on this host
}

const catalogFormat = 2

const packRowLen = 16

// Packs listed for one object at most. More copies are no use.
const maxClaims = 8

var (
	metaBucket    = []byte("meta")
	packsBucket   = []byte("packs")
	numbersBucket = []byte("numbers")
	objectsBucket = []byte("objects")
	dirsBucket    = []byte("dirs")

	formatKey     = []byte("format")
	repositoryKey = []byte("repository")
	droppedKey    = []byte("dropped")
)

var errCatalogForeign = errors.New("it belongs to another repository or another version of this program")

func openCatalog(path string, repository [16]byte, log *slog.Logger) *catalog {
	return &catalog{path: path, repository: repository, log: log.With("catalog", path)}
}

// close ends the session. The catalog knows nothing from then on.
func (c *catalog) close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endSession()
	c.off = true
}

// prepared runs f after it has made sure that the catalog is ours and complete.
func (c *catalog) prepared(tx *bolt.Tx, f func(*bolt.Tx) error) error {
	if tx.Bucket(metaBucket) == nil {
		for _, name := range [][]byte{metaBucket, packsBucket, numbersBucket, objectsBucket, dirsBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(metaBucket)
		err := errors.Join(
			meta.Put(formatKey, binary.BigEndian.AppendUint32(nil, catalogFormat)),
			meta.Put(repositoryKey, c.repository[:]),
			meta.Put(droppedKey, make([]byte, 8)),
		)
		if err != nil {
			return err
		}
	}
	if err := c.check(tx); err != nil {
		return err
	}
	return f(tx)
}

func (c *catalog) check(tx *bolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if meta == nil || string(meta.Get(formatKey)) != string(binary.BigEndian.AppendUint32(nil, catalogFormat)) ||
		string(meta.Get(repositoryKey)) != string(c.repository[:]) {
		return errCatalogForeign
	}
	for _, name := range [][]byte{packsBucket, numbersBucket, objectsBucket, dirsBucket} {
		if tx.Bucket(name) == nil {
			return errCatalogForeign
		}
	}
	return nil
}

// lookup proposes packs that may hold an object, the newest first.
func (c *catalog) lookup(key objectKey) []PackID {
	var packs []PackID
	c.view(func(tx *bolt.Tx) error {
		packs = nil
		claims := tx.Bucket(objectsBucket).Get(catalogKey(key))
		if len(claims)%4 != 0 {
			return fmt.Errorf("damaged: %d bytes of claims", len(claims))
		}
		for number := range slices.Chunk(claims, 4) {
			id := tx.Bucket(numbersBucket).Get(number)
			if len(id) == len(PackID{}) {
				packs = append(packs, PackID(id))
			}
		}
		return nil
	})
	slices.Reverse(packs)
	return packs
}

func catalogKey(key objectKey) []byte { return append(key.id[:16:16], byte(key.kind)) }

// packClaims is what a pack's table of contents says it holds.
type packClaims struct {
	pack PackID
	size int64 // of the file, in bytes
	keys []objectKey
}

// add records what packs hold, all in one batch.
func (c *catalog) add(batch []packClaims) bool {
	return c.update(func(tx *bolt.Tx) error {
		for _, p := range batch {
			if err := addPack(tx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func addPack(tx *bolt.Tx, p packClaims) error {
	packs, numbers, objects := tx.Bucket(packsBucket), tx.Bucket(numbersBucket), tx.Bucket(objectsBucket)
	if packs.Get(p.pack[:]) != nil {
		return nil
	}
	sequence, err := numbers.NextSequence()
	if err != nil {
		return err
	}
	number := binary.BigEndian.AppendUint32(nil, uint32(sequence))
	row := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(number, uint32(len(p.keys))), uint64(p.size))
	if err := errors.Join(numbers.Put(number, p.pack[:]), packs.Put(p.pack[:], row)); err != nil {
		return err
	}
	for _, key := range p.keys {
		name := catalogKey(key)
		claims := number
		if before := objects.Get(name); before != nil {
			claims = append(livingClaims(numbers, before), number...)
		}
		if err := objects.Put(name, claims); err != nil {
			return err
		}
	}
	return nil
}

// packSize tells how long the file of a pack is, if the catalog knows the pack.
func (c *catalog) packSize(id PackID) (size int64, ok bool) {
	c.view(func(tx *bolt.Tx) error {
		row := tx.Bucket(packsBucket).Get(id[:])
		size, ok = 0, len(row) == packRowLen
		if ok {
			size = int64(binary.BigEndian.Uint64(row[8:]))
		}
		return nil
	})
	return size, ok
}

// livingClaims leaves out the packs that were dropped, and the oldest of too many.
func livingClaims(numbers *bolt.Bucket, claims []byte) []byte {
	var living []byte
	for number := range slices.Chunk(claims, 4) {
		if numbers.Get(number) != nil {
			living = append(living, number...)
		}
	}
	return living[max(0, len(living)-4*(maxClaims-1)):]
}

// drop forgets packs that are gone or cannot be read. Their directories are looked
// through again by the next Writer, in case a pack is there after all.
func (c *catalog) drop(gone []PackID) bool {
	if len(gone) == 0 {
		return true
	}
	return c.update(func(tx *bolt.Tx) error {
		packs, numbers := tx.Bucket(packsBucket), tx.Bucket(numbersBucket)
		meta, dirs := tx.Bucket(metaBucket), tx.Bucket(dirsBucket)
		dropped := getUint64(meta.Get(droppedKey))
		for _, id := range gone {
			row := packs.Get(id[:])
			if len(row) != packRowLen {
				continue
			}
			dropped += uint64(binary.BigEndian.Uint32(row[4:]))
			number := bytes.Clone(row[:4])
			if err := errors.Join(numbers.Delete(number), packs.Delete(id[:]), dirs.Delete(id[:1])); err != nil {
				return err
			}
		}
		return meta.Put(droppedKey, binary.BigEndian.AppendUint64(nil, dropped))
	})
}

// catalogState is what the catalog knows of packs, for comparing it with what
// there is.
type catalogState struct {
	packs   map[PackID]bool
	dirs    map[byte]uint64 // by first byte: mtime of the directory when all of it was known
	objects uint64          // of the packs known
	dropped uint64          // of packs dropped, whose rows still take space
}

// state reads it all, 40 bytes or so for each pack, and makes an empty catalog if
// there is none. It tells whether it could.
func (c *catalog) state() (catalogState, bool) {
	var st catalogState
	ok := c.update(func(tx *bolt.Tx) error {
		st = catalogState{packs: map[PackID]bool{}, dirs: map[byte]uint64{}}
		st.dropped = getUint64(tx.Bucket(metaBucket).Get(droppedKey))
		err := tx.Bucket(packsBucket).ForEach(func(id, row []byte) error {
			if len(id) != len(PackID{}) || len(row) != packRowLen {
				return fmt.Errorf("damaged: a pack's row of %d and %d bytes", len(id), len(row))
			}
			st.packs[PackID(id)] = true
			st.objects += uint64(binary.BigEndian.Uint32(row[4:]))
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Bucket(dirsBucket).ForEach(func(first, mtime []byte) error {
			if len(first) == 1 {
				st.dirs[first[0]] = getUint64(mtime)
			}
			return nil
		})
	})
	return st, ok
}

// settle records directories of which all packs are known.
func (c *catalog) settle(dirs map[byte]uint64) bool {
	if len(dirs) == 0 {
		return true
	}
	return c.update(func(tx *bolt.Tx) error {
		for first, mtime := range dirs {
			if err := tx.Bucket(dirsBucket).Put([]byte{first}, binary.BigEndian.AppendUint64(nil, mtime)); err != nil {
				return err
			}
		}
		return nil
	})
}

func getUint64(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
