// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
)

// watch is the watcher: it sees everything, helps nobody, and says when an invariant does not hold.
type watch struct {
	w *world

	// Of IKE messages.
	contents map[contentKey]uint64
	ivs      map[ivKey]uint64
	sas      map[saKey]*saRecord

	// Of Child SAs. Keys of SAs are unique, so they name them better than SPIs do.
	senders   map[string]*generation // live outbound SA by its key
	sequences map[string]*sequences
	pairs     map[pairKey]*pair

	lastUser uint64
	scratch  esp.Scratch
}

// seen is what the watcher keeps for one end.
type seen struct {
	open     []*exchange // own requests without an answer
	proven   map[netip.AddrPort]bool
	received map[netip.AddrPort]int // octets, by where they came from
	sent     map[netip.AddrPort]int // octets of ESP to unproven addresses
	sentIKE  map[netip.AddrPort]int
}

func (s *seen) init() {
	s.proven = map[netip.AddrPort]bool{}
	s.received, s.sent, s.sentIKE = map[netip.AddrPort]int{}, map[netip.AddrPort]int{}, map[netip.AddrPort]int{}
}

// pairKey names both directions of a Child SA. A UE's SPIs come from a narrow range, so its name belongs to it.
type pairKey struct {
	gateway, ue uint32
	name        string
}

type pair struct{ gateway, ue *generation }

// sequences are the numbers that were used with one key.
type sequences struct{ used []uint64 }

func (s *sequences) use(seq uint64) (again bool) {
	i, bit := int(seq/64), uint64(1)<<(seq%64)
	for len(s.used) <= i {
		s.used = append(s.used, 0)
	}
	again = s.used[i]&bit != 0
	s.used[i] |= bit
	return again
}

func newWatch(w *world) *watch {
	return &watch{
		w: w, contents: map[contentKey]uint64{}, ivs: map[ivKey]uint64{}, sas: map[saKey]*saRecord{},
		senders: map[string]*generation{}, sequences: map[string]*sequences{}, pairs: map[pairKey]*pair{},
	}
}

func (t *watch) pairOf(g *generation) *pair {
	k := pairKey{gateway: g.spiOut, ue: g.spiIn, name: g.end.host.name}
	if g.end.gateway {
		k = pairKey{gateway: g.spiIn, ue: g.spiOut, name: g.end.peer}
	}
	p := t.pairs[k]
	if p == nil {
		p = &pair{}
		t.pairs[k] = p
	}
	return p
}

// other is the same Child SA at the peer, or nil when it was never installed there.
func (t *watch) other(g *generation) *generation {
	p := t.pairOf(g)
	if g.end.gateway {
		return p.ue
	}
	return p.gateway
}

// installed looks at a Child SA that has come up at one side.
func (t *watch) installed(g *generation) {
	e := g.end
	if old := e.host.inbound[g.spiIn]; old != nil {
		t.w.violate("SPIs", "%s: inbound SPI %08x is used twice", e.name, g.spiIn)
	}
	if old := t.senders[string(g.keyOut.Encr)]; old != nil {
		t.w.violate("two senders", "%s and %s both send on SPI %08x", e.name, old.end.name, g.spiOut)
	}
	t.senders[string(g.keyOut.Encr)] = g
	if t.sequences[string(g.keyOut.Encr)] == nil {
		t.sequences[string(g.keyOut.Encr)] = &sequences{}
	}
	p := t.pairOf(g)
	if e.gateway {
		p.gateway = g
	} else {
		p.ue = g
	}
	a, b := p.gateway, p.ue
	if a == nil || b == nil {
		return
	}
	if !bytes.Equal(a.keyIn.Encr, b.keyOut.Encr) || !bytes.Equal(a.keyOut.Encr, b.keyIn.Encr) ||
		!bytes.Equal(a.keyIn.Integ, b.keyOut.Integ) || !bytes.Equal(a.keyOut.Integ, b.keyIn.Integ) ||
		bytes.Equal(a.keyIn.Encr, a.keyOut.Encr) || a.alg != b.alg || a.esn != b.esn {
		t.w.violate("keys", "%s and %s have different keys for child %08x/%08x", a.end.name, b.end.name, a.spiIn, b.spiIn)
	}
	if a.purpose != b.purpose {
		t.w.violate("children", "child %08x/%08x is for %d at %s and for %d at %s", a.spiIn, b.spiIn, a.purpose, a.end.name, b.purpose, b.end.name)
	}
}

func (t *watch) removed(g *generation) {
	if t.senders[string(g.keyOut.Encr)] == g {
		delete(t.senders, string(g.keyOut.Encr))
	}
}

// doomed tells whether one of the owners wants the Child SA deleted, whatever a rekey under way makes of it. A pair that
// the peer deletes because of that when it gets our answer was never up there: what counts is the pair that it rekeyed.
func (t *watch) doomed(g *generation) bool {
	if g.line.doomed {
		return true
	}
	for ; g != nil; g = g.prev {
		if o := t.other(g); o != nil {
			return o.line.doomed
		}
	}
	return false
}

