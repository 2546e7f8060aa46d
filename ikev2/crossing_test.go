// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// crossing is two established sessions and a network in which every message waits until the test delivers it, so that
// all orders can be tried. Time passes only when nothing is under way.
type crossing struct {
	t      testing.TB
	now    time.Time
	ue, gw *end
	wire   []parcel
	// asynchronous makes public-key work a parcel of its own, else it is done at once.
	asynchronous bool
	log          []string
}

// parcel is what can happen next: a datagram that arrives, work that is done, or an owner's wish.
type parcel struct {
	name string
	to   *end
	path Path
	data []byte
	work *Work
	wish func(e *end) Output
}

// end is one of the two sessions with its data plane, as its events make it.
type end struct {
	x        *crossing
	name     string
	s        *Session
	peer     *end
	deadline time.Time
	events   []Event
	up       map[uint32]*ChildSA  // installed, by inbound SPI
	gone     map[uint32]time.Time // inbound SPIs that were removed, and when
	sending  map[any]*ChildSA     // by Tag
	fresh    map[uint32]bool      // new pairs that the peer asked for: it may not have our answer yet
	spis     map[message.SPI]bool // that lead to the session
	told     []string             // the answers that it gave, in short
	opens    map[*ikeSA]*suite.Protector
}

// frozen are two sessions that have just come up, made once.
var frozen = sync.OnceValue(func() (f struct{ ue, gw []byte }) {
	w := newWorld(panics{}, 7)
	o, g := crossingOptions(1)
	ue, gw := w.up(o, g)
	var err error
	if f.ue, err = ue.s.Export(w.now, &transferKey, nil); err != nil {
		panic(err)
	}
	if f.gw, err = gw.s.Export(w.now, &transferKey, nil); err != nil {
		panic(err)
	}
	return f
})

// panics is a testing.TB for what is made outside of a test.
type panics struct{ testing.TB }

func (panics) Helper()                           {}
func (panics) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (panics) FailNow()                          { panic("failed") }

func crossingOptions(seed int64) (ue, gw Options) {
	rng := rand.New(rand.NewSource(seed))
	ue, gw = pskOptions(rng, "ue"), pskOptions(rng, "gw")
	for _, o := range []*Options{&ue, &gw} {
		o.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{Tag: "second"}, nil }
		tagged(o)
	}
	return ue, gw
}

// cross thaws the two sessions. Every seed gives other nonces.
func cross(t testing.TB, seed int64, change func(o *Options)) *crossing {
	x := &crossing{t: t, now: epoch}
	f := frozen()
	o, g := crossingOptions(1000 + seed)
	if change != nil {
		change(&o)
		change(&g)
	}
	thaw := func(name string, o Options, blob []byte) *end {
		s, out, err := ImportSession(x.now, o, &transferKey, nil, blob)
		require.NoError(t, err)
		e := &end{
			x: x, name: name, s: s, up: map[uint32]*ChildSA{}, gone: map[uint32]time.Time{}, sending: map[any]*ChildSA{},
			fresh: map[uint32]bool{}, opens: map[*ikeSA]*suite.Protector{},
			spis: map[message.SPI]bool{s.SPI(): true}, deadline: out.Deadline,
		}
		for _, c := range s.Children() {
			c.Tag = "first"
			e.up[c.InboundSPI], e.sending[c.Tag] = c, c
		}
		return e
	}
	x.ue, x.gw = thaw("ue", o, f.ue), thaw("gw", g, f.gw)
	x.ue.peer, x.gw.peer = x.gw, x.ue
	return x
}

// wish adds something that an owner will want, at any time.
func (x *crossing) wish(name string, e *end, do func(e *end) Output) {
	x.wire = append(x.wire, parcel{name: e.name + " wants: " + name, to: e, wish: do})
}

