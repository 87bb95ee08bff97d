package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
	"varve/volume"
)

// imageFlags say how a new RBD image is made. What is not given is as it was with the
// image that was backed up, or else as the cluster makes images.
type imageFlags struct {
	objectSize  objectSize
	features    features
	dataPool    word
	stripeUnit  amount
	stripeCount whole
}

func (f *imageFlags) flags() []cli.Flag {
	const recorded = "as it was"
	return []cli.Flag{
		&cli.GenericFlag{Name: "object-size", Value: &f.objectSize, DefaultText: recorded, Usage: "make a new RBD image of objects of `SIZE`"},
		&cli.GenericFlag{Name: "image-feature", Value: &f.features, DefaultText: recorded,
			Usage: "make it with `FEATURE`, instead of those that were recorded; may be repeated"},
		&cli.GenericFlag{Name: "data-pool", Value: &f.dataPool, DefaultText: recorded, Usage: "put its data into `POOL`"},
		&cli.GenericFlag{Name: "stripe-unit", Value: &f.stripeUnit, DefaultText: recorded, Usage: "stripe it in units of `SIZE`"},
		&cli.GenericFlag{Name: "stripe-count", Value: &f.stripeCount, DefaultText: recorded, Usage: "stripe it over `N` objects"},
	}
}

// given is the name of a flag that was given; empty: none was.
func (f *imageFlags) given() string {
	switch {
	case f.objectSize != 0:
		return "--object-size"
	case len(f.features) > 0:
		return "--image-feature"
	case f.dataPool != "":
		return "--data-pool"
	case f.stripeUnit != 0:
		return "--stripe-unit"
	case f.stripeCount != 0:
		return "--stripe-count"
	}
	return ""
}

// objectSize is the size of an RBD image's objects.
type objectSize int64

// Set implements [flag.Value].
func (n *objectSize) Set(text string) error {
	var bytes size
	if err := bytes.Set(text); err != nil {
		return err
	}
	if !volume.IsObjectSize(int64(bytes)) {
		return &human.ValueError{Text: text, Want: "want " + volume.ObjectSizes}
	}
	*n = objectSize(bytes)
	return nil
}

func (n *objectSize) String() string { return (*size)(n).String() }

// features are those of an RBD image, each time that the flag is given one more, or
// some with commas between them, as rbd takes them.
type features []string

// Set implements [flag.Value].
func (f *features) Set(text string) error {
	known := volume.ImageFeatures()
	for _, name := range strings.Split(text, ",") {
		if !slices.Contains(known, name) {
			return &human.ValueError{Text: text, Want: "want " + strings.Join(known, ", ")}
		}
		if !slices.Contains(*f, name) { // twice is once
			*f = append(*f, name)
		}
	}
	return nil
}

func (f *features) String() string { return strings.Join(*f, ",") }

// word is text that is not empty.
type word string

// Set implements [flag.Value].
func (w *word) Set(text string) error {
	if text == "" {
		return &human.ValueError{Text: text, Want: "want a name"}
	}
	*w = word(text)
	return nil
}

func (w *word) String() string { return string(*w) }

// whole is a number of things that is not 0.
type whole uint

// Set implements [flag.Value].
func (n *whole) Set(text string) error {
	number, err := strconv.ParseUint(text, 10, 31)
	if err != nil || number == 0 {
		return &human.ValueError{Text: text, Want: "want a number that is not 0"}
	}
	*n = whole(number)
	return nil
}

func (n *whole) String() string {
	if *n == 0 {
		return ""
	}
	return fmt.Sprint(uint(*n))
}
