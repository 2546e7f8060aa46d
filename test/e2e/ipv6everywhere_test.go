// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// site is where the parts of a network with IPv6 are.
type site struct {
	nwu6, n2, n3, n3second, amf, upf, ue, ueElsewhere netip.Addr
}

var (
	inner6 = netip.MustParsePrefix("fd00:60::/64")
	site6  = site{
		nwu6: netip.MustParseAddr("fd99::1"), n2: netip.MustParseAddr("fd99::2"), n3: netip.MustParseAddr("fd99::2"), n3second: netip.MustParseAddr("127.0.9.2"),
		amf: netip.MustParseAddr("fd99::3"), upf: netip.MustParseAddr("fd99::3"), ue: netip.MustParseAddr("fd99::10"), ueElsewhere: netip.MustParseAddr("fd99::11"),
	}
	// v4 are the same places in IPv4.
	v4 = map[netip.Addr]netip.Addr{
		site6.n2: netip.MustParseAddr("127.0.9.2"), site6.amf: netip.MustParseAddr("127.0.9.3"),
	}
)

// TestIPv6Everywhere: all of a run over IPv6, NWu outside and inside, NAS, N2 and N3, and PDU sessions of types IPv6 and IPv4v6, with moves to IPv4 and
// back; and runs where one of N2 and N3 is IPv4, or one side has both families.
func TestIPv6Everywhere(t *testing.T) {
	if !inOwnNetwork(t, "fd99::1/64", "fd99::2/64", "fd99::3/64", "fd99::10/64", "fd99::11/64") {
		return
	}
	t.Cleanup(func() { goleak.VerifyNone(t) })
	amf4, upf4, n24, n34 := v4[site6.amf], v4[site6.upf], v4[site6.n2], v4[site6.n3]
	for name, tt := range map[string]struct {
		change    func(*site)
		n2        string
		n3        []netip.Addr
		advertise []netip.Addr // of the UPF, where that is not what it has
		tunnel    netip.Addr   // of the N3IWF, as the core has it
	}{
		"N2 and N3": {change: func(*site) {}, n2: "udp", n3: []netip.Addr{site6.n3}, tunnel: site6.n3},
		"N2 without UDP": {
			change: func(*site) {}, n2: "raw", n3: []netip.Addr{site6.n3}, tunnel: site6.n3,
		},
		"N2 IPv6, N3 IPv4, the UPF tells both": {
			change: func(s *site) { s.upf = upf4 }, n2: "udp", n3: []netip.Addr{n34}, advertise: []netip.Addr{upf4, site6.upf}, tunnel: n34,
		},
		"N2 IPv4, N3 IPv6, the UPF tells both": {
			change: func(s *site) { s.amf, s.n2 = amf4, n24 }, n2: "udp", n3: []netip.Addr{site6.n3}, advertise: []netip.Addr{upf4, site6.upf}, tunnel: site6.n3,
		},
		"N3 of both families, UPF IPv6": {
			change: func(*site) {}, n2: "udp", n3: []netip.Addr{n34, site6.n3}, tunnel: site6.n3,
		},
		"N3 of both families, UPF IPv4": {
			change: func(s *site) { s.upf = upf4 }, n2: "udp", n3: []netip.Addr{site6.n3, n34}, tunnel: n34,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := site6
			tt.change(&s)
			judge := func(*world) {}
			if tt.n2 == "raw" {
				judge = recordLoopback(t)
			}
			w := newWorld6(t, &s, tt.n2, tt.n3)
			if tt.advertise != nil {
				w.core.Alter(advertised(t, tt.advertise...))
			}
			u := w.ue(0, func(o *ue.Options) { o.Local, o.N3IWF, o.InnerIPv6 = s.ue, s.nwu6, true })
			w.register(u)
			require.Len(t, u.State().Inner, 1)
			require.True(t, inner6.Contains(netip.MustParseAddr(u.State().Inner[0])), "the UE has no inner IPv4 address: NAS is IPv6")
			w.everyFamily(u)
			w.sameStory(u)
			for _, session := range w.core.State().UEs[0].Sessions {
				require.Equal(t, tt.tunnel.String(), session.N3IWF, "the N3IWF's end of N3")
			}
			require.Equal(t, netip.AddrPortFrom(s.ue, w.uePort()+1).String(), w.core.State().UEs[0].Location, "the AMF is told an IPv6 address")
			if name == "N2 and N3" {
				w.movesBetweenFamilies(u, &s)
			}
			require.NoError(t, w.within(u.Deregister))
			w.empty()
			judge(w)
		})
	}
}

