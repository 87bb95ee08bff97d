package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"varve/config"
)

// metricsServer gives the metrics of a scheduler over HTTP.
type metricsServer struct {
	news    atomic.Int64 // how many runs have ended
	address string       // where it listens; empty: nowhere
	stop    func()

	mu   sync.Mutex
	text string // as of some time
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
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", d.giveMetrics)
	server := &http.Server{
		Handler: http.TimeoutHandler(mux, metricsLong, "the repository does not answer\n"), ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0),
	}
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

// metrics is what varve metrics prints. Those who ask at a time, or soon after, are given the same.
func (d *daemon) metrics(ctx context.Context) (string, error) {
	m := &d.http
	m.mu.Lock()
	defer m.mu.Unlock()
	news, age := m.news.Load(), time.Since(m.at)
	if age < metricsOld || age < metricsOldest && news == m.of {
		return m.text, nil
	}
	s := d.s.beside(d.conf.Load(), d.repo)
	if seen := d.seen.Load(); seen != nil {
		s.listed = func() ([]config.Volume, []error) { return seen.volumes, seen.problems }
	}
	repo, err := s.openRepository(toList)
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
