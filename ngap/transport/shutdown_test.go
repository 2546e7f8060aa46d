// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShutdownLosesNothing: whatever one end has been allowed to send comes to the other one that shuts down meanwhile (RFC 9260 9.2). Of an N3IWF that goes
// on in the place of another one those are messages for UEs.
func TestShutdownLosesNothing(t *testing.T) {
	for i := range 30 {
		bubble(t, func(t *testing.T, n *network) {
			c, s, _ := n.pair(t, Options{}, Options{SendBuffer: 1000})
			sent, received := 0, 0
			var running sync.WaitGroup
			running.Go(func() {
				for s.Send(t.Context(), 1, payload(1, uint32(sent), 100)) == nil {
					sent++
				}
			})
			running.Go(func() {
				for {
					m, err := c.Receive(t.Context())
					if err != nil {
						return
					}
					requirePayload(t, m, 1, uint32(received), 100)
					if received++; received == 20+i {
						running.Go(func() { _ = c.Close() }) // an error, if any, is one for the receiver too
					}
				}
			})
			running.Wait()
			require.Equal(t, sent, received, "round %d", i)
		})
	}
}