// recordLoopback records what goes over the loopback device until the function that it gives is called, which lets tshark judge it: N2 and N3 are there,
// in IPv6 only, and all of it is well formed.
func recordLoopback(t *testing.T) (judge func(*world)) {
	tshark, file := testenv.NeedTool(t, "tshark", "tshark"), filepath.Join(t.TempDir(), "lo.pcap")
	cmd := exec.Command(testenv.NeedTool(t, "tcpdump", "tcpdump"), "-Z", "root", "--immediate-mode", "-U", "-i", "lo", "-w", file, "proto 132 or udp")
	said, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(said)
	for lines.Scan() && !strings.Contains(lines.Text(), "listening on") {
	}
	return func(w *world) {
		// Without the names of these ports tshark guesses from the bytes, and finds all sorts of malformed protocols in ESP.
		nwu := []string{"-d", fmt.Sprintf("udp.port==%d,isakmp", w.ikePort()), "-d", fmt.Sprintf("udp.port==%d,udpencap", w.nattPort())}
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		_, _ = io.Copy(io.Discard, said)
		require.NoError(t, cmd.Wait())
		const v6 = "eth.type == 0x86dd && "
		for filter, there := range map[string]bool{
			v6 + "ngap.procedureCode == 21": true, v6 + "ngap.procedureCode == 29 && ngap.TransportLayerAddressIPv6 == fd99::3": true,
			v6 + "ngap.procedureCode == 15 && ngap.TransportLayerAddressIPv6 == fd99::10": true, // the UE's location
			v6 + "gtp.ext_hdr.pdu_ses_con.pdu_type == 0":                                  true, v6 + "gtp.ext_hdr.pdu_ses_con.pdu_type == 1": true,
			"eth.type == 0x0800 && (sctp || gtp)": false, "_ws.malformed": false, "(ngap || gtp) && _ws.expert.severity >= 0x00800000": false,
		} {
			args := append([]string{"-r", file, "-Y", filter, "-E", "occurrence=f", "-T", "fields", "-e", "frame.number"}, nwu...)
			out, err := exec.Command(tshark, args...).Output()
			require.NoError(t, err, filter)
			require.Equal(t, there, len(out) > 0, "%s: %s", filter, out)
		}
	}
}

// newWorld6 is newWorld at a site.
func newWorld6(t *testing.T, s *site, n2 string, n3 []netip.Addr) *world {
	w := prepareWorld(t, func(c *config.Config) {
		c.NWu.Addresses = append(c.NWu.Addresses[:1:1], s.nwu6)
		c.NWu.UEPools = config.UEPools{IPv6: []netip.Prefix{inner6}}
		c.NWu.NAS.IPv4, c.NWu.UserPlane.IPv4 = netip.Addr{}, netip.Addr{}
		c.NWu.NAS.IPv6, c.NWu.UserPlane.IPv6 = netip.MustParseAddr("fd00:60::1"), netip.MustParseAddr("fd00:60::2")
		c.NWu.MOBIKE.ProvenFor = 0
		c.N2.AMFs[0].Addresses, c.N2.LocalAddresses, c.N2.Transport = []netip.Addr{s.amf}, []netip.Addr{s.n2}, n2
		c.N3.Addresses = n3
	}, "pool6: fd45::/48")
	cfg, err := core.LoadConfig(w.coreFile)
	require.NoError(t, err)
	cfg.Listen, cfg.Transport, cfg.UPF = netip.AddrPortFrom(s.amf, 38412).String(), n2, s.upf.String()
	w.core, err = core.New(cfg, w.log.With("who", "core"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.core.Close() })
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	return w
}

