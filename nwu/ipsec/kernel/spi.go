// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/bits"

	"golang.org/x/net/bpf"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// spiTries is how many random SPIs are tried. With the table full to a quarter the last one fails once in 4^32.
const spiTries = 32

// workerBits at the top of an SPI are its worker, that of the child SA.
func (d *DataPlane) workerBits() int { return bits.Len(uint(d.opts.Workers - 1)) }

func (d *DataPlane) workerOf(spi uint32) int {
	return int(uint64(spi)>>(32-d.workerBits())) % d.opts.Workers
}

// NewInboundSPI implements ipsec.DataPlane.
func (d *DataPlane) NewInboundSPI(worker int) (uint32, error) {
	if worker >= d.opts.Workers {
		return 0, fmt.Errorf("%w: worker %d of %d", ipsec.ErrInvalid, worker, d.opts.Workers)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0, ipsec.ErrClosed
	}
	if worker < 0 {
		worker = d.nextSPI
		d.nextSPI = (d.nextSPI + 1) % d.opts.Workers
	}
	if len(d.spis) >= 2*generations*len(d.slots) {
		return 0, fmt.Errorf("%w: %d are reserved or in use", ipsec.ErrNoSPI, len(d.spis))
	}
	var b [4]byte
	wb := d.workerBits()
	for range spiTries {
		if _, err := rand.Read(b[:]); err != nil {
			return 0, fmt.Errorf("%w: %w", ipsec.ErrNoSPI, err)
		}
		spi := uint32(uint64(worker)<<(32-wb)) | binary.BigEndian.Uint32(b[:])>>wb
		if _, taken := d.spis[spi]; !taken && spi >= 256 { // RFC 4303 2.1
			d.spis[spi] = nil
			return spi, nil
		}
	}
	return 0, fmt.Errorf("%w of worker %d", ipsec.ErrNoSPI, worker)
}

// ReserveSPI reserves an inbound SPI of the caller's choice, which also chooses the worker. ErrExists when it is taken.
func (d *DataPlane) ReserveSPI(spi uint32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch _, taken := d.spis[spi]; {
	case d.closed:
		return ipsec.ErrClosed
	case spi < 256:
		return fmt.Errorf("%w: SPI %08x is reserved (RFC 4303 2.1)", ipsec.ErrInvalid, spi)
	case taken:
		return fmt.Errorf("%w: inbound SPI %08x", ipsec.ErrExists, spi)
	}
	d.spis[spi] = nil
	return nil
}

// ReleaseSPI implements ipsec.DataPlane.
func (d *DataPlane) ReleaseSPI(spi uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g, ok := d.spis[spi]; ok && g == nil {
		delete(d.spis, spi)
	}
}

// IKESPI implements ipsec.DataPlane.
func (d *DataPlane) IKESPI(worker int, random uint64) uint64 {
	wb := d.workerBits()
	return uint64(worker)<<(64-wb) | random<<wb>>wb
}

// steerIKE picks the worker's socket for what comes to a NAT traversal port: by the worker bits of our SPI as responder behind the non-ESP marker, or
// of the initiator's in IKE_SA_INIT. ESP goes to any of them: the kernel takes it.
func steerIKE(workerBits int) []bpf.Instruction {
	const (
		spiI = 4 // behind the marker
		spiR = 12
	)
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: spiR, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 2},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: uint32(32 - workerBits)},
		bpf.RetA{},
		bpf.LoadAbsolute{Off: spiI + 7, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 1<<workerBits - 1},
		bpf.RetA{},
	}
}

// newSlot finds a free number for a child SA of that worker: slot mod workers is the worker. Numbers are given in turn, so that one comes again late.
func (d *DataPlane) newSlot(worker int) (int, error) {
	n := len(d.slots) / d.opts.Workers
	for range n {
		d.nextSlot = (d.nextSlot + 1) % n
		if slot := d.nextSlot*d.opts.Workers + worker; slot > 0 && d.slots[slot].Load() == nil {
			return slot, nil
		}
	}
	return 0, fmt.Errorf("%w: %d child SAs of worker %d", ipsec.ErrNoSPI, n, worker)
}
