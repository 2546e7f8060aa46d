// SPDX-License-Identifier: Apache-2.0

package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// authenticate lets clients in: all on the unix socket, whose file mode has decided already, and on the network those with the
// bearer token. Where client certificates are asked for, TLS has checked them, and the token is asked for only if there is one.
func (s *Server) authenticate(network bool) gin.HandlerFunc {
	want := sha256.Sum256([]byte(s.cfg.Management.Token))
	if !network || s.cfg.Management.Token == "" {
		return func(*gin.Context) {}
	}
	return func(c *gin.Context) {
		token, ok := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
		if !ok {
			// EventSource and plain links of browsers cannot set headers; the page keeps the token in a cookie.
			token, _ = c.Cookie("n3iwf_token")
		}
		have := sha256.Sum256([]byte(token))
		if subtle.ConstantTimeCompare(have[:], want[:]) != 1 {
			c.Header("WWW-Authenticate", "Bearer")
			c.AbortWithStatusJSON(http.StatusUnauthorized, &problem{Text: "send the header Authorization: Bearer TOKEN with management.token"})
			return
		}
		// A cookie travels with requests that other sites make: only reading is safe with it.
		if !ok && c.Request.Method != http.MethodGet {
			c.AbortWithStatusJSON(http.StatusForbidden, &problem{Text: "send the token as a header to change something"})
		}
	}
}
