// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

func TestIKERekeyByPeer(t *testing.T) {
	w := newWorld(t, 70)
	ue, gw, _ := moved(w, RoutabilityBefore, nil)
	old := gw.s.SPI()
	ue.take(ue.s.RekeyIKE(w.now))
	w.run(time.Second, nil)
	require.Equal(t, []SPIChanged{{Old: old, New: gw.s.SPI()}}, got[SPIChanged](gw))
	require.Empty(t, got[SPIForgotten](gw), "it answers a repeated Delete for a while")
	w.run(time.Minute, nil)
	require.Equal(t, []SPIForgotten{{SPI: old}}, got[SPIForgotten](gw))
	require.NotEqual(t, old, gw.s.SPI())
	require.False(t, gw.s.Closed())

	// Children, roles and mobility go on in the new one, with message IDs from 0.
	log := watch(w, ue.s)
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	w.run(time.Second, nil)
	require.EqualValues(t, 0, (*log)[0].h.MessageID)
	require.Equal(t, reverse(uePath(ueAddr2, 4500)), gw.s.ChildPath())
	gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.run(time.Second, nil)
	require.Len(t, gw.s.Children(), 2)
	sameKeys(t, ue.s, gw.s)

	// Not while a request of ours is under way.
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
	gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.translate = nil
	in := ask(w, ue, message.CREATE_CHILD_SA,
		&message.SecurityAssociation{Proposals: suite.Offer(ue.s.opt.IKE, message.SPI(5).Bytes())}, &message.Nonce{Data: ue.s.nonce()},
		&message.KeyExchange{Group: uint16(suite.CURVE25519), Data: make([]byte, 32)})
	require.Equal(t, message.TEMPORARY_FAILURE, message.ErrorNotify(in).Type)
}
