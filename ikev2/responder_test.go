// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

func TestInitRetransmissionsAndAttempts(t *testing.T) {
	w := newWorld(t, 34)
	var init []Datagram
	w.sniff = func(fromUE bool, d Datagram) {
		if h, _ := message.DecodeHeader(d.Data); fromUE && h.Exchange == message.IKE_SA_INIT {
			init = append(init, d)
		}
	}
	g := w.serve(pskOptions(w.rng, "gw"), authorizeAll)
	w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
	w.run(time.Second, func() bool { return len(init) == 1 })
	from := reverse(init[0].Path)
	s, out, err := g.front.Init(w.now, from, init[0].Data)
	require.NoError(t, err)
	require.NotNil(t, s)
	// While the key exchange is computed there is nothing to answer.
	again, nothing, err := g.front.Init(w.now, from, init[0].Data)
	require.NoError(t, err)
	require.Nil(t, again)
	require.Empty(t, nothing.Datagrams)
	out.Work[0].Run()
	response := s.Done(w.now, out.Work[0])
	require.Len(t, response.Datagrams, 1)
	again, same, err := g.front.Init(w.now, from, init[0].Data)
	require.NoError(t, err)
	require.Nil(t, again)
	require.Equal(t, response.Datagrams[0].Data, same.Datagrams[0].Data)

	// The same SPI with another nonce and key is a new attempt, and both can go on (a UE may do just that).
	m, err := message.Decode(init[0].Data)
	require.NoError(t, err)
	n, _ := message.Get[*message.Nonce](m.Payloads)
	n.Data = bytes.Repeat([]byte{9}, 256)
	other, err := m.Append(nil)
	require.NoError(t, err)
	s2, _, err := g.front.Init(w.now, from, other)
	require.NoError(t, err)
	require.NotNil(t, s2)
	require.NotEqual(t, s.SPI(), s2.SPI())
	require.Equal(t, 2, g.front.HalfOpen())
}

func TestHalfOpenLimits(t *testing.T) {
	rng := rand.New(rand.NewSource(35))
	o := pskOptions(rng, "gw")
	o.Limits = Limits{CookieTotal: 20, CookiePerSource: 2, Total: 30, PerSource: 4, Exempt: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}
	r := NewResponder(o)
	var all []*Session
	attempt := func(from netip.Addr, cookie []byte, i int) (*Session, Output, error) {
		key, err := suite.GenerateKey(suite.ECP_256, o.Rand)
		require.NoError(t, err)
		m := message.Message{Header: message.Header{InitiatorSPI: message.SPI(i + 1), Exchange: message.IKE_SA_INIT, Flags: message.FlagInitiator}}
		if cookie != nil {
			m.Payloads = append(m.Payloads, notify(message.COOKIE, cookie))
		}
		m.Payloads = append(m.Payloads,
			&message.SecurityAssociation{Proposals: suite.Offer(o.IKE, nil)},
			&message.KeyExchange{Group: uint16(suite.ECP_256), Data: key.Public()},
			&message.Nonce{Data: bytes.Repeat([]byte{byte(i)}, 32)})
		data, err := m.Append(nil)
		require.NoError(t, err)
		s, out, err := r.Init(epoch, Path{Local: ap(gwAddr, 500), Remote: ap(from, 500)}, data)
		if s != nil {
			all = append(all, s)
		}
		return s, out, err
	}
	for i := range 2 {
		s, _, _ := attempt(ueAddr, nil, i)
		require.NotNil(t, s)
	}
	s, out, err := attempt(ueAddr, nil, 2)
	require.Nil(t, s)
	require.NoError(t, err)
	m, err := message.Decode(out.Datagrams[0].Data)
	require.NoError(t, err)
	require.Len(t, m.Payloads, 1)
	require.Zero(t, m.ResponderSPI)
	cookie := m.Payloads[0].(*message.Notify).Data
	s, _, _ = attempt(ueAddr2, cookie, 2)
	require.NotNil(t, s, "an exempt source needs none")
	s, _, _ = attempt(ueAddr, cookie, 2)
	require.NotNil(t, s)
	s, out, _ = attempt(ueAddr, cookie, 3)
	require.Nil(t, s, "the cookie is for another SPI and nonce")
	m, _ = message.Decode(out.Datagrams[0].Data)
	s, _, _ = attempt(ueAddr, m.Payloads[0].(*message.Notify).Data, 3)
	require.NotNil(t, s)
	s, out, err = attempt(ueAddr, nil, 4)
	require.Nil(t, s)
	require.ErrorIs(t, err, ErrHalfOpenLimit)
	require.Empty(t, out.Datagrams)
	// Addresses of one /64 count together.
	for i := range 6 {
		s, out, _ = attempt(netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i)), nil, 10+i)
		require.Equal(t, i < 2, s != nil)
	}
	// The exempt relay goes on until the total is reached, with cookies.
	for i := 0; err == nil || !errors.Is(err, ErrHalfOpenLimit) || i < 30; i++ {
		s, out, err = attempt(ueAddr2, nil, 100+i)
		if s == nil && err == nil {
			require.GreaterOrEqual(t, r.HalfOpen(), 20)
			m, _ := message.Decode(out.Datagrams[0].Data)
			_, _, err = attempt(ueAddr2, m.Payloads[0].(*message.Notify).Data, 100+i)
		}
	}
	require.Equal(t, 30, r.HalfOpen())
	for _, s := range all {
		s.Timeout(epoch.Add(2 * time.Minute))
	}
	require.Zero(t, r.HalfOpen())
	require.Empty(t, r.sources)
}

func TestUnknown(t *testing.T) {
	o := pskOptions(rand.New(rand.NewSource(36)), "gw")
	o.Limits.ErrorsPerSecond = 3
	r := NewResponder(o)
	h := message.Header{InitiatorSPI: 1, ResponderSPI: 2, Exchange: message.INFORMATIONAL, Flags: message.FlagInitiator, MessageID: 7}
	data, err := (&message.Message{Header: h}).Append(nil)
	require.NoError(t, err)
	path := Path{Local: ap(gwAddr, 500), Remote: ap(ueAddr, 500)}
	d := r.Unknown(epoch, path, data)
	m, err := message.Decode(d.Data)
	require.NoError(t, err)
	require.Equal(t, message.INVALID_IKE_SPI, m.Payloads[0].(*message.Notify).Type)
	require.Equal(t, message.Header{InitiatorSPI: 1, ResponderSPI: 2, Exchange: message.INFORMATIONAL, Flags: message.FlagResponse, MessageID: 7}, m.Header)
	higher := bytes.Clone(data)
	higher[17] = 0x30
	m, err = message.Decode(r.Unknown(epoch, path, higher).Data)
	require.NoError(t, err)
	require.Equal(t, message.INVALID_MAJOR_VERSION, m.Payloads[0].(*message.Notify).Type)
	response := bytes.Clone(data)
	response[19] |= byte(message.FlagResponse)
	require.Nil(t, r.Unknown(epoch, path, response), "never an answer to a response")
	require.NotNil(t, r.Unknown(epoch, path, data))
	require.Nil(t, r.Unknown(epoch, path, data), "the rate is limited")
	require.NotNil(t, r.Unknown(epoch.Add(time.Second), path, data))
}
