// SPDX-License-Identifier: Apache-2.0

package n3iwf_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
)

func nothing(*n3iwf.N3IWF) {}

// visitor asks a management API over the network.
type visitor struct {
	t      *testing.T
	base   string
	client *http.Client
}

// ask gives the status and the body.
func (v visitor) ask(method, path string, headers ...string) (int, string) {
	v.t.Helper()
	status, text, err := v.try(method, path, headers...)
	require.NoError(v.t, err)
	return status, text
}

func (v visitor) try(method, path string, headers ...string) (int, string, error) {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, http.NoBody)
	require.NoError(v.t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := v.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// change reloads another configuration, as a SIGHUP does.
func change(t *testing.T, nf *n3iwf.N3IWF, server *api.Server, with func(*config.Config)) error {
	t.Helper()
	next := *nf.Config()
	with(&next)
	_, later, err := nf.Reload(&next, server)
	if err != nil {
		server.Refused(err)
		return err
	}
	require.Empty(t, later)
	return nil
}

// Whoever comes over the network shows the token: the one that is in force, and for changes in a header that other sites cannot set.
func TestManagementToken(t *testing.T) {
	nf, server := open(t, onLoopback(t), nothing)
	v := visitor{t, "http://" + server.Addr("listen").String(), new(http.Client)}
	t.Cleanup(v.client.CloseIdleConnections)
	const status, header = "/api/v1/status", "Authorization"
	bearer := "Bearer a token of the operator"
	for _, headers := range [][]string{nil, {header, "Bearer wrong"}, {header, "a token of the operator"}, {header, "Bearer "}, {"Cookie", "n3iwf_token=x"}} {
		code, text := v.ask(http.MethodGet, status, headers...)
		require.Equal(t, http.StatusUnauthorized, code, "%q", headers)
		require.JSONEq(t, `{"error": "send the header Authorization: Bearer TOKEN with management.token"}`, text)
	}
	code, _ := v.ask(http.MethodGet, status, header, bearer)
	require.Equal(t, http.StatusOK, code)
	cookie := []string{"Cookie", `n3iwf_token="a token of the operator"`}
	code, _ = v.ask(http.MethodGet, status, cookie...)
	require.Equal(t, http.StatusOK, code)
	code, text := v.ask(http.MethodDelete, "/api/v1/ues/1", cookie...)
	require.Equal(t, http.StatusForbidden, code)
	require.Contains(t, text, "send the token as a header to change something")
	code, text = v.ask(http.MethodDelete, "/api/v1/ues/1", header, bearer)
	require.Equal(t, http.StatusNotFound, code)
	require.Contains(t, text, "there is no UE 1")

	// Profiles are there for those who may use the API, and only while they are asked for.
	const profile = "/debug/pprof/cmdline"
	code, text = v.ask(http.MethodGet, profile, header, bearer)
	require.Equal(t, http.StatusNotFound, code)
	require.Contains(t, text, "set management.pprof")
	require.NoError(t, change(t, nf, server, func(c *config.Config) { c.Management.PProf = true }))
	code, _ = v.ask(http.MethodGet, profile, header, bearer)
	require.Equal(t, http.StatusOK, code)
	code, _ = v.ask(http.MethodGet, profile)
	require.Equal(t, http.StatusUnauthorized, code)

	// A reload changes the token.
	require.NoError(t, change(t, nf, server, func(c *config.Config) { c.Management.Token = "another token, as long" }))
	code, _ = v.ask(http.MethodGet, status, header, bearer)
	require.Equal(t, http.StatusUnauthorized, code)
	code, _ = v.ask(http.MethodGet, status, header, "Bearer another token, as long")
	require.Equal(t, http.StatusOK, code)
}

// What is open to everybody says nothing of single UEs and changes nothing.
func TestObserve(t *testing.T) {
	require.Empty(t, config.Default().Management.Listen, "off by default")
	require.Empty(t, config.Default().Management.Observe, "off by default")
	require.False(t, config.Default().Management.PProf, "off by default")
	cfg := onLoopback(t)
	cfg.Management.Listen, cfg.Management.Observe, cfg.Management.PProf = "", "127.0.0.1:0", true
	var set func(error)
	nf, server := open(t, cfg, func(nf *n3iwf.N3IWF) { set = n3iwf.Breakable(nf) })
	require.Nil(t, server.Addr("listen"))
	v := visitor{t, "http://" + server.Addr("observe").String(), new(http.Client)}
	t.Cleanup(v.client.CloseIdleConnections)
	for _, path := range []string{"/api/v1/status", "/api/v1/ues", "/debug/pprof/cmdline", "/"} {
		code, _ := v.ask(http.MethodGet, path)
		require.Equal(t, http.StatusNotFound, code, path)
	}
	code, text := v.ask(http.MethodGet, "/metrics")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, text, "n3iwf_amfs_connected 0")
	code, _ = v.ask(http.MethodGet, "/healthz")
	require.Equal(t, http.StatusOK, code)

	// Ready is who can serve UEs.
	ready := func(wantCode int, wantText string) {
		t.Helper()
		code, text := v.ask(http.MethodGet, "/readyz")
		require.Equal(t, wantCode, code)
		require.Equal(t, wantText+"\n", text)
	}
	ready(http.StatusServiceUnavailable, "no AMF is connected")
	n3iwf.Associate(nf)
	ready(http.StatusOK, "ready")
	set(errors.New("xfrm interface nwu1 is down"))
	ready(http.StatusServiceUnavailable, "the data plane is down: xfrm interface nwu1 is down")
	set(nil)
	ready(http.StatusOK, "ready")
}