func (e *end) take(out Output) {
	e.deadline = out.Deadline
	for _, ev := range out.Events {
		e.events = append(e.events, ev)
		e.event(ev)
	}
	for _, d := range out.Datagrams {
		if !d.Keepalive {
			e.x.wire = append(e.x.wire, parcel{name: e.describe(d.Data), to: e.peer, path: reverse(d.Path), data: d.Data})
		}
	}
	for _, w := range out.Work {
		if e.x.asynchronous {
			e.x.wire = append(e.x.wire, parcel{name: e.name + " computes", to: e, work: w})
			continue
		}
		w.Run()
		e.take(e.s.Done(e.x.now, w))
	}
}

func (e *end) event(ev Event) {
	t := e.x.t
	switch ev := ev.(type) {
	case ChildUp:
		require.NotContains(t, e.up, ev.Child.InboundSPI)
		e.up[ev.Child.InboundSPI] = ev.Child
		if ev.Replaces == 0 {
			require.NotContains(t, e.sending, ev.Child.Tag)
			e.sending[ev.Child.Tag] = ev.Child
			e.fresh[ev.Child.InboundSPI] = !ev.Child.Initiator
		}
	case ChildSwitched:
		require.Contains(t, e.up, ev.Child.InboundSPI)
		require.Contains(t, e.sending, ev.Child.Tag)
		e.sending[ev.Child.Tag] = ev.Child
	case ChildDown:
		require.Contains(t, e.up, ev.Child.InboundSPI)
		delete(e.up, ev.Child.InboundSPI)
		e.gone[ev.Child.InboundSPI] = e.x.now
		if ev.Superseded {
			require.NotEqual(t, ev.Child, e.sending[ev.Child.Tag], "%s sends on a pair that goes", e.name)
		} else {
			delete(e.sending, ev.Child.Tag)
		}
	case SPIAdded:
		e.spis[ev.SPI] = true
	case SPIChanged:
		require.True(t, e.spis[ev.Old])
		e.spis[ev.New] = true
	case SPIForgotten:
		require.True(t, e.spis[ev.SPI])
		require.NotEqual(t, e.s.SPI(), ev.SPI)
		delete(e.spis, ev.SPI)
	case Closed:
		clear(e.sending)
		clear(e.up)
	}
}

// describe names a message that e has made, and notes what its answers say.
func (e *end) describe(data []byte) string {
	h, err := message.DecodeHeader(data)
	require.NoError(e.x.t, err)
	for sa := range e.s.eachIKESA() {
		if sa.spiI != h.InitiatorSPI || sa.spiR != h.ResponderSPI || sa.keys == nil {
			continue
		}
		out := e.opens[sa]
		if out == nil {
			if out, _, err = sa.keys.Protectors(sa.suite, sa.initiator, e.s.opt.Rand); err != nil {
				e.x.t.Fatal(err)
			}
			e.opens[sa] = out
		}
		m, err := message.Open(data, out)
		require.NoError(e.x.t, err)
		what := ""
		for _, p := range m.Payloads {
			switch p := p.(type) {
			case *message.Notify:
				what += " " + p.Type.String()
			case *message.Delete:
				what += fmt.Sprintf(" D(%v)", p.Protocol)
			case *message.SecurityAssociation:
				what += " SA"
			case *message.TSi:
				what += " TS"
			case *message.KeyExchange:
				what += " KE"
			}
		}
		if h.Response() {
			e.told = append(e.told, fmt.Sprintf("%v:%s", h.Exchange, what))
			return fmt.Sprintf("%s answers %v %d:%s", e.name, h.Exchange, h.MessageID, what)
		}
		return fmt.Sprintf("%s asks %v %d:%s", e.name, h.Exchange, h.MessageID, what)
	}
	return fmt.Sprintf("%s sends %v %d in a former IKE SA", e.name, h.Exchange, h.MessageID)
}

