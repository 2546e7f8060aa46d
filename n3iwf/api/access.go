// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/open-n3iwf/n3iwf/config"
)

// access is who is let in from the network. It is replaced as a whole by a reload, so that a token and the CAs of clients never come from two
// configurations.
type access struct {
	tls     *tls.Config // nil: plain HTTP, on a loopback address
	token   string
	expires time.Time // of the certificate of tls
}

func newAccess(m config.Management) (*access, error) {
	a := &access{token: string(m.Token)}
	if m.TLS.Chain == "" {
		return a, nil
	}
	pair, err := tls.LoadX509KeyPair(m.TLS.Chain, string(m.TLS.Key))
	if err != nil {
		return nil, &config.KeyError{Key: "management.tls", What: err.Error(), Err: err}
	}
	a.expires = pair.Leaf.NotAfter
	a.tls = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2", "http/1.1"}}
	if m.TLS.ClientCA == "" {
		return a, nil
	}
	text, err := os.ReadFile(m.TLS.ClientCA)
	if err != nil {
		return nil, &config.KeyError{Key: "management.tls.clientCA", What: err.Error(), Err: err}
	}
	a.tls.ClientCAs = x509.NewCertPool()
	if !a.tls.ClientCAs.AppendCertsFromPEM(text) {
		return nil, &config.KeyError{Key: "management.tls.clientCA", What: m.TLS.ClientCA + " has no certificate"}
	}
	a.tls.ClientAuth = tls.RequireAndVerifyClientCert
	// A session that is resumed would let in whoever an earlier CA has let in.
	a.tls.SessionTicketsDisabled = true
	return a, nil
}

// onNetwork is the access in force, nil when the API is not on the network.
func (s *Server) onNetwork() *access {
	if s.nf.Config().Management.Listen == "" {
		return nil
	}
	return s.access.Load()
}

// door is the network's listener: each connection begins with the access of that moment.
type door struct {
	net.Listener
	access func() *access
}

// entered is a connection that knows what it came in by.
type entered struct {
	net.Conn
	by *access
}

func (d *door) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	a := d.access()
	if a.tls == nil {
		return &entered{conn, a}, nil
	}
	return tls.Server(&entered{conn, a}, a.tls), nil
}

type enteredBy struct{}

// remember lets authenticate know what a connection came in by.
func remember(ctx context.Context, conn net.Conn) context.Context {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if e, ok := conn.(*entered); ok {
		return context.WithValue(ctx, enteredBy{}, e.by)
	}
	return ctx
}

// authenticate lets clients in: all on the unix socket, whose file mode has decided already, and on the network those with the
// bearer token. Where client certificates are asked for, TLS has checked them, and the token is asked for only if there is one.
func (s *Server) authenticate(network bool) gin.HandlerFunc {
	if !network {
		return func(*gin.Context) {}
	}
	return func(c *gin.Context) {
		a := s.access.Load()
		if by, _ := c.Request.Context().Value(enteredBy{}).(*access); by != a && a.tls != nil {
			// What a reload asks of clients, connections of before may not have shown.
			c.Header("Connection", "close")
			if !a.knows(c.Request.TLS) {
				c.AbortWithStatusJSON(http.StatusUnauthorized, &problem{Text: "management.tls has changed: connect again"})
				return
			}
		}
		if a.token == "" && a.tls != nil && a.tls.ClientCAs != nil {
			return // TLS has asked for a certificate
		}
		token, ok := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
		if !ok {
			// EventSource and plain links of browsers cannot set headers; the page keeps the token in a cookie.
			token, _ = c.Cookie("n3iwf_token")
		}
		have, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(a.token))
		if a.token == "" || subtle.ConstantTimeCompare(have[:], want[:]) != 1 {
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

// knows tells whether an established connection fulfils what a asks for: TLS, and a certificate of its CAs.
func (a *access) knows(state *tls.ConnectionState) bool {
	if state == nil {
		return false
	}
	if a.tls.ClientCAs == nil {
		return true
	}
	if len(state.PeerCertificates) == 0 {
		return false
	}
	intermediates := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: a.tls.ClientCAs, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}
