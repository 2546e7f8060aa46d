// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/user"
)

// end is the sink of a data plane in the tests: the N3IWF's gives packets to the relay, the UE's keeps them.
type end struct {
	relay *Relay
	got   chan []byte
}

func (e *end) NewReceiver() ipsec.Receiver {
	if e.relay != nil {
		return e.relay.NewUplink()
	}
	return e
}

func (e *end) Inbound(batch []ipsec.Inbound) {
	for _, in := range batch {
		e.got <- bytes.Clone(in.Packet)
	}
}
func (*end) IKE(ipsec.Path, []byte) {}
func (*end) Event(ipsec.Event)      {}

// The whole user plane with nothing replaced: UE's ESP, N3IWF's ESP, relay, N3; while it flows the UE moves to another port.
func TestThroughESP(t *testing.T) {
	peer := newUPF(t, false)
	r, err := New(Options{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Echo: gtpu.EchoTimers{Interval: time.Hour}})
	require.NoError(t, err)
	peer.n3 = r.LocalAddr()[0]
	loopback := user.Socket{Kind: user.NATT, Local: netip.MustParseAddrPort("127.0.0.1:0")}
	n3iwf, err := user.New(user.Options{Sink: &end{relay: r}, Sockets: []user.Socket{loopback}, Workers: 2})
	require.NoError(t, err)
	r.Start(n3iwf)
	ueEnd := &end{got: make(chan []byte, 4096)}
	ue, err := user.New(user.Options{Sink: ueEnd, Sockets: []user.Socket{loopback}, Workers: 1})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, ue.Close())
		require.NoError(t, r.Close())
		require.NoError(t, n3iwf.Close())
	})

	s, err := r.Add(Config{Name: "esp", PDUType: gre.PDUIPv4, UPF: peer.addr, UplinkTEID: 0xa1})
	require.NoError(t, err)
	require.Equal(t, gtpu.AppendEchoRequest(nil, 1), peer.read())
	network, terminal := n3iwf.Sockets()[0].Local, ue.Sockets()[0].Local
	up := ipsec.Keys{Encr: bytes.Repeat([]byte{1}, 20)}
	down := ipsec.Keys{Encr: bytes.Repeat([]byte{2}, 20)}
	inner := []ipsec.Selector{ipsec.HostSelector(upAddr, 0)}
	outer := []ipsec.Selector{ipsec.HostSelector(ueAddr, 0)}
	for id := ipsec.ChildID(11); id <= 12; id++ {
		ours, err := n3iwf.NewInboundSPI(int(id) % 2)
		require.NoError(t, err)
		theirs, err := ue.NewInboundSPI(0)
		require.NoError(t, err)
		algorithms := ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}
		require.NoError(t, n3iwf.Install(ipsec.ChildSA{
			ID: id, InboundSPI: ours, OutboundSPI: theirs, Algorithms: algorithms, InboundKeys: up, OutboundKeys: down, ESN: true,
			Target: ipsec.Target{Path: ipsec.Path{Local: network, Remote: terminal, NATT: true}, Limit: ipsec.Unlimited},
			Local:  inner, Remote: outer, Context: s,
		}))
		require.NoError(t, ue.Install(ipsec.ChildSA{
			ID: id, InboundSPI: theirs, OutboundSPI: ours, Algorithms: algorithms, InboundKeys: down, OutboundKeys: up, ESN: true,
			Target: ipsec.Target{Path: ipsec.Path{Local: terminal, Remote: network, NATT: true}, Limit: ipsec.Unlimited},
			Local:  outer, Remote: inner,
		}))
	}
	require.NoError(t, s.Update(Config{
		Name: "esp", PDUType: gre.PDUIPv4, UPF: peer.addr, UplinkTEID: 0xa1, Default: 11,
		Flows:    []Flow{{QFI: 1, Child: 11}, {QFI: 2, Child: 12, Reflective: true}},
		Children: []Child{{ID: 11, UE: ueAddr, UP: upAddr}, {ID: 12, UE: ueAddr, UP: upAddr}},
	}))

	writer := ue.NewWriter()
	exchange := func(n int) {
		t.Helper()
		for i := range n {
			qfi := uint8(1 + i%2)
			pdu := append([]byte{0x45, byte(i)}, make([]byte, 1+i*13%1400)...)
			h, err := ue.Handle(ipsec.ChildID(10 + qfi))
			require.NoError(t, err)
			require.NoError(t, writer.Write(h, nil, uplinkPacket(t, ueAddr, upAddr, qfi, pdu)))
			require.NoError(t, writer.Flush())
			m, err := gtpu.Decode(peer.read())
			require.NoError(t, err)
			require.Equal(t, pdu, m.Payload)
			require.Equal(t, qfi, m.Container.QFI)

			peer.send(downlinkPDU(s.TEID(), qfi, qfi == 2, pdu))
			select {
			case packet := <-ueEnd.got:
				p, err := gre.Decode(packet)
				require.NoError(t, err)
				require.Equal(t, gre.Header{Protocol: gre.TypeIPv4, QFI: qfi, RQI: qfi == 2}, p.Header)
				require.Equal(t, pdu, packet[p.Offset:p.End])
			case <-time.After(10 * time.Second):
				t.Fatal("nothing came to the UE")
			}
		}
	}
	exchange(60)

	moved, err := ue.AddSocket(user.Socket{Kind: user.NATT, Local: netip.MustParseAddrPort("127.0.0.2:0")})
	require.NoError(t, err)
	require.NoError(t, ue.Move(ipsec.Target{Path: ipsec.Path{Local: moved, Remote: network, NATT: true}, Limit: ipsec.Unlimited}, 11, 12))
	require.NoError(t, n3iwf.Move(ipsec.Target{Path: ipsec.Path{Local: network, Remote: moved, NATT: true}, Limit: ipsec.Unlimited}, 11, 12))
	exchange(60)

	require.Zero(t, s.Stats().Dropped())
	require.Equal(t, uint64(120), s.Stats().Uplink.Packets)
	require.Equal(t, uint64(120), s.Stats().Downlink.Packets)
}
