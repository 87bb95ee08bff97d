package notify_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/notify"
	"varve/status"
)

var now = time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)

// options tell nobody yet.
func options(t *testing.T) notify.Options {
	t.Helper()
	return notify.Options{
		Again: 24 * time.Hour, Timeout: 30 * time.Second, StateDir: filepath.Join(t.TempDir(), "state"), Host: "backup1", Repository: "/srv/varve",
	}
}

// wrong is a situation in which these volumes are overdue.
func wrong(at time.Time, volumes ...string) notify.Situation {
	s := notify.Situation{Now: at}
	for _, name := range volumes {
		s.Troubles = append(s.Troubles, notify.Trouble{Kind: "overdue", Grade: notify.Critical, Volume: name, Why: "nobody tried", Do: "varve backup " + name})
	}
	return s
}

func mustTell(t *testing.T, o notify.Options, s notify.Situation) {
	t.Helper()
	if _, err := notify.Tell(t.Context(), o, s); err != nil {
		t.Error(err)
	}
}

func decoded(t *testing.T, text string) (m notify.Message) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return m
}

// A webhook is posted what is new and what is over, once, also by other processes later on.
func TestWebhook(t *testing.T) {
	t.Parallel()
	server := newHookServer(t)
	o := options(t)
	o.Webhook = server.URL + "/hook"
	mustTell(t, o, wrong(now))
	mustTell(t, o, wrong(now, "db1", "db2"))
	mustTell(t, o, wrong(now.Add(time.Hour), "db1", "db2"))
	mustTell(t, o, wrong(now.Add(2*time.Hour), "db2"))
	mustTell(t, o, wrong(now.Add(24*time.Hour), "db2"))
	got := server.got()
	if len(got) != 3 {
		t.Fatalf("%d calls: %+v", len(got), got)
	}
	for i, want := range []string{"NOT SAFE: overdue db1 and 1 more", "NOT SAFE: over: overdue db1", "NOT SAFE: still overdue db2"} {
		m := decoded(t, got[i].body)
		if m.Summary != want || m.Varve != 1 || m.Host != "backup1" || m.Repository != "/srv/varve" || m.Verdict != "not-safe" || m.New == nil || m.Still == nil || m.Over == nil {
			t.Errorf("message %d is %+v, want %q", i, m, want)
		}
		if r := got[i]; r.method != http.MethodPost || r.path != "/hook" || r.kind != "application/json" {
			t.Errorf("message %d came as %+v", i, r)
		}
	}
	if first := decoded(t, got[0].body); len(first.New) != 2 || first.New[1].Do != "varve backup db2" || first.Open != 2 {
		t.Errorf("the first message is %+v", first)
	}
}

// A webhook that is not there for a moment is tried again; one that refuses is not. What it did
// not take, the next run brings, and what goes wrong does not tell the secret of the URL.
func TestWebhookFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []int
		calls   int
		fails   string // part of the error; empty: it was taken
	}{
		"at once":             {nil, 1, ""},
		"a moment later":      {[]int{503, 429}, 3, ""},
		"never":               {[]int{500, 502, 503}, 3, "the answer is 503 Service Unavailable"},
		"it refuses":          {[]int{403}, 1, "the answer is 403 Forbidden"},
		"it knows no webhook": {[]int{404}, 1, "the answer is 404 Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newHookServer(t, c.answers...)
			o := options(t).ForTests(3, "", nil)
			o.Webhook = server.URL + "/secret"
			_, err := notify.Tell(t.Context(), o, wrong(now, "db1"))
			if (err == nil) != (c.fails == "") || err != nil && (!strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("error %v, want %q", err, c.fails)
			}
			if n := len(server.got()); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
			mustTell(t, o, wrong(now.Add(time.Minute), "db1"))
			if n, brought := len(server.got()), c.fails != ""; (n == c.calls+1) != brought {
				t.Errorf("%d calls after the next run", n)
			}
		})
	}
	server := newHookServer(t)
	o := options(t).ForTests(2, "", nil)
	o.Webhook, o.Heartbeat = server.URL+"/secret", server.URL+"/secret"
	server.Close()
	for _, s := range []notify.Situation{wrong(now, "db1"), wrong(now)} {
		if _, err := notify.Tell(t.Context(), o, s); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("nobody is there: %v", err)
		}
	}
}

