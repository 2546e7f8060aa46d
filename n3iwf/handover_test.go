// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

func someContext() *ueContext {
	return &ueContext{
		RANID: 7, AMFID: 9, AMF: "amf", GUAMI: &guamiContext{[3]byte{0, 0xf1, 0x10}, 0xcafe01}, TAI: taiContext{[3]byte{0, 0xf1, 0x10}, [3]byte{0, 0, 1}}, Since: time.Unix(1, 0).UTC(), Session: []byte("session"), Inner: [2]netip.Addr{netip.MustParseAddr("10.60.0.4")}, NextChild: 2,
		NAS: [][]byte{{1}}, NASAttempt: []byte{0x45}, Moves: 3, Paths: []PathRecord{{At: time.Unix(2, 0).UTC(), Why: "update", Proven: true}},
		Children: []childContext{
			{ID: 7<<32 | 1, Pairs: []ipsec.Handed{{InboundSPI: 256, OutboundSPI: 257, Current: true, Resume: ipsec.Resume{Outbound: 5, Inbound: ipsec.Replay{Top: 6, Seen: []uint64{1}}}}}},
			{ID: 7<<32 | 2, Session: 5, QFIs: []uint8{1}, Default: true, UP: netip.MustParseAddr("10.60.0.2"), Pairs: []ipsec.Handed{{InboundSPI: 300, OutboundSPI: 301}}},
		},
		Sessions: []sessionContext{{ID: 5, SST: 1, SD: []byte{1, 2, 3}, UPF: netip.MustParseAddr("192.0.2.1"), Uplink: 1, TEID: 2, Flows: []flowContext{{QFI: 1, Reflective: true}}}},
	}
}

// A context arrives as it was, at the node that it is for and nowhere else.
func TestUEContext(t *testing.T) {
	key, other := [32]byte{1}, [32]byte{2}
	want := someContext()
	b, err := want.seal(&key, 0, 1)
	require.NoError(t, err)
	got, err := openContext(&key, 0, 1, b)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b ikev2.Path) bool { return a == b })))
	for name, open := range map[string]func() (*ueContext, error){
		"other key":   func() (*ueContext, error) { return openContext(&other, 0, 1, b) },
		"for another": func() (*ueContext, error) { return openContext(&key, 0, 2, b) },
		"of another":  func() (*ueContext, error) { return openContext(&key, 1, 1, b) },
		"changed": func() (*ueContext, error) {
			c := append([]byte(nil), b...)
			c[len(c)-1] ^= 1
			return openContext(&key, 0, 1, c)
		},
		"cut":             func() (*ueContext, error) { return openContext(&key, 0, 1, b[:len(b)-1]) },
		"empty":           func() (*ueContext, error) { return openContext(&key, 0, 1, nil) },
		"another version": func() (*ueContext, error) { c := append([]byte(nil), b...); c[0]++; return openContext(&key, 0, 1, c) },
	} {
		_, err := open()
		require.Error(t, err, name)
	}
}

