// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
)

// office is the management API of a world's N3IWF and a client that checks every answer against the OpenAPI document.
type office struct {
	w      *world
	client *http.Client
	router routers.Router
	level  *slog.LevelVar
	server *api.Server
}

func newOffice(t *testing.T, w *world) *office {
	t.Helper()
	o := &office{w: w, level: new(slog.LevelVar)}
	server, err := api.New(w.nf, api.Options{Version: "test", Level: o.level, Log: w.log})
	require.NoError(t, err)
	o.server = server
	ctx, stop := context.WithCancel(w.ctx)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", w.cfg.Management.Socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	o.client = &http.Client{Transport: transport}
	return o
}

// learn reads the OpenAPI document, which an independent implementation must find valid.
func (o *office) learn(t *testing.T) {
	t.Helper()
	text := o.get(t, "/openapi.json")
	doc, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(o.w.ctx))
	doc.Servers = openapi3.Servers{{URL: "http://n3iwf"}}
	o.router, err = gorillamux.NewRouter(doc)
	require.NoError(t, err)
}

// call checks request and response against the document.
func (o *office) call(t *testing.T, method, path string, body, answer any) int {
	t.Helper()
	var text io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		require.NoError(t, err)
		text = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(o.w.ctx, method, "http://n3iwf/api/v1"+path, text)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := o.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	route, parameters, err := o.router.FindRoute(request)
	require.NoError(t, err)
	require.NoError(t, openapi3filter.ValidateResponse(o.w.ctx, (&openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, Route: route, PathParams: parameters},
		Status:                 response.StatusCode, Header: response.Header,
	}).SetBodyBytes(b)), "%s %s: %s", method, path, b)
	if answer != nil && response.StatusCode == http.StatusOK {
		require.NoError(t, json.Unmarshal(b, answer))
	}
	return response.StatusCode
}

func (o *office) get(t *testing.T, path string) []byte {
	t.Helper()
	response, err := o.client.Get("http://n3iwf" + path)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode, path)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return text
}

// TestManagementAPI lets an operator look on while a UE registers, moves and is released.
func TestManagementAPI(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "api.sock")
	w := newWorld(t, func(c *config.Config) {
		c.Management = config.Management{Socket: socket, Listen: "127.0.0.1:0", Token: "a token of the operator", Observe: "127.0.0.1:0"}
	})
	o := newOffice(t, w)
	o.learn(t)

	// What happens, as it happens.
	stream, err := o.client.Get("http://n3iwf/api/v1/events")
	require.NoError(t, err)
	defer stream.Body.Close()
	happened := bufio.NewScanner(stream.Body)
	next := func(kind string) (e n3iwf.LiveEvent) {
		t.Helper()
		for happened.Scan() {
			if text, ok := strings.CutPrefix(happened.Text(), "data: "); ok {
				require.NoError(t, json.Unmarshal([]byte(text), &e))
				if e.Kind == kind {
					return e
				}
			}
		}
		require.FailNow(t, "the stream of events ended", "%v", happened.Err())
		return e
	}

	u, p := w.online(0)
	require.NotZero(t, next(n3iwf.LiveRegistered).UE)
	id := next(n3iwf.LiveSessionUp).UE
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(30), w.addr(hostN3IWF)) }))
	require.Equal(t, w.addr(30).String(), strings.Split(next(n3iwf.LiveMoved).To, ":")[0])
	_, err = p.Ping(w.ctx, 2)
	require.NoError(t, err)

	var status api.Status
	require.Equal(t, 200, o.call(t, "GET", "/status", nil, &status))
	require.True(t, status.Ready)
	require.Equal(t, 1, status.UEs)
	require.Equal(t, uint64(1), status.Moves)
	require.Positive(t, status.Uplink.Packets)
	require.Equal(t, "user", status.DataPlane)
	require.Equal(t, api.UserPlane{Kind: "relay", Reason: "ESP is in this process"}, status.UserPlane)
	require.Contains(t, fmt.Sprint(status.Alarms), "the certificate expires in")
	var amfs []n3iwf.AMFView
	require.Equal(t, 200, o.call(t, "GET", "/amfs", nil, &amfs))
	require.True(t, amfs[0].Connected)
	require.Equal(t, 1, amfs[0].UEs)
	require.NotEmpty(t, amfs[0].GUAMIs)
	var list n3iwf.UEPage
	require.Equal(t, 200, o.call(t, "GET", "/ues?filter="+w.addr(30).String(), nil, &list))
	require.Equal(t, 1, list.Matched)
	require.Equal(t, id, list.UEs[0].ID)
	require.Equal(t, 200, o.call(t, "GET", "/ues?filter=nobody", nil, &list))
	require.Equal(t, 0, list.Matched)
	require.Equal(t, 1, list.Total)
	var detail n3iwf.UEDetail
	require.Equal(t, 200, o.call(t, "GET", fmt.Sprintf("/ues/%d", id), nil, &detail))
	require.Len(t, detail.SAs, 2, "signalling and one PDU session")
	require.Len(t, detail.Paths, 2)
	require.Equal(t, "update", detail.Paths[1].Why)
	require.Equal(t, w.addr(30), detail.Paths[1].Path.Remote.Addr())
	require.Positive(t, detail.Paths[1].Took)
	require.Equal(t, uint64(1), detail.SAs[1].Moves)
	require.Positive(t, detail.Sessions[0].UplinkPackets)
	for _, sa := range u.State().Children {
		mine := func(v n3iwf.SAView) bool {
			return v.InboundSPI == fmt.Sprintf("%08x", sa.Outbound) && v.OutboundSPI == fmt.Sprintf("%08x", sa.Inbound)
		}
		require.True(t, slices.ContainsFunc(detail.SAs, mine), "both sides name the SAs alike")
	}
	var sas []n3iwf.SAView
	require.Equal(t, 200, o.call(t, "GET", "/sas", nil, &sas))
	require.Len(t, sas, 2)
	var filters []n3iwf.PacketFilter
	require.Equal(t, 200, o.call(t, "GET", "/filters", nil, &filters))
	require.Len(t, filters, 2)
	for i, f := range filters {
		require.Equal(t, []string{sas[i].InboundSPI, sas[i].OutboundSPI}, []string{f.UplinkSPI, f.DownlinkSPI})
	}
	require.Equal(t, 400, o.call(t, "GET", "/filters?offset=x", nil, nil))

	// What is wrong is said.
	require.Equal(t, 404, o.call(t, "GET", "/ues/4000000000", nil, nil))
	require.Equal(t, 400, o.call(t, "GET", "/ues/4294967296", nil, nil))
	require.Equal(t, 400, o.call(t, "GET", "/ues?limit=-1", nil, nil))
	require.Equal(t, 400, o.call(t, "PUT", "/log-level", api.LogLevel{Level: "loud"}, nil))
	require.Equal(t, 200, o.call(t, "PUT", "/log-level", api.LogLevel{Level: "warn"}, nil))
	require.Equal(t, slog.LevelWarn, o.level.Level())

	// Moves by the operator: there is no other address here, and no other node.
	var moved api.MoveResult
	require.Equal(t, 200, o.call(t, "POST", fmt.Sprintf("/ues/%d/move", id), api.MoveRequest{To: w.addr(99).String()}, &moved))
	require.False(t, moved.Moved)
	require.NotEmpty(t, moved.Error)
	require.Equal(t, 404, o.call(t, "POST", "/ues/4000000000/move", api.MoveRequest{To: w.addr(99).String()}, nil))
	require.Equal(t, 400, o.call(t, "POST", "/move", api.MoveRequest{To: "nowhere"}, nil))
	require.Equal(t, 400, o.call(t, "POST", "/drain", api.MoveRequest{To: "192.0.2.1"}, nil))
	require.Equal(t, 404, o.call(t, "GET", "/job", nil, nil))
	var job api.JobStatus
	require.Equal(t, 200, o.call(t, "POST", "/drain", api.MoveRequest{To: "node:3"}, &job))
	w.until("the end of the drain", func() bool { return o.call(t, "GET", "/job", nil, &job) == 200 && job.Done })
	require.Contains(t, job.Error, "node 3")
	require.Equal(t, 1, job.UEsLeft)
	require.Equal(t, 204, o.call(t, "DELETE", "/job", nil, nil))
	var rekeyed api.Rekeyed
	require.Equal(t, 200, o.call(t, "POST", "/rekey", nil, &rekeyed))
	require.Equal(t, 1, rekeyed.UEs)

	o.metrics(t)
	o.network(t)

	require.Equal(t, 204, o.call(t, "DELETE", fmt.Sprintf("/ues/%d", id), nil, nil))
	require.Equal(t, id, next(n3iwf.LiveGone).UE)
	w.until("an N3IWF without UEs", func() bool { return w.nf.Status().UEs == 0 && w.connected() == 0 })
	require.Equal(t, 404, o.call(t, "DELETE", fmt.Sprintf("/ues/%d", id), nil, nil))
}

