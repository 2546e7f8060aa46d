// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// What the configuration says of SCTP reaches the association, each under its own name.
func TestTransportOptions(t *testing.T) {
	cfg := config.Default()
	cfg.N2.Transport, cfg.N2.Streams = "kernel", 5
	cfg.N2.LocalAddresses = []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.2.0.1")}
	cfg.N2.SCTP = config.SCTP{RTOMin: time.Second, RTOInitial: 2 * time.Second, RTOMax: 3 * time.Second, Heartbeat: 4 * time.Second, MaxRetransmissions: 6}
	a := &amf{nf: &N3IWF{cfg: cfg}, cfg: config.AMF{Port: 38413, UDPPort: 9900}}
	require.Equal(t, transport.Options{
		Mode: transport.ModeKernel, OutboundStreams: 5, RemoteUDPPort: 9900,
		Local:             []netip.AddrPort{netip.MustParseAddrPort("10.1.0.1:0"), netip.MustParseAddrPort("10.2.0.1:0")},
		Remote:            []netip.AddrPort{netip.MustParseAddrPort("10.1.0.2:38413"), netip.MustParseAddrPort("10.2.0.2:38413")},
		HeartbeatInterval: 4 * time.Second, HeartbeatMisses: 6, RTOMin: time.Second, RTOInitial: 2 * time.Second, RTOMax: 3 * time.Second,
		MaxMessageSize: maxNGAPMessage,
	}, a.transportOptions([]netip.Addr{netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("10.2.0.2")}))
}