// Who sends a message elsewhere has taken it only if it arrives there, as it was, and without a
// word of where it came from.
func TestWebhookElsewhere(t *testing.T) {
	t.Parallel()
	for code, arrives := range map[int]bool{http.StatusMovedPermanently: false, http.StatusFound: false, http.StatusSeeOther: false, http.StatusPermanentRedirect: true} {
		var from []string
		there := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { from = append(from, r.Method+r.Referer()) }))
		here := httptest.NewServer(http.RedirectHandler(there.URL, code))
		o := options(t).ForTests(1, "", nil)
		o.Webhook = here.URL + "/secret"
		_, err := notify.Tell(t.Context(), o, wrong(now, "db1"))
		here.Close()
		there.Close()
		if (err == nil) != arrives || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%d: %v", code, err)
		}
		if arrives != slices.Equal(from, []string{http.MethodPost}) || !arrives && len(from) > 0 {
			t.Errorf("%d: it came as %q", code, from)
		}
	}
}

// One channel that fails keeps nothing from the others, and nothing is told twice to those.
func TestOneChannelFails(t *testing.T) {
	t.Parallel()
	server := newHookServer(t, 403)
	o := options(t)
	out := filepath.Join(t.TempDir(), "out")
	o.Webhook, o.Command = server.URL, "echo $VARVE_SUMMARY >>"+out
	if _, err := notify.Tell(t.Context(), o, wrong(now, "db1")); err == nil || !strings.HasPrefix(err.Error(), "webhook: ") {
		t.Errorf("error %v", err)
	}
	mustTell(t, o, wrong(now.Add(time.Minute), "db1"))
	if text, err := os.ReadFile(out); err != nil || string(text) != "NOT SAFE: overdue db1\n" {
		t.Errorf("the command was told %q, %v", text, err)
	}
	if n := len(server.got()); n != 2 {
		t.Errorf("the webhook was called %d times", n)
	}
}

// A command has all of it on standard input, the main things in its environment, and need not read.
func TestCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(t)
	o.Command = "cd " + dir + "; cat >in; env >env"
	mustTell(t, o, wrong(now, "db1"))
	in, err := os.ReadFile(filepath.Join(dir, "in"))
	if err != nil {
		t.Fatal(err)
	}
	if m := decoded(t, string(in)); len(m.New) != 1 || m.New[0].Volume != "db1" {
		t.Errorf("standard input was %+v", m)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(env), "\n")
	for _, want := range []string{"VARVE_HOOK=notify", "VARVE_HOST=backup1", "VARVE_REPOSITORY=/srv/varve", "VARVE_VERDICT=not-safe", "VARVE_SUMMARY=NOT SAFE: overdue db1", "VARVE_NEW=1", "VARVE_STILL=0", "VARVE_OVER=0"} {
		if !slices.Contains(lines, want) {
			t.Errorf("its environment has no %s: %s", want, env)
		}
	}
	var many []string
	for range 2_000 {
		many = append(many, strings.Repeat("v", 40))
	}
	for i := range many {
		many[i] += string(rune('a'+i%26)) + time.Duration(i).String()
	}
	o.Command = "true"
	mustTell(t, o, wrong(now, many...))
	o.Command = "echo no mail today >&2; exit 3"
	if _, err := notify.Tell(t.Context(), o, wrong(now, "db2")); err == nil || !strings.Contains(err.Error(), "no mail today") {
		t.Errorf("a command that failed: %v", err)
	}
	o.Command, o.Timeout = "sleep 1000", time.Millisecond
	if _, err := notify.Tell(t.Context(), o, wrong(now, "db3")); err == nil || !strings.Contains(err.Error(), "it took longer than 1ms") {
		t.Errorf("a command that does not end: %v", err)
	}
}

// readMail takes a mail apart as its reader does.
func readMail(t *testing.T, data string) (header mail.Header, body string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header, string(text)
}

