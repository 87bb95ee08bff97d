package notify_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// mailServer is a server of RFC 5321 that takes what it is given, one client after the other.
type mailServer struct {
	listener net.Listener
	tls      *tls.Config // nil: it cannot STARTTLS
	refuse   string      // recipients with that in them are refused
	rude     bool        // it hangs up where others say goodbye

	mu    sync.Mutex
	mails []letter
	wrong []error
}

// A letter is a mail that was taken.
type letter struct {
	from    string
	to      []string
	data    string
	private bool   // over TLS
	login   string // user:password; empty: nobody logged in
}

func newMailServer(t *testing.T, conf *tls.Config) *mailServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailServer{listener: listener, tls: conf}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // it is closed
			}
			if err := s.serve(conn); err != nil && !errors.Is(err, io.EOF) {
				s.mu.Lock()
				s.wrong = append(s.wrong, err)
				s.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
	})
	return s
}

func (s *mailServer) address() string { return s.listener.Addr().String() }

// taken are the mails so far.
func (s *mailServer) taken() []letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]letter{}, s.mails...)
}

// serve speaks with one client to its end.
func (s *mailServer) serve(conn net.Conn) (err error) {
	defer func() { err = errors.Join(err, conn.Close()) }()
	in, m := bufio.NewReader(conn), letter{}
	say := func(format string, args ...any) error {
		_, err := fmt.Fprintf(conn, format+"\r\n", args...)
		return err
	}
	if err := say("220 mail.example.org"); err != nil {
		return err
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		verb, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		answer := "250 ok"
		switch strings.ToUpper(verb) {
		case "EHLO":
			answer = "250-mail.example.org\r\n250 8BITMIME"
			if s.tls != nil && !m.private {
				answer = "250-mail.example.org\r\n250 STARTTLS"
			} else if m.private {
				answer = "250-mail.example.org\r\n250 AUTH PLAIN"
			}
		case "STARTTLS":
			if err := say("220 go ahead"); err != nil {
				return err
			}
			private := tls.Server(conn, s.tls)
			if err := private.Handshake(); err != nil {
				return nil // who does not believe us goes
			}
			conn, in, m.private = private, bufio.NewReader(private), true
			continue
		case "AUTH":
			login, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(rest, "PLAIN "))
			if err != nil {
				return err
			}
			m.login = strings.ReplaceAll(strings.Trim(string(login), "\x00"), "\x00", ":")
			answer = "235 welcome"
		case "MAIL":
			m.from = strings.TrimSuffix(strings.TrimPrefix(rest, "FROM:<"), ">")
			m.from, _, _ = strings.Cut(m.from, ">")
		case "RCPT":
			to := strings.TrimSuffix(strings.TrimPrefix(rest, "TO:<"), ">")
			if s.refuse != "" && strings.Contains(to, s.refuse) {
				answer = "550 nobody of that name"
			} else {
				m.to = append(m.to, to)
			}
		case "DATA":
			if err := say("354 go on"); err != nil {
				return err
			}
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return err
				}
				if line == ".\r\n" {
					break
				}
				m.data += strings.TrimPrefix(line, ".")
			}
			s.mu.Lock()
			s.mails = append(s.mails, m)
			s.mu.Unlock()
		case "QUIT":
			if s.rude {
				return nil
			}
			return say("221 bye")
		}
		if err := say("%s", answer); err != nil {
			return err
		}
	}
}

// hookServer is a server of HTTP that answers as it is told to, and keeps what it was sent.
type hookServer struct {
	*httptest.Server
	answers []int // codes, one after the other; then 204

	mu   sync.Mutex
	sent []request
}

type request struct {
	method, path, kind, body string
}

func newHookServer(t *testing.T, answers ...int) *hookServer {
	t.Helper()
	s := &hookServer{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sent = append(s.sent, request{r.Method, r.URL.Path, r.Header.Get("Content-Type"), string(body)})
		code := http.StatusNoContent
		if len(s.answers) > 0 {
			code, s.answers = s.answers[0], s.answers[1:]
		}
		w.WriteHeader(code)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *hookServer) got() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request{}, s.sent...)
}
