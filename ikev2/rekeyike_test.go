// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// rekeyIKE plays the UE's side of a rekey of the IKE SA and deletes the old one.
func rekeyIKE(w *world, ue, gw *node) {
	w.t.Helper()
	old := ue.s.sa
	key, err := suite.GenerateKey(suite.CURVE25519, ue.s.opt.Rand)
	require.NoError(w.t, err)
	next := &ikeSA{initiator: true, spiI: ue.s.newSPI(), window: 1}
	ni := ue.s.nonce()
	offer := suite.Offer(ue.s.opt.IKE, next.spiI.Bytes())
	in := ask(w, ue, message.CREATE_CHILD_SA, &message.SecurityAssociation{Proposals: offer}, &message.Nonce{Data: ni},
		&message.KeyExchange{Group: uint16(suite.CURVE25519), Data: key.Public()})
	require.Nil(w.t, message.ErrorNotify(in))
	answer, _ := message.Get[*message.SecurityAssociation](in)
	nr, _ := message.Get[*message.Nonce](in)
	ke, _ := message.Get[*message.KeyExchange](in)
	choice, err := suite.AcceptIKE(offer, answer.Proposals, 8)
	require.NoError(w.t, err)
	secret, err := key.Shared(ke.Data)
	require.NoError(w.t, err)
	next.suite = choice.IKE
	next.spiR = message.SPI(binary.BigEndian.Uint64(choice.Peer.SPI))
	require.NoError(w.t, ue.s.useKeys(next, suite.RekeyIKE(old.suite.PRF, old.keys.D, next.suite, secret, ni, nr.Data, next.spiI, next.spiR)))
	// Delete the old one in the old one, then go over.
	ask(w, ue, message.INFORMATIONAL, deleteIKE())
	ue.s.sa = next
}

func TestIKERekeyByPeer(t *testing.T) {
	w := newWorld(t, 70)
	ue, gw, _ := moved(w, RoutabilityBefore, nil)
	old := gw.s.SPI()
	rekeyIKE(w, ue, gw)
	require.Equal(t, []SPIChanged{{Old: old, New: gw.s.SPI()}}, got[SPIChanged](gw))
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
