// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// populate puts UEs on the owners of a network function that does not run yet.
func populate(nf *N3IWF, ues int) {
	for i := range ues {
		o := nf.owners[i%len(nf.owners)]
		u := &ue{nf: nf, owner: o, session: new(ikev2.Session), ranID: uint32(i), state: stateUp}
		u.path.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), 4500)
		u.inner[0] = netip.AddrFrom4([4]byte{10, 60, byte(i >> 8), byte(i)})
		o.byRANID[u.ranID] = u
	}
}

// crowd is a network function with so many UEs on its owners, which run.
func crowd(t testing.TB, ues int) *N3IWF {
	nf := &N3IWF{nodes: &nodes{}}
	ctx, stop := context.WithCancel(context.Background())
	const owners = 2
	for i := range owners {
		nf.owners = append(nf.owners, newOwner(nf, i))
	}
	populate(nf, ues)
	for _, o := range nf.owners {
		go o.run(ctx)
	}
	t.Cleanup(func() {
		stop()
		for _, o := range nf.owners {
			<-o.done
		}
	})
	return nf
}

func TestPagesOfManyUEs(t *testing.T) {
	nf := crowd(t, 10000)
	ctx := context.Background()
	seen := map[uint32]bool{}
	for offset := 0; ; offset += 1000 {
		p := nf.UEs(ctx, UEQuery{Offset: offset, Limit: 5000})
		require.Equal(t, 10000, p.Total)
		require.LessOrEqual(t, len(p.UEs), pageLimit)
		if len(p.UEs) == 0 {
			break
		}
		for _, u := range p.UEs {
			require.Equal(t, uint32(len(seen)), u.ID, "in the order of the ids, none twice")
			seen[u.ID] = true
		}
	}
	require.Len(t, seen, 10000)
	p := nf.UEs(ctx, UEQuery{Filter: "198.51.7.9:"})
	require.Equal(t, 1, p.Matched)
	require.Equal(t, uint32(7*256+9), p.UEs[0].ID)
	require.Equal(t, 100, len(nf.UEs(ctx, UEQuery{}).UEs), "the default")
	_, ok := nf.UE(ctx, 10001)
	require.False(t, ok)
	require.False(t, nf.ReleaseUE(ctx, 10001))
}

// A question does not wait for an owner that has ended, nor for ever.
func TestAskEnds(t *testing.T) {
	nf := &N3IWF{}
	nf.owners = append(nf.owners, newOwner(nf, 0))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.Zero(t, nf.UEs(ctx, UEQuery{}).Total, "it does not run, and the client has gone")
	nf.owners[0].run(ctx)
	require.Zero(t, nf.UEs(context.Background(), UEQuery{}).Total)
}

// BenchmarkPage is what one look at the list costs the owners.
func BenchmarkPage(b *testing.B) {
	for _, n := range []int{100, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			nf := crowd(b, n)
			for b.Loop() {
				nf.UEs(context.Background(), UEQuery{Filter: "198.51.0.1"})
			}
		})
	}
}
