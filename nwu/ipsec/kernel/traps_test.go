// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// These are mistakes that others have made with this kernel interface.

// Two peers behind one NAT address have chosen the same SPI: each gets its own packets, and only those, before and after a move to a shared address.
func TestKernelSPICollision(t *testing.T) {
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false)
	one, _ := connect(t, gw, ue, 1, gcm128, nil)
	other := one
	other.ID = 2
	other.InboundSPI, _ = gw.NewInboundSPI(-1)
	other.Target.Path.Remote = netip.AddrPortFrom(other.Target.Path.Remote.Addr(), 4999)
	other.OutboundKeys = ipsec.Keys{Encr: make([]byte, 20)}
	require.NoError(t, gw.Install(other))
	third := one
	third.ID = 3
	third.InboundSPI, _ = gw.NewInboundSPI(-1)
	third.Target = target(gw.addresses[0], ue.addresses[1])
	require.NoError(t, gw.Install(third))
	require.NoError(t, gw.Move(ipsec.Target{Path: path(gw.addresses[0], ue.addresses[0]), Limit: ipsec.Unlimited}, 3))
	wire := sniff(t, n.peer)
	pass(t, gw, ue, 1)
	for _, id := range []ipsec.ChildID{2, 3} {
		h, err := gw.Handle(id)
		require.NoError(t, err)
		w := gw.NewWriter()
		require.NoError(t, w.Write(h, packet(gw.inner, ue.inner, 0, 100), nil))
		require.NoError(t, w.Flush())
	}
	eventually(t, "packets of all three", func() bool { return len(wire.packets()) >= 6 })
	toPort := map[uint16]int{}
	for _, p := range wire.packets() {
		if p[9] == 17 {
			toPort[binary.BigEndian.Uint16(p[22:])]++
		}
	}
	require.Equal(t, map[uint16]int{testNATTPort: 5, 4999: 1}, toPort)
	st, err := ue.Stats(1)
	require.NoError(t, err)
	require.EqualValues(t, 4, st.Generations[0].Inbound.Packets)
	for id, want := range map[ipsec.ChildID]uint64{1: 4, 2: 1, 3: 1} {
		st, err := gw.Stats(id)
		require.NoError(t, err)
		require.Equal(t, want, st.Generations[0].Outbound.Packets)
	}
}

// With ip_no_pmtu_disc the kernel sets a flag on states by itself that it refuses on inbound ones of kernels from 6.10: what is added must come from
// us, not from what was read.
func TestKernelWithoutPMTUDiscovery(t *testing.T) {
	n := newNetwork(t)
	n.gw.do(func() { require.NoError(t, os.WriteFile("/proc/sys/net/ipv4/ip_no_pmtu_disc", []byte("1"), 0)) })
	gw, ue := kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false)
	connect(t, gw, ue, 1, gcm128, func(sa *ipsec.ChildSA) { sa.ReplayWindow = ipsec.MaxReplayWindow })
	pass(t, ue, gw, 1)
	d := gw.DataPlane.(*DataPlane)
	g := d.children[1].generations[0]
	before, err := d.xfrm.GetState(g.in[0].id)
	require.NoError(t, err)
	require.NotZero(t, before.Flags&xfrm.FlagNoPMTUDiscovery, "the kernel sets the flag: without that this test shows nothing")
	require.Zero(t, g.inbound(path(gw.addresses[1], ue.addresses[0]), xfrm.Replay{}, 0).Flags)
	require.NoError(t, gw.Move(target(gw.addresses[1], ue.addresses[0]), 1))
	require.NoError(t, ue.Move(target(ue.addresses[0], gw.addresses[1]), 1))
	pass(t, ue, gw, 1)
	pass(t, gw, ue, 1)
	// The largest window went along, with what it has seen.
	after, err := d.xfrm.GetState(d.children[1].generations[0].in[1].id)
	require.NoError(t, err)
	require.Len(t, after.Replay.Bitmap, ipsec.MaxReplayWindow/32)
	for seq := uint64(1); seq <= 4; seq++ {
		require.True(t, seen(&after.Replay, seq))
	}
}

// A move takes all child SAs of a peer and all their generations, inbound and outbound; IKE goes to the same place as ESP.
func TestKernelMovesEverything(t *testing.T) {
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), kernelEnd(t, n.peer, false, nil)
	ids := []ipsec.ChildID{1, 2, 3}
	for _, id := range ids {
		connect(t, gw, ue, id, gcm128, nil)
	}
	// A rekey is under way: the new generation is installed and not yet used.
	atGW, atUE := connect(t, gw, ue, 2, gcm128, nil)
	to := path(gw.addresses[1], ue.addresses[1])
	require.NoError(t, gw.Move(ipsec.Target{Path: to, Limit: ipsec.Unlimited}, ids...))
	require.NoError(t, ue.Move(ipsec.Target{Path: ipsec.Path{Local: to.Remote, Remote: to.Local, NATT: true}, Limit: ipsec.Unlimited}, ids...))
	wire := sniff(t, n.peer)
	for _, id := range ids {
		pass(t, gw, ue, id)
		pass(t, ue, gw, id)
	}
	require.NoError(t, gw.SwitchOutbound(2, atGW.InboundSPI))
	require.NoError(t, ue.SwitchOutbound(2, atUE.InboundSPI))
	pass(t, gw, ue, 2)
	pass(t, ue, gw, 2)
	require.NoError(t, gw.SendIKE(to, make([]byte, 28)))
	eventually(t, "IKE", func() bool { return len(wire.packets()) >= 4*4+1 })
	for _, p := range wire.packets() {
		if p[0]>>4 == 4 && p[9] == 17 {
			require.Equal(t, to.Local.Addr(), netip.AddrFrom4([4]byte(p[12:])))
			require.Equal(t, to.Remote.Addr(), netip.AddrFrom4([4]byte(p[16:])))
		}
	}
	// The states of the old path go.
	d := gw.DataPlane.(*DataPlane)
	eventually(t, "end of the old states", func() bool {
		old, err := d.xfrm.States(func(s *xfrm.State) bool { return s.Dst == gw.addresses[0] || s.Dst == ue.addresses[0] })
		require.NoError(t, err)
		return len(old) == 0
	})
	pass(t, gw, ue, 3)
}

