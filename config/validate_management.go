// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"net/url"
	"os"
)

// tokenLength is what makes a token hard enough to guess when it is random.
const tokenLength = 16

// maxSocketPath is what fits into a unix socket address.
const maxSocketPath = 107

func (d *decoder) management(m *Management) {
	d.require(len(m.Socket) <= maxSocketPath, "management.socket", "is too long for a unix socket", "choose a shorter path")
	d.require(m.Token == "" || len(m.Token) >= tokenLength, "management.token", "is too short", "make one with: openssl rand -hex 32")
	d.listenAddress(m.Observe, "management.observe")
	d.traces(&m.Traces)
	listen, ok := d.listenAddress(m.Listen, "management.listen")
	if !ok {
		return
	}
	d.require(m.Token != "" || (m.TLS.ClientCA != "" && m.TLS.Chain != ""), "management.listen", "would let everybody in",
		"set management.token, or management.tls.clientCA with chain and key")
	if listen.Addr().IsLoopback() && m.TLS.Chain == "" {
		return
	}
	if d.require(m.TLS.Chain != "" && m.TLS.Key != "", "management.listen", "is reachable from the network without TLS", "set management.tls.chain and key, or listen on 127.0.0.1") {
		_, err := tls.LoadX509KeyPair(m.TLS.Chain, string(m.TLS.Key))
		d.require(err == nil, "management.tls.chain", "does not load with its key: "+message(err), "name PEM files of a certificate and its key")
	}
	d.authorities(m.TLS.ClientCA, "management.tls.clientCA")
}

// authorities checks a file of CAs, if one is named.
func (d *decoder) authorities(file, key string) {
	if file == "" {
		return
	}
	text, err := os.ReadFile(file)
	d.require(err == nil && x509.NewCertPool().AppendCertsFromPEM(text), key, "has no certificate that can be read", "name a PEM file of CAs")
}

func (d *decoder) traces(t *Traces) {
	if t.Endpoint == "" {
		return
	}
	const key = "management.traces.endpoint"
	u, err := url.Parse(t.Endpoint)
	if d.require(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), key, t.Endpoint+" is no URL of a collector",
		"write one such as http://127.0.0.1:4318 or https://collector.example:4318/v1/traces") {
		d.require(u.User == nil, key, "has a password in it", "use management.traces.token")
		d.require(t.CA == "" || u.Scheme == "https", "management.traces.ca", "is for https, and the collector is reached by http", "write https in management.traces.endpoint, or remove the key")
	}
	d.authorities(t.CA, "management.traces.ca")
}

// listenAddress checks address:port; ok is false for an empty one as well.
func (d *decoder) listenAddress(text, key string) (_ netip.AddrPort, ok bool) {
	if text == "" {
		return netip.AddrPort{}, false
	}
	a, err := netip.ParseAddrPort(text)
	d.require(err == nil, key, text+" is no address and port", "write one such as 127.0.0.1:8080, 0.0.0.0:9464 or \"[::]:9464\"")
	return a, err == nil
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
