// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// The IKEv2 engine by itself, in this process and without sockets: what a core does of one kind when it does nothing else.

// ikePairs are the gateway's sessions with the peers at their other end.
type ikePairs struct {
	front *ikev2.Responder
	pairs []ikePair
	now   time.Time
}

type ikePair struct{ peer, gateway *ikev2.Session }

var (
	ikePeer    = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, 7}), 4500)
	ikeGateway = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 4500)
)

func ikeOptions(name string) ikev2.Options {
	p := &ikev2.PSK{Secret: func(ikev2.Identity) ([]byte, error) { return []byte("bench"), nil }}
	profile := suite.Default()
	return ikev2.Options{
		IKE: suite.WithGroups(profile.IKE, suite.CURVE25519), ESP: profile.ESP, Rand: rand.Reader,
		Identity: ikev2.Identity{Type: message.ID_FQDN, Data: []byte(name)}, Prove: p, Verify: p,
		Retransmit: ikev2.Retransmission{First: time.Hour, Max: time.Hour}, // nothing is lost here
	}
}

func newIKEPairs(n int) (*ikePairs, error) {
	g := ikeOptions("gateway")
	g.AcceptChild = func(*ikev2.Session, *ikev2.ChildOffer) (ikev2.ChildAnswer, error) { return ikev2.ChildAnswer{}, nil }
	g.Limits = ikev2.Limits{CookieTotal: 1 << 30, CookiePerSource: 1 << 30, Total: 1 << 30, PerSource: 1 << 30}
	p := &ikePairs{front: ikev2.NewResponder(g), now: time.Now()}
	for range n {
		if err := p.connect(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// connect brings one more pair up, with two Child SAs.
func (p *ikePairs) connect() error {
	any4 := []message.TrafficSelector{message.AnyIPv4}
	child := ikev2.ChildRequest{LocalTS: any4, RemoteTS: any4}
	var pair ikePair
	peer, out := ikev2.NewInitiator(p.now, ikeOptions("peer"), ikev2.InitiatorOptions{Child: child},
		ikev2.Path{Local: ikePeer, Remote: ikeGateway, NATT: true})
	pair.peer = peer
	if err := p.exchange(&pair, out, false); err != nil {
		return err
	}
	if err := p.exchange(&pair, peer.CreateChild(p.now, child), false); err != nil {
		return err
	}
	if n := len(pair.gateway.Children()); n != 2 {
		return fmt.Errorf("an IKE SA has %d Child SAs instead of 2", n)
	}
	p.pairs = append(p.pairs, pair)
	return nil
}

// exchange lets both ends talk until they have nothing to say, beginning with what one of them said.
func (p *ikePairs) exchange(pair *ikePair, out ikev2.Output, byGateway bool) error {
	type turn struct {
		out       ikev2.Output
		byGateway bool
	}
	turns := []turn{{out, byGateway}}
	for len(turns) > 0 {
		t := turns[0]
		turns = turns[1:]
		for _, k := range t.out.Work {
			k.Run()
			turns = append(turns, turn{k.Session().Done(p.now, k), t.byGateway})
		}
		for _, e := range t.out.Events {
			switch e := e.(type) {
			case ikev2.AuthRequest:
				turns = append(turns, turn{pair.gateway.AuthorizeChild(p.now, ikev2.Authorization{}), true})
			case ikev2.Closed:
				return e.Reason
			case ikev2.ChildFailed:
				return e.Err
			}
		}
		for _, d := range t.out.Datagrams {
			path := ikev2.Path{Local: d.Path.Remote, Remote: d.Path.Local, NATT: d.Path.NATT}
			switch {
			case t.byGateway:
				turns = append(turns, turn{pair.peer.Receive(p.now, path, d.Data), false})
			case pair.gateway == nil:
				s, out, err := p.front.Init(p.now, path, d.Data)
				if s == nil {
					return errors.Join(errors.New("no session"), err)
				}
				pair.gateway = s
				turns = append(turns, turn{out, true})
			default:
				turns = append(turns, turn{pair.gateway.Receive(p.now, path, d.Data), true})
			}
		}
	}
	return nil
}

// ikeDatagram is on its way to the gateway's end of a pair, or back.
type ikeDatagram struct {
	pair int
	ikev2.Datagram
}

// move moves every peer to another port at once and gives the CPU time that the gateway needs for it: the update, the check of the
// new path, and the answers to both.
func (p *ikePairs) move(port uint16) (cpu time.Duration, err error) {
	var toGateway []ikeDatagram
	for i := range p.pairs {
		path := p.pairs[i].peer.Path()
		path.Local = netip.AddrPortFrom(path.Local.Addr(), port)
		for _, d := range p.pairs[i].peer.Move(p.now, path).Datagrams {
			toGateway = append(toGateway, ikeDatagram{i, d})
		}
	}
	for len(toGateway) > 0 {
		toPeer := make([]ikeDatagram, 0, 2*len(toGateway))
		runtime.GC() // of what the peers left
		start, err := ownCPU()
		if err != nil {
			return 0, err
		}
		for _, d := range toGateway {
			path := ikev2.Path{Local: d.Path.Remote, Remote: d.Path.Local, NATT: true}
			for _, answer := range p.pairs[d.pair].gateway.Receive(p.now, path, d.Data).Datagrams {
				toPeer = append(toPeer, ikeDatagram{d.pair, answer})
			}
		}
		end, err := ownCPU()
		if err != nil {
			return 0, err
		}
		cpu += end - start
		toGateway = toGateway[:0]
		for _, d := range toPeer {
			path := ikev2.Path{Local: d.Path.Remote, Remote: d.Path.Local, NATT: true}
			for _, answer := range p.pairs[d.pair].peer.Receive(p.now, path, d.Data).Datagrams {
				toGateway = append(toGateway, ikeDatagram{d.pair, answer})
			}
		}
	}
	for i := range p.pairs {
		if at := p.pairs[i].gateway.ChildPath().Remote.Port(); at != port {
			return 0, fmt.Errorf("a peer that moved to port %d is still at %d", port, at)
		}
	}
	return cpu, nil
}

// ikeSpoofed makes IKE_SA_INIT requests from forged sources.
type ikeSpoofed struct {
	data  []byte
	nonce int
	n     uint64
}

func newIKESpoofed() (*ikeSpoofed, error) {
	o := ikeOptions("nobody")
	key, err := suite.GenerateKey(suite.CURVE25519, rand.Reader)
	if err != nil {
		return nil, err
	}
	nonce := bytes.Repeat([]byte{0x5a}, 32)
	m := message.Message{
		Header: message.Header{InitiatorSPI: 1, Exchange: message.IKE_SA_INIT, Flags: message.FlagInitiator},
		Payloads: []message.Payload{
			&message.SecurityAssociation{Proposals: suite.Offer(o.IKE, nil)},
			&message.KeyExchange{Group: uint16(suite.CURVE25519), Data: key.Public()},
			&message.Nonce{Data: nonce},
			&message.Notify{Type: message.NAT_DETECTION_SOURCE_IP, Data: make([]byte, 20)},
			&message.Notify{Type: message.NAT_DETECTION_DESTINATION_IP, Data: make([]byte, 20)},
			&message.Notify{Type: message.IKEV2_FRAGMENTATION_SUPPORTED},
		},
	}
	data, err := m.Append(nil)
	return &ikeSpoofed{data: data, nonce: bytes.Index(data, nonce)}, err
}

// next changes SPI, nonce and source; the datagram is good until the next one.
func (s *ikeSpoofed) next() (netip.AddrPort, []byte) {
	s.n++
	binary.BigEndian.PutUint64(s.data, s.n)
	binary.BigEndian.PutUint64(s.data[s.nonce:], s.n)
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(s.n >> 16), byte(s.n >> 8), byte(s.n)}), uint16(s.n)|1), s.data
}

