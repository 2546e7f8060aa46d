// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
	"github.com/open-n3iwf/n3iwf/n3iwf/tracing"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// reload gives w.nf another configuration, which stays that of the world when it is taken.
func (w *world) reload(change func(c *config.Config), parts ...n3iwf.Part) error {
	w.t.Helper()
	next := *w.nf.Config()
	change(&next)
	changed, later, err := w.nf.Reload(&next, parts...)
	if err != nil {
		require.Empty(w.t, changed)
		return err
	}
	require.NotEmpty(w.t, changed)
	require.Empty(w.t, later)
	return nil
}

// TestReloadAddresses gives the N3IWF another address, and takes the one away at which UEs are: those with MOBIKE go to the other one, and no packet is lost
// on the way. One that cannot go keeps its address, and everything else of that reload is as it was. The ports change when nobody needs them.
func TestReloadAddresses(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	first, second := w.addr(hostN3IWF), w.addr(hostProxy)
	addresses := func(list ...netip.Addr) func(c *config.Config) {
		return func(c *config.Config) { c.NWu.Addresses, c.NWu.MOBIKE.AdditionalAddresses = list, list }
	}
	require.NoError(t, w.reload(addresses(first)), "::1 goes, nobody is there")
	u, pr := w.online(0, func(o *ue.Options) { o.TestPathsAfter = 3 }) // it leaves an address that it is not told any more
	v, prV := w.online(1, func(o *ue.Options) { o.NoMOBIKE = true })
	finish, finishV := w.traffic(pr, 200), w.traffic(prV, 100)
	w.answered(pr, 20)

	require.NoError(t, w.reload(addresses(first, second)))
	err := w.reload(func(c *config.Config) {
		addresses(second)(c)
		c.Limits.MaxUEs = 7
	})
	require.ErrorContains(t, err, "nwu.addresses: 1 UEs use "+first.String())
	require.NotEqual(t, 7, w.nf.Config().Limits.MaxUEs)
	require.ErrorContains(t, w.reload(func(c *config.Config) { c.NWu.NATTPort += 2 }), "nwu.nattPort: 2 UEs use ")
	w.answered(prV, 10)
	_, lost := finishV()
	require.Zero(t, lost)
	require.NoError(t, w.within(v.Deregister))
	w.until("one UE", func() bool { return w.nf.Status().UEs == 1 })

	before := w.core.State().UEs[0]
	require.NoError(t, w.reload(addresses(second)))
	w.until("the UE at the other address", func() bool { return u.Path().Remote.Addr() == second })
	w.answered(pr, 20)
	sent, lost := finish()
	require.Zero(t, lost, "of %d", sent)
	require.Equal(t, before.RANID, w.core.State().UEs[0].RANID)
	x, _ := w.online(2, func(o *ue.Options) { o.N3IWF = second })
	require.NoError(t, w.within(x.Deregister))

	// An address that is none of this machine, with its place in the list.
	err = w.reload(addresses(second, netip.MustParseAddr("203.0.113.7")))
	require.ErrorContains(t, err, "nwu.addresses[1]: ")
	require.Equal(t, []netip.Addr{second}, w.nf.Config().NWu.Addresses)
	require.NoError(t, w.reload(addresses(second, first)), "the one that is still open is used again")
	w.answered(pr, 0)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
	require.NoError(t, w.reload(func(c *config.Config) { c.NWu.NATTPort += 2 }))
	y, _ := w.online(3, func(o *ue.Options) { o.NATTPort += 2 })
	require.NoError(t, w.within(y.Deregister))
	w.empty()
}

