// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package kernel

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// A pair that was rekeyed is switched away from and deleted in one breath when the peer deletes it. Packets that the kernel has looked up for it
// by then are still to be sent.
func TestKernelLosesNothingInARekey(t *testing.T) {
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false)
	old, _ := connect(t, gw, ue, 1, gcm128, nil)
	h, err := gw.Handle(1)
	require.NoError(t, err)
	var sent, got atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	end := sync.OnceFunc(func() { close(stop); wg.Wait() })
	t.Cleanup(end)
	for range 2 {
		wg.Go(func() {
			w := gw.NewWriter()
			p := packet(gw.inner, ue.inner, 0, 1400)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if sent.Load()-got.Load() > 100 { // more than that could be too much for the peer's socket
					time.Sleep(time.Millisecond)
					continue
				}
				if w.Write(h, p, nil) == nil && w.Flush() == nil {
					sent.Add(1)
				}
			}
		})
	}
	take := func() { got.Add(int64(len(ue.take()))) }
	const grace = 30 * time.Millisecond
	for range 100 {
		var atGW, atUE ipsec.ChildSA
		eventually(t, "room for another generation", func() bool {
			take()
			st, err := gw.Stats(1)
			require.NoError(t, err)
			return len(st.Generations) < generations
		})
		atGW, atUE = connect(t, gw, ue, 1, gcm128, nil)
		require.NoError(t, ue.SwitchOutbound(1, atUE.InboundSPI))
		// As an owner does it with the peer's Delete.
		require.NoError(t, gw.SwitchOutbound(1, atGW.InboundSPI))
		require.NoError(t, gw.DeleteSA(1, old.InboundSPI, grace))
		take()
		err := ue.DeleteSA(1, old.OutboundSPI, 10*grace)
		require.False(t, err != nil && !errors.Is(err, ipsec.ErrUnknown), err)
		old = atGW
	}
	end()
	deadline := time.Now().Add(2 * time.Second)
	for take(); got.Load() < sent.Load() && time.Now().Before(deadline); take() {
		time.Sleep(10 * time.Millisecond)
	}
	n.gw.do(func() { t.Logf("%d packets over 100 rekeys; %s", sent.Load(), xfrmCounters(t)) })
	require.Equal(t, sent.Load(), got.Load(), "packets")
}
