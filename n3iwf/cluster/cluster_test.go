// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told is what a handler was told.
type told struct {
	what string
	node int
	kind uint8
	body []byte
}

type recorder struct {
	events chan told
	refuse error
	slow   chan struct{} // when not nil, each message waits for one
}

func (r *recorder) Up(node int, hello []byte) error {
	if r.refuse != nil {
		return r.refuse
	}
	r.events <- told{"up", node, 0, hello}
	return nil
}

func (r *recorder) Message(node int, kind uint8, body []byte) {
	if r.slow != nil {
		<-r.slow
	}
	r.events <- told{"message", node, kind, body}
}
func (r *recorder) Down(node int) { r.events <- told{what: "down", node: node} }

func (r *recorder) next(t *testing.T, what string) told {
	t.Helper()
	select {
	case e := <-r.events:
		require.Equal(t, what, e.what, "%+v", e)
		return e
	case <-time.After(20 * time.Second):
		require.Fail(t, "nothing was told", what)
	}
	return told{}
}

func secret(b byte) (s Secret) { return Secret(bytes.Repeat([]byte{b}, 32)) }

func start(t *testing.T, node int, s Secret, h Handler, peers ...Peer) *Cluster {
	t.Helper()
	c, err := New(Options{
		Node: node, Listen: netip.MustParseAddrPort("127.0.0.1:0"), Peers: peers, Secret: s, Handler: h,
		Hello: func() []byte { return fmt.Appendf(nil, "I am %d", node) }, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() }) // twice is an error, and no matter
	return c
}

// pair joins nodes 1 and 2.
func pair(t *testing.T) (a, b *Cluster, ra, rb *recorder) {
	t.Helper()
	ra, rb = &recorder{events: make(chan told, 4096)}, &recorder{events: make(chan told, 4096)}
	b = start(t, 2, secret(7), rb, Peer{1, netip.MustParseAddrPort("127.0.0.1:1")}) // never called: the lower number calls
	a = start(t, 1, secret(7), ra, Peer{2, b.Addr()})
	require.Equal(t, "I am 2", string(ra.next(t, "up").body))
	require.Equal(t, "I am 1", string(rb.next(t, "up").body))
	return a, b, ra, rb
}

// A node comes to another one that runs, goes elsewhere, and leaves: links of others go on.
func TestSetPeers(t *testing.T) {
	a, b, ra, rb := pair(t)
	rc := &recorder{events: make(chan told, 4096)}
	nobody := netip.MustParseAddrPort("127.0.0.1:1")
	c := start(t, 3, secret(7), rc, Peer{1, nobody}, Peer{2, nobody})
	two, three := Peer{2, b.Addr()}, Peer{3, c.Addr()}
	require.NoError(t, a.SetPeers([]Peer{two, three}))
	require.Equal(t, 3, ra.next(t, "up").node)
	require.Equal(t, 1, rc.next(t, "up").node)
	require.NoError(t, a.Send(t.Context(), 2, 5, []byte("still here")))
	require.Equal(t, "still here", string(rb.next(t, "message").body))

	require.NoError(t, a.SetPeers([]Peer{{2, nobody}, three}), "it is called elsewhere, in vain")
	require.Equal(t, 2, ra.next(t, "down").node)
	require.Equal(t, 1, rb.next(t, "down").node)
	require.NoError(t, a.SetPeers([]Peer{two, three}))
	require.Equal(t, 2, ra.next(t, "up").node)
	require.Equal(t, 1, rb.next(t, "up").node)

	require.NoError(t, a.SetPeers([]Peer{two}))
	require.Equal(t, 3, ra.next(t, "down").node)
	require.Equal(t, 1, rc.next(t, "down").node)
	require.ErrorIs(t, a.Send(t.Context(), 3, 5, nil), ErrNoLink)
	require.Equal(t, []int{2}, a.Nodes())

	// The one that is called knows the caller no more, and lets it in again when it does.
	require.NoError(t, b.SetPeers(nil))
	require.Equal(t, 1, rb.next(t, "down").node)
	require.Equal(t, 2, ra.next(t, "down").node)
	require.NoError(t, b.SetPeers([]Peer{{1, nobody}}))
	require.Equal(t, 1, rb.next(t, "up").node)
	require.Eventually(t, func() bool { return a.Offer(2, 6, []byte("again")) }, 20*time.Second, time.Millisecond)
	require.Equal(t, "again", string(rb.next(t, "message").body))

	for _, wrong := range [][]Peer{{{1, nobody}}, {two, two}, {{256, nobody}}} {
		require.ErrorContains(t, a.SetPeers(wrong), "give each other node once")
	}
	require.NoError(t, a.Close())
	require.ErrorIs(t, a.SetPeers([]Peer{two}), ErrClosed)
}

