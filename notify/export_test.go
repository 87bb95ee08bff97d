package notify

import (
	"crypto/x509"
	"time"
)

// ForTests is the options with what tests need: tries without pauses, another sendmail, and
// servers that are believed.
func (o Options) ForTests(tries int, sendmail string, roots *x509.CertPool) Options {
	o.pauses, o.sendmail, o.roots = make([]time.Duration, max(0, tries-1)), sendmail, roots
	return o
}
