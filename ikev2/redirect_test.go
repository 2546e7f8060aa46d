// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

func TestGatewayIdentities(t *testing.T) {
	for _, row := range []struct {
		g    Gateway
		wire []byte
	}{
		{Gateway{Addr: gwAddr}, []byte{1, 4, 192, 0, 2, 1}},
		{Gateway{Addr: gwAddr6}, append([]byte{2, 16}, gwAddr6.AsSlice()...)},
		{Gateway{Name: "b.example"}, append([]byte{3, 9}, "b.example"...)},
	} {
		require.Equal(t, row.wire, row.g.append(nil))
		g, rest, ok := parseGateway(append(row.g.append(nil), "nonce"...))
		require.True(t, ok)
		require.Equal(t, row.g, g)
		require.Equal(t, "nonce", string(rest))
		require.NotEmpty(t, g.String())
	}
	require.Equal(t, []byte{1, 4, 192, 0, 2, 1}, Gateway{Addr: netip.MustParseAddr("::ffff:192.0.2.1")}.append(nil))
	require.Len(t, Gateway{Name: strings.Repeat("a", 300)}.append(nil), 257)
	for _, bad := range [][]byte{nil, {1}, {1, 4, 1, 2, 3}, {1, 5, 1, 2, 3, 4, 5}, {2, 4, 1, 2, 3, 4}, {3, 0}, {3, 2, 'a', 0}, {4, 1, 1}, {0, 0}} {
		_, _, ok := parseGateway(bad)
		require.False(t, ok, "%v", bad)
	}
}

func FuzzGateway(f *testing.F) {
	f.Add([]byte{1, 4, 192, 0, 2, 1})
	f.Add([]byte{3, 1, 'a', 1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		if g, rest, ok := parseGateway(data); ok && !bytes.Equal(append(g.append(nil), rest...), data) {
			// Only an IPv4-mapped address has two forms.
			if !g.Addr.Is4In6() {
				t.Fatalf("%v: %x", g, data)
			}
		}
	})
}

var otherGateway = Gateway{Addr: netip.MustParseAddr("192.0.2.99")}

func redirectOptions(w *world) (o Options, want InitiatorOptions, g Options) {
	o, g = pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	want = wantChild()
	want.AcceptRedirect = true
	return o, want, g
}

func TestRedirectInInit(t *testing.T) {
	w := newWorld(t, 150)
	o, want, g := redirectOptions(w)
	draining := true
	var from []Gateway
	g.Redirect = func(p Path, f Gateway) Gateway {
		from = append(from, f)
		if draining {
			return otherGateway
		}
		return Gateway{}
	}
	w.serve(g, authorizeAll)
	ue := w.dial(o, want, nil)
	w.run(time.Second, nil)
	require.Equal(t, []Closed{{Reason: ErrRedirected, ByPeer: true}}, got[Closed](ue))
	require.Zero(t, w.gw.front.HalfOpen(), "no state")
	require.Empty(t, w.gw.nodes)
	e := got[Redirected](ue)[0]
	require.Equal(t, otherGateway, e.To)

	// The new session names the gateway that it comes from, and that one is never the target.
	want, err := e.Follow(w.now, want)
	require.NoError(t, err)
	draining = false
	again := w.dial(o, want, nil)
	w.run(time.Second, nil)
	require.True(t, again.s.Established())
	require.Equal(t, []Gateway{{}, {Addr: gwAddr}}, from)
	require.True(t, w.gw.last().s.Redirectable())

	// One that cannot be redirected is taken.
	draining = true
	old := w.dial(o, wantChild(), nil)
	w.run(time.Second, nil)
	require.True(t, old.s.Established())
	require.Len(t, from, 2)
	require.False(t, w.gw.last().s.Redirectable())
	out := w.gw.last().s.Redirect(w.now, "tag", otherGateway)
	require.Equal(t, []Event{InfoDone{Tag: "tag", Err: ErrState}}, out.Events)
}

func TestRedirectNotBack(t *testing.T) {
	w := newWorld(t, 151)
	o, want, g := redirectOptions(w)
	g.Redirect = func(Path, Gateway) Gateway { return otherGateway }
	w.serve(g, authorizeAll)
	want.redirect.from = otherGateway
	ue := w.dial(o, want, nil)
	w.run(time.Second, nil)
	require.True(t, ue.s.Established())
}