// happen lets parcel i happen, or get lost.
func (x *crossing) happen(i int, lost bool) {
	p := x.wire[i]
	x.wire = slices.Delete(x.wire, i, i+1)
	if lost {
		x.log = append(x.log, "lost: "+p.name)
		return
	}
	x.log = append(x.log, p.name)
	switch {
	case p.wish != nil:
		p.to.take(p.wish(p.to))
	case p.work != nil:
		p.work.Run()
		p.to.take(p.to.s.Done(x.now, p.work))
	default:
		if spi, ok := LocalSPI(p.data); ok && p.to.spis[spi] {
			p.to.take(p.to.s.Receive(x.now, p.path, p.data))
		}
	}
	x.noPacketIsLost()
}

// deliver lets the first parcel happen whose name begins so.
func (x *crossing) deliver(begin string) { x.happen(x.find(begin), false) }

// lose lets it get lost.
func (x *crossing) lose(begin string) { x.happen(x.find(begin), true) }

func (x *crossing) find(begin string) int {
	i := x.index(begin)
	require.GreaterOrEqual(x.t, i, 0, "%q is not under way, but %v", begin, x.wire)
	return i
}

func (x *crossing) index(begin string) int {
	return slices.IndexFunc(x.wire, func(p parcel) bool { return strings.HasPrefix(p.name, begin) })
}

func (p parcel) String() string { return p.name }

// grace is how long a data plane still takes packets of a pair that was removed.
const grace = 5 * time.Second

// noPacketIsLost checks that each side sends on pairs that the other can receive on.
func (x *crossing) noPacketIsLost() {
	for _, e := range []*end{x.ue, x.gw} {
		for tag, c := range e.sending {
			_, up := e.peer.up[c.OutboundSPI]
			removed, known := e.peer.gone[c.OutboundSPI]
			if e.peer.s.Closed() || up || known && x.now.Sub(removed) <= grace || !known && e.fresh[c.InboundSPI] {
				continue
			}
			require.Fail(x.t, "packets are lost", "%s sends %v on %08x, which the peer has not", e.name, tag, c.OutboundSPI)
		}
	}
}

// busy tells whether a session still has something to ask.
func (e *end) busy() bool {
	if e.s.Closed() {
		return false
	}
	for sa := range e.s.eachIKESA() {
		if len(sa.outstanding)+len(sa.queue) > 0 || sa.pending != nil {
			return true
		}
	}
	return e.s.working > 0
}

// sleep lets the time pass until the next timer.
func (x *crossing) sleep() {
	next := x.ue
	if d := x.gw.deadline; x.ue.deadline.IsZero() || !d.IsZero() && d.Before(x.ue.deadline) {
		next = x.gw
	}
	require.False(x.t, next.deadline.IsZero(), "nothing can happen any more")
	if next.deadline.After(x.now) {
		x.now = next.deadline
	}
	x.log = append(x.log, fmt.Sprintf("%v: %s's timer", x.now.Sub(epoch), next.name))
	next.take(next.s.Timeout(x.now))
}

// rest lets everything come to rest, the messages in the order in which they were sent.
func (x *crossing) rest() {
	for range 10000 {
		switch {
		case len(x.wire) > 0:
			x.happen(0, false)
		case x.ue.busy() || x.gw.busy():
			x.sleep()
		default:
			return
		}
	}
	require.Fail(x.t, "the sessions do not come to rest")
}

// forgetAll lets so much time pass that nothing of former IKE SAs is left.
func (x *crossing) forgetAll() {
	for end := x.now.Add(10 * time.Minute); x.now.Before(end); {
		x.rest()
		if len(x.ue.s.others)+len(x.gw.s.others) == 0 || x.ue.s.Closed() && x.gw.s.Closed() {
			return
		}
		x.sleep()
	}
}

