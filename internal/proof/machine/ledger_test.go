package machine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"varve/backup"
	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
)

// An attempt is a backup that was begun.
type attempt struct {
	number   int
	volume   string
	sum      [32]byte // of the source
	size     int
	promised bool // the revision must be there: it was acknowledged, or seen once
	failed   bool // the program said that there is no revision
}

// A ledger is the oracle: it remembers what was backed up into a repository and
// tells whether the repository keeps its promises.
type ledger struct {
	attempts []*attempt
	promised bool // the repository itself was acknowledged, or seen once
	// diskDies: what a failed run could not take back, because the disk was gone, may
	// have reached it all the same. It is complete then; but it may be there.
	diskDies bool
}

// begin enters an attempt, before it is made. Its note goes to backup --note.
func (l *ledger) begin(volume string, s *source) *attempt {
	a := &attempt{number: len(l.attempts), volume: volume, sum: s.sum(), size: len(s.content)}
	l.attempts = append(l.attempts, a)
	return a
}

func (a *attempt) note() string { return "attempt " + strconv.Itoa(a.number) }

// attemptOf finds the attempt that made a revision.
func (l *ledger) attemptOf(st *revision.Statement) (*attempt, error) {
	number, err := strconv.Atoi(strings.TrimPrefix(st.Note, "attempt "))
	if err != nil || number < 0 || number >= len(l.attempts) {
		return nil, fmt.Errorf("revision %s has the note %q, which no attempt gave it", st.ID, st.Note)
	}
	return l.attempts[number], nil
}

// ended takes down how the process of an attempt ended, and whether it told the truth.
func (l *ledger) ended(t testing.TB, a *attempt, p *process) {
	t.Helper()
	code := p.wait(t)
	if code < 0 { // a signal: whatever it said, it is for the oracle to see
		return
	}
	var said struct {
		OK     *bool
		Exit   int
		Result *struct{ Revision string }
	}
	if err := json.Unmarshal(p.stdout.Bytes(), &said); err != nil || said.OK == nil {
		t.Errorf("varve %s: exit code %d, and not one document of JSON: %v\n%s", p.words, code, err, p.said())
		return
	}
	if *said.OK != (code == 0) || said.Exit != code {
		t.Errorf("varve %s: exit code %d, but the JSON says %s", p.words, code, p.stdout.Bytes())
	}
	if code == 0 && (said.Result == nil || said.Result.Revision == "") {
		t.Errorf("varve %s: exit code 0, but the JSON names no revision: %s", p.words, p.stdout.Bytes())
	}
	a.promised, a.failed = a.promised || code == 0, code != 0
}

// seen is what an oracle saw.
type seen struct {
	exists    bool // the repository
	revisions int
	unasked   int // revisions that nobody was told of, complete
}

// check is the oracle. The repository lies in dir, and nobody uses it now. What
// is there now is promised from now on.
func (l *ledger) check(ctx context.Context, dir string) (_ seen, err error) {
	tree, err := durable.OpenTree(dir)
	if errors.Is(err, fs.ErrNotExist) && !l.promised {
		return seen{}, nil
	}
	if err != nil {
		return seen{}, err
	}
	repo, err := repository.Open(tree, repository.Options{Command: "oracle"})
	if errors.Is(err, repository.ErrNoRepository) && !l.promised {
		return seen{}, tree.Close()
	}
	if err != nil {
		return seen{}, errors.Join(fmt.Errorf("the repository does not open: %w", err), tree.Close())
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	l.promised = true
	return l.checkOpen(ctx, repo)
}

func (l *ledger) checkOpen(ctx context.Context, repo *repository.Repository) (_ seen, err error) {
	rd, err := repo.NewReader(ctx)
	if err != nil {
		return seen{}, err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	if err := rd.Unprotected(); err != nil {
		return seen{}, fmt.Errorf("no lease is to be had: %w", err)
	}
	volumes, err := repo.Volumes()
	if err != nil {
		return seen{}, fmt.Errorf("list the volumes: %w", err)
	}
	found := map[*attempt]revision.ID{}
	var wrong []error
	for _, v := range volumes {
		revisions, err := repo.Revisions(v)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("list volume %s: %w", v.Name, err))
		}
		for _, rev := range revisions {
			a, err := l.checkRevision(ctx, rd, rev)
			if err != nil {
				wrong = append(wrong, err)
			} else if other, twice := found[a]; twice {
				wrong = append(wrong, fmt.Errorf("%s made two revisions, %s and %s", a.note(), other, rev.ID))
			} else {
				found[a] = rev.ID
			}
		}
	}
	s, err := l.settle(found)
	return s, errors.Join(errors.Join(wrong...), err, l.checkJournal(repo, found))
}

