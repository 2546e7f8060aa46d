// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package e2e

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
	"github.com/open-n3iwf/n3iwf/test/lab/upf"
)

// QoS flows of the sessions here. The UPF answers on the flow that it was asked on.
const (
	shared          = 1 // under the UE-AMBR
	free            = 2 // a GBR flow of 1 Gbit/s, marked
	limited         = 3 // a GBR flow of 1 Mbit/s
	flows           = `{qfi: 1, 5qi: 9}, {qfi: 2, 5qi: 1, port: 1, guaranteed: 1, maximum: 1000}, {qfi: 3, 5qi: 2, port: 2, guaranteed: 1, maximum: 1}`
	dscpN3, dscpNWu = 46, 34 // of 5QI 1
)

// hasPrograms tells whether the kernel under test is new enough for gre/ebpf.
func hasPrograms(t *testing.T) bool { return testenv.KernelAtLeast(t, 5, 10) }

// Every way of user packets through an N3IWF with ESP in the kernel: programs in the kernel; this process, because it is configured so; and this process,
// because the programs need a capability that it has not. Each says in the log and in its status which one it is and why. Each polices UE-AMBR and
// maximum flow bit rates in both directions, and marks by the 5QI on N3 and on NWu.
func TestKernelUserPlanes(t *testing.T) {
	w := newWorld(t, 3)
	w.ambr, w.flows = 1, flows
	n3, nwu := listen(t, w.cn, "n3"), listen(t, w.wlan, "nwu")
	w.startCore()
	marked := func(n *nf) {
		n.config = strings.Replace(n.config, "\nn2:", fmt.Sprintf("\n  userPlane: {dscp: [{fiveQI: 1, dscp: %d}]}\nn2:", dscpNWu), 1)
		n.config = strings.Replace(n.config, "\nn3:", fmt.Sprintf("\nn3:\n  dscp: [{fiveQI: 1, dscp: %d}]", dscpN3), 1)
	}
	type plane struct {
		name   string
		change func(*nf)
		kind   string
		reason string
		log    []string
	}
	first := plane{"ebpf", func(*nf) {}, "ebpf", "", []string{"user packets are forwarded in the kernel", "n3=[n3]", "checksums_filled_in=[n3]"}}
	if !hasPrograms(t) {
		first = plane{"old kernel", func(*nf) {}, "relay", "the kernel has no", []string{"user packets are forwarded in this process, not in the kernel"}}
	}
	for i, c := range []plane{
		first,
		{
			"relay", func(n *nf) { n.config = strings.Replace(n.config, "kind: kernel", "kind: kernel, userPlane: relay", 1) },
			"relay", "configured", []string{"user packets are forwarded in this process, not in the kernel", "reason=configured"},
		},
		{
			"without CAP_BPF", w.withoutBPF, "relay", "CAP_BPF",
			[]string{"user packets are forwarded in this process, not in the kernel", "CAP_BPF"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			n := w.startN3IWF(i, marked, c.change)
			require.True(t, n.text.has(c.log...), n.text.tail(4000))
			_, s := w.connect(i, i)
			var st api.Status
			w.ask(i, "/status", &st)
			require.Equal(t, c.kind, st.UserPlane.Kind)
			require.Contains(t, st.UserPlane.Reason, c.reason)
			require.Equal(t, c.reason == "", st.UserPlane.Reason == "")
			require.Zero(t, st.UserPlane.Relayed)
			if c.kind == "ebpf" {
				require.Equal(t, []string{"n3"}, st.UserPlane.N3)
				require.Equal(t, []string{"n3"}, st.UserPlane.Checksums)
				require.Positive(t, st.UserPlane.Left["uplink"]["unknown tunnel or child SA"], "signalling is not for the programs")
			}
			w.polices(i, s)
			w.marks(n3, nwu, i, s)
		})
	}
}

// withoutBPF takes from a process all privileges but those that ESP in the kernel needs.
func (w *world) withoutBPF(n *nf) {
	const nobody = 65534
	for _, dir := range []string{filepath.Dir(w.dir), w.dir} {
		require.NoError(w.t, os.Chmod(dir, 0o755))
	}
	require.NoError(w.t, os.Chown(w.dir, nobody, nobody))
	for _, name := range []string{"n3iwf.pem", "n3iwf.key"} {
		require.NoError(w.t, os.Chown(filepath.Join(w.dir, name), nobody, nobody))
	}
	n.cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		AmbientCaps: []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE},
	}
	n.open = true
}

// ask asks the management API of an N3IWF.
func (w *world) ask(i int, path string, answer any) {
	w.t.Helper()
	c, err := api.NewClient(api.ClientOptions{Server: w.socket(i)})
	require.NoError(w.t, err)
	require.NoError(w.t, w.within(func(ctx context.Context) error { return c.Do(ctx, "GET", path, nil, answer) }))
}

// counts is what an N3IWF has counted for the only session of its only UE.
func (w *world) counts(i int) n3iwf.SessionView {
	w.t.Helper()
	var page n3iwf.UEPage
	w.ask(i, "/ues", &page)
	require.Len(w.t, page.UEs, 1)
	var d n3iwf.UEDetail
	w.ask(i, fmt.Sprintf("/ues/%d", page.UEs[0].ID), &d)
	require.Len(w.t, d.Sessions, 1)
	return d.Sessions[0]
}

