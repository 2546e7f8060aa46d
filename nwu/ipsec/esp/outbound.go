// SPDX-License-Identifier: Apache-2.0

package esp

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Limits of the sequence number, by RFC 4303 3.3.3: it must not cycle. With ESN the bound is the cipher's: after 2^48 packets one AES key has
// seen far more blocks than is wise, so nothing is lost by stopping there.
const (
	LastSequence    uint64 = 1<<32 - 1
	LastSequenceESN uint64 = 1 << 48
)

// Outbound is one outbound SA. Its methods may be called from several goroutines.
type Outbound struct {
	spi  uint32
	esn  bool
	t    transform
	last uint64
	seq  atomic.Uint64
}

// NewOutbound makes an SA whose first packet has sequence number used+1: used is 0 for a new SA. ErrAlgorithm when the keys do not fit.
func NewOutbound(spi uint32, alg ipsec.Algorithms, keys ipsec.Keys, esn bool, used uint64) (*Outbound, error) {
	t, err := newTransform(alg, keys, false)
	if err != nil {
		return nil, err
	}
	o := &Outbound{spi: spi, esn: esn, t: t, last: LastSequence}
	if esn {
		o.last = LastSequenceESN
	}
	o.seq.Store(used)
	return o, nil
}

// SPI is the peer's SPI.
func (o *Outbound) SPI() uint32 { return o.spi }

// Size is the length of the ESP packet for an inner packet of n octets.
func (o *Outbound) Size(n int) int { return o.t.size(n) }

// Sequence is the last sequence number taken.
func (o *Outbound) Sequence() uint64 { return min(o.seq.Load(), o.last) }

// Last is the last sequence number that can ever be taken.
func (o *Outbound) Last() uint64 { return o.last }

// Next takes the next sequence number. False when they are used up: none is ever given twice.
func (o *Outbound) Next() (uint64, bool) {
	seq := o.seq.Add(1)
	if seq > o.last {
		o.seq.Store(o.last + 1) // far from wrapping, however often this is called
		return 0, false
	}
	return seq, true
}

// Close gives the last sequence number that was taken. No more can be.
func (o *Outbound) Close() uint64 { return min(o.seq.Swap(o.last+1), o.last) }

// Reopen takes Close back: sequence numbers go on behind the one that Close gave, provided that nobody else has gone on with them.
func (o *Outbound) Reopen(last uint64) { o.seq.Store(last) }

// Seal builds the ESP packet in dst, which has Size octets, with a sequence number from Next. The inner packet is head and payload together;
// it may lie nowhere in dst.
func (o *Outbound) Seal(dst []byte, seq uint64, nextHeader byte, head, payload []byte, sc *Scratch) {
	iv := dst[headerLen : headerLen+o.t.ivLen]
	if c := o.t.cbc; c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.freshIV(iv, seq)
	} else {
		putUint64(iv, seq)
	}
	o.seal(dst, seq, nextHeader, head, payload, sc)
}

// seal does all but the IV, which stands in dst.
func (o *Outbound) seal(dst []byte, seq uint64, nextHeader byte, head, payload []byte, sc *Scratch) {
	binary.BigEndian.PutUint32(dst, o.spi)
	binary.BigEndian.PutUint32(dst[4:], uint32(seq))
	start := headerLen + o.t.ivLen
	n := start + copy(dst[start:], head)
	n += copy(dst[n:], payload)
	pad := o.t.padding(n - start)
	for i := range pad {
		dst[n+i] = byte(i + 1) // RFC 4303 2.4
	}
	n += pad
	dst[n], dst[n+1] = byte(pad), nextHeader
	n += trailerLen
	if c := o.t.cbc; c != nil {
		c.seal(sc, dst[:n+o.t.icvLen], o.t.icvLen, seq, o.esn)
		return
	}
	o.t.aead.Seal(dst[start:start], o.t.nonce(sc, dst[headerLen:start]), dst[start:n], additional(sc, dst[:headerLen], seq, o.esn))
}

func putUint64(b []byte, v uint64) { binary.BigEndian.PutUint64(b, v) }