// authority issues certificates for servers and clients.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.cert, a.key = a.sign(template, time.Now().Add(24*time.Hour))
	return a
}

func (a *authority) sign(template *x509.Certificate, expires time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), expires
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	require.NoError(a.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return cert, key
}

// issue writes name.pem and name.key.
func (a *authority) issue(dir, name string, expires time.Time, usage x509.ExtKeyUsage) (chain, key string) {
	a.t.Helper()
	cert, private := a.sign(&x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{usage}}, expires)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(a.t, err)
	chain, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	require.NoError(a.t, os.WriteFile(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600))
	require.NoError(a.t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return chain, key
}

func (a *authority) write(dir, name string) string {
	a.t.Helper()
	file := filepath.Join(dir, name)
	require.NoError(a.t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600))
	return file
}

// With a CA for clients nobody comes in without a certificate of it, also after a reload that names another CA; there is no token then.
func TestManagementMTLS(t *testing.T) {
	dir := t.TempDir()
	servers, clients, others := newAuthority(t), newAuthority(t), newAuthority(t)
	soon := time.Now().Add(48 * time.Hour)
	chain, key := servers.issue(dir, "api", soon, x509.ExtKeyUsageServerAuth)
	cfg := onLoopback(t)
	cfg.Management.Token = ""
	cfg.Management.TLS = config.ManagementTLS{Chain: chain, Key: config.Secret(key), ClientCA: clients.write(dir, "clients.pem")}
	nf, server := open(t, cfg, nothing)

	roots := x509.NewCertPool()
	roots.AddCert(servers.cert)
	enter := func(name string, a *authority, usage x509.ExtKeyUsage) visitor {
		c := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		if a != nil {
			pair, err := tls.LoadX509KeyPair(a.issue(dir, name, time.Now().Add(time.Hour), usage))
			require.NoError(t, err)
			// Sent whatever CAs the server names.
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		transport := &http.Transport{TLSClientConfig: c}
		t.Cleanup(transport.CloseIdleConnections)
		return visitor{t, "https://" + server.Addr("listen").String(), &http.Client{Transport: transport}}
	}
	const status = "/api/v1/status"
	refused := func(v visitor, why string) {
		t.Helper()
		_, _, err := v.try(http.MethodGet, status)
		require.ErrorContains(t, err, why)
	}
	refused(enter("none", nil, 0), "certificate required")
	refused(enter("other", others, x509.ExtKeyUsageClientAuth), "unknown certificate authority")
	refused(enter("server", clients, x509.ExtKeyUsageServerAuth), "bad certificate")
	old := enter("old", clients, x509.ExtKeyUsageClientAuth)
	old.client.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS12
	refused(old, "protocol version")
	one := enter("one", clients, x509.ExtKeyUsageClientAuth)
	code, text := one.ask(http.MethodGet, status)
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, text, "the certificate of the management API expires in 1 days")
	code, _ = visitor{t, "http://" + server.Addr("listen").String(), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}.ask(http.MethodGet, status)
	require.Equal(t, http.StatusBadRequest, code, "plain HTTP")

	// The CA of the others is named: who is in with the former one is out.
	require.NoError(t, change(t, nf, server, func(c *config.Config) { c.Management.TLS.ClientCA = others.write(dir, "others.pem") }))
	code, text = one.ask(http.MethodGet, status)
	require.Equal(t, http.StatusUnauthorized, code)
	require.Contains(t, text, "connect again")
	refused(one, "unknown certificate authority")
	two := enter("two", others, x509.ExtKeyUsageClientAuth)
	code, _ = two.ask(http.MethodGet, status)
	require.Equal(t, http.StatusOK, code)

	// A certificate of the API that cannot be used changes nothing, and is told.
	err := change(t, nf, server, func(c *config.Config) { c.Management.TLS.Chain = filepath.Join(dir, "nothing.pem") })
	require.ErrorContains(t, err, "nothing.pem")
	code, text = two.ask(http.MethodGet, status)
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, text, "the configuration was not reloaded, the former one stays in use: management.tls")
	_, text = two.ask(http.MethodGet, "/metrics")
	require.Contains(t, text, "n3iwf_config_last_reload_successful 0")

	// A new one is shown to the next client.
	later := time.Now().Add(365 * 24 * time.Hour)
	renewed, renewedKey := servers.issue(dir, "renewed", later, x509.ExtKeyUsageServerAuth)
	require.NoError(t, change(t, nf, server, func(c *config.Config) {
		c.Management.TLS.Chain, c.Management.TLS.Key = renewed, config.Secret(renewedKey)
	}))
	three := enter("three", others, x509.ExtKeyUsageClientAuth)
	code, text = three.ask(http.MethodGet, status)
	require.Equal(t, http.StatusOK, code)
	require.NotContains(t, text, "not reloaded")
	require.NotContains(t, text, "the certificate of the management API expires")
	_, text = three.ask(http.MethodGet, "/metrics")
	require.Contains(t, text, "n3iwf_config_last_reload_successful 1")
	conn, err := tls.Dial("tcp", server.Addr("listen").String(), three.client.Transport.(*http.Transport).TLSClientConfig)
	require.NoError(t, err)
	require.WithinDuration(t, later, conn.ConnectionState().PeerCertificates[0].NotAfter, time.Second)
	require.NoError(t, conn.Close())
}

