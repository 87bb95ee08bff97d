package fusemount

import (
	"log/slog"
	"os"
	"time"

	"varve/repository"
	"varve/revision"
)

// Options tunes [Mount]. The zero value is ready to use.
type Options struct {
	// Source is what lists of mounts show as what is mounted; empty: the repository's id.
	Source string
	// Show tells whether a volume is shown; nil: all are.
	Show func(revision.Name) bool
	// Describe gives the content of the note beside an image; nil: there is none.
	Describe func(repository.Revision) ([]byte, error)
	// Cache bounds the decoded bytes that are kept; zero means 512 MiB.
	Cache int64
	// AllowOther lets other users read what is mounted. Who is not root needs
	// user_allow_other in /etc/fuse.conf.
	AllowOther bool
	// Writable lets images be written to. What is written lies in a layer above the image, which
	// all share who open it, and which ends with the mount: the repository stays as it is.
	Writable bool
	// Overlay is the directory of the layers; empty: that for temporary files.
	Overlay string
	// OverlaySize is how many bytes all layers may take; zero means 10 GiB. Who finds no room
	// gets ENOSPC.
	OverlaySize int64
	// Refresh is how long what was listed is believed; zero means two seconds, and less not
	// at all.
	Refresh time.Duration
	// Renew is how often the lease is renewed; zero means three minutes.
	Renew time.Duration
	// OnMishap is told why reads and writes failed, of each place once; it may be called from many
	// goroutines. nil: nobody is.
	OnMishap func(Mishap)
	Log      *slog.Logger // nil discards
}

// minCache is room for what several readers need at the same moment.
const minCache = 16 << 20

func (o Options) withDefaults(repo *repository.Repository) Options {
	if o.Source == "" {
		o.Source = "varve:" + repo.ID().String()
	}
	if o.Show == nil {
		o.Show = func(revision.Name) bool { return true }
	}
	if o.Cache == 0 {
		o.Cache = 512 << 20
	}
	o.Cache = max(o.Cache, minCache, 4*int64(repo.ChunkSize()))
	if o.Overlay == "" {
		o.Overlay = os.TempDir()
	}
	if o.OverlaySize == 0 {
		o.OverlaySize = 10 << 30
	}
	if o.Refresh == 0 {
		o.Refresh = 2 * time.Second
	}
	o.Refresh = max(o.Refresh, 0)
	if o.Renew == 0 {
		o.Renew = 3 * time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
