// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

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
	access  atomic.Pointer[access] // nil: the API was never on the network
	reload  atomic.Pointer[reload] // the last one; nil: none
	reloads reloads
	log     *slog.Logger
	started time.Time
	metrics http.Handler

	serving sync.WaitGroup

	mu        sync.Mutex
	listeners []*listener
	ctx       context.Context // of Serve; nil before and after
	job       *job            // the latest
	jobs      sync.WaitGroup
}

// New opens the listeners that the configuration of the network function asks for. A unix socket that cannot be made at the default path is only
// warned about: the network function does not need it.
func New(nf *n3iwf.N3IWF, o Options) (*Server, error) {
	s := &Server{nf: nf, options: o, log: o.Log, started: time.Now()}
	s.metrics = s.metricsHandler()
	change, err := s.Prepare(nil, nf.Config())
	if err != nil {
		return nil, err
	}
	change.Commit()
	s.reload.Store(nil) // it was none
	s.reloads.taken.Store(0)
	return s, nil
}

// Addr is where a listener of the given kind (socket, listen, observe) is, for tests and logs; nil when there is none.
func (s *Server) Addr(kind string) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		if l.name == kind {
			return l.Addr()
		}
	}
	return nil
}

// Serve works until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	s.mu.Lock()
	s.ctx = ctx
	for _, l := range s.listeners {
		s.start(ctx, l)
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.ctx = nil // no listener begins any more
	for _, l := range s.listeners {
		s.stop(l, farewell)
	}
	s.listeners = nil
	s.mu.Unlock()
	s.serving.Wait()
	s.endJobs()
	return nil
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