// superseded looks at what is left when a pair ends: whoever is told that another pair goes on must have one to send on.
func (t *watch) superseded(e *end, g *generation, says bool) {
	rest := e.successors(g)
	// What a collision left over can end later than the line itself.
	if says != (len(rest) > 0) && !t.doomed(g) && (!says || !g.line.over) {
		t.w.violate("children", "%s: child %08x ends, superseded %v, and there are %d others", e.name, g.spiIn, says, len(rest))
	}
	g.line.over = g.line.over || !says
	if len(rest) > 0 && e.sending[g.purpose] == nil && !t.doomed(g) {
		t.w.violate("children", "%s: child %08x ends and nothing was said about which of %d goes on", e.name, g.spiIn, len(rest))
	}
}

// established notes that the handshake proved the peer's address.
func (t *watch) established(e *end, ev ikev2.Established) {
	e.seen.proven[ev.Path.Remote] = true
	i, r := e.s.SPIs()
	t.sameKeys(t.record(saKey{uint64(i), uint64(r)}))
}

// closed looks at why a session ended. Peers that follow the rules end one only because they want to, or because the
// other is silent; during the handshake a flipped bit of IKE_SA_INIT can spoil everything, and a restarted peer's
// INITIAL_CONTACT meets what is left.
func (t *watch) closed(e *end, ev ikev2.Closed) {
	for _, fine := range []error{ikev2.ErrDeleted, ikev2.ErrTimeout, ikev2.ErrHalfOpenTime, ikev2.ErrRedirected, ikev2.ErrPeerRestarted} {
		if errors.Is(ev.Reason, fine) {
			return
		}
	}
	if errors.Is(ev.Reason, ikev2.ErrLifetime) && t.w.profile.lifetimes.IKE.Hard > 0 {
		return
	}
	if errors.Is(ev.Reason, ikev2.ErrAuthentication) && t.w.profile.corrupt > 0 {
		return
	}
	if e.up || t.w.profile.corrupt == 0 {
		t.w.violate("closed", "%s ends: %v", e.name, ev.Reason)
	}
}

// provenFor says whether the peer showed that it receives at that address. A new port of a proven address will do where
// policy says so.
func (e *end) provenFor(remote netip.AddrPort) bool {
	if e.seen.proven[remote] {
		return true
	}
	if r := e.w.profile.rebind; r != ikev2.RebindPort && r != ikev2.RebindPortRoutability {
		return false
	}
	for p := range e.seen.proven {
		if p.Addr() == remote.Addr() {
			return true
		}
	}
	return false
}

// userSent looks at a user packet that leaves.
func (t *watch) userSent(u *userPacket, path ikev2.Path, size int) {
	g := u.from
	e := g.end
	if !g.live {
		t.w.violate("children", "%s sends on child %08x, which is down", e.name, g.spiOut)
	}
	if t.sequences[string(g.keyOut.Encr)].use(u.seq) {
		t.w.violate("sequence", "%s uses number %d of SPI %08x again", e.name, u.seq, g.spiOut)
	}
	if !e.gateway || t.w.profile.noMOBIKE || e.provenFor(path.Remote) {
		return
	}
	switch t.w.profile.routability {
	case ikev2.RoutabilityBefore:
		t.w.violate("unproven", "%s sends to %v, where the peer did not show that it receives", e.name, path.Remote)
	case ikev2.RoutabilityAfter:
		e.seen.sent[path.Remote] += size
		if n := e.seen.sent[path.Remote]; n > 3*e.seen.received[path.Remote]+unprovenAllowance {
			t.w.violate("unproven", "%s sent %d octets to %v, which is unproven and sent %d", e.name, n, path.Remote, e.seen.received[path.Remote])
		}
	}
}

// opened looks at what became of an ESP packet at the owner of its SPI.
func (t *watch) opened(g *generation, p *packet, payload []byte, err error) {
	e, u := g.end, p.user
	switch {
	case p.corrupt || !bytes.Equal(u.from.keyOut.Encr, g.keyIn.Encr):
		if err == nil {
			t.w.violate("integrity", "%s accepts a packet on %08x that its peer did not send", e.name, g.spiIn)
		}
		return
	case !g.accepted.fresh(u.seq):
		if err == nil {
			t.w.violate("replay", "%s accepts number %d of SPI %08x once more", e.name, u.seq, g.spiIn)
		}
		return
	case err != nil:
		t.w.violate("lost", "%s refuses number %d of SPI %08x: %v", e.name, u.seq, g.spiIn, err)
		return
	}
	g.accepted.accept(u.seq)
	e.seen.received[p.src] += len(p.data)
	u.delivered++
	if u.delivered > 1 {
		t.w.violate("replay", "user packet %d arrives %d times", u.id, u.delivered)
	}
	if len(payload) != 40 || payload[36] != byte(g.purpose) {
		t.w.violate("integrity", "user packet %d arrives as something else", u.id)
	}
}