// TestReloadPools adds pools, one of a family that there was none of, and takes the first one away when no UE has an address of it any more.
func TestReloadPools(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	u, pr := w.online(0)
	finish := w.traffic(pr, 100)
	more, six := netip.MustParsePrefix("10.61.0.0/16"), netip.MustParsePrefix("fd00:60::/64")
	old := w.cfg.NWu.UEPools.IPv4
	require.NoError(t, w.reload(func(c *config.Config) {
		c.NWu.UEPools = config.UEPools{IPv4: append(slices.Clone(old), more), IPv6: []netip.Prefix{six}}
		c.NWu.NAS.IPv6, c.NWu.UserPlane.IPv6 = six.Addr().Next(), six.Addr().Next().Next() // as Load completes it
	}))
	v, prV := w.online(1, func(o *ue.Options) { o.InnerIPv6 = true })
	w.answered(pr, 5)
	inside := func(u *ue.UE, p netip.Prefix) bool {
		return slices.ContainsFunc(u.State().Inner, func(a string) bool { return p.Contains(netip.MustParseAddr(a)) })
	}
	require.True(t, inside(v, six))
	_, err := prV.Ping(w.ctx, 2)
	require.NoError(t, err)

	withoutOld := func(c *config.Config) { c.NWu.UEPools.IPv4 = []netip.Prefix{more} }
	require.ErrorContains(t, w.reload(withoutOld), "nwu.uePools.ipv4: 2 UEs have addresses outside")
	require.NoError(t, w.within(v.Deregister))
	_, lost := finish()
	require.Zero(t, lost)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
	require.NoError(t, w.reload(withoutOld))
	x, prX := w.online(2)
	require.True(t, inside(x, more))
	require.False(t, inside(x, old[0]))
	_, err = prX.Ping(w.ctx, 2)
	require.NoError(t, err)
	require.NoError(t, w.within(x.Deregister))
	w.empty()
}

// TestReloadTraces begins traces while a UE is registered, takes them to another collector, and ends them.
func TestReloadTraces(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	one, two := newReceiver(t), newReceiver(t)
	w := prepareWorld(t, nil)
	p, err := tracing.Open(config.Traces{}, tracing.Options{Name: w.cfg.N3IWF.Name, Version: "v1", Log: w.log.With("who", "n3iwf")})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	w.before = func(nf *n3iwf.N3IWF) { nf.Trace(p.Tracer()) }
	w.startCore()
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	to := func(r *receiver) func(c *config.Config) {
		return func(c *config.Config) { c.Management.Traces = config.Traces{Endpoint: r.server.URL, Ratio: 1} }
	}
	_, pr := w.online(0)
	require.NoError(t, w.reload(to(one), p))
	w.online(1)
	one.one(w, "PDU session")
	require.Len(t, one.named("registration"), 1, "not of the UE that was there")
	require.NoError(t, w.reload(to(two), p))
	w.online(2)
	two.one(w, "registration")
	// The trace of a UE goes on at the other collector.
	require.NoError(t, w.within(func(ctx context.Context) error { return w.ues[1].Move(ctx, w.addr(30), w.addr(hostN3IWF)) }))
	require.Equal(t, one.one(w, "registration").TraceId, two.one(w, "move").TraceId)
	err = w.reload(func(c *config.Config) {
		c.Management.Traces.CA, c.Limits.MaxUEs = filepath.Join(t.TempDir(), "nothing.pem"), 7
	}, p)
	require.ErrorContains(t, err, "management.traces.ca: open ")
	require.NotEqual(t, 7, w.nf.Config().Limits.MaxUEs)
	require.NoError(t, w.reload(func(c *config.Config) { c.Management.Traces = config.Traces{} }, p))
	w.online(3)
	_, err = pr.Ping(w.ctx, 1)
	require.NoError(t, err)
	for _, u := range w.ues {
		require.NoError(t, w.within(u.Deregister))
	}
	w.empty()
	p.Close() // sends what waits
	require.Len(t, one.named("registration"), 1)
	require.Len(t, two.named("registration"), 1)
}

