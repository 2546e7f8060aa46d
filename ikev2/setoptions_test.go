// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"math/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// New options hold for sessions from then on; those that exist keep theirs, and so do cookies that are on their way.
func TestSetOptions(t *testing.T) {
	o := pskOptions(rand.New(rand.NewSource(170)), "gw")
	o.Limits, o.Liveness = Limits{CookieTotal: 1000, CookiePerSource: 1000, Total: 1000, PerSource: 1}, time.Minute
	r := NewResponder(o)
	p := newSpoofed(t, o)
	local, from := ap(gwAddr, 500), ap(ueAddr, 500)
	begin := func() (*Session, []byte, error) {
		_, data := p.next()
		s, out, err := r.Init(epoch, Path{Local: local, Remote: from}, bytes.Clone(data))
		if s == nil && len(out.Datagrams) > 0 {
			return nil, out.Datagrams[0].Data, err
		}
		return s, bytes.Clone(data), err
	}
	first, _, err := begin()
	require.NoError(t, err)
	_, _, err = begin()
	require.ErrorIs(t, err, ErrHalfOpenLimit)

	o.Limits.PerSource, o.Liveness, o.NoMOBIKE = 3, time.Hour, true
	r.SetOptions(o)
	require.Equal(t, 3, r.Options().Limits.PerSource)
	second, _, err := begin()
	require.NoError(t, err)
	require.Equal(t, time.Minute, first.opt.Liveness)
	require.False(t, first.opt.NoMOBIKE)
	require.Equal(t, time.Hour, second.opt.Liveness)
	require.True(t, second.opt.NoMOBIKE)

	// From now on every initiator must return a cookie, and one that was sent is good after a change of everything else.
	o.Limits.CookieTotal = 1
	r.SetOptions(o)
	s, answer, err := begin()
	require.NoError(t, err)
	require.Nil(t, s)
	m, err := message.Decode(answer)
	require.NoError(t, err)
	o.Limits.SecretLife, o.Limits.Total = 5*time.Minute, 500
	r.SetOptions(o)
	request, err := message.Decode(bytes.Clone(p.data))
	require.NoError(t, err)
	request.Payloads = append([]message.Payload{m.Payloads[0]}, request.Payloads...)
	with, err := request.Append(nil)
	require.NoError(t, err)
	s, _, err = r.Init(epoch, Path{Local: local, Remote: ap(netip.MustParseAddr("198.51.100.99"), 500)}, with)
	require.NoError(t, err)
	require.Nil(t, s, "of another address")
	s, _, err = r.Init(epoch, Path{Local: local, Remote: from}, with)
	require.NoError(t, err)
	require.NotNil(t, s)
	require.Equal(t, Cookies{Sent: 2, Verified: 1, Wrong: 1}, r.Cookies())
}
