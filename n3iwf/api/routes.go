// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// route is one operation: what gin serves and what the OpenAPI document says about it.
type route struct {
	method, path string // {name} is a path parameter
	summary      string
	query        []parameter
	body         any // a value of the type of the request body, or nil
	answer       any // a value of the type of the response, or nil for none
	handle       func(*gin.Context) (any, error)
}

type parameter struct {
	name, kind, about string // kind: string or integer
}

// problem is an error that the client gets with its status.
type problem struct {
	Status int    `json:"-"`
	Text   string `json:"error"`
}

func (p *problem) Error() string { return p.Text }

func notFound(format string, args ...any) error {
	return &problem{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// uePages are the query parameters of lists of UEs.
var uePages = []parameter{
	{"filter", "string", "part of the id, an address, the state or the AMF"},
	{"offset", "integer", "how many to leave out"},
	{"limit", "integer", "how many at most: 1 to 1000, default 100"},
}

// LogLevel is the body of /log-level.
type LogLevel struct {
	Level string `json:"level"` // debug, info, warn or error
}

// operations are all that the API can do.
func (s *Server) operations() []route { return append(s.routes(), s.moveRoutes()...) }

func (s *Server) routes() []route {
	return []route{
		{method: "GET", path: "/status", summary: "How the N3IWF is: what it holds, what it counted, alarms", answer: Status{}, handle: s.getStatus},
		{method: "GET", path: "/amfs", summary: "The configured AMFs and their NG connections", answer: []n3iwf.AMFView{}, handle: s.getAMFs},
		{method: "GET", path: "/ues", summary: "The UEs, a page at a time", query: uePages, answer: n3iwf.UEPage{}, handle: s.getUEs},
		{method: "GET", path: "/ues/{id}", summary: "One UE with its SAs, PDU sessions and path", answer: n3iwf.UEDetail{}, handle: s.getUE},
		{method: "DELETE", path: "/ues/{id}", summary: "Release a UE: the AMF is asked to, and its IKE SA is deleted", handle: s.releaseUE},
		{method: "GET", path: "/sas", summary: "The child SAs of a page of UEs", query: uePages, answer: []n3iwf.SAView{}, handle: s.getSAs},
		{method: "GET", path: "/filters", summary: "What tells the ESP packets of a page of UEs apart, for QoS in the network between", query: uePages, answer: []n3iwf.PacketFilter{}, handle: s.getFilters},
		{method: "GET", path: "/log-level", summary: "The least severe level that is logged", answer: LogLevel{}, handle: s.getLogLevel},
		{method: "PUT", path: "/log-level", summary: "Change the log level until the next start", body: LogLevel{}, answer: LogLevel{}, handle: s.putLogLevel},
	}
}

func (s *Server) getStatus(c *gin.Context) (any, error) { return s.status(c.Request.Context()), nil }

func (s *Server) getAMFs(c *gin.Context) (any, error) { return s.nf.AMFs(c.Request.Context()), nil }

func (s *Server) getUEs(c *gin.Context) (any, error) {
	q, err := queryOf(c)
	if err != nil {
		return nil, err
	}
	return s.nf.UEs(c.Request.Context(), q), nil
}

func (s *Server) getSAs(c *gin.Context) (any, error) {
	q, err := queryOf(c)
	if err != nil {
		return nil, err
	}
	list := s.nf.SAs(c.Request.Context(), q)
	if list == nil {
		list = []n3iwf.SAView{}
	}
	return list, nil
}

func (s *Server) getFilters(c *gin.Context) (any, error) {
	q, err := queryOf(c)
	if err != nil {
		return nil, err
	}
	return s.nf.Filters(c.Request.Context(), q), nil
}

func (s *Server) getUE(c *gin.Context) (any, error) {
	id, err := ueID(c)
	if err != nil {
		return nil, err
	}
	d, ok := s.nf.UE(c.Request.Context(), id)
	if !ok {
		return nil, notFound("there is no UE %d", id)
	}
	return d, nil
}

func (s *Server) releaseUE(c *gin.Context) (any, error) {
	id, err := ueID(c)
	if err != nil {
		return nil, err
	}
	if !s.nf.ReleaseUE(c.Request.Context(), id) {
		return nil, notFound("there is no UE %d", id)
	}
	return nil, nil
}

func (s *Server) getLogLevel(*gin.Context) (any, error) {
	if s.options.Level == nil {
		return nil, notFound("the log level is not this program's to say")
	}
	return LogLevel{levelName(s.options.Level.Level())}, nil
}

func (s *Server) putLogLevel(c *gin.Context) (any, error) {
	if s.options.Level == nil {
		return nil, notFound("the log level is not this program's to change")
	}
	var body LogLevel
	if err := c.ShouldBindJSON(&body); err != nil {
		return nil, badRequest("the body is not a JSON object with a level")
	}
	level, ok := levels[body.Level]
	if !ok {
		return nil, badRequest("%q is no level: debug, info, warn or error", body.Level)
	}
	s.options.Level.Set(level)
	s.log.Warn("log level changed", "level", body.Level)
	return body, nil
}

func queryOf(c *gin.Context) (n3iwf.UEQuery, error) {
	q := n3iwf.UEQuery{Filter: c.Query("filter")}
	for name, to := range map[string]*int{"offset": &q.Offset, "limit": &q.Limit} {
		text := c.Query(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return q, badRequest("%s=%q is not a number from 0", name, text)
		}
		*to = n
	}
	return q, nil
}

func ueID(c *gin.Context) (uint32, error) {
	id, err := strconv.ParseUint(c.Param("id"), 10, 32)
	if err != nil {
		return 0, badRequest("%q is not the number of a UE", c.Param("id"))
	}
	return uint32(id), nil
}

// serveRoute turns what a handler returns into a response.
func (s *Server) serveRoute(r route) gin.HandlerFunc {
	return func(c *gin.Context) {
		value, err := r.handle(c)
		var p *problem
		switch {
		case errors.As(err, &p):
			c.JSON(p.Status, p)
		case err != nil:
			c.JSON(http.StatusInternalServerError, &problem{Text: err.Error()})
		case value == nil:
			c.Status(http.StatusNoContent)
		default:
			c.JSON(http.StatusOK, value)
		}
	}
}
