package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
	"time"

	"varve/hook"
)

// sendmail is what every mailer of a host answers to, and what queues where the next one is
// not there. -t: to whom stands in the mail; -i: a line with a dot does not end it.
const sendmail = "/usr/sbin/sendmail -t -i"

// email mails a message.
func (o Options) email(ctx context.Context, m *Message) error {
	data, err := o.mail(m)
	if err != nil {
		return err
	}
	if o.Server == "" {
		return hook.Tell(ctx, cmp.Or(o.sendmail, sendmail), nil, data, o.Timeout)
	}
	if err := o.hand(ctx, data); err != nil {
		return fmt.Errorf("send mail by %s: %w", o.Server, err)
	}
	return nil
}

func (o Options) from() string { return cmp.Or(o.From, "varve@"+o.Host) }

// mail is a message as mail: RFC 5322, all of it in ASCII.
func (o Options) mail(m *Message) ([]byte, error) {
	var out bytes.Buffer
	for _, header := range [][2]string{
		{"From", o.from()},
		{"To", strings.Join(o.Email, ", ")},
		{"Subject", mime.QEncoding.Encode("utf-8", "varve on "+m.Host+": "+m.Summary)},
		{"Date", m.Time.Format(time.RFC1123Z)},
		{"Message-ID", "<" + rand.Text() + "@" + cmp.Or(m.Host, "varve") + ">"},
		{"Auto-Submitted", "auto-generated"}, // so that nobody's holidays answer
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&out, "%s: %s\r\n", header[0], header[1])
	}
	out.WriteString("\r\n")
	body := quotedprintable.NewWriter(&out)
	if _, err := body.Write([]byte(strings.ReplaceAll(m.text(), "\n", "\r\n"))); err != nil {
		return nil, err
	}
	if err := body.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// tlsPort is that of servers that speak TLS from the first byte on.
const tlsPort = "465"

// hand hands mail to the server: over TLS where it can be had, and with a password only then.
func (o Options) hand(ctx context.Context, mail []byte) (err error) {
	ctx, stop := context.WithTimeout(ctx, o.Timeout)
	defer stop()
	host, port, err := net.SplitHostPort(o.Server)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", o.Server)
	if err != nil {
		return err
	}
	if deadline, is := ctx.Deadline(); is {
		if err := conn.SetDeadline(deadline); err != nil {
			return errors.Join(err, conn.Close())
		}
	}
	if port == tlsPort {
		conn = tls.Client(conn, &tls.Config{ServerName: host, RootCAs: o.roots})
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	defer func() { _ = client.Close() }() // the first error is the one to tell; without one, it has the mail
	if err := o.greet(client, host); err != nil {
		return err
	}
	if err := client.Mail(o.from()); err != nil {
		return err
	}
	var refused []error
	for _, to := range o.Email {
		if err := client.Rcpt(to); isForGood(err) {
			refused = append(refused, fmt.Errorf("to %s: %w", to, err))
		} else if err != nil {
			return fmt.Errorf("to %s: %w", to, err)
		}
	}
	if len(refused) == len(o.Email) {
		return errors.Join(refused...)
	}
	body, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := body.Write(mail); err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return err
	}
	_ = client.Quit() // it has the mail, whatever it says to that: told again, it would have it twice
	if len(refused) > 0 {
		return &partError{errors.Join(refused...)}
	}
	return nil
}

// A partError reports that some were told, and others cannot be.
type partError struct{ error }

func (e *partError) Unwrap() error { return e.error }

// isForGood tells whether a server will say the same another time.
func isForGood(err error) bool {
	var said *textproto.Error
	return errors.As(err, &said) && said.Code >= 500
}

// greet says who we are, privately where the server can.
func (o Options) greet(client *smtp.Client, host string) error {
	if err := client.Hello(cmp.Or(o.Host, "localhost")); err != nil {
		return err
	}
	if _, isTLS := client.TLSConnectionState(); !isTLS {
		if can, _ := client.Extension("STARTTLS"); can {
			if err := client.StartTLS(&tls.Config{ServerName: host, RootCAs: o.roots}); err != nil {
				return err
			}
		}
	}
	if o.User == "" {
		return nil
	}
	if _, isTLS := client.TLSConnectionState(); !isTLS {
		return errors.New("it speaks no TLS, and everybody on the way could read the password")
	}
	password, err := os.ReadFile(o.Password)
	if err != nil {
		return fmt.Errorf("read the password: %w", err)
	}
	return client.Auth(smtp.PlainAuth("", o.User, strings.TrimRight(string(password), "\r\n"), host))
}