// Under load no sequence number goes out twice, whatever moves: the peer's address, its port, ours (for which the kernel needs a pause), the family.
func TestKernelNeverRepeatsASequenceNumber(t *testing.T) {
	n := newNetwork(t)
	for _, c := range []struct{ esn, shared bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		t.Run(fmt.Sprintf("esn=%v,shared=%v", c.esn, c.shared), func(t *testing.T) {
			const id = 1
			gw, ue := kernelEnd(t, n.gw, true, func(o *Options) { o.Shared = c.shared }), userEnd(t, n.peer, false)
			// A machine without time leaves a writer inside the kernel for longer than a move should wait: see TestKernelStuckWriter.
			gw.DataPlane.(*DataPlane).quiesce = patience
			connect(t, gw, ue, id, gcm128, func(sa *ipsec.ChildSA) { sa.ESN = c.esn })
			wire := sniff(t, n.peer)
			stop := make(chan struct{})
			var wg sync.WaitGroup
			var written atomic.Uint64
			for range 2 {
				wg.Go(func() {
					h, err := gw.Handle(id)
					if err != nil {
						t.Error(err)
						return
					}
					w := gw.NewWriter()
					for {
						select {
						case <-stop:
							return
						default:
						}
						for range 4 {
							if w.Write(h, packet(gw.inner, ue.inner, 0, 100), nil) == nil {
								written.Add(1)
							}
						}
						_ = w.Flush()
					}
				})
			}
			other := path(gw.addresses[1], ue.addresses[1])
			other.Remote = netip.AddrPortFrom(other.Remote.Addr(), 4999)
			for range 8 {
				for _, p := range usable(t,
					path(gw.addresses[0], ue.addresses[1]), path(gw.addresses[1], ue.addresses[1]), other, path(gw.v6, ue.v6), path(gw.addresses[0], ue.addresses[0]),
				) {
					require.NoError(t, gw.Move(ipsec.Target{Path: p, Limit: ipsec.Unlimited}, id))
					before := len(wire.packets())
					eventually(t, "traffic goes on", func() bool { return len(wire.packets()) > before+2 })
				}
			}
			close(stop)
			wg.Wait()
			if !c.shared {
				eventually(t, "all packets", func() bool { return uint64(wire.esp()) == written.Load() })
			}
			numbers := map[uint32]bool{}
			paths := map[string]int{}
			for _, p := range wire.packets() {
				var udp []byte
				switch {
				case p[0]>>4 == 4 && p[9] == 17:
					udp = p[20:]
				case p[0]>>4 == 6 && p[6] == 17:
					udp = p[40:]
				default:
					continue
				}
				paths[fmt.Sprint(p[0]>>4, binary.BigEndian.Uint16(udp[2:]))]++
				seq := binary.BigEndian.Uint32(udp[12:])
				require.False(t, numbers[seq], "sequence number %d went out twice", seq)
				numbers[seq] = true
			}
			kinds := 2 // IPv4, from either port
			if encap6(t) {
				kinds++
			}
			require.Len(t, paths, kinds, "packets went over every kind of path: %v", paths)
			t.Logf("%d packets of %d written: %v", len(numbers), written.Load(), paths)
			if !c.shared {
				// Writers waited, so no packet fell into a pause.
				require.EqualValues(t, written.Load(), len(numbers))
			}
		})
	}
}

// A writer that does not come out of the kernel holds up neither moves nor other writers: the move leaves out sequence numbers that it may use.
func TestKernelStuckWriter(t *testing.T) {
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false)
	connect(t, gw, ue, 1, gcm128, nil)
	pass(t, gw, ue, 1)
	stuck := gw.NewWriter().(*writer)
	stuck.busy.Add(1)
	sequence := func() uint64 {
		st, err := gw.Stats(1)
		require.NoError(t, err)
		return st.Generations[0].OutboundSequence
	}
	before := sequence()
	require.EqualValues(t, 4, before)
	for i, to := range []ipsec.Path{path(gw.addresses[0], ue.addresses[1]), path(gw.addresses[1], ue.addresses[1])} { // two states, and a pause
		begin := time.Now()
		require.NoError(t, gw.Move(ipsec.Target{Path: to, Limit: ipsec.Unlimited}, 1))
		require.GreaterOrEqual(t, time.Since(begin), quiesceLimit)
		require.NoError(t, ue.Move(ipsec.Target{Path: ipsec.Path{Local: to.Remote, Remote: to.Local, NATT: true}, Limit: ipsec.Unlimited}, 1))
		pass(t, gw, ue, 1)
		require.EqualValues(t, before+uint64(i+1)*(4*defaultMargin+4), sequence())
	}
	stuck.busy.Add(1)
	before = sequence()
	require.NoError(t, gw.Move(target(gw.addresses[0], ue.addresses[0]), 1))
	require.NoError(t, ue.Move(target(ue.addresses[0], gw.addresses[0]), 1))
	pass(t, gw, ue, 1)
	require.Equal(t, before+4, sequence(), "it came out: none is left out")
}
