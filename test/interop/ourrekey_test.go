// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

func rekeyChild(s *ikev2.Session, now time.Time) ikev2.Output {
	return s.RekeyChild(now, s.Children()[0].InboundSPI)
}

func rekeyIKE(s *ikev2.Session, now time.Time) ikev2.Output { return s.RekeyIKE(now) }

func deleteChild(s *ikev2.Session, now time.Time) ikev2.Output {
	return s.DeleteChild(now, s.Children()[0].InboundSPI)
}

// replaced waits until exactly one child is left, another one than old, on both sides.
func (w *world) replaced(old *ikev2.ChildSA) {
	w.t.Helper()
	eventually(w.t, "one other child is left", func() bool {
		all := w.children()
		return len(all) == 1 && all[0] != old
	})
	w.agree()
}

func TestRekeyByUs(t *testing.T) {
	bothRoles(t, "of the child, three times, with PFS", func(t *testing.T, r role) {
		w := connect(t, r, setup{
			charon: func(c *connection) { c.esp = "aes256gcm16-ecp256" },
			ours:   func(o *ikev2.Options) { o.ESP = suite.WithGroups(o.ESP, suite.CURVE25519, suite.ECP_256) },
		})
		for range 3 {
			old := w.children()[0]
			w.e.call(rekeyChild)
			w.replaced(old)
			require.Equal(t, suite.ECP_256, w.children()[0].Suite.Group, "after INVALID_KE_PAYLOAD")
			w.flows("after a rekey")
		}
		w.lost(0)
	})
	bothRoles(t, "of the child, when it has carried so many packets", func(t *testing.T, r role) {
		w := connect(t, r, setup{silent: true, lifetime: ipsec.Lifetime{SoftPackets: 20}})
		first := w.children()[0]
		w.traffic()
		w.replaced(first)
		second := w.children()[0]
		w.replaced(second)
		w.lost(0)
	})
	bothRoles(t, "of the IKE SA, three times, and each side's requests in it", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		child := w.children()
		for range 3 {
			before := w.c.sa()
			spi := w.e.session().SPI()
			w.e.call(rekeyIKE)
			wait(w.e, "the old IKE SA is gone", func(f ikev2.SPIForgotten) bool { return f.SPI == spi })
			require.NotEqual(t, before.initiatorSPI, w.agree().initiatorSPI)
			w.alive()
		}
		require.Equal(t, child, w.children(), "the child went over to the new IKE SA as it was")
		w.childRekeyedByCharon()
		w.c.must("--rekey", "--ike", "n3")
		eventually(t, "charon's rekey after ours", func() bool { return len(got[ikev2.SPIForgotten](w.e)) == 4 })
		w.agree()
		w.lost(0)
	})
	bothRoles(t, "of the IKE SA, and the original initiator moves", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.e.call(rekeyIKE)
		wait[ikev2.SPIForgotten](w.e, "the rekey", nil)
		before := w.agree()
		w.n.second()
		w.n.loseFirst()
		if r == weInitiate {
			w.move(ueAddr2, gwAddr)
		}
		w.arrived(ueAddr2, gwAddr)
		require.Equal(t, before.initiatorSPI, w.c.sa().initiatorSPI)
		w.lost(lostPerMove)
	})
}

// cross makes a request of ours and one of charon's cross each other.
func (w *world) cross(ours func(s *ikev2.Session, now time.Time) ikev2.Output, charon ...string) {
	w.t.Helper()
	w.e.hold()
	w.e.call(ours)
	before := w.e.came(request)
	w.c.must(charon...)
	eventually(w.t, "charon's request", func() bool { return w.e.came(request) > before })
	w.e.release()
}