// checkRevision restores a listed revision, and tells whose it is.
func (l *ledger) checkRevision(ctx context.Context, rd *repository.Reader, rev repository.Revision) (*attempt, error) {
	if rev.Statement == nil || rev.Info.State == repository.Damaged || rev.Info.State == repository.Suspect {
		return nil, fmt.Errorf("revision %s is listed as %s: %s", rev.ID, rev.Info.State, rev.Info.Reason)
	}
	a, err := l.attemptOf(rev.Statement)
	if err != nil {
		return nil, err
	}
	if string(rev.Volume.Name) != a.volume {
		return nil, fmt.Errorf("revision %s of volume %s was made by %s of volume %s", rev.ID, rev.Volume.Name, a.note(), a.volume)
	}
	im, err := rd.Image(ctx, rev.Volume, rev.ID)
	if err != nil {
		return nil, fmt.Errorf("open revision %s of %s: %w", rev.ID, a.note(), err)
	}
	hash := sha256.New()
	err = errors.Join(backup.Stream(ctx, im, hash, backup.StreamOptions{}), im.Close())
	if err != nil {
		return nil, fmt.Errorf("restore revision %s of %s: %w", rev.ID, a.note(), err)
	}
	if im.Size() != int64(a.size) || [32]byte(hash.Sum(nil)) != a.sum {
		return nil, fmt.Errorf("revision %s restores, but not to what %s backed up", rev.ID, a.note())
	}
	return a, nil
}

// settle compares what is there with what was promised.
func (l *ledger) settle(found map[*attempt]revision.ID) (seen, error) {
	s := seen{exists: true, revisions: len(found)}
	var wrong []error
	for _, a := range l.attempts {
		id, there := found[a]
		switch {
		case a.promised && !there:
			wrong = append(wrong, fmt.Errorf("LOST: the revision of %s, which was acknowledged or seen", a.note()))
		case a.failed && there && !l.diskDies:
			wrong = append(wrong, fmt.Errorf("%s said that it failed, and its revision %s is there", a.note(), id))
		case there && !a.promised:
			s.unasked++
			a.promised = true
		}
	}
	return s, errors.Join(wrong...)
}

// checkJournal makes sure that the journal tells of no success without a revision.
func (l *ledger) checkJournal(repo *repository.Repository, found map[*attempt]revision.ID) error {
	events, err := repo.Events()
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	there := map[revision.ID]bool{}
	for _, id := range found {
		there[id] = true
	}
	var wrong []error
	for _, e := range events {
		success := e.Result != repository.ResultFailed
		switch {
		case e.Op != repository.OpBackup:
		case e.Revision == "" && success:
			wrong = append(wrong, fmt.Errorf("the journal says %q of a backup that made no revision", e.Result))
		case e.Revision != "" && success != there[e.Revision]:
			wrong = append(wrong, fmt.Errorf("the journal says %q of revision %s, but that it is there is %v", e.Result, e.Revision, there[e.Revision]))
		}
	}
	return errors.Join(wrong...)
}

// leftovers lists what nobody alive owns: temporary files and leases.
func leftovers(dir string) (names []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		isLease := filepath.Base(filepath.Dir(path)) == "leases"
		if isLease || strings.HasPrefix(d.Name(), durable.TempPrefix) {
			names = append(names, path)
		}
		return nil
	})
	return names, err
}
