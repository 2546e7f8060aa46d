// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"math/rand"
	"testing"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// FuzzReceive gives arbitrary datagrams to a responder's front, to a session that waits for IKE_AUTH and to an
// established one at each end. Nobody without the keys can change anything.
func FuzzReceive(f *testing.F) {
	w := newWorld(f, 1)
	w.sniff = func(_ bool, d Datagram) { f.Add(d.Data) }
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	w.run(time.Second, nil)
	w.sniff = nil
	f.Add([]byte{})
	half := newWorld(f, 2)
	half.serve(pskOptions(half.rng, "gw"), authorizeAll)
	half.dial(pskOptions(half.rng, "ue"), wantChild(), nil)
	half.run(time.Second, func() bool { return len(half.gw.nodes) == 1 && half.gw.last().s.state == stateAuth })
	from := Path{Local: ap(gwAddr, 4500), Remote: ap(ueAddr6, 1), NATT: true}

	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewResponder(pskOptions(rand.New(rand.NewSource(3)), "gw"))
		if s, out, _ := r.Init(epoch, from, data); s != nil {
			for _, k := range out.Work {
				k.Run()
				s.Done(epoch, k)
			}
			if s.Timeout(epoch.Add(time.Hour)); r.HalfOpen() != 0 {
				t.Fatal("a half-open session stays")
			}
		}
		r.Unknown(epoch, from, data)
		LocalSPI(data)
		for _, s := range []*Session{ue.s, gw.s, half.gw.last().s, half.ue.s} {
			path, children, state := s.Path(), s.ChildPath(), s.state
			if out := s.Receive(w.now, from, data); len(out.Events) != 0 || s.Path() != path || s.ChildPath() != children || s.state != state {
				t.Fatalf("a datagram that is nobody's did something: %v", out.Events)
			}
		}
	})
}

// rawPayload is a payload with any content.
type rawPayload struct {
	t    message.PayloadType
	body []byte
}

func (p *rawPayload) PayloadType() message.PayloadType { return p.t }

func (p *rawPayload) AppendBody(b []byte) ([]byte, error) { return append(b, p.body...), nil }

// FuzzPeer is a peer with the right keys that sends anything: requests and responses of every exchange, before and
// after authentication. Each input is a list of type, length and body of payloads.
func FuzzPeer(f *testing.F) {
	f.Add(byte(message.INFORMATIONAL), false, true, []byte{41, 8, 0, 0, 0x40, 0x10, 0, 0, 0, 0})
	f.Add(byte(message.INFORMATIONAL), true, true, []byte{41, 4, 0, 0, 0x40, 0x11})
	f.Add(byte(message.INFORMATIONAL), false, true, []byte{41, 8, 0, 0, 0xeb, 0x28, 192, 0, 2, 9})
	f.Add(byte(message.INFORMATIONAL), false, true, []byte{41, 8, 0, 0, 0x40, 0x0d, 192, 0, 2, 9, 41, 4, 0, 0, 0x40, 0x0f})
	f.Add(byte(message.CREATE_CHILD_SA), false, true, []byte{40, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 33, 0, 44, 4, 0, 0, 0, 0})
	f.Add(byte(message.IKE_AUTH), false, false, []byte{35, 5, 2, 0, 0, 0, 'u', 39, 5, 2, 0, 0, 0, 1})
	f.Add(byte(message.IKE_AUTH), false, false, []byte{35, 5, 2, 0, 0, 0, 'u', 48, 4, 2, 0, 0, 4})
	f.Fuzz(func(t *testing.T, exchange byte, response, authenticated bool, in []byte) {
		var payloads []message.Payload
		for len(in) >= 2 {
			n := min(int(in[1]), len(in)-2)
			payloads = append(payloads, &rawPayload{message.PayloadType(in[0]), in[2 : 2+n]})
			in = in[2+n:]
		}
		for _, byUE := range []bool{true, false} {
			w := newWorld(t, 1)
			o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
			g.EAP = true
			bothSwitch(&o, &g)
			windows(4, 4)(&o, &g)
			o.TestPathsAfter, g.Rebind, g.MovesPerMinute = 3, RebindRoutability, 2
			accept := func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
			o.AcceptChild, g.AcceptChild = accept, accept
			var ue, gw *node
			if authenticated {
				ue, gw = w.up(o, g)
			} else {
				w.serve(g, eapOwner(1, []byte("msk"), true))
				ue = w.dial(o, wantChild(), nil)
				w.run(time.Second, func() bool { return ue.s.state == stateAuth })
				w.wire = nil // its own IKE_AUTH request
				gw = w.gw.last()
			}
			from, to := gw, ue
			if byUE {
				from, to = ue, gw
			}
			mid := to.s.sa.nextRecv
			if response {
				if to.s.Established() {
					to.s.now = w.now
					to.take(to.s.Probe(w.now))
				}
				if len(to.s.sa.outstanding) == 0 {
					continue
				}
				mid = to.s.sa.outstanding[0].mid
			}
			d := from.s.seal(from.s.sa, message.ExchangeType(exchange), response, mid, payloads)
			path := reverse(from.s.Path())
			path.Remote = ap(ueAddr2, 1234)
			for _, datagram := range d {
				to.take(to.s.Receive(w.now, path, datagram))
			}
			w.run(10*time.Minute, nil)
		}
	})
}
