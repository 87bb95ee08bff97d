package backup

import (
	"sync"
	"time"
)

// tellEvery is how often a backup says how far it is.
const tellEvery = 5 * time.Second

// tellProgress lets others see how far the backup is, until the function that it
// returns is called.
func (c *creation) tellProgress() (stop func()) {
	ticker, ended := time.NewTicker(tellEvery), make(chan struct{})
	var teller sync.WaitGroup
	teller.Go(func() {
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
			}
			if err := c.backup.Progress(c.opts.Meter.Done.Load(), c.opts.Meter.Total.Load()); err != nil {
				c.opts.Log.Debug("nobody can be told how far the backup is", "error", err)
			}
		}
	})
	return func() {
		ticker.Stop()
		close(ended)
		teller.Wait()
	}
}
