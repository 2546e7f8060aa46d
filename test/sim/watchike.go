// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// saKey names an IKE SA.
type saKey struct{ spiI, spiR uint64 }

// contentKey names one protected IKE datagram of an IKE SA: whatever has the same key must have the same octets.
type contentKey struct {
	sa              saKey
	mid             uint32
	part, parts     uint16 // 0 of 0 when it is not a fragment
	byInit, respond bool
}

type ivKey struct {
	sa     saKey
	byInit bool
	before bool // protected with the keys before an additional key exchange
	iv     uint64
}

// saRecord is what the watcher knows of an IKE SA. Index 0 is the direction of its initiator's requests.
type saRecord struct {
	hosts     [2]*host // the UE and the gateway
	keys      [2]*suite.IKEKeys
	openers   [2]message.Protector // of what the initiator sends, and of what the responder sends
	exchanges [2]map[uint32]*exchange
	next      [2]uint32
	first     bool   // made by IKE_SA_INIT, not by a rekey
	windows   [2]int // that the initiator and the responder have said after IKE_AUTH
}

// exchange is a request and what came of it.
type exchange struct {
	sa      saKey
	mid     uint32
	first   time.Duration
	remotes []netip.AddrPort // everywhere it was sent to
	cookie2 []byte
	parts   uint64 // of the answer that have come
	done    bool
}

// contentOf reads the header of a protected message by hand, so that a mistake of the codec cannot hide one here.
func contentOf(d []byte) (k contentKey, ok bool) {
	if len(d) < 44 || d[18] < 35 || (d[16] != 46 && d[16] != 53) {
		return k, false
	}
	k = contentKey{
		sa:  saKey{binary.BigEndian.Uint64(d), binary.BigEndian.Uint64(d[8:])},
		mid: binary.BigEndian.Uint32(d[20:]), byInit: d[19]&8 != 0, respond: d[19]&32 != 0,
	}
	if d[16] == 53 {
		k.part, k.parts = binary.BigEndian.Uint16(d[32:]), binary.BigEndian.Uint16(d[34:])
	}
	return k, true
}

// ivOf is the first eight octets of a message's IV: all of it with an AEAD.
func ivOf(d []byte) uint64 {
	if d[16] == 53 {
		return binary.BigEndian.Uint64(d[36:])
	}
	return binary.BigEndian.Uint64(d[32:])
}

// digest is never 0.
func digest(d []byte) uint64 {
	return uint64(crc32.Checksum(d, castagnoli))<<32 | uint64(uint32(len(d))) | 1<<31
}

// direction is the index of the requests that belong to a message.
func (k contentKey) direction() int {
	if k.byInit != k.respond {
		return 0
	}
	return 1
}

// ikeKeys takes the keys that one side has for an IKE SA.
func (t *watch) ikeKeys(h *host, spiI, spiR message.SPI, s suite.IKE, keys *suite.IKEKeys) {
	r := t.record(saKey{uint64(spiI), uint64(spiR)})
	side := 0
	if h.gateway() {
		side = 1
	}
	r.hosts[side], r.keys[side] = h, keys
	_, fromR, err1 := keys.Protectors(s, true, zeros{})
	_, fromI, err2 := keys.Protectors(s, false, zeros{})
	if err1 != nil || err2 != nil {
		t.w.violate("keys", "%s: keys of IKE SA %v cannot be used: %v", h.name, spiI, err1)
		return
	}
	r.openers = [2]message.Protector{fromI, fromR}
}

// sameKeys compares the keys of both sides. Before one of them is authenticated they can differ, because nothing
// protects IKE_SA_INIT against a flipped bit.
func (t *watch) sameKeys(r *saRecord) {
	a, b := r.keys[0], r.keys[1]
	if a == nil || b == nil {
		t.w.violate("keys", "an IKE SA is up that one side has no keys for")
		return
	}
	for _, v := range [][2][]byte{{a.D, b.D}, {a.AI, b.AI}, {a.AR, b.AR}, {a.EI, b.EI}, {a.ER, b.ER}, {a.PI, b.PI}, {a.PR, b.PR}} {
		if !bytes.Equal(v[0], v[1]) {
			t.w.violate("keys", "%s and %s have different keys for an IKE SA", r.hosts[0].name, r.hosts[1].name)
			return
		}
	}
}

// zeros is a source for protectors that only open.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func (t *watch) record(k saKey) *saRecord {
	r := t.sas[k]
	if r == nil {
		r = &saRecord{exchanges: [2]map[uint32]*exchange{{}, {}}}
		t.sas[k] = r
	}
	return r
}