// advertised rewrites the address of the uplink tunnel: what an SMF says of a UPF with both families (TS 38.413 9.3.2.4: 160 bits, IPv4 first).
func advertised(t *testing.T, addresses ...netip.Addr) func(pdu []byte) [][]byte {
	both, err := ngap.NewTransportLayerAddress(addresses...)
	require.NoError(t, err)
	return func(pdu []byte) [][]byte {
		p, err := ngap.Decode(pdu)
		if err != nil {
			return [][]byte{pdu}
		}
		request, ok := p.Message.(*ngap.PDUSessionResourceSetupRequest)
		if !ok {
			return [][]byte{pdu}
		}
		for i := range request.PDUSessionResourceSetupListSUReq {
			item := &request.PDUSessionResourceSetupListSUReq[i]
			if transfer, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupRequestTransfer](item.PDUSessionResourceSetupRequestTransfer); err == nil {
				transfer.ULNGUUPTNLInformation.GTPTunnel.TransportLayerAddress = both
				if b, err := ngap.EncodeTransfer(transfer); err == nil {
					item.PDUSessionResourceSetupRequestTransfer = b
				}
			}
		}
		if b, err := ngap.Encode(request); err == nil {
			pdu = b
		}
		return [][]byte{pdu}
	}
}

// everyFamily brings PDU sessions 1 (IPv6) and 2 (IPv4v6) up, and exchanges user data of each family that they have.
func (w *world) everyFamily(u *ue.UE) {
	w.t.Helper()
	a := hear(u)
	w.echo6(a, w.establish(u, ue.SessionRequest{ID: 1, Type: nas.SessionIPv6}))
	both := w.establish(u, ue.SessionRequest{ID: 2, Type: nas.SessionIPv4v6})
	w.echo6(a, both)
	pdu := udpip.Append(nil, udpip.Packet{Source: netip.AddrPortFrom(both.Address(), 4000), Destination: netip.AddrPortFrom(dn, 7), Payload: []byte("four")}, 1)
	w.exchange(a, both, 2, pdu, func(b []byte) bool { p, ok := udpip.Parse(b); return ok && string(p.Payload) == "four" })
}

func (w *world) echo6(a *arrivals, s *ue.Session) {
	w.t.Helper()
	addr, err := s.Address6(w.ctx)
	require.NoError(w.t, err)
	to := netip.MustParseAddrPort("[2001:db8::7]:7")
	payload := []byte{s.ID, 6, 6}
	pdu := udpip.Append(nil, udpip.Packet{Source: netip.AddrPortFrom(addr, 4000), Destination: to, Payload: payload}, 1)
	w.exchange(a, s, 3, pdu, func(b []byte) bool {
		p, ok := udpip.Parse(b)
		return ok && p.Source == to && bytes.Equal(p.Payload, payload)
	})
}

// movesBetweenFamilies: from IPv6 to IPv4, back, and to another IPv6 address, with traffic. All but the outer path stays.
func (w *world) movesBetweenFamilies(u *ue.UE, s *site) {
	w.t.Helper()
	before := u.State()
	finish := w.traffic(probe.New(u, u.Session(2), dn), 200)
	for _, to := range [][2]netip.Addr{{w.addr(10), w.addr(hostN3IWF)}, {s.ue, s.nwu6}, {w.addr(11), w.addr(hostN3IWF)}, {s.ueElsewhere, s.nwu6}, {s.ue, s.nwu6}} {
		require.NoError(w.t, w.within(func(ctx context.Context) error { return u.Move(ctx, to[0], to[1]) }), "to %s", to[0])
		require.NoError(w.t, w.within(func(ctx context.Context) error { _, err := u.Arrived(ctx); return err }), "to %s", to[0])
	}
	sent, lost := finish()
	require.NotZero(w.t, sent)
	require.Zero(w.t, lost, "of %d packets", sent)
	after := u.State()
	require.Equal(w.t, before.IKE, after.IKE)
	require.Equal(w.t, before.Inner, after.Inner)
	require.Equal(w.t, before.Children, after.Children, "SPIs and keys")
	require.Equal(w.t, before.Sessions, after.Sessions)
	a := hear(u)
	w.echo6(a, u.Session(1))
	w.echo6(a, u.Session(2))
	w.sameStory(u)
	// What the UE says over NAS-TCP from its inner IPv6 address arrives after the moves, with the location of now.
	require.NoError(w.t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 1) }))
	w.sameStory(u)
}