func TestMessages(t *testing.T) {
	a, b, ra, rb := pair(t)
	big := bytes.Repeat([]byte("x"), 3<<20)
	require.NoError(t, a.Send(t.Context(), 2, 9, big))
	for i := range 500 {
		require.NoError(t, a.Send(t.Context(), 2, 1, fmt.Append(nil, i)))
		require.NoError(t, b.Send(t.Context(), 1, 2, fmt.Append(nil, i)))
	}
	require.Equal(t, big, rb.next(t, "message").body)
	for i := range 500 {
		require.Equal(t, told{"message", 1, 1, fmt.Append(nil, i)}, rb.next(t, "message"))
		require.Equal(t, told{"message", 2, 2, fmt.Append(nil, i)}, ra.next(t, "message"))
	}
	require.ErrorIs(t, a.Send(t.Context(), 3, 1, nil), ErrNoLink)
	require.False(t, a.Offer(3, 1, nil))
	require.ErrorIs(t, a.Send(t.Context(), 2, 1, make([]byte, MaxBody+1)), ErrTooLong)
	require.Equal(t, []int{2}, a.Nodes())
	require.NoError(t, b.Close())
	ra.next(t, "down")
	require.Empty(t, a.Nodes())
}

// A node that comes back is called again, and its messages come through the new link.
func TestNodeComesBack(t *testing.T) {
	a, b, ra, rb := pair(t)
	at := b.Addr()
	require.NoError(t, b.Close())
	rb.next(t, "down")
	ra.next(t, "down")
	again, err := New(Options{
		Node: 2, Listen: at, Peers: []Peer{{1, a.Addr()}}, Secret: secret(7), Handler: rb, Hello: func() []byte { return nil }, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	defer again.Close()
	rb.next(t, "up")
	ra.next(t, "up")
	require.NoError(t, again.Send(t.Context(), 1, 5, []byte("back")))
	require.Equal(t, "back", string(ra.next(t, "message").body))
}

// A receiver that is slow makes the sender wait, or refuses what may be lost; nothing is kept without bound.
func TestBackPressure(t *testing.T) {
	a, _, _, rb := pair(t)
	rb.slow = make(chan struct{})
	body := make([]byte, 256<<10)
	n := uint32(0)
	for ; a.Offer(2, 1, binary.BigEndian.AppendUint32(body[:len(body)-4:len(body)-4], n)); n++ {
		require.Less(t, n, uint32(2*queueSize), "it must end")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, a.Send(ctx, 2, 1, body), context.DeadlineExceeded)
	close(rb.slow)
	for i := range n {
		got := rb.next(t, "message").body
		require.Equal(t, i, binary.BigEndian.Uint32(got[len(got)-4:]))
	}
}

// Whoever does not know the secret gets nowhere, on either end; nor does a node that is not expected.
func TestStrangers(t *testing.T) {
	ra, rb := &recorder{events: make(chan told, 16)}, &recorder{events: make(chan told, 16)}
	b := start(t, 2, secret(7), rb, Peer{1, netip.MustParseAddrPort("127.0.0.1:1")})
	start(t, 1, secret(8), ra, Peer{2, b.Addr()})
	start(t, 3, secret(7), ra, Peer{2, b.Addr()}) // calls nobody, as its number is higher
	dial := func(s Secret) error {
		config, err := s.tlsConfig()
		require.NoError(t, err)
		raw, err := net.Dial("tcp", b.Addr().String())
		require.NoError(t, err)
		conn := tls.Client(raw, config)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		if err := writeFrame(conn, helloKind, []byte{9}); err != nil {
			return err
		}
		if _, _, err := readFrame(conn); err != nil {
			return err
		}
		_, _, err = readFrame(conn)
		return err
	}
	require.ErrorIs(t, dial(secret(8)), errStranger)
	require.Error(t, dial(secret(7)), "node 9 is not expected")
	raw, err := net.Dial("tcp", b.Addr().String())
	require.NoError(t, err)
	defer raw.Close()
	_, err = raw.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	require.NoError(t, err)
	require.NoError(t, raw.SetDeadline(time.Now().Add(10*time.Second)))
	for buffer := make([]byte, 64); err == nil; {
		_, err = raw.Read(buffer)
	}
	require.Empty(t, ra.events)
	require.Empty(t, rb.events)
}

// A node may refuse another one, of another version say; the link is tried again.
func TestRefusal(t *testing.T) {
	ra, rb := &recorder{events: make(chan told, 16)}, &recorder{events: make(chan told, 64), refuse: errors.New("no")}
	b := start(t, 2, secret(7), rb, Peer{1, netip.MustParseAddrPort("127.0.0.1:1")})
	a := start(t, 1, secret(7), ra, Peer{2, b.Addr()})
	for range 2 {
		ra.next(t, "up")
		ra.next(t, "down")
	}
	require.Empty(t, rb.events)
	require.Eventually(t, func() bool { return len(b.Nodes()) == 0 }, 5*time.Second, time.Millisecond)
	_ = a
}

func TestParseSecret(t *testing.T) {
	s, err := ParseSecret(" 0707070707070707070707070707070707070707070707070707070707070707\n")
	require.NoError(t, err)
	require.Equal(t, secret(7), s)
	require.NotEqual(t, s.Derive("a"), s.Derive("b"))
	for _, text := range []string{"", "07", "zz", "070707070707070707070707070707070707070707070707070707070707070707"} {
		_, err := ParseSecret(text)
		require.Error(t, err, text)
	}
}

func FuzzReadFrame(f *testing.F) {
	var b bytes.Buffer
	if err := writeFrame(&b, 3, []byte("body")); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{1, 0, 0x7f, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, body, err := readFrame(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		require.NoError(t, writeFrame(&again, kind, body))
		require.Equal(t, data[:again.Len()], again.Bytes())
	})
}