// A server that has the mail, and hangs up, is not given it again.
func TestMailByRudeServer(t *testing.T) {
	t.Parallel()
	server := newMailServer(t, nil)
	server.rude = true
	o := options(t).ForTests(1, "", nil)
	o.Email, o.Server, o.From = []string{"ops@example.org"}, server.address(), "varve@example.org"
	for i := range 2 {
		mustTell(t, o, wrong(now.Add(time.Duration(i)*time.Minute), "db1"))
	}
	if n := len(server.taken()); n != 1 {
		t.Errorf("it has %d mails", n)
	}
}

// Mail goes by the server that is named, privately and with a login where that can be had.
func TestMailByServer(t *testing.T) {
	t.Parallel()
	known := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(known.Close)
	roots := x509.NewCertPool()
	roots.AddCert(known.Certificate())
	conf := &tls.Config{Certificates: known.TLS.Certificates}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("geheim\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		conf  *tls.Config
		roots *x509.CertPool
		user  string
		fails string
	}{
		"a relay":                              {},
		"private":                              {conf: conf, roots: roots},
		"with a login":                         {conf: conf, roots: roots, user: "varve"},
		"who that is, nobody can tell":         {conf: conf, fails: "certificate"},
		"a password is not told to a listener": {user: "varve", fails: "could read the password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newMailServer(t, c.conf)
			o := options(t).ForTests(1, "", c.roots)
			o.Email, o.Server, o.From = []string{"ops@example.org", "boss@example.org"}, server.address(), "varve@example.org"
			o.User, o.Password = c.user, password
			_, err := notify.Tell(t.Context(), o, wrong(now, "db-ü"))
			taken := server.taken()
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) || len(taken) > 0 || strings.Contains(err.Error(), "geheim") {
					t.Errorf("%v, and %d mails were taken", err, len(taken))
				}
				return
			}
			if err != nil || len(taken) != 1 {
				t.Fatalf("%v, %d mails, %v", err, len(taken), server.wrong)
			}
			m := taken[0]
			if m.from != "varve@example.org" || !slices.Equal(m.to, o.Email) || m.private != (c.conf != nil) || m.login != strings.TrimSuffix(c.user+":geheim", map[bool]string{true: ":geheim"}[c.user == ""]) {
				t.Errorf("the mail is %+v", m)
			}
			header, body := readMail(t, m.data)
			subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
			if err != nil || subject != "varve on backup1: NOT SAFE: overdue db-ü" {
				t.Errorf("subject %q, %v", subject, err)
			}
			if date, err := header.Date(); err != nil || !date.Equal(now) || header.Get("To") != "ops@example.org, boss@example.org" || header.Get("Auto-Submitted") != "auto-generated" {
				t.Errorf("headers %v, %v", header, err)
			}
			if !strings.Contains(body, "  overdue db-ü: nobody tried\r\n      what to do  varve backup db-ü\r\n") {
				t.Errorf("body\n%s", body)
			}
			for line := range strings.SplitSeq(m.data, "\r\n") {
				if len(line) > 998 || strings.ContainsFunc(line, func(r rune) bool { return r > 126 || r < ' ' && r != '\t' }) {
					t.Errorf("a line that not every server takes: %q", line)
				}
			}
		})
	}
	server := newMailServer(t, nil)
	server.refuse = "boss"
	o := options(t)
	o.Email, o.Server = []string{"boss@example.org"}, server.address()
	if _, err := notify.Tell(t.Context(), o, wrong(now, "db1")); err == nil || !strings.Contains(err.Error(), "to boss@example.org: 550") || len(server.taken()) > 0 {
		t.Errorf("a recipient that is refused: %v", err)
	}
}

// One address that nobody has any more keeps a mail from nobody else, and those are told once.
func TestMailToSome(t *testing.T) {
	t.Parallel()
	server := newMailServer(t, nil)
	server.refuse = "gone"
	o := options(t)
	o.Email, o.Server = []string{"gone@example.org", "ops@example.org"}, server.address()
	done, err := notify.Tell(t.Context(), o, wrong(now, "db1"))
	if err == nil || !strings.Contains(err.Error(), "to gone@example.org: 550") || !slices.Equal(done.Channels, []string{"email"}) {
		t.Errorf("told %q, %v", done.Channels, err)
	}
	mustTell(t, o, wrong(now.Add(time.Minute), "db1"))
	if mails := server.taken(); len(mails) != 1 || !slices.Equal(mails[0].to, []string{"ops@example.org"}) {
		t.Errorf("mails: %+v", mails)
	}
}

