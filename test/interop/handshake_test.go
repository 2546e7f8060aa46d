// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

func TestHandshake(t *testing.T) {
	t.Run("charon initiates/we demand a cookie", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{ours: func(o *ikev2.Options) { o.Limits.CookieTotal = -1 }})
		w.c.logs("parsed IKE_SA_INIT response 0 [ N(COOKIE) ]")
		w.lost(0)
	})
	t.Run("charon initiates/we demand another group", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{
			charon: func(c *connection) { c.ike = "aes256gcm16-prfsha256-modp2048-ecp256" },
			ours:   func(o *ikev2.Options) { only(o, "ecp256") },
		})
		w.c.logs("peer didn't accept DH group MODP_2048, it requested ECP_256")
		require.Equal(t, "ECP_256", w.agree().group)
		w.lost(0)
	})
	t.Run("charon initiates/we demand a cookie and another group", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{
			charon: func(c *connection) { c.ike = "aes256gcm16-prfsha256-modp2048-ecp256" },
			ours: func(o *ikev2.Options) {
				only(o, "ecp256")
				o.Limits.CookieTotal = -1
			},
		})
		w.c.logs("N(COOKIE)", "peer didn't accept DH group MODP_2048, it requested ECP_256")
		w.lost(0)
	})
	t.Run("charon initiates/no common algorithm is refused", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{down: true, charon: func(c *connection) { c.ike = "aes128-sha1-modp1024" }})
		_, err := w.c.ctl("--initiate", "--child", "c1", "--timeout", "10")
		require.Error(t, err)
		w.c.logs("received NO_PROPOSAL_CHOSEN notify error")
	})
	t.Run("we initiate/charon demands a cookie", func(t *testing.T) {
		w := connect(t, weInitiate, setup{down: true, charon: func(c *connection) {
			c.daemon = "cookie_threshold = 1; cookie_threshold_ip = 0; half_open_timeout = 30"
		}})
		// One half-open IKE SA, and charon is under attack.
		w.e.wait(func() { w.e.mute = 1 })
		w.initiate()
		eventually(t, "a half-open IKE SA", func() bool { return len(w.c.sas()) == 1 })
		w.e.wait(func() { w.e.mute = 0 })
		first := w.e.session()
		w.initiate()
		wait[ikev2.ChildUp](w.e, "child", nil)
		w.c.logs("generating IKE_SA_INIT response 0 [ N(COOKIE) ]")
		w.e.wait(func() { w.e.take(first, first.Delete(time.Now())) })
		w.traffic()
		w.lost(0)
	})
	t.Run("we initiate/charon demands another group", func(t *testing.T) {
		w := connect(t, weInitiate, setup{charon: func(c *connection) { c.ike = "aes256gcm16-prfsha384-ecp384" }})
		w.c.logs("DH group CURVE_25519 unacceptable, requesting ECP_384")
		require.Equal(t, "ECP_384", w.agree().group)
		w.lost(0)
	})
	t.Run("we initiate/charon demands a cookie and another group", func(t *testing.T) {
		w := connect(t, weInitiate, setup{down: true, charon: func(c *connection) {
			c.ike = "aes256gcm16-prfsha384-ecp384,aes256gcm16-prfsha384-x25519"
			c.daemon = "cookie_threshold = 1; cookie_threshold_ip = 0; prefer_configured_proposals = yes"
		}})
		w.e.wait(func() { w.e.mute = 1 })
		w.initiate()
		// The first session meets INVALID_KE_PAYLOAD alone, and stays half-open.
		eventually(t, "a half-open IKE SA", func() bool { return len(w.c.sas()) == 1 })
		w.e.wait(func() { w.e.mute = 0 })
		w.initiate()
		wait[ikev2.ChildUp](w.e, "child", nil)
		w.c.logs("generating IKE_SA_INIT response 0 [ N(COOKIE) ]", "requesting ECP_384")
		w.traffic()
		w.lost(0)
	})
	t.Run("we initiate/no common algorithm is refused", func(t *testing.T) {
		w := connect(t, weInitiate, setup{down: true, charon: func(c *connection) { c.ike = "aes128-sha1-modp1024" }})
		w.initiate()
		require.Equal(t, &ikev2.NotifyError{Type: message.NO_PROPOSAL_CHOSEN, Data: []byte{}}, normal(wait[ikev2.Closed](w.e, "refusal", nil).Reason))
	})

	bothRoles(t, "fragments both ways (RFC 7383)", func(t *testing.T, r role) {
		w := connect(t, r, withPKI(newPKI(t, rsa2048, rsa2048, false), r, setup{}))
		w.c.logs("splitting IKE message", "received fragment #2 of", "reassembled fragmented IKE message")
		w.lost(0)
	})
	bothRoles(t, "no fragments where charon wants none", func(t *testing.T, r role) {
		w := connect(t, r, withPKI(newPKI(t, rsa2048, rsa2048, false), r, setup{charon: func(c *connection) { c.lines = "fragmentation = no" }}))
		require.False(t, w.c.logged("received fragment #"))
		require.False(t, w.c.logged("splitting IKE message"))
		w.lost(0)
	})
	bothRoles(t, "traffic selectors are narrowed", func(t *testing.T, r role) {
		half := message.TrafficSelector{EndPort: 65535, Start: addr("10.200.0.0"), End: addr("10.200.0.127")}
		w := connect(t, r, setup{
			charon: func(c *connection) {
				if r == weInitiate {
					c.ts = "10.200.0.0/25"
				}
			},
			on: func(e *edge, s *ikev2.Session, ev ikev2.Event) bool {
				if req, ok := ev.(ikev2.AuthRequest); ok {
					require.Equal(t, []message.TrafficSelector{behind}, req.LocalTS)
					e.take(s, s.AuthorizeChild(time.Now(), ikev2.Authorization{
						Config: &message.Configuration{Type: message.CFG_REPLY, Attributes: []message.ConfigAttribute{
							{Type: message.INTERNAL_IP4_ADDRESS, Value: inner.AsSlice()},
						}},
						LocalTS: []message.TrafficSelector{half}, RemoteTS: []message.TrafficSelector{message.AddrSelector(0, inner)}, Tag: &tunnel{},
					}))
					return true
				}
				return false
			},
		})
		c := got[ikev2.ChildUp](w.e)[0].Child
		if r == charonInitiates {
			require.Equal(t, []message.TrafficSelector{half}, c.LocalTS)
			require.Contains(t, w.c.sa().raw, "local-ts=[10.60.0.1/32] remote-ts=[10.200.0.0/25]")
		} else {
			require.Equal(t, []message.TrafficSelector{half}, c.RemoteTS)
			require.Contains(t, w.c.sa().raw, "local-ts=[10.200.0.0/25] remote-ts=[10.60.0.1/32]")
		}
		w.lost(0)
	})
	bothRoles(t, "no common traffic selectors, the IKE SA lives on", func(t *testing.T, r role) {
		w := connect(t, r, setup{
			down: true,
			want: func(want *ikev2.InitiatorOptions) {
				want.Child.RemoteTS = []message.TrafficSelector{message.AddrSelector(0, addr("10.222.0.1"))}
			},
			on: func(e *edge, s *ikev2.Session, ev ikev2.Event) bool {
				if _, ok := ev.(ikev2.AuthRequest); ok {
					a := ikev2.Authorization{Refuse: &ikev2.NotifyError{Type: message.TS_UNACCEPTABLE}}
					e.take(s, s.AuthorizeChild(time.Now(), a))
					return true
				}
				return false
			},
		})
		if r == charonInitiates {
			_, err := w.c.ctl("--initiate", "--child", "c1", "--timeout", "10")
			require.Error(t, err)
			w.c.logs("received TS_UNACCEPTABLE notify, no CHILD_SA built")
		} else {
			w.initiate()
			failed := wait[ikev2.ChildFailed](w.e, "refusal", nil)
			require.Equal(t, &ikev2.NotifyError{Type: message.TS_UNACCEPTABLE, Data: []byte{}}, normal(failed.Err))
			require.Equal(t, "ESTABLISHED", w.c.sa().state)
		}
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.Probe(now) })
		wait[ikev2.Alive](w.e, "the IKE SA lives", nil)
	})
	t.Run("charon initiates/a second child, and its end", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{charon: func(c *connection) {
			// A second child of the same IKE SA, by CREATE_CHILD_SA.
			c.child = "} c2 { local_ts = dynamic; remote_ts = 10.200.0.64/26; esp_proposals = aes128gcm16-ecp256"
		}})
		w.c.must("--initiate", "--child", "c2")
		eventually(t, "both children", func() bool { return len(got[ikev2.ChildUp](w.e)) == 2 })
		c := got[ikev2.ChildUp](w.e)[1].Child
		require.Equal(t, suite.ECP_256, c.Suite.Group)
		w.agree()
		w.c.must("--terminate", "--child", "c2")
		wait(w.e, "its end", func(d ikev2.ChildDown) bool { return d.Child == c && d.ByPeer })
		w.agree()
		w.lost(0)
	})
	t.Run("we initiate/a second child after INVALID_KE_PAYLOAD, and its end", func(t *testing.T) {
		w := connect(t, weInitiate, setup{charon: func(c *connection) { c.esp = "aes256gcm16-ecp256" }})
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output {
			return s.CreateChild(now, ikev2.ChildRequest{
				LocalTS: []message.TrafficSelector{message.AddrSelector(0, inner)}, RemoteTS: []message.TrafficSelector{behind},
				ESP: suite.WithGroups(suite.Default().ESP, suite.MODP_2048, suite.ECP_256), Tag: &tunnel{},
			})
		})
		eventually(t, "both children", func() bool { return len(got[ikev2.ChildUp](w.e)) == 2 })
		second := got[ikev2.ChildUp](w.e)[1].Child
		require.Equal(t, suite.ECP_256, second.Suite.Group)
		w.agree()
		// charon ends it before we hear of that: what we send goes through the first one from here on.
		second.Tag.(*tunnel).handle.Store(nil)
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.DeleteChild(now, second.InboundSPI) })
		wait(w.e, "its end", func(d ikev2.ChildDown) bool { return d.Child == second && !d.ByPeer })
		w.agree()
		// charon sends through the new pair before its answer has reached us, and before we have the keys.
		w.lost(int(w.e.dp.Totals().UnknownSPI))
	})
}
