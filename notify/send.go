package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"varve/hook"
)

// command has a command take a message: its parts in the environment, all of it as JSON on
// standard input.
func (o Options) command(ctx context.Context, m *Message) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return hook.Tell(ctx, o.Command, []string{
		"VARVE_HOST=" + m.Host, "VARVE_REPOSITORY=" + m.Repository, "VARVE_VERDICT=" + m.Verdict, "VARVE_SUMMARY=" + m.Summary,
		"VARVE_NEW=" + strconv.Itoa(len(m.New)), "VARVE_STILL=" + strconv.Itoa(len(m.Still)), "VARVE_OVER=" + strconv.Itoa(len(m.Over)),
	}, append(data, '\n'), o.Timeout)
}

// pauses is how long a webhook is left alone between tries.
var pauses = [...]time.Duration{time.Second, 5 * time.Second}

// webhook posts a message, and again where that may help.
func (o Options) webhook(ctx context.Context, m *Message) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	left := o.pauses
	if left == nil {
		left = pauses[:]
	}
	for {
		err := o.call(ctx, http.MethodPost, o.Webhook, data)
		var refused *refusedError
		if err == nil || len(left) == 0 || errors.As(err, &refused) && !refused.isPassing() {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(left[0]):
			left = left[1:]
		}
	}
}

func (o Options) beat(ctx context.Context) error {
	return o.call(ctx, http.MethodGet, o.Heartbeat, nil)
}

// A refusedError reports an answer that is none of success.
type refusedError struct{ code int }

func (e *refusedError) Error() string {
	return fmt.Sprintf("the answer is %d %s", e.code, http.StatusText(e.code))
}

// isPassing tells whether another try may help.
func (e *refusedError) isPassing() bool {
	return e.code >= 500 || e.code == http.StatusTooManyRequests || e.code == http.StatusRequestTimeout
}

// maxAnswer bounds what is read of an answer, so that the connection can end in order.
const maxAnswer = 64 << 10

// client follows who sends it elsewhere only with all that it was given: most of those who do
// so have a message become a mere look at a page, which then goes well. Nor does it tell where
// it comes from, for that is often a secret.
var client = &http.Client{CheckRedirect: func(req *http.Request, via []*http.Request) error {
	if req.Method != via[0].Method || len(via) >= maxRedirects {
		return http.ErrUseLastResponse // and is what was refused
	}
	req.Header.Del("Referer")
	return nil
}}

const maxRedirects = 10

// call calls a URL once. What an error says of it is the host alone: the rest is often a secret.
func (o Options) call(ctx context.Context, method, target string, body []byte) error {
	ctx, stop := context.WithTimeout(ctx, o.Timeout)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL cannot be called")
	}
	req.Header.Set("User-Agent", "varve")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if about := new(url.Error); errors.As(err, &about) {
		err = about.Err
	}
	if err != nil {
		return fmt.Errorf("call %s: %w", req.URL.Host, err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	err = errors.Join(err, resp.Body.Close())
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("call %s: %w", req.URL.Host, &refusedError{resp.StatusCode})
	}
	if err != nil {
		return fmt.Errorf("call %s: %w", req.URL.Host, err)
	}
	return nil
}
