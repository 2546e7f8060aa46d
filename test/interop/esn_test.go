// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The kernel's ESP of charon has extended sequence numbers (RFC 4303 2.2.1), whose upper half no packet shows but every ICV covers.
// Its user-space ESP has none: charon negotiates them there all the same, and then finds that it cannot.
func TestESN(t *testing.T) {
	bothRoles(t, "extended sequence numbers, over a rekey and a move", func(t *testing.T, r role) {
		w := connect(t, r, setup{down: *charonESP == inUser, charon: func(c *connection) { c.esp = "aes256gcm16-esn" }})
		if w.set.down {
			if r == weInitiate {
				w.initiate()
			} else {
				_, err := w.c.ctl("--initiate", "--child", "c1", "--timeout", "10")
				require.Error(t, err)
			}
			w.c.logs("ESN not supported")
			return
		}
		first := w.children()[0]
		require.True(t, first.Suite.ESN)
		w.childRekeyedByCharon()
		w.n.second()
		w.n.loseFirst()
		if r == weInitiate {
			w.move(ueAddr2, gwAddr)
		}
		w.arrived(ueAddr2, gwAddr)
		require.True(t, w.children()[0].Suite.ESN)
		w.lost(lostPerMove)
	})
}
