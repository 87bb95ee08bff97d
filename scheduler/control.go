package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"varve/internal/human"
)

// asking is a request, and who waits for its answer.
type asking struct {
	Request
	ctx    context.Context // ends when nobody waits any more
	answer chan<- Answer   // has room for one
}

func (a asking) isOver() bool { return a.ctx.Err() != nil }

// Do does what is asked for, while Run runs. It returns when that is done, or when ctx ends.
func (s *Scheduler) Do(ctx context.Context, r Request) Answer {
	answer := make(chan Answer, 1)
	select {
	case s.requests <- asking{r, ctx, answer}:
	case <-s.gone:
		return Answer{Varve: protocolVersion, Error: ErrNone.Error()}
	case <-ctx.Done():
		return Answer{Varve: protocolVersion, Error: ErrSilent.Error()}
	}
	select {
	case a := <-answer:
		return a
	case <-s.gone:
		return Answer{Varve: protocolVersion, Error: ErrNone.Error()}
	case <-ctx.Done(): // it may be done all the same
		return Answer{Varve: protocolVersion, Error: ErrSilent.Error()}
	}
}

// hear does what is asked for. What names tasks waits until the first look at the world is
// over. What nobody waits for any more was said not to be done, and is not.
func (s *Scheduler) hear(a asking) {
	switch {
	case a.isOver():
	case s.world == nil && s.looking && len(a.Names) > 0:
		s.early = append(slices.DeleteFunc(s.early, asking.isOver), a)
	default:
		a.answer <- s.handle(a.Request)
	}
}

// handle does it.
func (s *Scheduler) handle(r Request) Answer {
	a := Answer{Varve: protocolVersion}
	var err error
	switch {
	case r.Varve != protocolVersion:
		err = fmt.Errorf("version %d is asked for, this scheduler speaks %d", r.Varve, protocolVersion)
	case r.Do == AskStatus:
		a.Status = s.status(time.Now())
	case r.Do == AskRun && s.ending:
		err = &RefusedError{"the scheduler ends, and begins nothing any more"}
	case r.Do == AskRun:
		a.Done, err = s.askFor(r.Names)
	case r.Do == AskCancel:
		a.Done, err = s.callOff(r.Names)
	case r.Do == AskPause:
		err = s.pause(r.For)
	case r.Do == AskResume:
		s.state.Pause, s.dirty = Pause{}, true
	case r.Do == AskConfig:
		conf := s.opts.Config()
		a.Config = &conf
	case r.Do == AskReload:
		err = s.reload()
	default:
		err = fmt.Errorf("%q is nothing that this scheduler does", r.Do)
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// find gives the tasks that names mean: a volume alone or by its set, a set, or maintenance.
func (s *Scheduler) find(names []string) (keys []Key, err error) {
	if s.world == nil {
		return nil, &RefusedError{"what there is cannot be told: " + s.blind}
	}
	for _, name := range names {
		found := slices.IndexFunc(s.world.Tasks, func(t Task) bool { return t.Key == Key{Backup, name} })
		if found < 0 {
			found = slices.IndexFunc(s.world.Tasks, func(t Task) bool {
				return t.Key == Key{Set, name} || t.Key == Key{Kind(name), ""} || t.Kind == Set && t.has(name)
			})
		}
		if found < 0 {
			text := fmt.Sprintf("%q is neither a volume of the configuration, nor a set, nor maintenance", name)
			if slices.Contains([]Kind{Prune, GC, Scrub, Drill}, Kind(name)) {
				text = fmt.Sprintf("the configuration says of %s under maintenance not when: varve %s does it now", name, name)
			} else if near := human.Nearest(name, s.names()); near != "" {
				text += fmt.Sprintf("; did you mean %q?", near)
			}
			return nil, &RefusedError{text}
		}
		keys = append(keys, s.world.Tasks[found].Key)
	}
	return keys, nil
}

func (t *Task) has(volume string) bool {
	for _, v := range t.Volumes {
		if v.String() == volume {
			return true
		}
	}
	return false
}

func (s *Scheduler) names() (names []string) {
	for _, t := range s.world.Tasks {
		names = append(names, cmp.Or(t.Name, string(t.Kind)))
	}
	return names
}

func (s *Scheduler) askFor(names []string) ([]Key, error) {
	keys, err := s.find(names)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		switch {
		case s.running[k] != nil:
			return nil, &RefusedError{fmt.Sprintf("%s is under way", k)}
		case s.task(k).isEmpty(), s.task(k).About.Changed && len(s.state.Records[k].Changed) == 0:
			return nil, &RefusedError{fmt.Sprintf("there is nothing for %s to do", k)}
		}
	}
	for _, k := range keys {
		if !slices.Contains(s.asked, k) {
			s.asked = append(s.asked, k)
		}
	}
	return keys, nil
}

func (s *Scheduler) callOff(names []string) ([]Key, error) {
	keys, err := s.find(names)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if s.running[k] == nil && !slices.Contains(s.asked, k) {
			return nil, &RefusedError{fmt.Sprintf("%s does not run", k)}
		}
	}
	for _, k := range keys {
		if r := s.running[k]; r != nil {
			r.cancel(errCalledOff)
		}
		s.asked = slices.DeleteFunc(s.asked, func(a Key) bool { return a == k })
	}
	return keys, nil
}

// LongestPause is how long nothing may be begun: a pause that is forgotten ends.
const LongestPause = 7 * 24 * time.Hour

func (s *Scheduler) pause(d time.Duration) error {
	if d <= 0 || d > LongestPause {
		return &RefusedError{fmt.Sprintf("a pause is for more than nothing, and for %s at most", LongestPause)}
	}
	now := time.Now()
	s.state.Pause, s.dirty = Pause{From: now, Until: now.Add(d)}, true
	return nil
}

// reload takes up another configuration; one that is wrong leaves what there was.
func (s *Scheduler) reload() error {
	if err := s.opts.Reload(); err != nil {
		if text := err.Error(); text != s.broken {
			s.broken = text
			s.tell(Event{Kind: ConfigBroken, Text: text})
		}
		return &RefusedError{"the configuration is wrong, and the one before is used: " + err.Error()}
	}
	if s.broken != "" {
		s.broken = ""
		s.tell(Event{Kind: ConfigMended, Text: "the configuration is right again, and used"})
	}
	s.calendar.forget()
	s.look()
	return nil
}

func compareKeys(a, b Key) int {
	return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Name, b.Name))
}