// TestReloadWatchAddresses begins to follow the addresses of this machine while a UE is registered, which then hears that its own is gone; and ends it again.
func TestReloadWatchAddresses(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	removeOne := addAddress(t, "lo", "192.0.2.1/32")
	addAddress(t, "lo", "192.0.2.2/32")
	addAddress(t, "lo", "203.0.113.10/32")
	w := newWorld(t, func(c *config.Config) {
		c.NWu.Addresses = []netip.Addr{one, two}
		c.NWu.MOBIKE.AdditionalAddresses = c.NWu.Addresses
		c.NWu.MOBIKE.WatchAddresses = false
	})
	u, pr := w.online(0, func(o *ue.Options) { o.Local, o.N3IWF, o.TestPathsAfter = netip.MustParseAddr("203.0.113.10"), one, 3 })
	require.NoError(t, w.reload(func(c *config.Config) { c.NWu.MOBIKE.WatchAddresses = true }))
	removeOne()
	w.logged("local address", "address="+one.String(), "present=false")
	w.until("the UE at the other address", func() bool { return u.Path().Remote.Addr() == two })
	_, err := pr.Ping(w.ctx, 2)
	require.NoError(t, err)

	// Off: nothing is heard any more, and what was gone counts as present, until on: it is still gone then.
	require.NoError(t, w.reload(func(c *config.Config) { c.NWu.MOBIKE.WatchAddresses = false }))
	lines := w.text.count("msg=\"local address\"")
	addAddress(t, "lo", "192.0.2.1/32")()
	require.NoError(t, w.reload(func(c *config.Config) { c.NWu.MOBIKE.WatchAddresses = true }))
	require.Equal(t, lines+1, w.text.count("msg=\"local address\""), "it came and went unheard")
	addAddress(t, "lo", "192.0.2.1/32")()
	w.until("news of the second time", func() bool { return w.text.count("msg=\"local address\"") == lines+3 })
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestReloadListeners moves the management API while a UE is registered: streams and sockets of before end in good order, those of the new address
// answer, and what cannot be had leaves all as it was.
func TestReloadListeners(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) {
		c.Management = config.Management{Socket: filepath.Join(t.TempDir(), "api.sock")}
	})
	u, pr := w.online(0)
	finish := w.traffic(pr, 50)
	o := newOffice(t, w)
	former := w.cfg.Management.Socket
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	status := func(address, path, token string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(w.ctx, http.MethodGet, "http://"+address+path, http.NoBody)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := (&http.Client{Transport: transport}).Do(request)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	request, err := http.NewRequestWithContext(w.ctx, http.MethodGet, "http://n3iwf/api/v1/events", http.NoBody)
	require.NoError(t, err)
	stream, err := o.client.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = stream.Body.Close() })

	// The metrics come to the network, at a port of its own choice, and the API at all addresses.
	const token = "a token of the operator"
	require.NoError(t, w.reload(func(c *config.Config) {
		c.Management.Observe, c.Management.Listen, c.Management.Token = "127.0.0.1:0", ":0", token
	}, o.server))
	observe := o.server.Addr("observe").String()
	require.Equal(t, http.StatusOK, status(observe, "/healthz", ""))
	_, port, err := net.SplitHostPort(o.server.Addr("listen").String())
	require.NoError(t, err)
	listen := net.JoinHostPort("127.0.0.1", port)
	require.Equal(t, http.StatusOK, status(listen, "/api/v1/status", token))
	// The same port, of one address only: it is not given away meanwhile.
	require.NoError(t, w.reload(func(c *config.Config) { c.Management.Listen = listen }, o.server))
	transport.CloseIdleConnections()
	require.Equal(t, listen, o.server.Addr("listen").String())
	require.Equal(t, http.StatusOK, status(listen, "/api/v1/status", token))
	require.Equal(t, observe, o.server.Addr("observe").String(), "it stays")

	// A port that somebody has, and a socket that is a file: both are told, and nothing has changed.
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = busy.Close() })
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	err = w.reload(func(c *config.Config) {
		c.Management.Observe, c.Management.Socket, c.Management.Token, c.Limits.MaxUEs = busy.Addr().String(), file, "another token, as long", 7
	}, o.server)
	require.ErrorContains(t, err, "management.observe: listen tcp "+busy.Addr().String())
	require.ErrorContains(t, err, "management.socket: "+file+" exists and is no socket")
	o.server.Refused(err)
	require.Equal(t, http.StatusOK, status(listen, "/api/v1/status", token))
	require.Equal(t, http.StatusOK, status(observe, "/healthz", ""))
	require.NotEqual(t, 7, w.nf.Config().Limits.MaxUEs)
	text := string(o.get(t, "/metrics"))
	require.Contains(t, text, `n3iwf_config_reloads_total{result="refused"} 1`)
	require.Contains(t, text, `n3iwf_config_reloads_total{result="taken"} 2`)
	require.Contains(t, text, "n3iwf_config_last_reload_successful 0")

	// The socket goes elsewhere, and the network is left.
	next := filepath.Join(t.TempDir(), "other.sock")
	require.NoError(t, w.reload(func(c *config.Config) {
		c.Management = config.Management{Socket: next}
	}, o.server))
	rest, err := io.ReadAll(bufio.NewReader(stream.Body))
	require.NoError(t, err, "the stream comes to its end, and is not cut: %q", rest)
	require.NoFileExists(t, former)
	require.Nil(t, o.server.Addr("observe"))
	w.until("nobody at the former port", func() bool {
		conn, err := net.DialTimeout("tcp", listen, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	var told api.Status
	w.cfg.Management.Socket = next // where the client goes
	o.client.CloseIdleConnections()
	o.learn(t)
	require.Equal(t, http.StatusOK, o.call(t, "GET", "/status", nil, &told))
	require.Equal(t, 1, told.UEs)
	require.False(t, slices.ContainsFunc(told.Alarms, func(a api.Alarm) bool { return strings.Contains(fmt.Sprint(a), "not reloaded") }))
	_, lost := finish()
	require.Zero(t, lost)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestReloadSuccession moves the socket over which another process takes over, while a UE is registered: what takes over at the new one gets all.
func TestReloadSuccession(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	former := filepath.Join(t.TempDir(), "former")
	require.NoError(t, w.nf.OfferSuccession(former))
	u, pr := w.online(0)
	w.offer()
	w.until("the former socket to go", func() bool { _, err := os.Stat(former); return err != nil })
	more := netip.MustParsePrefix("10.61.0.0/16")
	// What the running process has not taken yet is refused by its key; after a reload it is no difference any more.
	add := func(c *config.Config) { c.NWu.UEPools.IPv4 = append(slices.Clone(c.NWu.UEPools.IPv4), more) }
	cfg, err := config.Parse(w.file, []byte(w.yaml))
	require.NoError(t, err)
	add(cfg)
	_, err = n3iwf.TakeOver(w.ctx, cfg, w.log.With("who", "refused"), n3iwf.Takeover{Path: w.succession(), Program: "test"})
	require.ErrorContains(t, err, "nwu.uePools")
	require.NoError(t, w.reload(add))
	w.takeOver(n3iwf.Takeover{Program: "test"}, add)
	_, err = pr.Ping(w.ctx, 2)
	require.NoError(t, err)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestReloadClusterPeers takes the other node of a cluster out, and in again, while a UE is at this one, which then goes there.
func TestReloadClusterPeers(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w, b := newCluster(t, nil)
	u, pr := w.online(0)
	finish := w.traffic(pr, 100)
	peers := w.cfg.Cluster.Peers
	require.NoError(t, w.reload(func(c *config.Config) { c.Cluster.Peers = nil }))
	w.until("no link", func() bool { return len(w.nf.Status().Nodes) == 0 && len(b.nf.Status().Nodes) == 0 })
	require.ErrorContains(t, w.reload(func(c *config.Config) { c.NWu.NATTPort += 2 }), "nwu.nattPort: the other nodes of the cluster have been told")
	require.NoError(t, w.reload(func(c *config.Config) { c.Cluster.Peers = peers }))
	w.until("the link", func() bool { return len(w.nf.Status().Nodes) == 1 && len(b.nf.Status().Nodes) == 1 })
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(10), w.addr(hostOtherNWu)) }))
	w.until("the UE at B", func() bool { return b.nf.Status().UEs == 1 && w.nf.Status().UEs == 0 })
	w.answered(pr, 20)
	_, lost := finish()
	require.Zero(t, lost)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
	w.until("an empty B", func() bool { return b.nf.Status().UEs == 0 })
}
