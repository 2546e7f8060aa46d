// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
)

// TestLingerLimit: strangers who are refused at once cannot fill the memory with closed sessions.
func TestLingerLimit(t *testing.T) {
	o := newOwner(&N3IWF{}, 0)
	for range lingerLimit + 10 {
		session, _ := ikev2.NewInitiator(time.Now(), ikev2.Options{}, ikev2.InitiatorOptions{}, ikev2.Path{})
		o.linger(session)
	}
	require.Len(t, o.lingering, lingerLimit)
}

// TestForgetAfterRekey: the session keeps the SPI of before a rekey for retransmissions, and ends without giving it back by itself.
func TestForgetAfterRekey(t *testing.T) {
	o := newOwner(&N3IWF{}, 0)
	u := &ue{nf: o.nf, owner: o, spi: 1, ranID: 7, heapIndex: -1}
	o.ues[u.spi], o.byRANID[u.ranID] = u, u
	u.event(ikev2.SPIChanged{Old: 1, New: 2})
	u.event(ikev2.SPIForgotten{SPI: 1})
	u.event(ikev2.SPIChanged{Old: 2, New: 3})
	require.Equal(t, map[message.SPI]*ue{2: u, 3: u}, o.ues)
	o.forget(u)
	require.Empty(t, o.ues)
	require.Empty(t, o.byRANID)
}

// TestBindingOfAUEWithoutID: the first message about a UE binds it to an association, long before the AMF gives it an id; when it ends before that, nothing
// of it is left.
func TestBindingOfAUEWithoutID(t *testing.T) {
	nf := &N3IWF{}
	ng := connectAMF(t, nf, "one", "cafe01", 10, "01", 1)
	ng.tnlas = []*tnla{{link: &tnlaLink{}, weight: 1}}
	for _, id := range []*ngap.AMFUENGAPID{nil, new(ngap.AMFUENGAPID(5))} {
		u := &ue{nf: nf, ng: ng, ranID: 7, amfID: id}
		ng.mu.Lock()
		require.NotNil(t, ng.routeLocked(u.ranID))
		ng.mu.Unlock()
		require.Len(t, ng.bound, 1)
		u.unbind()
		require.Empty(t, ng.bound)
	}
}