// The metric and the alarm follow the certificate in use, those of nwu.certificate.further included, and not the files.
func TestCertificateExpiryFollowsReload(t *testing.T) {
	cfg := onLoopback(t)
	nf, server := open(t, cfg, nothing)
	v := visitor{t, "http://" + server.Addr("listen").String(), new(http.Client)}
	t.Cleanup(v.client.CloseIdleConnections)
	says := func() string {
		t.Helper()
		_, text := v.ask(http.MethodGet, "/api/v1/status", "Authorization", "Bearer a token of the operator")
		return text
	}
	require.Contains(t, says(), "the certificate expires in 0 days")
	dir := filepath.Dir(cfg.NWu.Certificate.Chain)
	n3iwf.CertificateFiles(t, dir, "n3iwf.example.org", time.Now().Add(400*24*time.Hour))
	require.Contains(t, says(), "the certificate expires in 0 days", "it is not in use yet")
	require.NoError(t, change(t, nf, server, func(*config.Config) {}))
	require.NotContains(t, says(), "the certificate expires")

	further := t.TempDir()
	n3iwf.CertificateFiles(t, further, "n3iwf.example.org", time.Now().Add(5*24*time.Hour+time.Hour))
	require.NoError(t, change(t, nf, server, func(c *config.Config) {
		c.NWu.Certificate.Further = []config.FurtherCertificate{{Chain: filepath.Join(further, "chain.pem"), Key: config.Secret(filepath.Join(further, "key.pem"))}}
		c.Limits.MaxUEs, c.N2.AMFs = 7, append(c.N2.AMFs[:1:1], config.AMF{Name: "other.invalid", Port: 38412})
	}))
	text := says()
	require.Contains(t, text, "the certificate expires in 5 days")
	require.Contains(t, text, `"amfsConfigured":2`)
}