// cookieAnswers answers n forged requests of a flood, when cookies are demanded already.
func cookieAnswers(n int) (cpu time.Duration, err error) {
	o := ikeOptions("gateway")
	o.Limits.CookieTotal = -1
	front := ikev2.NewResponder(o)
	flood, err := newIKESpoofed()
	if err != nil {
		return 0, err
	}
	answer := make([]byte, 0, 128)
	start, err := ownCPU()
	if err != nil {
		return 0, err
	}
	for i := range n {
		now := time.Now()
		from, data := flood.next()
		var done bool
		if answer, done = front.Challenge(now, from, data, answer[:0]); !done || len(answer) == 0 {
			return 0, fmt.Errorf("no answer to request %d", i)
		}
	}
	end, err := ownCPU()
	return end - start, err
}

// measureIKE measures the engine: moves, memory and cookies.
func measureIKE(ctx context.Context, o *options, r *report, out io.Writer) error {
	n := max(o.ues/2, 1)
	fmt.Fprintf(out, "  IKEv2 by itself: %d IKE SAs with two Child SAs each\n", n)
	runtime.GC()
	runtime.GC()
	before := ownHeap()
	p, err := newIKEPairs(n)
	if err != nil {
		return err
	}
	gateways := make([]*ikev2.Session, n)
	rounds := max(o.moves/n, 1)
	var cpu time.Duration
	for i := range rounds {
		took, err := p.move(uint16(10000 + i%50000))
		if err != nil {
			return err
		}
		if cpu += took; ctx.Err() != nil {
			return ctx.Err()
		}
	}
	r.rate(metricMOBIKE, rounds*n, cpu)
	// Only the gateway's ends stay, with all that the moves left in them.
	for i := range p.pairs {
		gateways[i] = p.pairs[i].gateway
	}
	p.pairs = nil
	runtime.GC()
	runtime.GC()
	after := ownHeap()
	r.set(metricIKEHeap, (float64(after.Live)-float64(before.Live))/float64(n))
	runtime.KeepAlive(gateways)
	runtime.KeepAlive(p)

	answers := 100 * o.moves
	fmt.Fprintf(out, "  IKEv2 by itself: %d forged IKE_SA_INIT requests\n", answers)
	if cpu, err = cookieAnswers(answers); err != nil {
		return err
	}
	r.rate(metricCookies, answers, cpu)
	return nil
}
