package revision

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"varve/chunkstore"
)

// Bounds of an image.
const (
	maxSize   = 1<<63 - 1
	maxChunks = (maxSize + 1) / chunkstore.MinChunkSize
)

// MaxChunks is more than any image has chunks.
const MaxChunks = maxChunks

// Validate reports everything that is wrong with the statement by itself.
func (s *Statement) Validate() error {
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if _, err := ParseID(string(s.ID)); err != nil {
		add(err)
	}
	if _, err := ParseName(string(s.Volume.Name)); err != nil {
		add(err)
	}
	for _, field := range []struct {
		missing bool
		name    string
	}{
		{s.Volume.UUID.IsZero(), "volume uuid"},
		{s.Lineage.IsZero(), "lineage"},
		{s.Repository.IsZero(), "repository"},
		{s.Sequence == 0, "sequence number"},
		{s.Digest.IsZero(), "image digest"},
		{s.Nonce.IsZero(), "nonce"},
	} {
		if field.missing {
			add(errors.New("no " + field.name))
		}
	}
	add(s.validateKind())
	add(s.validateTimes())
	add(validateSizes(s.ChunkSize, s.Size))
	add(s.validatePlan())
	add(s.validateWords())
	if len(errs) > 0 {
		return fmt.Errorf("statement of revision %q: %w", string(s.ID), errors.Join(errs...))
	}
	return nil
}

func (s *Statement) validateKind() error {
	switch {
	case s.Kind == Full && s.Parent != nil:
		return errors.New("a full with a parent")
	case s.Kind == Full:
		return nil
	case s.Kind != Delta:
		return fmt.Errorf("unknown kind %q", string(s.Kind))
	case s.Parent == nil:
		return errors.New("a delta without a parent")
	case s.Parent.ID == s.ID:
		return errors.New("a delta that is its own parent")
	case s.Parent.Digest.IsZero():
		return errors.New("a parent without a digest")
	}
	_, err := ParseID(string(s.Parent.ID))
	return err
}

// validateTimes does not compare begun with ended: the clock may be set between.
func (s *Statement) validateTimes() error {
	times := []time.Time{s.Begun, s.Ended}
	if s.Begun.IsZero() || s.Ended.IsZero() {
		return errors.New("begun and ended must be given")
	}
	if s.Pin != nil {
		times = append(times, s.Pin.Until)
	}
	for _, t := range times {
		if year := t.UTC().Year(); year < 0 || year > 9999 {
			return fmt.Errorf("a time in the year %d", year)
		}
	}
	return nil
}

func validateSizes(chunkSize, size uint64) error {
	if err := chunkstore.CheckChunkSize(chunkSize); err != nil {
		return err
	}
	if size > maxSize {
		return fmt.Errorf("size of %d bytes", size)
	}
	return nil
}

func (s *Statement) validatePlan() error {
	switch s.Plan.Kind {
	case PlanAll, PlanData, PlanTracker:
	default:
		return fmt.Errorf("unknown plan %q", string(s.Plan.Kind))
	}
	switch s.Consistency {
	case Frozen, Snapshotted, Still, Live:
	default:
		return fmt.Errorf("unknown consistency %q", string(s.Consistency))
	}
	if slice := s.Plan.Slice; slice != nil && validateSizes(s.ChunkSize, s.Size) == nil {
		if chunks := s.Chunks(); slice.First > chunks || slice.Count > chunks-slice.First {
			return fmt.Errorf("slice of %d chunks from %d in an image of %d", slice.Count, slice.First, chunks)
		}
	}
	return nil
}

// validateWords checks what becomes part of a file name or is shown to people.
func (s *Statement) validateWords() error {
	var errs []error
	if s.Set != "" {
		// A set's id names a file, so it obeys the rules of tags, and does not hide.
		if err := CheckTag(s.Set); err != nil || strings.HasPrefix(s.Set, ".") {
			errs = append(errs, fmt.Errorf("bad set %q", s.Set))
		}
	}
	if len(s.Tags) > MaxTags {
		return fmt.Errorf("%d tags, at most %d are possible", len(s.Tags), MaxTags)
	}
	for i, tag := range s.Tags {
		if err := CheckTag(tag); err != nil {
			errs = append(errs, err)
		}
		if slices.Contains(s.Tags[:i], tag) {
			errs = append(errs, fmt.Errorf("tag %q given twice", tag))
		}
	}
	words := []string{s.Note, s.Reason, s.Plan.Since}
	if s.Pin != nil {
		words = append(words, s.Pin.Reason)
	}
	for _, text := range words {
		if !utf8.ValidString(text) {
			errs = append(errs, fmt.Errorf("%q is not UTF-8", text))
		}
	}
	return errors.Join(errs...)
}
