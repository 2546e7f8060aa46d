// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

func TestRekeyByCharon(t *testing.T) {
	bothRoles(t, "of the child, three times", func(t *testing.T, r role) {
		w := connect(t, r, setup{charon: func(c *connection) { c.esp = "aes256gcm16-x25519" }})
		for range 3 {
			w.childRekeyedByCharon()
			w.flows("after a rekey")
		}
		w.lost(0)
	})
	bothRoles(t, "of the child by its lifetime", func(t *testing.T, r role) {
		w := connect(t, r, setup{charon: func(c *connection) { c.child = "rekey_time = 1s; life_time = 20s; rand_time = 0s" }})
		eventually(t, "two rekeys", func() bool { return len(got[ikev2.ChildUp](w.e)) >= 3 && len(got[ikev2.ChildDown](w.e)) >= 2 })
		w.lost(0)
	})
	bothRoles(t, "of the IKE SA, three times", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		child := got[ikev2.ChildUp](w.e)[0].Child
		for i := range 3 {
			before := w.c.sa()
			w.c.must("--rekey", "--ike", "n3")
			eventually(t, "rekeyed, and the old IKE SA gone", func() bool { return len(got[ikev2.SPIForgotten](w.e)) == i+1 })
			require.NotEqual(t, before.initiatorSPI, w.agree().initiatorSPI)
			w.alive()
		}
		require.Equal(t, []*ikev2.ChildSA{child}, w.children(), "the child went over to the new IKE SA as it was")
		w.childRekeyedByCharon()
		w.lost(0)
	})
	bothRoles(t, "of the IKE SA, to another group and cipher", func(t *testing.T, r role) {
		w := connect(t, r, setup{charon: func(c *connection) { c.ike = "aes128-sha256-modp2048" }, ours: func(o *ikev2.Options) {
			if r == weInitiate {
				only(o, "modp2048")
				o.IKE = append(o.IKE, suite.Default().IKE...)
			}
		}})
		w.c.must("--rekey", "--ike", "n3")
		wait[ikev2.SPIForgotten](w.e, "rekeyed", nil)
		w.alive()
		w.agree()
		w.lost(0)
	})
	t.Run("charon initiates/reauthentication, break before make", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{})
		first := w.e.session()
		w.c.must("--rekey", "--ike", "n3", "--reauth")
		eventually(t, "a new session", func() bool { return w.e.session() != first && len(got[ikev2.ChildUp](w.e)) == 2 })
		require.Equal(t, ikev2.Closed{Reason: ikev2.ErrDeleted, ByPeer: true}, wait[ikev2.Closed](w.e, "the old session's end", nil))
		w.agree()
		w.lost(100)
	})
	t.Run("charon initiates/reauthentication, make before break", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{charon: func(c *connection) { c.daemon = "make_before_break = yes" }})
		first := w.e.session()
		w.c.must("--rekey", "--ike", "n3", "--reauth")
		eventually(t, "a new session", func() bool { return w.e.session() != first && len(got[ikev2.ChildUp](w.e)) == 2 })
		require.Equal(t, ikev2.Closed{Reason: ikev2.ErrDeleted, ByPeer: true}, wait[ikev2.Closed](w.e, "the old session's end", nil))
		w.agree()
		w.lost(50)
	})
}

// children are our Child SAs.
func (w *world) children() (all []*ikev2.ChildSA) {
	w.e.wait(func() { all = w.e.session().Children() })
	return all
}

// childRekeyedByCharon makes charon rekey the child and waits until the old pair is gone on both sides.
func (w *world) childRekeyedByCharon() {
	w.t.Helper()
	old := w.children()
	require.Len(w.t, old, 1)
	w.c.must("--rekey", "--child", "c1")
	wait(w.e, "charon's rekey of the child", func(u ikev2.ChildUp) bool { return u.Replaces == old[0].InboundSPI })
	wait(w.e, "the old child's end", func(d ikev2.ChildDown) bool { return d.Child == old[0] })
	w.agree()
}

// alive checks that charon answers an INFORMATIONAL request of ours.
func (w *world) alive() {
	w.t.Helper()
	before := len(got[ikev2.Alive](w.e))
	w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.Probe(now) })
	eventually(w.t, "charon answers", func() bool { return len(got[ikev2.Alive](w.e)) > before })
}
