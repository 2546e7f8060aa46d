// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// Client asks the management API of a running network function.
type Client struct {
	http   *http.Client
	server string
	token  string
}

// ClientOptions say where the network function is.
type ClientOptions struct {
	// Server is the path of a unix socket, or an http or https URL.
	Server string
	Token  string
	// CA is a PEM file of CAs for https; empty: the system's. Cert and Key are a client's own, for mTLS.
	CA, Cert, Key string
}

// maxAnswer bounds an answer: 1000 UEs with all their SAs are a few megabytes.
const maxAnswer = 64 << 20

// NewClient prepares a client; it connects with the first question.
func NewClient(o ClientOptions) (*Client, error) {
	transport := new(http.Transport) // the caller's context bounds how long an answer may take: a move takes as long as the UE does
	c := &Client{http: &http.Client{Transport: transport}, server: strings.TrimSuffix(o.Server, "/"), token: o.Token}
	if !strings.Contains(o.Server, "://") {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", o.Server)
		}
		c.server = "http://n3iwf"
		return c, nil
	}
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS13}
	if o.CA != "" {
		text, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s has no certificate that can be read; name a PEM file of CAs", o.CA)
		}
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Do asks one question below /api/v1. Body and answer may be nil.
func (c *Client) Do(ctx context.Context, method, path string, body, answer any) error {
	var text io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.server+base+path, text)
	if err != nil {
		return err
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return unreachable(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		p := &problem{Status: response.StatusCode}
		if json.Unmarshal(b, p) != nil || p.Text == "" {
			p.Text = response.Status
		}
		return p
	}
	if answer == nil || len(b) == 0 {
		return nil
	}
	return json.Unmarshal(b, answer)
}

// unreachable says what to do when nobody answers.
func unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no N3IWF answers there (%w); is it running, and is --server its management.socket?", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; use the user that the N3IWF runs as, or root", err)
	}
	return err
}