// metrics checks names and meanings with Prometheus' own tool, and that no UE is named.
func (o *office) metrics(t *testing.T) {
	text := o.get(t, "/metrics")
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	for _, line := range []string{
		"n3iwf_ues 1", `n3iwf_mobike_moves_total{kind="address",result="moved"} 1`, "n3iwf_registration_seconds_count 1", `n3iwf_ngap_received_total{procedure="InitialContextSetupRequest"} 1`,
		"n3iwf_amfs_connected 1", `n3iwf_esp_drops_total{reason="auth"} 0`, `n3iwf_ike_cookies_total{result="sent"} 0`,
	} {
		require.Contains(t, string(text), line)
	}
	require.NotContains(t, string(text), o.w.addr(30).String())
}

// network checks who gets in over the network.
func (o *office) network(t *testing.T) {
	ask := func(addr net.Addr, method, path, token, cookie string) int {
		request, err := http.NewRequestWithContext(o.w.ctx, method, "http://"+addr.String()+path, http.NoBody)
		require.NoError(t, err)
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		if cookie != "" {
			request.AddCookie(&http.Cookie{Name: "n3iwf_token", Value: strings.ReplaceAll(cookie, " ", "%20")})
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	const token = "a token of the operator"
	api, observe := o.server.Addr("listen"), o.server.Addr("observe")
	require.Equal(t, 401, ask(api, "GET", "/api/v1/ues", "", ""))
	require.Equal(t, 401, ask(api, "GET", "/api/v1/ues", "a token of another", ""))
	require.Equal(t, 200, ask(api, "GET", "/api/v1/ues", token, ""))
	require.Equal(t, 200, ask(api, "GET", "/api/v1/ues", "", token))
	require.Equal(t, 403, ask(api, "DELETE", "/api/v1/ues/1", "", token), "another site could make a browser send this")
	require.Equal(t, 200, ask(api, "GET", "/", "", ""), "the page holds no data")
	require.Equal(t, 404, ask(api, "GET", "/debug/pprof/", token, ""), "only when asked for")
	require.Equal(t, 405, ask(api, "PATCH", "/api/v1/ues", token, ""))
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		require.Equal(t, 200, ask(observe, "GET", path, "", ""))
	}
	for _, path := range []string{"/", "/api/v1/ues", "/api/v1/status"} {
		require.Equal(t, 404, ask(observe, "GET", path, "", ""), "nothing about UEs without authentication")
	}
}
