// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"net/http/pprof"

	"github.com/gin-gonic/gin"
)

// profiles adds Go's profiling endpoints, for clients that may use the API, while management.pprof asks for them.
func (s *Server) profiles(g *gin.RouterGroup) {
	g.GET("/debug/pprof/*name", func(c *gin.Context) {
		if !s.nf.Config().Management.PProf {
			c.JSON(http.StatusNotFound, &problem{Text: "profiles are off: set management.pprof and reload"})
			return
		}
		handler := http.HandlerFunc(pprof.Index)
		switch c.Param("name") {
		case "/cmdline":
			handler = pprof.Cmdline
		case "/profile":
			handler = pprof.Profile
		case "/symbol":
			handler = pprof.Symbol
		case "/trace":
			handler = pprof.Trace
		}
		handler(c.Writer, c.Request)
	})
}