// A REDIRECT without our nonce is somebody's who did not see our request; one that nobody asked for means nothing.
func TestForgedRedirect(t *testing.T) {
	w := newWorld(t, 152)
	o, want, g := redirectOptions(w)
	w.serve(g, authorizeAll)
	w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
	ue := w.dial(o, want, nil)
	w.run(time.Second, func() bool { return len(ue.s.sa.outstanding) > 0 })
	try := func(n *message.Notify) {
		h := message.Header{InitiatorSPI: ue.s.sa.spiI, Exchange: message.IKE_SA_INIT, Flags: message.FlagResponse}
		data, err := (&message.Message{Header: h, Payloads: []message.Payload{n}}).Append(nil)
		require.NoError(t, err)
		ue.take(ue.s.Receive(w.now, reverse(w.path), data))
		require.Empty(t, ue.events)
	}
	try(redirectNotify(otherGateway, nil))
	try(redirectNotify(otherGateway, make([]byte, 32)))
	try(redirectNotify(otherGateway, append(bytes.Clone(ue.s.hs.ni), 0)))
	try(notify(message.REDIRECT, nil))
	ue.s.redirect.able = false
	try(redirectNotify(otherGateway, ue.s.hs.ni))
	ue.s.redirect.able = true
	w.translate = nil
	w.run(5*time.Second, nil)
	require.True(t, ue.s.Established(), "the real answer still counts")
}

func TestRedirectInAuth(t *testing.T) {
	w := newWorld(t, 153)
	o, want, g := redirectOptions(w)
	redirect := func(n *node, e Event) {
		if _, ok := e.(AuthRequest); ok {
			n.take(n.s.AuthorizeChild(n.w.now, Authorization{Redirect: Gateway{Name: "b.example"}}))
		}
	}
	w.serve(g, redirect)
	ue := w.dial(o, want, nil)
	w.run(time.Second, nil)
	require.Equal(t, Gateway{Name: "b.example"}, got[Redirected](ue)[0].To)
	require.ErrorIs(t, got[Closed](ue)[0].Reason, ErrRedirected)
	require.Empty(t, got[ChildUp](ue))
	require.Empty(t, got[ChildUp](w.gw.last()))
	require.ErrorIs(t, got[Closed](w.gw.last())[0].Reason, ErrDeleted, "the peer deletes the IKE SA")
	// To a peer that cannot, it is an ordinary acceptance.
	plain := w.dial(o, wantChild(), nil)
	w.run(time.Second, nil)
	require.True(t, plain.s.Established())
	require.Len(t, plain.s.Children(), 1)
}

func TestRedirectOfEstablishedSession(t *testing.T) {
	w := newWorld(t, 154)
	o, want, g := redirectOptions(w)
	w.serve(g, authorizeAll)
	ue := w.dial(o, want, nil)
	w.run(time.Second, nil)
	gw := w.gw.last()
	gw.take(gw.s.Redirect(w.now, "go", otherGateway))
	w.run(time.Second, nil)
	require.Equal(t, []InfoDone{{Tag: "go"}}, got[InfoDone](gw))
	e := got[Redirected](ue)[0]
	require.Equal(t, otherGateway, e.To)
	require.True(t, ue.s.Established(), "until the new one is up")
	require.Equal(t, gwAddr, e.from.Addr)
	// The other direction means nothing.
	ue.take(ue.s.Notify(w.now, nil, redirectNotify(otherGateway, nil)))
	w.run(time.Second, nil)
	require.Empty(t, got[Redirected](gw))
	require.False(t, gw.s.Closed())
}

// Two gateways that each send everybody to the other one.
func TestRedirectLoop(t *testing.T) {
	w := newWorld(t, 155)
	o, want, g := redirectOptions(w)
	g.Redirect = func(Path, Gateway) Gateway { return Gateway{Name: "other.example"} }
	w.serve(g, authorizeAll)
	var err error
	hops := 0
	for ; err == nil && hops < 100; hops++ {
		ue := w.dial(o, want, nil)
		w.run(time.Second, nil)
		want, err = got[Redirected](ue)[0].Follow(w.now, want)
	}
	require.ErrorIs(t, err, ErrRedirectLoop)
	require.Equal(t, maxRedirects+1, hops)
	// Later it may be right again.
	e := Redirected{To: otherGateway, times: want.redirect.times}
	_, err = e.Follow(w.now.Add(redirectPeriod), want)
	require.NoError(t, err)
}
