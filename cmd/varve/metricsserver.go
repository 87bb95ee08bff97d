package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// metricsServer gives the metrics of a scheduler over HTTP.
type metricsServer struct {
	news    atomic.Int64 // how many runs have ended
	address string       // where it listens; empty: nowhere
	stop    func()

	turn chan struct{} // has room for one: whose it is to look at the repository, and what follows
	text string        // as of some time
	at   time.Time
	of   int64 // news by then
}

// How old metrics may be that are given: when a run has ended since, and if not.
const (
	metricsOld    = 5 * time.Second
	metricsOldest = time.Minute
	metricsLong   = 30 * time.Second // they may take
)

// serveMetrics listens where the configuration says. That it cannot is a warning: backups
// are what counts.
func (d *daemon) serveMetrics() {
	m, address := &d.http, d.conf.Load().Monitor.Listen
	if address == m.address {
		return
	}
	m.close()
	if address == "" {
		return
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		d.s.warn("metrics cannot be had over HTTP: %v", err)
		return
	}
	server := d.metricsOverHTTP()
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			d.s.warn("metrics cannot be had over HTTP any more: %v", err)
		}
	}()
	m.address = address
	m.stop = func() {
		_ = server.Close() // who asks gets nothing
		<-served
	}
}

// metricsOverHTTP is a server of metrics. Who asks slowly, reads slowly, or stays and asks
// nothing, is sent away: else they would be as many one day as this process may have files open.
func (d *daemon) metricsOverHTTP() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", d.giveMetrics)
	return &http.Server{
		Handler: http.TimeoutHandler(mux, metricsLong, "the repository does not answer\n"), MaxHeaderBytes: 16 << 10,
		ReadTimeout: 10 * time.Second, WriteTimeout: 2 * metricsLong, IdleTimeout: 5 * time.Minute,
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

func (m *metricsServer) close() {
	if m.stop != nil {
		m.stop()
	}
	m.address, m.stop = "", nil
}

// giveMetrics answers a scrape.
func (d *daemon) giveMetrics(w http.ResponseWriter, r *http.Request) {
	text, err := d.metrics(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = io.WriteString(w, text) // who does not read it asks again
}

// metrics is what varve metrics prints. Those who ask at a time, or soon after, are given the
// same. Who is gone does not wait: a repository may hang for days.
func (d *daemon) metrics(ctx context.Context) (string, error) {
	m := &d.http
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	news, age := m.news.Load(), time.Since(m.at)
	if age < metricsOld || age < metricsOldest && news == m.of {
		return m.text, nil
	}
	conf := d.conf.Load()
	s := d.s.beside(conf, d.repo)
	s.listed, _ = d.listed(conf)
	repo, err := d.open(s)
	if err != nil {
		return "", err
	}
	defer s.close("close the repository", repo)
	all, err := s.measure(ctx, repo)
	if err != nil {
		return "", fmt.Errorf("read the repository: %w", err)
	}
	m.text, m.at, m.of = all.text(), time.Now(), news
	return m.text, nil
}
