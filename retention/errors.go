package retention

import "errors"

// ErrNoRules reports rules of which none says anything: by them, everything would go.
var ErrNoRules = errors.New("no rule says what is to stay")
