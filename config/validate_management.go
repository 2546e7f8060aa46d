// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
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
	listen, ok := d.listenAddress(m.Listen, "management.listen")
	if !ok {
		return
	}
	d.require(m.Token != "" || m.TLS.ClientCA != "", "management.listen", "would let everybody in", "set management.token or management.tls.clientCA")
	if listen.Addr().IsLoopback() && m.TLS.Chain == "" {
		return
	}
	if d.require(m.TLS.Chain != "" && m.TLS.Key != "", "management.listen", "is reachable from the network without TLS", "set management.tls.chain and key, or listen on 127.0.0.1") {
		_, err := tls.LoadX509KeyPair(m.TLS.Chain, string(m.TLS.Key))
		d.require(err == nil, "management.tls.chain", "does not load with its key: "+message(err), "name PEM files of a certificate and its key")
	}
	if m.TLS.ClientCA != "" {
		text, err := os.ReadFile(m.TLS.ClientCA)
		d.require(err == nil && x509.NewCertPool().AppendCertsFromPEM(text), "management.tls.clientCA", "has no certificate that can be read", "name a PEM file of CAs")
	}
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