// Requests of both sides that cross each other (RFC 7296 2.25, 2.8.1).
func TestCollisions(t *testing.T) {
	bothRoles(t, "both rekey the child", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		for range 3 { // the nonces say who wins
			old := w.children()[0]
			w.cross(rekeyChild, "--rekey", "--child", "c1")
			w.replaced(old)
			w.flows("after the collision")
		}
		w.alive()
		w.lost(0)
	})
	bothRoles(t, "both rekey the IKE SA", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		child := w.children()
		for range 3 {
			before := w.c.sa()
			w.cross(rekeyIKE, "--rekey", "--ike", "n3")
			eventually(t, "one other IKE SA is left", func() bool {
				all := w.c.sas()
				return len(all) == 1 && all[0].initiatorSPI != before.initiatorSPI && all[0].state == "ESTABLISHED"
			})
			w.alive()
			w.agree()
		}
		require.Equal(t, child, w.children())
		w.childRekeyedByCharon()
		w.lost(0)
	})
	bothRoles(t, "we rekey the child that charon deletes", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.end()
		w.cross(rekeyChild, "--terminate", "--child", "c1", "--timeout", "-1")
		wait[ikev2.ChildDown](w.e, "the end", nil)
		w.alive()
		require.Empty(t, w.agree().children)
	})
	bothRoles(t, "we delete the child that charon rekeys", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.end()
		w.cross(deleteChild, "--rekey", "--child", "c1")
		wait[ikev2.ChildDown](w.e, "the end", nil)
		w.alive()
		w.agree()
	})
	bothRoles(t, "we delete the child that charon deletes", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.end()
		w.cross(deleteChild, "--terminate", "--child", "c1", "--timeout", "-1")
		wait[ikev2.ChildDown](w.e, "the end", nil)
		w.alive()
		require.Empty(t, w.agree().children)
	})
	bothRoles(t, "we rekey the child while charon rekeys the IKE SA", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.cross(rekeyChild, "--rekey", "--ike", "n3")
		w.alive()
		w.agree()
		w.lost(0)
	})
	bothRoles(t, "we rekey the IKE SA while charon rekeys the child", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.cross(rekeyIKE, "--rekey", "--child", "c1")
		w.alive()
		w.agree()
		w.lost(0)
	})
	bothRoles(t, "we rekey the IKE SA that charon deletes", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.end()
		w.cross(rekeyIKE, "--terminate", "--ike", "n3", "--timeout", "-1")
		require.ErrorIs(t, wait[ikev2.Closed](w.e, "the end", nil).Reason, ikev2.ErrDeleted)
		eventually(t, "charon has no SA", func() bool { return len(w.c.sas()) == 0 })
	})
	t.Run("we initiate/we move while charon rekeys the child", func(t *testing.T) {
		w := connect(t, weInitiate, setup{})
		old := w.children()[0]
		w.n.second()
		w.cross(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.Move(now, natt(ueAddr2, gwAddr)) }, "--rekey", "--child", "c1")
		w.n.loseFirst()
		w.arrived(ueAddr2, gwAddr)
		w.replaced(old)
		w.lost(lostPerMove)
	})
	t.Run("we initiate/we move while charon rekeys the IKE SA", func(t *testing.T) {
		w := connect(t, weInitiate, setup{})
		w.n.second()
		w.cross(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.Move(now, natt(ueAddr2, gwAddr)) }, "--rekey", "--ike", "n3")
		w.n.loseFirst()
		w.arrived(ueAddr2, gwAddr)
		w.alive()
		w.lost(lostPerMove)
	})
	t.Run("we initiate/we move while our rekey of the child is under way", func(t *testing.T) {
		w := connect(t, weInitiate, setup{})
		old := w.children()[0]
		w.n.second()
		w.e.hold()
		w.e.call(rekeyChild)
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.Move(now, natt(ueAddr2, gwAddr)) })
		w.e.release()
		w.n.loseFirst()
		w.arrived(ueAddr2, gwAddr)
		w.replaced(old)
		w.lost(2 * lostPerMove)
	})
	t.Run("charon initiates/it moves while our rekey of the child is under way", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{})
		old := w.children()[0]
		w.e.hold()
		w.e.call(rekeyChild)
		before := w.e.came(func(a arrival) bool { return request(a) && a.header.Exchange == message.INFORMATIONAL })
		w.n.second()
		w.n.loseFirst()
		eventually(t, "charon's probe of the new path", func() bool {
			return w.e.came(func(a arrival) bool { return request(a) && a.header.Exchange == message.INFORMATIONAL }) > before
		})
		w.e.release()
		w.arrived(ueAddr2, gwAddr)
		w.replaced(old)
		w.lost(4 * lostPerMove)
	})
}
