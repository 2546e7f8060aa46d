// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// spoofed makes IKE_SA_INIT requests with forged sources: all alike but for SPI and nonce.
type spoofed struct {
	data []byte
	ni   int // where the nonce is
	n    uint64
}

func newSpoofed(t testing.TB, o Options) *spoofed {
	key, err := suite.GenerateKey(suite.CURVE25519, o.Rand)
	require.NoError(t, err)
	nonce := bytes.Repeat([]byte{0xa5}, 32)
	m := message.Message{
		Header: message.Header{InitiatorSPI: 1, Exchange: message.IKE_SA_INIT, Flags: message.FlagInitiator},
		Payloads: append([]message.Payload{
			&message.SecurityAssociation{Proposals: suite.Offer(o.IKE, nil)},
			&message.KeyExchange{Group: uint16(suite.CURVE25519), Data: key.Public()},
			&message.Nonce{Data: nonce},
		}, abilities()...),
	}
	data, err := m.Append(nil)
	require.NoError(t, err)
	return &spoofed{data: data, ni: bytes.Index(data, nonce)}
}

// next is the next request; it is good until the one after it.
func (p *spoofed) next() (from netip.AddrPort, data []byte) {
	p.n++
	binary.BigEndian.PutUint64(p.data, p.n*0x9e3779b97f4a7c15|1)
	binary.BigEndian.PutUint64(p.data[p.ni:], p.n)
	a := [4]byte{10, byte(p.n >> 16), byte(p.n >> 8), byte(p.n)}
	return netip.AddrPortFrom(netip.AddrFrom4(a), 500), p.data
}

func floodedResponder(t testing.TB, cookieTotal int) (*Responder, Options, *spoofed) {
	o := pskOptions(rand.New(rand.NewSource(160)), "gw")
	o.Limits.CookieTotal = cookieTotal
	r := NewResponder(o)
	p := newSpoofed(t, o)
	for r.HalfOpen() < cookieTotal {
		from, data := p.next()
		s, _, err := r.Init(epoch, Path{Local: ap(gwAddr, 500), Remote: from}, data)
		require.NoError(t, err)
		require.NotNil(t, s)
	}
	return r, o, p
}

func TestChallenge(t *testing.T) {
	r, _, p := floodedResponder(t, 10)
	from, data := p.next()
	answer, done := r.Challenge(epoch, from, data, []byte("prefix"))
	require.True(t, done)
	require.Equal(t, "prefix", string(answer[:6]))
	m, err := message.Decode(answer[6:])
	require.NoError(t, err)
	require.Equal(t, message.Header{InitiatorSPI: message.SPI(binary.BigEndian.Uint64(data)), Exchange: message.IKE_SA_INIT, Flags: message.FlagResponse}, m.Header)
	require.Len(t, m.Payloads, 1)
	cookie := m.Payloads[0].(*message.Notify)
	require.Equal(t, message.COOKIE, cookie.Type)
	require.Len(t, cookie.Data, cookieLen)
	// Init says the same.
	_, out, err := r.Init(epoch, Path{Remote: from}, data)
	require.NoError(t, err)
	require.Equal(t, answer[6:], out.Datagrams[0].Data)
	require.Equal(t, 10, r.HalfOpen())

	// With the cookie it goes on, from that source only.
	request, err := message.Decode(bytes.Clone(data))
	require.NoError(t, err)
	request.Payloads = append([]message.Payload{cookie}, request.Payloads...)
	with, err := request.Append(nil)
	require.NoError(t, err)
	_, done = r.Challenge(epoch, from, with, nil)
	require.False(t, done)
	answer, done = r.Challenge(epoch, ap(ueAddr, 500), with, nil)
	require.True(t, done)
	require.Len(t, answer, challengeLen)
	// What is no IKE_SA_INIT request gets nothing, whatever it is.
	for i := range data {
		if a, done := r.Challenge(epoch, from, data[:i], nil); !done || a != nil {
			t.Fatalf("an answer to %d octets", i)
		}
	}
	for name, change := range map[string]func(b []byte){
		"a response":       func(b []byte) { b[19] |= byte(message.FlagResponse) },
		"not initiator":    func(b []byte) { b[19] = 0 },
		"IKEv3":            func(b []byte) { b[17] = 0x30 },
		"another exchange": func(b []byte) { b[18] = byte(message.IKE_AUTH) },
		"responder SPI":    func(b []byte) { b[15] = 1 },
		"initiator SPI 0":  func(b []byte) { copy(b, make([]byte, 8)) },
		"message ID":       func(b []byte) { b[23] = 1 },
		"no SA":            func(b []byte) { b[16] = byte(message.PayloadVendorID) },
		"short payload":    func(b []byte) { b[30], b[31] = 0, 3 },
	} {
		b := bytes.Clone(data)
		change(b)
		a, done := r.Challenge(epoch, from, b, nil)
		require.True(t, done, name)
		require.Nil(t, a, name)
	}
	// Below the threshold it keeps out of the way.
	quiet, o, _ := floodedResponder(t, 3)
	o.Limits.CookieTotal = 4
	quiet.SetOptions(o)
	_, done = quiet.Challenge(epoch, from, data, nil)
	require.False(t, done)
}