// What a context says must fit together.
func TestUEContextIsChecked(t *testing.T) {
	require.NoError(t, someContext().check())
	for name, spoil := range map[string]func(c *ueContext){
		"no signalling SA":        func(c *ueContext) { c.Children = c.Children[1:] },
		"two signalling SAs":      func(c *ueContext) { c.Children[1].Session = 0 },
		"child of another UE":     func(c *ueContext) { c.Children[1].ID = 8<<32 | 2 },
		"child of the future":     func(c *ueContext) { c.NextChild = 1 },
		"child twice":             func(c *ueContext) { c.Children[1].ID = c.Children[0].ID },
		"child without pair":      func(c *ueContext) { c.Children[1].Pairs = nil },
		"child of no session":     func(c *ueContext) { c.Children[1].Session = 6 },
		"child without address":   func(c *ueContext) { c.Children[1].UP = netip.Addr{} },
		"replay window":           func(c *ueContext) { c.Children[0].Pairs[0].Resume.Inbound.Seen = make([]uint64, 65) },
		"session 0":               func(c *ueContext) { c.Sessions[0].ID = 0 },
		"session 16":              func(c *ueContext) { c.Sessions[0].ID = 16 },
		"session twice":           func(c *ueContext) { c.Sessions = append(c.Sessions, c.Sessions[0]) },
		"session without UPF":     func(c *ueContext) { c.Sessions[0].UPF = netip.Addr{} },
		"session without TEID":    func(c *ueContext) { c.Sessions[0].TEID = 0 },
		"session of unknown type": func(c *ueContext) { c.Sessions[0].Type = 77 },
		"slice":                   func(c *ueContext) { c.Sessions[0].SD = []byte{1} },
		"no flow":                 func(c *ueContext) { c.Sessions[0].Flows = nil },
		"QFI":                     func(c *ueContext) { c.Sessions[0].Flows[0].QFI = 64 },
		"no inner address":        func(c *ueContext) { c.Inner = [2]netip.Addr{} },
		"inner address":           func(c *ueContext) { c.Inner[1] = c.Inner[0] },
		"GUAMI":                   func(c *ueContext) { c.GUAMI.AMFID = 1 << 24 },
		"AMF-UE-NGAP-ID":          func(c *ueContext) { c.AMFID = 1 << 40 },
		"paths":                   func(c *ueContext) { c.Paths = make([]PathRecord, maxPaths+1) },
		"opening packet":          func(c *ueContext) { c.NASAttempt = make([]byte, 1501) },
	} {
		c := someContext()
		spoil(c)
		require.Error(t, c.check(), name)
	}
}

// Any octets that have the key give a context that has been checked, or an error.
func FuzzUEContext(f *testing.F) {
	b, err := json.Marshal(someContext())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"RANID":1,"Children":[{"ID":4294967297}]}`))
	f.Fuzz(func(t *testing.T, plain []byte) {
		c, err := decodeContext(plain)
		if err != nil {
			require.ErrorIs(t, err, errContextContent)
			return
		}
		require.NoError(t, c.check())
		again, err := json.Marshal(c)
		require.NoError(t, err)
		_, err = decodeContext(again)
		require.NoError(t, err)
	})
}

func FuzzNodeMessages(f *testing.F) {
	m := transit{hops: 1, path: ikev2.Path{Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("[2001:db8::1]:7"), NATT: true}, keepalive: true, data: []byte("ike")}
	f.Add(m.append(nil))
	f.Add((&forwardedNGAP{hops: 1, amf: "amf", pdu: []byte("pdu")}).append(nil))
	f.Add((&forwardedNAS{ranID: 7, pdu: []byte("pdu")}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseTransit(b); err == nil {
			require.Equal(t, b, m.append(nil))
		}
		if m, err := parseForwardedNGAP(b); err == nil {
			require.Equal(t, b, m.append(nil))
		}
		if m, err := parseForwardedNAS(b); err == nil {
			require.Equal(t, b, m.append(nil))
		}
	})
}

// The nodes of a cluster give out different addresses; one that is lent comes back only by its lender's leave.
func TestPoolsOfNodes(t *testing.T) {
	prefix := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/28")}
	seen := map[netip.Addr]int{}
	var pools []*addressPool
	for node := range 4 {
		p := newAddressPool(prefix, node, 2, netip.MustParseAddr("10.0.0.1"))
		pools = append(pools, p)
		for {
			a, err := p.allocate()
			if err != nil {
				break
			}
			require.NotContains(t, seen, a)
			seen[a] = node
		}
	}
	require.Len(t, seen, 13, "all hosts but the reserved one")
	a := netip.MustParseAddr("10.0.0.6") // of node 2
	require.False(t, pools[2].take(a), "in use")
	pools[2].lend(a)
	require.True(t, pools[1].take(a))
	require.False(t, pools[1].take(a))
	_, err := pools[2].allocate()
	require.Error(t, err, "it is lent, not free")
	pools[1].lend(a) // the UE goes on
	require.True(t, pools[3].take(a))
	pools[3].release(a)
	pools[2].takeBack(a)
	got, err := pools[2].allocate()
	require.NoError(t, err)
	require.Equal(t, a, got)
	pools[2].takeBack(a)
	_, err = pools[2].allocate()
	require.Error(t, err, "it was not lent")
	require.False(t, pools[2].take(netip.MustParseAddr("10.9.9.9")), "of no pool")
}
