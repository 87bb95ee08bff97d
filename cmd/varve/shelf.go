package main

import (
	"context"

	"varve/volume"
)

// shelf is where snapshots are kept that backups count from, as far as this build knows it.
type shelf struct {
	images func(ctx context.Context, at volume.Image) ([]volume.Image, error) // of a place: those of a pool or namespace where it has no name
	kept   func(ctx context.Context, at volume.Image) ([]volume.Kept, error)  // on one image
	drop   func(ctx context.Context, k volume.Kept) error                     // one that was listed, and is there still
}
