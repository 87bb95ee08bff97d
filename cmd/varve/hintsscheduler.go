package main

import (
	"errors"

	"varve/scheduler"
)

// hintOnScheduler advises on a scheduler that is not there, or is there already.
func hintOnScheduler(err error, _ about) string {
	switch {
	case errors.As(err, new(*scheduler.TakenError)):
		return "varve status says how it is; varve scheduler reload has it read the configuration anew"
	case errors.Is(err, scheduler.ErrNone):
		return "start it: systemctl start varve-scheduler, or varve scheduler"
	case errors.Is(err, scheduler.ErrSilent):
		return "varve status says whether it still looks for what there is; does it hang: systemctl restart varve-scheduler; its runs end with it, and are gone on with"
	}
	return ""
}

// hintOnRefusal advises on what a scheduler would not do.
func hintOnRefusal(asked scheduler.Action) string {
	switch asked {
	case scheduler.AskRun, scheduler.AskCancel:
		return "varve status says what runs, and varve check-config which volumes there are"
	case scheduler.AskReload:
		return "varve check-config lists what is wrong"
	}
	return ""
}