// What a sketch finds is what the decoder finds.
func FuzzChallenge(f *testing.F) {
	o := pskOptions(rand.New(rand.NewSource(161)), "gw")
	f.Add(newSpoofed(f, o).data)
	f.Fuzz(func(t *testing.T, data []byte) {
		q, ok := sketchInit(data)
		if !ok {
			return
		}
		m, err := message.Decode(data)
		if err != nil {
			return
		}
		n, found := message.Get[*message.Nonce](m.Payloads)
		if !found || m.InitiatorSPI != q.spi {
			t.Fatal("the decoder sees something else")
		}
		if c := message.GetNotify(m.Payloads, message.COOKIE); (c != nil && len(c.SPI) == 0 && len(c.Data) > 0) && !bytes.Equal(c.Data, q.cookie) {
			t.Fatalf("cookie %x or %x", c.Data, q.cookie)
		}
		if all := message.All[*message.Nonce](m.Payloads); len(all) == 1 && !bytes.Equal(n.Data, q.nonce) {
			t.Fatalf("nonce %x or %x", n.Data, q.nonce)
		}
	})
}

// While a flood with forged sources goes on from all sides, somebody who can be reached comes through in no time.
func TestHandshakeUnderSpoofedFlood(t *testing.T) {
	r, o, _ := floodedResponder(t, 100)
	stop := make(chan struct{})
	var flood sync.WaitGroup
	var answered atomic.Int64
	for i := range 2 {
		p := newSpoofed(t, o)
		p.n = uint64(i+1) << 40
		flood.Go(func() {
			buf := make([]byte, 0, 128)
			for {
				select {
				case <-stop:
					return
				default:
				}
				from, data := p.next()
				if i == 0 {
					r.Challenge(epoch, from, data, buf)
				} else {
					_, _, _ = r.Init(epoch, Path{Local: ap(gwAddr, 500), Remote: from}, data)
				}
				answered.Add(1)
			}
		})
	}
	defer flood.Wait()
	defer close(stop)
	for answered.Load() < 1000 {
		time.Sleep(time.Millisecond) // the flood has to be there
	}
	before := answered.Load()
	for seed := int64(162); answered.Load()-before < 1000 || seed < 182; seed++ {
		w := newWorld(t, seed)
		w.serve(o, authorizeAll)
		w.gw.front = r
		start := time.Now()
		ue := w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
		w.run(10*time.Second, func() bool { return ue.s.Established() })
		require.Less(t, time.Since(start), time.Second)
		require.Less(t, w.now.Sub(epoch), time.Second, "not by repetitions either")
		require.True(t, ue.s.Established(), "%v", ue.events)
	}
	require.Equal(t, 100, r.HalfOpen(), "the flood left nothing")
}

func BenchmarkChallenge(b *testing.B) {
	r, _, p := floodedResponder(b, 1)
	buf := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		from, data := p.next()
		if _, done := r.Challenge(epoch, from, data, buf[:0]); !done {
			b.Fatal("no challenge")
		}
	}
}

func TestSourcePrefixes(t *testing.T) {
	o := pskOptions(rand.New(rand.NewSource(163)), "gw")
	o.Limits = Limits{CookieTotal: 1000, CookiePerSource: 1000, Total: 1000, PerSource: 2, SourceBitsIPv4: 24, SourceBitsIPv6: 48}
	r := NewResponder(o)
	p := newSpoofed(t, o)
	try := func(from string) error {
		_, data := p.next()
		_, _, err := r.Init(epoch, Path{Local: ap(gwAddr, 500), Remote: ap(netip.MustParseAddr(from), 500)}, data)
		return err
	}
	require.NoError(t, try("198.51.100.1"))
	require.NoError(t, try("::ffff:198.51.100.2"))
	require.ErrorIs(t, try("198.51.100.3"), ErrHalfOpenLimit)
	require.NoError(t, try("198.51.101.3"))
	require.NoError(t, try("2001:db8:1:1::1"))
	require.NoError(t, try("2001:db8:1:2::1"))
	require.ErrorIs(t, try("2001:db8:1:3::1"), ErrHalfOpenLimit)
	require.NoError(t, try("2001:db8:2::1"))
	// What a half-open IKE SA keeps of a request is bounded.
	_, data := p.next()
	m, err := message.Decode(bytes.Clone(data))
	require.NoError(t, err)
	m.Payloads = append(m.Payloads, &message.VendorID{Data: make([]byte, maxInit)})
	long, err := m.Append(nil)
	require.NoError(t, err)
	_, out, err := r.Init(epoch, Path{Local: ap(gwAddr, 500), Remote: ap(ueAddr2, 500)}, long)
	require.ErrorIs(t, err, ErrNotInit)
	require.Empty(t, out.Datagrams)
}