// ikeSent looks at an IKE message that leaves.
func (t *watch) ikeSent(e *end, path ikev2.Path, d []byte) {
	k, ok := contentOf(d)
	if !ok {
		return
	}
	sum := digest(d)
	old := t.contents[k]
	if old != 0 && old != sum {
		t.w.violate("message ID", "%s sends another message as %s", e.name, describeIKE(d))
	}
	t.contents[k] = sum
	ik := ivKey{k.sa, k.byInit, message.ExchangeType(d[18]) == message.IKE_INTERMEDIATE, ivOf(d)}
	if iv := t.ivs[ik]; iv != 0 && iv != sum {
		t.w.violate("IV", "%s uses an IV again in %s", e.name, describeIKE(d))
	}
	t.ivs[ik] = sum
	if e.gateway && e.up && !t.w.profile.noMOBIKE && !e.provenFor(path.Remote) {
		e.seen.sentIKE[path.Remote] += len(d)
		if n := e.seen.sentIKE[path.Remote]; n > 3*e.seen.received[path.Remote]+256<<10 {
			t.w.violate("unproven", "%s sent %d octets of IKE to %v, which is unproven", e.name, n, path.Remote)
		}
	}
	if k.respond {
		return
	}
	r, dir := t.record(k.sa), k.direction()
	x := r.exchanges[dir][k.mid]
	if x == nil {
		if n := r.next[dir]; k.mid != n && (len(r.exchanges[dir]) > 0 || k.mid > 1) {
			t.w.violate("message ID", "%s sends request %d after %d", e.name, k.mid, int64(n)-1)
		}
		r.next[dir] = k.mid + 1
		x = &exchange{sa: k.sa, mid: k.mid, first: t.w.now}
		if message.ExchangeType(d[18]) == message.INFORMATIONAL && k.parts == 0 {
			x.cookie2 = t.cookie2(r, dir, d)
		}
		r.exchanges[dir][k.mid] = x
		e.seen.open = append(e.seen.open, x)
		r.first = r.first || d[18] == byte(message.IKE_AUTH)
		window := max(1, r.windows[1-dir])
		if r.first {
			window = t.w.profile.window // told in IKE_AUTH; a rekey takes it back, until it is told again
		}
		if old := r.oldest(dir, e); int(k.mid-old) >= window && !e.closed {
			t.w.violate("window", "%s sends request %d while %d has no answer", e.name, k.mid, old)
		}
	}
	if !slices.Contains(x.remotes, path.Remote) {
		x.remotes = append(x.remotes, path.Remote)
	}
}

// forgotten ends what was not answered in an IKE SA that a rekey has replaced.
func (t *watch) forgotten(e *end, spi message.SPI) {
	e.seen.open = slices.DeleteFunc(e.seen.open, func(x *exchange) bool { return x.sa.spiI == uint64(spi) || x.sa.spiR == uint64(spi) })
}

// oldest is the lowest message ID of e's requests in this IKE SA that have no answer.
func (r *saRecord) oldest(dir int, e *end) uint32 {
	n := uint32(math.MaxUint32)
	for _, x := range e.seen.open {
		if r.exchanges[dir][x.mid] == x {
			n = min(n, x.mid)
		}
	}
	return n
}

// cookie2 is the content of the COOKIE2 of a message, or nil; a window that the message tells is noted. sender is 0 for the IKE SA's initiator.
func (t *watch) cookie2(r *saRecord, sender int, d []byte) []byte {
	if r.openers[sender] == nil {
		return nil
	}
	m, err := message.Decode(bytes.Clone(d))
	if err != nil || len(m.Payloads) == 0 {
		return nil
	}
	sk, ok := m.Payloads[0].(*message.Encrypted)
	if !ok {
		return nil
	}
	in, err := sk.Open(r.openers[sender])
	if err != nil {
		t.w.violate("keys", "%s cannot be opened with the keys of its IKE SA: %v", describeIKE(d), err)
		return nil
	}
	if n := message.GetNotify(in, message.SET_WINDOW_SIZE); n != nil && len(n.Data) == 4 {
		r.windows[sender] = max(r.windows[sender], int(n.Data[3]))
	}
	if n := message.GetNotify(in, message.COOKIE2); n != nil {
		return n.Data
	}
	return nil
}

// ikeReceived looks at an IKE message that reaches its session.
func (t *watch) ikeReceived(e *end, p *packet, path ikev2.Path) {
	k, ok := contentOf(p.data)
	if !ok || p.corrupt {
		return
	}
	e.seen.received[path.Remote] += len(p.data)
	if !k.respond {
		return
	}
	r, dir := t.record(k.sa), k.direction()
	x := r.exchanges[dir][k.mid]
	if x == nil || x.done {
		return
	}
	if k.parts > 0 {
		x.parts |= 1 << (k.part % 64)
		if bits.OnesCount64(x.parts) < int(k.parts) {
			return
		}
	}
	x.done = true
	e.seen.open = slices.DeleteFunc(e.seen.open, func(o *exchange) bool { return o == x })
	if x.cookie2 != nil && len(x.remotes) == 1 && bytes.Equal(t.cookie2(r, 1-dir, p.data), x.cookie2) {
		e.seen.proven[x.remotes[0]] = true
	}
}
