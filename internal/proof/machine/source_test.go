package machine

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"testing"
)

const (
	kib = 1 << 10
	mib = 1 << 20

	blockSize = 4 * kib
	chunkSize = 64 * kib // of the repositories: many chunks in small volumes
)

// A source is a disk that changes from night to night.
type source struct {
	path    string
	rng     *rand.Rand
	fill    func(p []byte)
	content []byte
}

// newSource makes a disk of about this size: noise, text, and zeros.
func newSource(t testing.TB, path string, rng *rand.Rand, size int) *source {
	t.Helper()
	s := &source{path: path, rng: rng, content: make([]byte, size+rng.IntN(3)*512)}
	noise := rand.NewChaCha8([32]byte{byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())})
	s.fill = func(p []byte) {
		_, _ = noise.Read(p) // it never fails
		if rng.IntN(3) == 0 {
			for i := range p {
				p[i] = 'a' + p[i]&3
			}
		}
	}
	for at := 0; at < len(s.content); at += chunkSize {
		if rng.IntN(4) > 0 {
			s.fill(s.content[at:min(at+chunkSize, len(s.content))])
		}
	}
	s.write(t)
	return s
}

// sum tells one content from another.
func (s *source) sum() [32]byte { return sha256.Sum256(s.content) }

// change is a day's work: blocks here and there, whole chunks, chunks that become
// zeros or copies of others.
func (s *source) change(t testing.TB) {
	t.Helper()
	for range 1 + s.rng.IntN(200) {
		at := s.rng.IntN(len(s.content)/blockSize) * blockSize
		s.fill(s.content[at : at+blockSize])
	}
	chunks := len(s.content) / chunkSize
	for range s.rng.IntN(chunks/8 + 1) {
		at := s.rng.IntN(chunks) * chunkSize
		here := s.content[at : at+chunkSize]
		switch s.rng.IntN(4) {
		case 0:
			clear(here)
		case 1:
			from := s.rng.IntN(chunks) * chunkSize
			copy(here, s.content[from:from+chunkSize])
		default:
			s.fill(here)
		}
	}
	s.write(t)
}

// resize makes the disk longer or shorter by up to a quarter.
func (s *source) resize(t testing.TB) {
	t.Helper()
	by := (1 + s.rng.IntN(len(s.content)/4/512)) * 512
	if s.rng.IntN(2) == 0 {
		s.content = s.content[:len(s.content)-by]
	} else {
		more := make([]byte, by)
		s.fill(more)
		s.content = append(s.content, more...)
	}
	s.write(t)
}

// write makes the file anew; blocks of zeros become holes.
func (s *source) write(t testing.TB) {
	t.Helper()
	f, err := os.Create(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64(len(s.content))); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, chunkSize)
	for at := 0; at < len(s.content); at += chunkSize {
		p := s.content[at:min(at+chunkSize, len(s.content))]
		if bytes.Equal(p, zeros[:len(p)]) {
			continue
		}
		if _, err := f.WriteAt(p, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
