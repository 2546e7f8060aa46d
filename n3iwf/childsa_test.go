// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/user"
)

// deaf takes no packet: the test sends none.
type deaf struct{}

func (deaf) NewReceiver() ipsec.Receiver { return deaf{} }
func (deaf) Inbound([]ipsec.Inbound)     {}
func (deaf) IKE(ipsec.Path, []byte)      {}
func (deaf) Event(ipsec.Event)           {}

// TestRekeyByTheUESwitchesWithItsDelete: the UE can receive on the new SAs only after our answer, so what is sent meanwhile uses the old ones
// (RFC 7296 2.8).
func TestRekeyByTheUESwitchesWithItsDelete(t *testing.T) {
	o, ues, _ := bareOwner(t, 1)
	u, nf := ues[0], o.nf
	nf.cfg = config.Default()
	var err error
	nf.dataPlane, err = user.New(user.Options{
		Sink: deaf{}, Workers: 1, Sockets: []user.Socket{{Kind: user.NATT, Local: netip.MustParseAddrPort("127.0.0.1:0")}},
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, nf.dataPlane.Close()) }()
	path := ikev2.Path{Local: nf.dataPlane.Sockets()[0].Local, Remote: netip.MustParseAddrPort("127.0.0.2:4500"), NATT: true}
	purpose := &childSA{}
	generation := func() *ikev2.ChildSA {
		spi, err := nf.dataPlane.NewInboundSPI(0)
		require.NoError(t, err)
		return &ikev2.ChildSA{
			InboundSPI: spi, OutboundSPI: spi + 1, Suite: suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}, ESN: true},
			InboundKeys: ikev2.Keys{Encr: make([]byte, 20)}, OutboundKeys: ikev2.Keys{Encr: make([]byte, 20)}, Path: path, Tag: purpose,
		}
	}
	current := func() (spi uint32) {
		s, err := nf.dataPlane.Stats(purpose.id)
		require.NoError(t, err)
		for _, g := range s.Generations {
			if g.Current {
				spi = g.InboundSPI
			}
		}
		return spi
	}
	first, second, third := generation(), generation(), generation()
	u.childUp(ikev2.ChildUp{Child: first})
	require.Equal(t, first.InboundSPI, current())

	u.childUp(ikev2.ChildUp{Child: second, Replaces: first.InboundSPI})
	require.Equal(t, first.InboundSPI, current(), "the UE may not have our answer yet")
	u.childSwitched(ikev2.ChildSwitched{Child: second})
	u.childDown(ikev2.ChildDown{Child: first, ByPeer: true, Superseded: true})
	require.Equal(t, second.InboundSPI, current())

	// Another rekey that turns out to be redundant leaves nothing behind.
	u.childUp(ikev2.ChildUp{Child: third, Replaces: second.InboundSPI})
	u.childDown(ikev2.ChildDown{Child: third, ByPeer: true, Superseded: true})
	require.Equal(t, second.InboundSPI, current())
	require.Same(t, second, purpose.current)
}
