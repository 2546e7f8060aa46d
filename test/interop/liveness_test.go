// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

func TestDelete(t *testing.T) {
	bothRoles(t, "charon deletes the IKE SA", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.end()
		w.c.must("--terminate", "--ike", "n3")
		require.Equal(t, ikev2.Closed{Reason: ikev2.ErrDeleted, ByPeer: true}, wait[ikev2.Closed](w.e, "the end", nil))
		require.Zero(t, w.total.lost)
	})
	bothRoles(t, "we delete the IKE SA", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.end()
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.Delete(now) })
		require.Equal(t, ikev2.Closed{Reason: ikev2.ErrDeleted}, wait[ikev2.Closed](w.e, "the end", nil))
		eventually(t, "charon has no SA", func() bool { return len(w.c.sas()) == 0 })
		require.Zero(t, w.total.lost)
	})
	bothRoles(t, "charon deletes the child, the IKE SA stays", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.end()
		w.c.must("--terminate", "--child", "c1")
		require.True(t, wait[ikev2.ChildDown](w.e, "the end", nil).ByPeer)
		w.alive()
		require.Empty(t, w.agree().children)
	})
	bothRoles(t, "we delete the child, the IKE SA stays", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.end()
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output {
			return s.DeleteChild(now, s.Children()[0].InboundSPI)
		})
		require.False(t, wait[ikev2.ChildDown](w.e, "the end", nil).ByPeer)
		w.alive()
		require.Empty(t, w.agree().children)
	})
	bothRoles(t, "both delete the IKE SA at once", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.end()
		w.e.hold()
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.Delete(now) })
		before := w.e.came(request)
		w.c.must("--terminate", "--ike", "n3", "--timeout", "-1")
		eventually(t, "charon's Delete", func() bool { return w.e.came(request) > before })
		w.e.release()
		require.ErrorIs(t, wait[ikev2.Closed](w.e, "the end", nil).Reason, ikev2.ErrDeleted)
		eventually(t, "charon has no SA", func() bool { return len(w.c.sas()) == 0 })
	})
}

// request tells whether a message is a request.
func request(a arrival) bool { return !a.header.Response() }

func TestLiveness(t *testing.T) {
	bothRoles(t, "each asks the other", func(t *testing.T, r role) {
		w := connect(t, r, setup{silent: true, charon: func(c *connection) { c.lines = "dpd_delay = 1s" }})
		w.alive()
		w.c.logs("sending DPD request")
		eventually(t, "charon has its answer", func() bool { return w.c.logged("parsed INFORMATIONAL response") })
		w.traffic()
		w.lost(0)
	})
	bothRoles(t, "charon dies, we notice", func(t *testing.T, r role) {
		w := connect(t, r, setup{ours: func(o *ikev2.Options) {
			o.Liveness, o.Patience = slow(200*time.Millisecond), slow(600*time.Millisecond)
			o.Retransmit = ikev2.Retransmission{First: slow(100 * time.Millisecond), GiveUp: slow(600 * time.Millisecond)}
		}})
		w.e.wait(func() { w.e.onTraffic = true })
		w.end()
		w.c.stop(syscall.SIGKILL)
		require.Equal(t, ikev2.ErrTimeout, wait[ikev2.Closed](w.e, "the end", nil).Reason)
		require.Zero(t, w.total.lost)
	})
	t.Run("charon initiates/we die, charon notices and connects anew", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{charon: func(c *connection) {
			c.lines, c.child = "dpd_delay = 1s", "dpd_action = restart"
			c.daemon = "retransmit_tries = 1; retransmit_timeout = 0.2; retransmit_base = 1.0"
		}})
		w.end()
		w.e.close()
		w.open(w.n.gw)
		w.c.logs("giving up after 1 retransmits")
		wait[ikev2.ChildUp](w.e, "the child is up again", nil)
		w.agree()
		w.traffic()
		w.lost(0)
	})
	t.Run("charon initiates/charon killed and restarted, INITIAL_CONTACT ends the old session", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{on: func(e *edge, s *ikev2.Session, ev ikev2.Event) bool {
			if req, ok := ev.(ikev2.AuthRequest); ok && req.InitialContact {
				// After authentication only: whoever can say a name must not be able to end its sessions.
				for other := range e.deadlines {
					if other != s && other.Established() {
						e.take(other, other.Delete(time.Now()))
					}
				}
			}
			return false
		}})
		w.end()
		w.c.stop(syscall.SIGKILL)
		w.c.start("")
		w.c.load(w.conf.swanctl(w.role))
		w.up()
		require.True(t, got[ikev2.AuthRequest](w.e)[1].InitialContact)
		require.Len(t, w.agree().children, 1)
		w.traffic()
		w.lost(0)
	})
	t.Run("we initiate/we restart, INITIAL_CONTACT ends charon's old SA", func(t *testing.T) {
		w := connect(t, weInitiate, setup{want: func(want *ikev2.InitiatorOptions) { want.InitialContact = true }})
		w.end()
		old := w.c.sa()
		w.e.close()
		w.open(w.n.ue)
		w.initiate()
		wait[ikev2.ChildUp](w.e, "child", nil)
		w.c.logs("destroying duplicate IKE_SA for peer 'ue@example.org', received INITIAL_CONTACT")
		require.NotEqual(t, old.initiatorSPI, w.agree().initiatorSPI)
		w.traffic()
		w.lost(0)
	})
	t.Run("charon initiates/a request for an IKE SA that we have forgotten is answered INVALID_IKE_SPI", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{silent: true, charon: func(c *connection) { c.lines = "dpd_delay = 1s" }})
		w.e.close()
		w.open(w.n.gw)
		w.c.logs("sending DPD request", "received unencrypted informational: from 10.100.0.1[4500]")
		require.Equal(t, "ESTABLISHED", w.c.sa().state, "an unprotected error is a hint only")
	})
}