// COOKIE and INVALID_KE_PAYLOAD meet in every order (RFC 7296 2.6.1): the initiator repeats the cookie in all further
// requests, or in the next one only; the cookie is demanded before or after the other group; the secret changes between.
func TestCookieAndInvalidKE(t *testing.T) {
	type row struct {
		always, late, forget bool          // a cookie is demanded from the start; from the second request on; it is repeated once only
		delay                time.Duration // one way; a secret is used for 100 ms and accepted for 200
		want                 []message.NotifyType
	}
	const ke, cookie = message.INVALID_KE_PAYLOAD, message.COOKIE
	for name, row := range map[string]row{
		"no cookie":                              {want: []message.NotifyType{ke}},
		"cookie in all retries":                  {always: true, want: []message.NotifyType{cookie, ke}},
		"cookie in the next retry only":          {always: true, forget: true, want: []message.NotifyType{cookie, ke, cookie}},
		"cookie after the group":                 {late: true, want: []message.NotifyType{ke, cookie}},
		"the secret changes once":                {always: true, delay: 40 * time.Millisecond, want: []message.NotifyType{cookie, ke}},
		"the secret changes twice":               {always: true, delay: 55 * time.Millisecond, want: []message.NotifyType{cookie, ke, cookie}},
		"the secret changes, cookie forgotten":   {always: true, delay: 40 * time.Millisecond, forget: true, want: []message.NotifyType{cookie, ke, cookie}},
		"cookie after the group, secret changes": {late: true, delay: 55 * time.Millisecond, want: []message.NotifyType{ke, cookie}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 164)
			o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
			o.IKE = suite.WithGroups(o.IKE, suite.CURVE25519, suite.ECP_384)
			g.IKE = suite.WithGroups(g.IKE, suite.ECP_384)
			g.Limits.SecretLife = 100 * time.Millisecond
			if row.always {
				g.Limits.CookieTotal = -1
			}
			w.serve(g, authorizeAll)
			var seen []message.NotifyType
			var ue *node
			w.sniff = func(fromUE bool, d Datagram) {
				m, err := message.Decode(d.Data)
				require.NoError(t, err)
				if fromUE || m.Exchange != message.IKE_SA_INIT || m.ResponderSPI != 0 {
					return
				}
				n := m.Payloads[0].(*message.Notify)
				seen = append(seen, n.Type)
				require.Zero(t, w.gw.front.HalfOpen(), "no state before both are right")
				if row.late {
					g.Limits.CookieTotal = -1
					w.gw.front.SetOptions(g)
				}
				if n.Type == ke && row.forget {
					ue.s.hs.cookie = nil
				}
			}
			w.delay = func() time.Duration { return row.delay }
			ue = &node{w: w, name: "ue"}
			w.ue = ue
			s, out := NewInitiator(w.now, o, wantChild(), w.path)
			ue.s = s
			ue.take(out)
			w.run(time.Minute, func() bool { return ue.s.Established() })
			require.True(t, ue.s.Established(), "%v %v", seen, ue.events)
			require.Equal(t, row.want, seen)
			w.run(time.Second, nil)
			sameKeys(t, ue.s, w.gw.last().s)
			require.Equal(t, suite.ECP_384, ue.s.sa.suite.Group)
		})
	}
}

// An initiator does not let anybody make it start over for ever, and believes no group that it did not offer.
func TestInitiatorRestartsAreBounded(t *testing.T) {
	for name, answer := range map[string]func(i int) *message.Notify{
		"cookies": func(i int) *message.Notify { return notify(message.COOKIE, []byte{byte(i), 1}) },
		"groups": func(i int) *message.Notify {
			return notify(message.INVALID_KE_PAYLOAD, groupData([]suite.GroupID{suite.ECP_384, suite.CURVE25519}[i%2]))
		},
		"a group not offered": func(int) *message.Notify { return notify(message.INVALID_KE_PAYLOAD, groupData(suite.MODP_4096)) },
		"the same group":      func(int) *message.Notify { return notify(message.INVALID_KE_PAYLOAD, groupData(suite.CURVE25519)) },
		"no group":            func(int) *message.Notify { return notify(message.INVALID_KE_PAYLOAD, []byte{1}) },
		"an empty cookie":     func(int) *message.Notify { return notify(message.COOKIE, nil) },
		"a long cookie":       func(int) *message.Notify { return notify(message.COOKIE, make([]byte, 65)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 165)
			o := pskOptions(w.rng, "ue")
			o.IKE = suite.WithGroups(o.IKE, suite.CURVE25519, suite.ECP_384)
			o.Retransmit.Jitter = -1
			w.serve(pskOptions(w.rng, "gw"), authorizeAll)
			w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
			sent := 0
			w.sniff = func(bool, Datagram) { sent++ }
			ue := w.dial(o, wantChild(), nil)
			for i := range 100 {
				w.run(time.Millisecond, nil)
				h := message.Header{InitiatorSPI: ue.s.sa.spiI, Exchange: message.IKE_SA_INIT, Flags: message.FlagResponse}
				data, err := (&message.Message{Header: h, Payloads: []message.Payload{answer(i)}}).Append(nil)
				require.NoError(t, err)
				ue.take(ue.s.Receive(w.now, reverse(w.path), data))
			}
			require.LessOrEqual(t, sent, 1+maxRestarts)
			require.False(t, ue.s.Closed(), "the real answer may still come")
			require.Empty(t, ue.events)
		})
	}
}