// strayed looks at an ESP packet that its receiver has no SA for. After a rekey there must be none: the old pair is
// kept until nobody sends on it any more.
func (t *watch) strayed(h *host, p *packet, spi uint32) {
	u := p.user
	if p.corrupt || p.foreign || u == nil {
		return
	}
	g := u.from
	peer := t.other(g)
	switch {
	case g.end.gone:
	case peer == nil:
		// It need not have it when it is about to delete both, or when the old one must not be used any more.
		if g.prev != nil && !g.prev.outlived() {
			if o := t.other(g.prev); o != nil && o.live && !t.doomed(o) {
				t.w.violate("lost", "%s sends on %08x of a rekey before its peer has it", g.end.name, spi)
			}
		}
	case peer.end.host != h || peer.end.gone || peer.end.closed:
	case peer.live:
		t.w.violate("lost", "%s does not know its own SPI %08x", peer.end.name, spi)
	case p.sent > peer.removed+grace && len(peer.end.successors(peer)) > 0 && !t.doomed(peer):
		t.w.violate("lost", "%s goes on sending on %08x, which %s replaced and removed at %v", g.end.name, spi, peer.end.name, peer.removed)
	}
}

// maxOutput bounds the datagrams of one step: as many as a request in the smallest fragments, with its repetitions.
const maxOutput = 128

// output looks at what a session wants done, after its events have been worked on.
func (t *watch) output(e *end, out *ikev2.Output) {
	if len(out.Datagrams) > maxOutput {
		t.w.violate("memory", "%s sends %d datagrams at once", e.name, len(out.Datagrams))
	}
	if len(out.Events) > 0 && !e.closed {
		t.sameChildren(e)
	}
}

// sameChildren compares the session's children with what its events have made of the data plane.
func (t *watch) sameChildren(e *end) {
	sas := e.s.Children()
	if len(sas) != len(e.generations) {
		t.w.violate("children", "%s: the session has %d children, its events leave %d", e.name, len(sas), len(e.generations))
		return
	}
	for _, c := range sas {
		i := slices.IndexFunc(e.generations, func(g *generation) bool { return g.spiIn == c.InboundSPI })
		if i < 0 {
			t.w.violate("children", "%s: the session has child %08x without an event", e.name, c.InboundSPI)
			return
		}
		g := e.generations[i]
		if g.spiOut != c.OutboundSPI || !bytes.Equal(g.keyIn.Encr, c.InboundKeys.Encr) || !bytes.Equal(g.keyOut.Encr, c.OutboundKeys.Encr) {
			t.w.violate("keys", "%s: the SPIs or keys of child %08x change", e.name, c.InboundSPI)
		}
	}
	if len(sas) > 0 && e.s.ChildPath() != e.path {
		t.w.violate("addresses", "%s: the children are on %v, the events say %v", e.name, e.s.ChildPath(), e.path)
	}
}

// maxEnds and maxGenerations bound what a node may keep.
const (
	maxEnds        = 200
	maxGenerations = 24
)

// tick looks every few seconds whether something takes too long or becomes too much.
func (t *watch) tick() {
	w := t.w
	p := &w.profile
	if len(w.ends) > maxEnds {
		w.violate("memory", "%d sessions at once", len(w.ends))
	}
	// A wish can wait for one request that gets no answer before its own; TEMPORARY_FAILURE is borne for five minutes.
	wish := 2*p.patience() + 5*time.Minute
	for _, e := range w.ends {
		if e.closed {
			continue
		}
		if !e.up && !e.away && e.deleting == never && w.now-e.since > p.halfOpen+5*time.Second {
			w.violate("timer", "%s is half-open since %v", e.name, e.since)
		}
		if e.deleting != never && w.now-e.deleting > p.patience() {
			w.violate("timer", "%s is being deleted since %v", e.name, e.deleting)
		}
		if e.probing != never && w.now-e.probing > 2*p.patience() {
			w.violate("timer", "%s waits for an answer to its probe since %v", e.name, e.probing)
		}
		for _, x := range e.seen.open {
			// A Delete gives the request before it some more time.
			// So does a rekey of the IKE SA, after which it is asked again.
			patience := p.patience()
			if i, r := e.s.SPIs(); x.sa != (saKey{uint64(i), uint64(r)}) {
				patience *= 2
			}
			if e.deleting == never && w.now-x.first > patience {
				w.violate("timer", "%s waits for the answer to request %d since %v", e.name, x.mid, x.first)
			}
		}
		for purpose, since := range e.creating {
			if since != never && w.now-since > wish {
				w.violate("timer", "%s waits for child %d since %v", e.name, purpose, since)
			}
		}
		for _, since := range e.notifying {
			if w.now-since > wish {
				w.violate("timer", "%s waits for the end of a notify since %v", e.name, since)
			}
		}
		if e.up && e.gateway && w.now-e.upSince > 5*time.Second && slices.ContainsFunc(w.ends, func(o *end) bool {
			return o != e && o.up && o.owner == e.owner && o.peer == e.peer && o.upSince < e.upSince
		}) {
			w.violate("one session", "%s has another session of that UE since before %v", e.name, e.upSince)
		}
		if len(e.generations) > maxGenerations {
			w.violate("memory", "%s has %d children", e.name, len(e.generations))
		}
	}
	w.after(5*time.Second, t.tick)
}