// Without a server, the host's own sendmail has it.
func TestMailBySendmail(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "mail")
	o := options(t).ForTests(1, "cat >"+out, nil)
	o.Email = []string{"root"}
	mustTell(t, o, wrong(now, "db1"))
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if header, _ := readMail(t, string(data)); header.Get("From") != "varve@backup1" || header.Get("To") != "root" {
		t.Errorf("headers %v", header)
	}
}

// The heartbeat is called where nothing is critical, and nowhere else.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	live := wrong(now)
	live.Troubles = []notify.Trouble{{Kind: "live-source", Grade: notify.Warning, Volume: "a"}}
	for name, c := range map[string]struct {
		s     notify.Situation
		beats int
	}{
		"all is well":            {wrong(now), 1},
		"a warning":              {live, 1},
		"overdue":                {wrong(now, "a"), 0},
		"not all could be known": {notify.Situation{Now: now, Partial: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newHookServer(t)
			o := options(t)
			o.Heartbeat = server.URL + "/beat"
			mustTell(t, o, c.s)
			got := server.got()
			if len(got) != c.beats || c.beats > 0 && (got[0].method != http.MethodGet || got[0].path != "/beat") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// What was told survives, whatever becomes of the file; many at a time tell it once.
func TestState(t *testing.T) {
	t.Parallel()
	server := newHookServer(t)
	o := options(t)
	o.Webhook = server.URL
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { mustTell(t, o, wrong(now, "db1")) })
	}
	all.Wait()
	if n := len(server.got()); n != 1 {
		t.Errorf("eight runs told it %d times", n)
	}
	file := filepath.Join(o.StateDir, "notify.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := notify.Tell(t.Context(), o, wrong(now, "db1")); err == nil || !strings.Contains(err.Error(), "is told again") {
		t.Errorf("a file that cannot be read: %v", err)
	}
	mustTell(t, o, wrong(now, "db1"))
	if n := len(server.got()); n != 2 {
		t.Errorf("it was told %d times", n)
	}
	o.StateDir = file // no directory
	if _, err := notify.Tell(t.Context(), o, wrong(now, "db1")); err == nil {
		t.Error("there is no place for the state, and nothing was said")
	}
}

// Cases become troubles with all that is known of them.
func TestTroubles(t *testing.T) {
	t.Parallel()
	got := notify.Troubles([]status.Case{
		{Kind: status.Overdue, Volume: "db1", LastGood: now, Why: "nobody tried", Do: "varve backup db1"},
		{Kind: status.SetApart, Set: "shop"}, {Kind: status.Anomaly, Volume: "db1", Revision: "20261124T010003Z-k3f9"},
	})
	if len(got) != 3 || got[0].Grade != notify.Critical || !got[0].LastGood.Equal(now) || got[0].Do != "varve backup db1" || got[1].Grade != notify.Warning ||
		got[1].LastGood != nil || got[1].Set != "shop" || got[2].Revision != "20261124T010003Z-k3f9" {
		t.Errorf("got %+v", got)
	}
}

// Whether messages arrive can be tried at any time, and changes nothing.
func TestTry(t *testing.T) {
	t.Parallel()
	server := newHookServer(t)
	o := options(t)
	o.Webhook, o.Heartbeat, o.Command = server.URL+"/hook", server.URL+"/beat", "exit 3"
	for range 2 {
		done, err := notify.Try(t.Context(), o, now)
		if err == nil || !strings.HasPrefix(err.Error(), "command: ") || !slices.Equal(done.Channels, []string{"webhook"}) || done.Beat {
			t.Errorf("%+v, %v", done, err)
		}
	}
	got := server.got()
	if len(got) != 2 {
		t.Fatalf("%d calls", len(got))
	}
	if m := decoded(t, got[1].body); m.Summary != "SAFE, with a warning: test" || m.New[0].Kind != notify.Test {
		t.Errorf("the message is %+v", m)
	}
	if _, err := os.Stat(o.StateDir); err == nil {
		t.Error("it left a state")
	}
	o.Command = ""
	done, err := notify.Tell(t.Context(), o, wrong(now))
	if err != nil || !done.Beat || done.Channels != nil {
		t.Errorf("%+v, %v", done, err)
	}
}