// polices checks the bit rates, by the N3IWF's own counts: what it has forwarded is never more than the rate gives.
func (w *world) polices(i int, s *ue.Session) {
	w.t.Helper()
	const (
		size  = 1400
		burst = 16 << 10 / size // at a rate of 1 Mbit/s, see relay.Limit
		rate  = 1_000_000 / 8 / float64(size)
	)
	sender := s.NewSender()
	pdu := func(port uint16, payload []byte) []byte {
		return udpip.Append(nil, udpip.Packet{
			Source: netip.AddrPortFrom(s.Address(), 4000), Destination: netip.AddrPortFrom(dn, port), Payload: payload,
		}, 1)
	}
	long := make([]byte, size-28)
	write := func(qfi uint8, pdu []byte, n int) {
		w.t.Helper()
		for k := range n {
			require.NoError(w.t, sender.Write(qfi, pdu))
			if k%16 == 15 || k == n-1 {
				require.NoError(w.t, sender.Flush())
			}
		}
	}
	// limits sends until something was dropped, and asks how much has come through in that direction.
	limits := func(what string, send func(), through func(n3iwf.SessionView) uint64) {
		w.t.Helper()
		before, begin := w.counts(i), time.Now()
		var after n3iwf.SessionView
		w.until(what+": something is dropped", func() bool {
			send()
			after = w.counts(i)
			return after.Dropped > before.Dropped
		})
		took := time.Since(begin).Seconds()
		n := through(after) - through(before)
		w.until(what+": all is judged", func() bool { // what the source still sends, and what lies in queues
			first := w.counts(i)
			time.Sleep(300 * time.Millisecond)
			second := w.counts(i)
			return first.Dropped == second.Dropped && through(first) == through(second)
		})
		var st api.Status
		w.ask(i, "/status", &st)
		require.LessOrEqual(w.t, float64(n), burst+1+rate*took, "%s: after %.2f s; in the process: %+v", what, took, st.UserPlane)
		require.GreaterOrEqual(w.t, n, uint64(burst)/2, what)
	}
	uplink := func(v n3iwf.SessionView) uint64 { return v.UplinkPackets }
	downlink := func(v n3iwf.SessionView) uint64 { return v.DownlinkPackets }

	// Downlink first: the request is an uplink packet, which must find its flow unused.
	request := binary.BigEndian.AppendUint32(nil, 5000)
	request = binary.BigEndian.AppendUint32(request, 200)
	request = binary.BigEndian.AppendUint16(request, size)
	for what, qfi := range map[string]uint8{"UE-AMBR downlink": shared, "MFBR downlink": limited} {
		limits(what, func() { write(qfi, pdu(upf.PortSource, request), 1) }, downlink)
	}
	limits("UE-AMBR uplink", func() { write(shared, pdu(upf.PortSink, long), 100) }, uplink)
	limits("MFBR uplink", func() { write(limited, pdu(upf.PortSink, long), 100) }, uplink)

	// A GBR flow with room is not concerned, however much the others have used up.
	before := w.counts(i)
	w.until("traffic on the flow with room", func() bool {
		write(free, pdu(upf.PortSink, long), 100)
		return uplink(w.counts(i)) >= uplink(before)+200
	})
	require.Equal(w.t, before.Dropped, w.counts(i).Dropped)
}

// marks checks the DSCP of what goes from the N3IWF to both sides, on the wire, for a marked flow and one that is not.
func (w *world) marks(n3, nwu *wire, i int, s *ue.Session) {
	w.t.Helper()
	sender := s.NewSender()
	n3.forget()
	nwu.forget()
	echo := probe.AppendEcho(nil, s.Address(), dn, 1, 1, make([]byte, 100))
	for _, qfi := range []uint8{free, shared} {
		require.NoError(w.t, sender.Write(qfi, echo))
		require.NoError(w.t, sender.Flush())
	}
	w.until("a marked answer at the UE", func() bool {
		for _, p := range nwu.take() {
			if from(p) == at(netNWu, 1+i) && p[9] == unix.IPPROTO_UDP && p[1]>>2 == dscpNWu {
				require.NotZero(w.t, binary.BigEndian.Uint32(p[28:]), "ESP")
				return true
			}
		}
		return false
	})
	want := map[uint8]byte{free: dscpN3, shared: 0}
	w.until("both flows on N3", func() bool {
		seen := map[uint8]bool{}
		for _, p := range n3.take() {
			if from(p) != at(netN3, 1+i) || p[9] != unix.IPPROTO_UDP {
				continue
			}
			m, err := gtpu.Decode(p[28:])
			require.NoError(w.t, err)
			if m.Type != gtpu.GPDU {
				continue
			}
			require.Equal(w.t, want[m.Container.QFI], p[1]>>2, "QFI %d", m.Container.QFI)
			seen[m.Container.QFI] = true
		}
		return seen[free] && seen[shared]
	})
}

func from(packet []byte) netip.Addr {
	if packet[0]>>4 != 4 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(packet[12:]))
}
