// SPDX-License-Identifier: Apache-2.0

package api

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/gin-gonic/gin"
)

//go:embed web
var web embed.FS

// page serves the status page. It holds no data: its script asks the API, with the token that the operator gave it.
func (s *Server) page(e *gin.Engine) {
	files, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	serve := func(name string) gin.HandlerFunc {
		return func(c *gin.Context) {
			c.Header("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
			c.Header("X-Content-Type-Options", "nosniff")
			c.Header("Referrer-Policy", "no-referrer")
			c.Header("Cache-Control", "no-cache")
			c.FileFromFS(name, http.FS(files))
		}
	}
	e.GET("/", serve("/"))
	e.GET("/app.js", serve("app.js"))
	e.GET("/style.css", serve("style.css"))
}
