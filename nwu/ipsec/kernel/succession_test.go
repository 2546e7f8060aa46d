// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package kernel

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// What a predecessor has left over goes after a while, and nothing else; what is taken over is where it was, to the sequence number; and a successor of
// which something does not fit takes nothing.
func TestKernelSuccession(t *testing.T) {
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false)
	var sas []ipsec.ChildSA
	for id := ipsec.ChildID(1); id <= 3; id++ {
		sa, _ := connect(t, gw, ue, id, gcm128, nil)
		sas = append(sas, sa)
		pass(t, ue, gw, id)
		pass(t, gw, ue, id)
	}
	old := gw.DataPlane.(*DataPlane)
	require.NoError(t, old.Pause(t.Context()))
	estate, err := old.Bequeath()
	require.NoError(t, err)
	defer estate.Close() //nolint:errcheck // of a test
	o := testOptions(t, gw.collector)
	o.Workers, o.Estate = 1, estate
	for name, change := range map[string]func(o *Options){
		"other options": func(o *Options) { o.Workers = 2 },
		"other id":      func(o *Options) { o.InterfaceID = gwID + 1 },
		"no state":      func(o *Options) { o.Estate = &ipsec.Estate{Files: estate.Files} },
		"no files":      func(o *Options) { o.Estate = &ipsec.Estate{State: estate.State} },
		"no interface":  func(o *Options) { o.Interface = "lo" },
	} {
		o := o
		change(&o)
		n.gw.do(func() { _, err = New(o) })
		require.Error(t, err, name)
	}
	heir := &end{collector: gw.collector, addresses: gw.addresses, inner: gw.inner}
	var d *DataPlane
	n.gw.do(func() { d, err = New(o) })
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	heir.DataPlane = d
	for _, sa := range sas[:2] {
		list, err := old.Bequest(sa.ID)
		require.NoError(t, err)
		require.Len(t, list, 1)
		for name, change := range map[string]func(sa *ipsec.ChildSA, k *kept){
			"keys":        func(sa *ipsec.ChildSA, _ *kept) { sa.InboundKeys = sa.OutboundKeys },
			"SPI":         func(sa *ipsec.ChildSA, _ *kept) { sa.InboundSPI++ },
			"address":     func(_ *ipsec.ChildSA, k *kept) { k.In[0].Path.Local = at(gw4b, testNATTPort) },
			"destination": func(_ *ipsec.ChildSA, k *kept) { k.Out.Path.Remote = at(peer4b, testNATTPort) },
			"slot":        func(_ *ipsec.ChildSA, k *kept) { k.Slot++ },
			"no slot":     func(_ *ipsec.ChildSA, k *kept) { k.Slot = 1 << 30 },
			"generation":  func(_ *ipsec.ChildSA, k *kept) { k.Index = -1 },
			"no states":   func(_ *ipsec.ChildSA, k *kept) { k.In = nil },
			"path":        func(_ *ipsec.ChildSA, k *kept) { k.Path.Local = at("192.0.2.9", 1) },
		} {
			sa := sa
			var k kept
			require.NoError(t, json.Unmarshal(list[0].Kept, &k))
			change(&sa, &k)
			sa.Kept, err = json.Marshal(&k)
			require.NoError(t, err)
			require.Error(t, d.Install(sa), name)
		}
		sa.Kept = list[0].Kept
		require.NoError(t, d.Install(sa))
	}
	sent := func(id ipsec.ChildID) uint64 {
		st, err := heir.Stats(id)
		require.NoError(t, err)
		return st.Generations[0].OutboundSequence
	}
	before := sent(1)
	require.NotZero(t, before)
	require.NoError(t, old.Leave())
	d.Resume()
	pass(t, ue, heir, 1)
	pass(t, heir, ue, 1)
	require.Equal(t, before+4, sent(1), "none is left out")

	states := func() int {
		list, err := d.xfrm.States(func(s *xfrm.State) bool { return s.IfID == gwID })
		require.NoError(t, err)
		return len(list)
	}
	require.Equal(t, 6, states(), "packets may be under way to all of them")
	d.sweep()
	require.Equal(t, 4, states())
	policies, err := d.xfrm.Policies(func(p *xfrm.Policy) bool { return p.IfID == gwID })
	require.NoError(t, err)
	require.Len(t, policies, 2)
	for id := ipsec.ChildID(1); id <= 2; id++ {
		pass(t, ue, heir, id)
		pass(t, heir, ue, id)
	}
	require.NoError(t, d.Close())
	require.NotContains(t, n.gw.ip(t, "link show"), "nwu42")
}

// What the kernel says of limits while nobody listens is told by the successor: a limit that was reached, and a state that the kernel has ended. A sweep waits
// while there is a successor of the successor, whose states it does not know.
func TestKernelSuccessionTellsLimits(t *testing.T) {
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false)
	var sas []ipsec.ChildSA
	for id := ipsec.ChildID(1); id <= 3; id++ {
		sa, _ := connect(t, gw, ue, id, gcm128, func(sa *ipsec.ChildSA) { sa.Lifetime = ipsec.Lifetime{SoftPackets: 6, HardPackets: 1000} })
		sas = append(sas, sa)
		pass(t, gw, ue, id)
	}
	old := gw.DataPlane.(*DataPlane)
	require.NoError(t, old.Pause(t.Context()))
	estate, err := old.Bequeath()
	require.NoError(t, err)
	o := testOptions(t, gw.collector)
	o.Workers, o.Estate = 1, estate
	var d *DataPlane
	n.gw.do(func() { d, err = New(o) })
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, estate.Close())
	kept := map[ipsec.ChildID][]byte{}
	for _, sa := range sas {
		list, err := old.Bequest(sa.ID)
		require.NoError(t, err)
		kept[sa.ID] = list[0].Kept
	}
	pass(t, gw, ue, 1)
	old.mu.Lock()
	require.NoError(t, old.xfrm.DeleteState(old.children[2].generations[0].out.id))
	old.mu.Unlock()
	for _, sa := range sas {
		sa.Kept = kept[sa.ID]
		require.NoError(t, d.Install(sa))
	}
	require.NoError(t, old.Leave())
	gw.mu.Lock()
	gw.events = nil
	gw.mu.Unlock()
	d.Resume()
	gw.mu.Lock()
	require.ElementsMatch(t, []ipsec.Event{
		ipsec.Expire{ID: 1, SPI: sas[0].InboundSPI}, ipsec.Expire{ID: 2, SPI: sas[1].InboundSPI, Hard: true},
	}, gw.events)
	gw.mu.Unlock()

	sweeping := func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.sweeper != nil
	}
	require.True(t, sweeping())
	require.NoError(t, d.Pause(t.Context()))
	require.False(t, sweeping())
	states, err := d.xfrm.States(func(s *xfrm.State) bool { return s.IfID == gwID })
	require.NoError(t, err)
	d.sweep() // one that was about to begin
	again, err := d.xfrm.States(func(s *xfrm.State) bool { return s.IfID == gwID })
	require.NoError(t, err)
	require.Len(t, again, len(states))
	d.Resume()
	require.True(t, sweeping())
}
