// SPDX-License-Identifier: Apache-2.0

package user

import "golang.org/x/net/bpf"

// steer is the program that picks the worker's socket for a datagram on a NAT traversal port: by the worker bits at the top of our ESP SPI, or
// of our IKE SPI as responder behind the non-ESP marker. So a peer stays with its worker whatever address it comes from. IKE_SA_INIT has no
// SPI of ours yet; the low bits of the initiator's spread those. A datagram too short to tell goes to worker 0.
func steer(workerBits int) []bpf.Instruction {
	const (
		spiI = 4 // behind the marker
		spiR = 12
	)
	shift := bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: uint32(32 - workerBits)}
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 2},
		shift,
		bpf.RetA{},
		bpf.LoadAbsolute{Off: spiR, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 2},
		shift,
		bpf.RetA{},
		bpf.LoadAbsolute{Off: spiI + 7, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 1<<workerBits - 1},
		bpf.RetA{},
	}
}
