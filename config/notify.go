package config

import (
	"net"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"varve/internal/human"
)

// Notify is who is told what is wrong, and how. What is empty is not used.
type Notify struct {
	Command      string   // for /bin/sh
	Webhook      string   // a URL
	Email        []string // addresses
	From         string   // the address that e-mail is from
	SMTP         string   // host:port of the server that takes e-mail; empty: the host's own sendmail does
	User         string   // who logs in there
	PasswordFile string   // what has the password
	Heartbeat    string   // a URL
	Again        time.Duration
	Timeout      time.Duration
}

func notifyFields() []field[Notify] {
	return []field[Notify]{
		value("command", Key{
			Type: "command", Default: `""`, Example: `""`,
			Text: "Is run with what is new in the environment (VARVE_SUMMARY, VARVE_VERDICT and others), and all of it as JSON on standard input.",
		}, anyText, func(n *Notify) *string { return &n.Command }),
		value("webhook", Key{
			Type: "URL", Default: `""`, Example: `""`, Text: "Is posted the same JSON, and again if nobody answers.",
		}, webURL, func(n *Notify) *string { return &n.Webhook }),
		value("email", Key{
			Type: "addresses", Default: `""`, Example: "ops@example.org", Text: "Who gets e-mail, with commas between.",
		}, addresses, func(n *Notify) *[]string { return &n.Email }),
		value("email_from", Key{
			Type: "address", Default: `""`, Example: "varve@example.org", Text: "Whom e-mail is from. Without it, varve at this host.",
		}, address, func(n *Notify) *string { return &n.From }),
		value("smtp", Key{
			Type: "HOST:PORT", Default: `""`, Example: `""`,
			Text: "The server that takes e-mail, over TLS where it can: 25 and 587 begin without it, 465 with it. Without a server, this host's /usr/sbin/sendmail takes it, and queues it.",
		}, server, func(n *Notify) *string { return &n.SMTP }),
		value("smtp_user", Key{
			Type: "name", Default: `""`, Example: `""`, Text: "Who logs in at that server, over TLS only. Without it, nobody does.",
		}, anyText, func(n *Notify) *string { return &n.User }),
		value("smtp_password_file", Key{
			Type: "file", Default: `""`, Example: `""`, Text: "The file that holds the password, and nothing else.",
		}, optionalPath, func(n *Notify) *string { return &n.PasswordFile }),
		value("heartbeat", Key{
			Type: "URL", Default: `""`, Example: `""`,
			Text: "Is called at the end of each backup after which nothing is critical. Whoever is called is to raise the alarm when the calls fail to come.",
		}, webURL, func(n *Notify) *string { return &n.Heartbeat }),
		value("again", Key{
			Type: "duration", Default: "24h", Example: "24h",
			Text: "What is critical is told again after so long, while it lasts. Warnings are told once.",
		}, timeout, func(n *Notify) *time.Duration { return &n.Again }),
		value("timeout", Key{
			Type: "duration", Default: "30s", Example: "30s", Text: "How long the command, and each try to reach a server, may take.",
		}, timeout, func(n *Notify) *time.Duration { return &n.Timeout }),
	}
}

// notifyField is the block of all of them, which are looked at together.
func notifyField() field[document] {
	f := block("notify", "Who is told what is wrong, at the end of each backup: what is new, what lasts and is critical, and what is over. It is what status tells.",
		notifyFields(), func(d *document) *Notify { return &d.config.Notify })
	read := f.read
	f.read = func(d *decoder, n *yaml.Node) func(*document) {
		set := read(d, n)
		var alone document
		set(&alone)
		switch is := alone.config.Notify; {
		case is.SMTP == "" && (is.User != "" || is.PasswordFile != ""):
			d.wrong(n, "smtp_user and smtp_password_file are for a server: say smtp, too")
		case (is.User == "") != (is.PasswordFile == ""):
			d.wrong(n, "smtp_user and smtp_password_file belong together")
		}
		return set
	}
	return f
}

func webURL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		// Not a word of it: what stands there may be a secret.
		return "", &human.ValueError{Text: "...", Want: "want a URL such as https://example.org/hook"}
	}
	return text, nil
}

// addresses reads addresses of e-mail, without the names that may stand beside them. One
// without a host is of this host.
func addresses(text string) (all []string, err error) {
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" && strings.TrimSpace(text) == "" {
			return nil, nil
		}
		at, err := address(one)
		if err != nil {
			return nil, err
		}
		if at == "" {
			return nil, &human.ValueError{Text: text, Want: "there is nothing between two commas"}
		}
		all = append(all, at)
	}
	return all, nil
}

func address(text string) (string, error) {
	if text == "" || isLocalName(text) {
		return text, nil
	}
	at, err := mail.ParseAddress(text)
	if err != nil {
		return "", &human.ValueError{Text: text, Want: "want an address such as ops@example.org"}
	}
	return at.Address, nil
}

// isLocalName tells whether text is the name of somebody on this host, such as root.
func isLocalName(text string) bool {
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == "" && strings.Trim(text, ".-_") == text
}

// server reads host:port.
func server(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || port == "" || strings.ContainsAny(text, " /") {
		return "", &human.ValueError{Text: text, Want: "want a host and a port such as mail.example.org:587"}
	}
	return text, nil
}
