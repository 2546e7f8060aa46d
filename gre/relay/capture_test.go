// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/test/capture"
)

// The recorded user plane goes through the relay: uplink GRE comes out as the octets that were recorded on N3, downlink N3
// as the GRE and PDU that were recorded on NWu.
func TestCaptureRelay(t *testing.T) {
	n3 := capture.UDP(t, capture.Path(t, capture.Registration, "n3.pcap"))
	r := newRig(t, nil)
	s := r.add(t, Config{
		Name: "captured", PDUType: gre.PDUIPv4, UPF: r.upf.addr, UplinkTEID: 2,
		Flows: []Flow{{QFI: 1, Child: 11}}, Children: []Child{{ID: 11, UE: ueAddr, UP: upAddr}}, Default: 11,
	})
	u := r.NewUplink()
	var uplink, downlink [][]byte // recorded on N3: whole; recorded on NWu: from the GRE header on
	for _, d := range n3 {
		m, err := gtpu.Decode(d.Data)
		require.NoError(t, err)
		if m.Container.Type == gtpu.UplinkInformation {
			require.Equal(t, uint32(2), m.TEID)
			uplink = append(uplink, d.Data)
		}
	}
	i := 0
	for _, p := range capture.IP(t, capture.Path(t, capture.Registration, "gre-inner.pcap")) {
		switch {
		case p.Protocol != 47:
		case p.Src == ueAddr:
			u.Inbound([]ipsec.Inbound{{ID: 11, Context: s, Packet: p.Raw}})
			require.Equal(t, uplink[i], r.upf.read(), "frame %d", p.Frame)
			i++
		default:
			downlink = append(downlink, p.Payload)
		}
	}
	require.Equal(t, len(uplink), i)
	i = 0
	for _, d := range n3 {
		m, err := gtpu.Decode(d.Data)
		require.NoError(t, err)
		if m.Container.Type != gtpu.DownlinkInformation {
			continue
		}
		m.TEID = s.TEID()
		r.upf.send(m.Append(nil))
		_, packet := r.dp.next(t)
		require.Equal(t, downlink[i], packet[20:], "frame %d", d.Frame)
		i++
	}
	require.Equal(t, len(downlink), i)
}