// agree checks that both have the same: one IKE SA, the same Child SAs, each sent on, and nothing reserved.
func (x *crossing) agree() {
	t := x.t
	x.forgetAll()
	require.Equal(t, x.ue.s.Closed(), x.gw.s.Closed(), "%v %v", got2[Closed](x.ue), got2[Closed](x.gw))
	if x.ue.s.Closed() {
		return
	}
	for _, e := range []*end{x.ue, x.gw} {
		require.Empty(t, e.s.others, e.name)
		require.Empty(t, e.s.reserved, e.name)
		require.Equal(t, map[message.SPI]bool{e.s.SPI(): true}, e.spis, e.name)
		require.Nil(t, e.s.ikeRekey)
		require.Len(t, e.up, len(e.s.children), e.name)
		tags := map[any]bool{}
		for _, c := range e.s.children {
			require.False(t, tags[c.sa.Tag], "%s has two Child SAs for one purpose", e.name)
			tags[c.sa.Tag] = true
			require.Same(t, c.sa, e.sending[c.sa.Tag], e.name)
			require.Equal(t, child{sa: c.sa, line: c.line, policy: c.policy}, child{
				sa: c.sa, line: c.line, policy: c.policy, deleting: c.deleting, redundant: c.redundant, rekey: c.rekey, peerRekey: c.peerRekey,
			}, e.name)
		}
		require.Len(t, e.sending, len(tags))
	}
	i, r := x.ue.s.SPIs()
	i2, r2 := x.gw.s.SPIs()
	require.Equal(t, []message.SPI{i, r}, []message.SPI{i2, r2})
	require.Equal(t, x.ue.s.sa.keys, x.gw.s.sa.keys)
	require.NotEqual(t, x.ue.s.sa.initiator, x.gw.s.sa.initiator)
	sameKeys(t, x.ue.s, x.gw.s)
}

func got2[E Event](e *end) []E { return got[E](&node{events: e.events}) }

// The wishes of an owner, by name.
var wishes = map[string]func(e *end) Output{
	"rekey child":  func(e *end) Output { return e.s.RekeyChild(e.x.now, e.first()) },
	"delete child": func(e *end) Output { return e.s.DeleteChild(e.x.now, e.first()) },
	"create child": func(e *end) Output {
		return e.s.CreateChild(e.x.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: "second by " + e.name})
	},
	"rekey IKE":  func(e *end) Output { return e.s.RekeyIKE(e.x.now) },
	"delete IKE": func(e *end) Output { return e.s.Delete(e.x.now) },
}

// first is the inbound SPI of the Child SA of the start, or what has taken its place; 0 when it is gone.
func (e *end) first() uint32 {
	if c := e.sending["first"]; c != nil {
		return c.InboundSPI
	}
	return 0
}

// orders runs test once for each order in which things can happen, with at most losses messages lost, and returns how
// many there are. A test that fails says in which order.
func orders(t *testing.T, losses int, start func() *crossing, check func(x *crossing)) int {
	var choices, limits []int
	runs := 0
	for {
		x := start()
		runs++
		left, step := losses, 0
		func() {
			defer func() {
				if t.Failed() {
					t.Logf("order %v", choices)
					for _, l := range x.log {
						t.Log(l)
					}
				}
			}()
			for len(x.wire) > 0 || x.ue.busy() || x.gw.busy() {
				if len(x.wire) == 0 {
					x.sleep()
					continue
				}
				n := len(x.wire)
				if left > 0 {
					n *= 2
				}
				if step == len(choices) {
					choices, limits = append(choices, 0), append(limits, 0)
				}
				limits[step] = n
				i := choices[step]
				step++
				lost := i >= len(x.wire)
				i %= len(x.wire)
				if lost && x.wire[i].data == nil {
					lost = false // only messages can
				} else if lost {
					left--
				}
				x.happen(i, lost)
				require.Less(t, step, 500)
			}
			check(x)
		}()
		// The next order: the last choice that has another alternative takes it.
		choices, limits = choices[:step], limits[:step]
		for len(choices) > 0 && choices[len(choices)-1]+1 >= limits[len(choices)-1] {
			choices, limits = choices[:len(choices)-1], limits[:len(limits)-1]
		}
		if len(choices) == 0 {
			return runs
		}
		choices[len(choices)-1]++
	}
}
