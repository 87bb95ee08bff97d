package job

import (
	"context"

	"varve/hook"
	"varve/revision"
	"varve/volume"
)

// arm settles which hooks there are.
func (a *attempt) arm() error {
	a.runner = hook.Runner{
		Subject:  hook.Subject{Volume: a.Volume.String(), Source: a.Source, Repository: a.opts.Repository},
		Guardian: a.opts.Guardian, Log: a.opts.Log,
	}
	if a.Wanted != nil {
		a.runner.Hooks = hook.Hooks(a.Wanted.Hooks)
	}
	if a.Hooks.Before != "" || a.Hooks.After != "" {
		a.runner.Hooks.Before, a.runner.Hooks.After = a.Hooks.Before, a.Hooks.After
	}
	if err := a.runner.Hooks.Validate(); err != nil {
		return &HooksError{Volume: a.Volume, Err: err}
	}
	return nil
}

// openBetweenHooks is [backup.CreateOptions.Open]: the hook before is run first, and
// the one after at the end, also when the one before failed, for what was half made
// is to be cleared away.
func (a *attempt) openBetweenHooks(ctx context.Context) (src volume.Source, done func(*revision.Statement) error, err error) {
	done = func(made *revision.Statement) error { return a.after(ctx, made) }
	if err := a.runner.Before(ctx); err != nil {
		return nil, done, err
	}
	src, err = a.open(ctx)
	return src, done, err
}

// after runs the hook after the backup, whatever came of that, interruptions too.
func (a *attempt) after(ctx context.Context, made *revision.Statement) error {
	o := hook.Outcome{OK: made != nil}
	if made != nil {
		o.Revision = made.ID.String()
	}
	a.leftOver = a.runner.After(context.WithoutCancel(ctx), o)
	return a.leftOver
}
