// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/errgroup"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// Options are what the program around the network function knows.
type Options struct {
	Version string
	// Level is the log's level, which the API can change; nil: it cannot.
	Level *slog.LevelVar
	Log   *slog.Logger
}

// Server serves the API of one network function.
type Server struct {
	nf      *n3iwf.N3IWF
	options Options
	access  atomic.Pointer[access] // nil: the API is not on the network
	reload  atomic.Pointer[reload] // the last one; nil: none
	log     *slog.Logger
	started time.Time
	metrics http.Handler

	listeners []listener

	mu   sync.Mutex
	job  *job // the latest
	jobs sync.WaitGroup
}

type listener struct {
	net.Listener
	handler http.Handler
	name    string
}

// New opens the listeners that the configuration of the network function asks for. A unix socket that cannot be made at the default path is only
// warned about: the network function does not need it.
func New(nf *n3iwf.N3IWF, o Options) (*Server, error) {
	s := &Server{nf: nf, options: o, log: o.Log, started: time.Now()}
	s.metrics = s.metricsHandler()
	m := nf.Config().Management
	err := errors.Join(s.listenUnix(m.Socket), s.listenNetwork(m), s.listenObserve(m.Observe))
	if err != nil {
		s.closeListeners()
		return nil, err
	}
	return s, nil
}

// Addr is where a listener of the given kind (socket, listen, observe) is, for tests and logs; nil when there is none.
func (s *Server) Addr(kind string) net.Addr {
	for _, l := range s.listeners {
		if l.name == kind {
			return l.Addr()
		}
	}
	return nil
}

func (s *Server) listenUnix(path string) error {
	if path == "" {
		return nil
	}
	l, err := listenSocket(path)
	if err != nil {
		if path == config.DefaultSocket {
			s.log.Warn("no management API: the n3iwf commands cannot reach this process; set management.socket to a path that it may use", slog.Any("error", err))
			return nil
		}
		return fmt.Errorf("management.socket: %w", err)
	}
	s.listeners = append(s.listeners, listener{l, s.apiHandler(false), "socket"})
	return nil
}

// listenSocket makes a unix socket that only this user can use. A socket that nobody serves any more is replaced.
func listenSocket(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("%s exists and is no socket; remove it or choose another path", path)
		}
		if conn, err := net.Dial("unix", path); err == nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%s is served by another process; give each N3IWF its own management.socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o600)
}

func (s *Server) listenNetwork(m config.Management) error {
	if m.Listen == "" {
		return nil
	}
	a, err := newAccess(m)
	if err != nil {
		return err
	}
	s.access.Store(a)
	l, err := net.Listen("tcp", m.Listen)
	if err != nil {
		return fmt.Errorf("management.listen: %w", err)
	}
	s.listeners = append(s.listeners, listener{&door{l, s.access.Load}, s.apiHandler(true), "listen"})
	return nil
}

func (s *Server) listenObserve(addr string) error {
	if addr == "" {
		return nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("management.observe: %w", err)
	}
	e := s.engine()
	s.observe(e)
	s.listeners = append(s.listeners, listener{l, e, "observe"})
	return nil
}

func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

// Serve works until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	var all errgroup.Group
	for _, l := range s.listeners {
		server := &http.Server{
			Handler: l.handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
			ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
			BaseContext: func(net.Listener) context.Context { return ctx },
			ConnContext: remember,
		}
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		s.log.Info("management", slog.String("what", l.name), slog.String("address", l.Addr().String()))
		all.Go(func() error {
			defer stop()
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	err := all.Wait()
	s.endJobs()
	return err
}

func (s *Server) engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.Use(s.recovery)
	e.NoRoute(func(c *gin.Context) { c.JSON(http.StatusNotFound, &problem{Text: "no such path: see /openapi.json"}) })
	e.NoMethod(func(c *gin.Context) {
		c.JSON(http.StatusMethodNotAllowed, &problem{Text: "this path has no such method: see /openapi.json"})
	})
	return e
}

// recovery answers for a handler with a defect; the network function goes on.
func (s *Server) recovery(c *gin.Context) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("defect in the management API", slog.Any("panic", r), slog.String("path", c.FullPath()))
			c.AbortWithStatusJSON(http.StatusInternalServerError, &problem{Text: "defect in the management API: see the log"})
		}
	}()
	c.Next()
}

// apiHandler is everything: the API, the page, events, metrics and probes.
func (s *Server) apiHandler(network bool) http.Handler {
	e := s.engine()
	s.observe(e)
	s.page(e)
	e.GET("/openapi.json", func(c *gin.Context) { c.JSON(http.StatusOK, s.document()) })
	guarded := e.Group("", s.authenticate(network))
	v1 := guarded.Group(base)
	for _, r := range s.operations() {
		v1.Handle(r.method, strings.NewReplacer("{", ":", "}", "").Replace(r.path), s.serveRoute(r))
	}
	v1.GET("/events", s.events)
	s.profiles(guarded)
	return e
}

// base is where the paths of the API begin.
const base = "/api/v1"

// observe adds what needs no authentication.
func (s *Server) observe(e *gin.Engine) {
	e.GET("/metrics", gin.WrapH(s.metrics))
	e.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "alive\n") })
	e.GET("/readyz", func(c *gin.Context) {
		if why := unready(s.nf.Status()); why != "" {
			c.String(http.StatusServiceUnavailable, why+"\n")
			return
		}
		c.String(http.StatusOK, "ready\n")
	})
}

// unready is why UEs cannot be served; empty when they can.
func unready(st n3iwf.Status) string {
	switch {
	case st.AMFs == 0:
		return "no AMF is connected"
	case st.DataPlane != nil:
		return "the data plane is down: " + st.DataPlane.Error()
	}
	return ""
}
