package handlers

import (
	"context"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// operations serves operators, health, readiness, metrics, and whoever reads about the API.
func (s *Server) operations() *Dialect {
	d := &Dialect{Name: "operations", Refuse: Problem, Routes: []Route{
		{Method: http.MethodGet, Path: "/", Open: true, Serve: welcome},
		{Method: http.MethodGet, Path: "/healthz", Open: true, Probe: true, Serve: s.health},
		{Method: http.MethodGet, Path: "/readyz", Open: true, Probe: true, Serve: s.ready},
		{Method: http.MethodGet, Path: "/openapi/ledger-v1.json", Open: true, Serve: static("application/json", openAPI)},
		{Method: http.MethodGet, Path: "/openapi/salable-v1.json", Open: true, Serve: static("application/json", openAPIOfSalable)},
	}}
	d.Routes = append(d.Routes, docsRoutes()...)
	if s.cfg.Registry != nil {
		metrics := promhttp.HandlerFor(s.cfg.Registry, promhttp.HandlerOpts{})
		d.Routes = append(d.Routes, Route{Method: http.MethodGet, Path: "/metrics", Open: true, Probe: true,
			Serve: func(w http.ResponseWriter, r *http.Request) error { metrics.ServeHTTP(w, r); return nil }})
	}
	return d
}

// welcome serves GET / to whoever finds the address: what this is, and where to go on.
func welcome(w http.ResponseWriter, _ *http.Request) error {
	out := struct {
		Product string            `json:"product"`
		Version string            `json:"version,omitzero"`
		Links   map[string]string `json:"links"`
	}{Product: "Subledger", Links: map[string]string{"docs": "/docs", "openapi": "/openapi/ledger-v1.json",
		"salable": "/openapi/salable-v1.json", "salableDocs": "/docs?urls.primaryName=Salable%27s%20API%2C%20at%20the%20root", "health": "/healthz"}}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		out.Version = info.Main.Version
	}
	return JSON(w, http.StatusOK, out)
}

// health says that the process answers, whatever the database does.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	return JSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// ready answers 200 when requests will be served and 503 otherwise, with the state of each check. Why a
// check fails is in the log alone.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) error {
	out := struct {
		Status string            `json:"status"`
		Checks map[string]string `json:"checks"`
	}{"ready", map[string]string{}}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	checks := append([]Check{{"database", s.cfg.Pool.Ping}}, s.cfg.Ready...)
	for _, c := range checks {
		out.Checks[c.Name] = "ok"
		if err := c.Do(ctx); err != nil {
			out.Status, out.Checks[c.Name] = "unready", "failing"
			s.cfg.Log.WarnContext(r.Context(), "not ready", "check", c.Name, "error", printable(err.Error(), 500))
		}
	}
	select {
	case <-s.closing:
		out.Status = "draining"
	default:
	}
	if out.Status != "ready" {
		w.Header().Set("Retry-After", "1")
		return JSON(w, http.StatusServiceUnavailable, out)
	}
	return JSON(w, http.StatusOK, out)
}
