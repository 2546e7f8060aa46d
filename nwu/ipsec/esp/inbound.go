// SPDX-License-Identifier: Apache-2.0

package esp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Reasons why a packet is dropped.
var (
	ErrMalformed = errors.New("esp: malformed packet")
	ErrOld       = errors.New("esp: sequence number below the replay window")
	ErrDuplicate = errors.New("esp: sequence number was used before")
	ErrAuth      = errors.New("esp: integrity check failed")
	// ErrClosed: the SA goes on elsewhere. The packet is untouched.
	ErrClosed = errors.New("esp: SA is closed")
)

// NextHeaderDummy is the next header of a packet that carries nothing (RFC 4303 2.6).
const NextHeaderDummy = 59

// Inbound is one inbound SA. Its methods may be called from several goroutines.
type Inbound struct {
	spi uint32
	esn bool
	t   transform

	mu     sync.Mutex
	window window
	closed bool
}

// NewInbound makes an SA with a replay window of that many packets, 1 to ipsec.MaxReplayWindow; 0 is the default. ErrAlgorithm when the keys do
// not fit.
func NewInbound(spi uint32, alg ipsec.Algorithms, keys ipsec.Keys, esn bool, replayWindow int) (*Inbound, error) {
	if replayWindow == 0 {
		replayWindow = ipsec.DefaultReplayWindow
	}
	if replayWindow < 0 || replayWindow > ipsec.MaxReplayWindow {
		return nil, fmt.Errorf("%w: replay window of %d packets", ipsec.ErrInvalid, replayWindow)
	}
	t, err := newTransform(alg, keys, true)
	if err != nil {
		return nil, err
	}
	return &Inbound{spi: spi, esn: esn, t: t, window: newWindow(replayWindow)}, nil
}

// SPI is our SPI.
func (in *Inbound) SPI() uint32 { return in.spi }

// Sequence is the highest sequence number authenticated so far.
func (in *Inbound) Sequence() uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.window.top
}

// Resume goes on with the window of an SA that was closed elsewhere. What that window did not know counts as seen.
func (in *Inbound) Resume(r ipsec.Replay) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.window.resume(r)
}

// Window gives the window as it is.
func (in *Inbound) Window() ipsec.Replay {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.window.export()
}

// Close gives the window as it is. No packet is accepted any more.
func (in *Inbound) Close() ipsec.Replay {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	return in.window.export()
}

// Open checks and decrypts an ESP packet in place. The payload (which may end with traffic-flow padding, RFC 4303 2.7) is a part of pkt. The
// replay window is checked before decryption and moved only after the integrity check (RFC 4303 3.4.3). Errors are ErrMalformed, ErrOld,
// ErrDuplicate and ErrAuth; ErrMalformed after the integrity check counts as a used sequence number. After an error pkt has no meaning.
func (in *Inbound) Open(pkt []byte, sc *Scratch) (payload []byte, nextHeader byte, err error) {
	t := &in.t
	start := headerLen + t.ivLen
	body := len(pkt) - start - t.icvLen
	if body < t.align || body%t.align != 0 || binary.BigEndian.Uint32(pkt) != in.spi {
		return nil, 0, ErrMalformed
	}
	seq := uint64(binary.BigEndian.Uint32(pkt[4:]))

	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil, 0, ErrClosed
	}
	if in.esn {
		seq = in.window.extend(uint32(seq))
	}
	if err := in.window.check(seq); err != nil {
		return nil, 0, err
	}
	var plain []byte
	if t.cbc != nil {
		plain = t.cbc.open(sc, pkt, t.icvLen, seq, in.esn)
	} else {
		plain, err = t.aead.Open(pkt[start:start], t.nonce(sc, pkt[headerLen:start]), pkt[start:], additional(sc, pkt[:headerLen], seq, in.esn))
	}
	if err != nil || plain == nil {
		return nil, 0, ErrAuth
	}
	in.window.mark(seq)
	pad := int(plain[len(plain)-2])
	if pad > len(plain)-trailerLen {
		return nil, 0, ErrMalformed
	}
	return plain[:len(plain)-trailerLen-pad], plain[len(plain)-1], nil
}
