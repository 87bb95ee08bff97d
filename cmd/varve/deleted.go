package main

import (
	"time"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// deleted is the result of log --deleted. Its fields are API.
type deleted struct {
	Volume    revision.Name  `json:"volume"` // empty: of all
	Revisions []deletedEntry `json:"revisions"`
}

// deletedEntry is one revision in the trash.
type deletedEntry struct {
	entry
	Since *time.Time // when it was taken away; nil: it cannot be read
	Until *time.Time // when it can no longer come back; nil: likewise
	Op    string
}

// MarshalJSON implements [json.Marshaler]: the fields of the entry, and its own.
func (d deletedEntry) MarshalJSON() ([]byte, error) {
	return marshalJoined(d.entry, struct {
		Since *time.Time `json:"deleted"`
		Until *time.Time `json:"until"`
		Op    string     `json:"deleted_by"` // rm, prune or merge
	}{d.Since, d.Until, d.Op})
}

func runDeleted(s *session, volumeName string) (result, error) {
	var name revision.Name
	var err error
	if volumeName != "" {
		if name, err = revision.ParseName(volumeName); err != nil {
			return nil, &usageError{Text: err.Error(), Command: s.command}
		}
	}
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	list := repo.Trash
	if name != "" {
		list = func() ([]repository.Trashed, error) { return repo.TrashNamed(name) }
	}
	trash, err := list()
	if err != nil {
		s.warn("%v", err) // what can be read is there
	}
	if name != "" && len(trash) == 0 {
		if _, err := repo.Volume(name); err != nil {
			return nil, err
		}
	}
	out := &deleted{Volume: name, Revisions: []deletedEntry{}}
	for i := range trash {
		t := &trash[i]
		out.Revisions = append(out.Revisions, deletedEntry{entry: newEntry(t.Revision), Since: timeOrNil(t.Since), Until: timeOrNil(t.Until), Op: t.Op})
	}
	return out, nil
}

func (d *deleted) print(p *page) {
	if len(d.Revisions) == 0 {
		p.line("nothing is in the trash")
		return
	}
	rows := [][]cell{{left("REVISION"), left("BEGUN"), right("SIZE"), left("WENT"), left("BY"), left("CAN COME BACK UNTIL")}}
	for i := range d.Revisions {
		e := &d.Revisions[i]
		since, until := "?", "gc --empty-trash"
		if e.Since != nil {
			since = formatTime(*e.Since, p.now)
		}
		if e.Until != nil {
			until = formatTime(*e.Until, p.now)
			if !e.Until.After(p.now) {
				until = "the next gc"
			}
		}
		rows = append(rows, []cell{
			left(address(e.Volume, e.ID)), left(formatTime(e.Begun, p.now)), right(human.Size(int64(e.Size))), left(since), left(e.Op), left(until),
		})
	}
	p.table(rows)
	last := &d.Revisions[len(d.Revisions)-1]
	p.line("%s varve undelete %s brings the last one back", p.arrow(), address(last.Volume, last.ID))
}
