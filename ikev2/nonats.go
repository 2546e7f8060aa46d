// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Without NAT traversal a NAT on the path would go unnoticed, and with MOBIKE it could even be somebody who rewrites
// addresses. So both sides can ask the other to compare the addresses in the packet with those that it was sent with
// (RFC 4555 3.9, NO_NATS_ALLOWED).

// maxNATRetries is how often a message is repeated, as a new one, after UNEXPECTED_NAT_DETECTED: one altered packet
// must not keep a peer from moving.
const maxNATRetries = 3

// addressData is the content of NO_NATS_ALLOWED: source and destination address, then their ports.
func addressData(source, destination netip.AddrPort) []byte {
	d := append(source.Addr().Unmap().AsSlice(), destination.Addr().Unmap().AsSlice()...)
	d = binary.BigEndian.AppendUint16(d, source.Port())
	return binary.BigEndian.AppendUint16(d, destination.Port())
}

// noNATs is the notify of a request on the present path, where NAT traversal is off.
func (s *Session) noNATs() []message.Payload {
	if !s.opt.NoNATTraversal {
		return nil
	}
	return []message.Payload{notify(message.NO_NATS_ALLOWED, addressData(s.path.Local, s.path.Remote))}
}

// natsAllowed checks NO_NATS_ALLOWED: the addresses in it must be those of the packet. What it says is used for nothing
// else.
func (s *Session) natsAllowed(in []message.Payload, path Path) bool {
	n := message.GetNotify(in, message.NO_NATS_ALLOWED)
	if n == nil {
		return true
	}
	return slices.Equal(n.Data, addressData(path.Remote, path.Local))
}

// retryNoNATs sends a refused message again after 1, 2 and 4 s, and tells whether it will.
func (s *Session) retryNoNATs(again func(at time.Time)) bool {
	if s.natRetries >= maxNATRetries {
		s.natRetries = 0
		return false
	}
	again(s.now.Add(time.Second << s.natRetries))
	s.natRetries++
	return true
}
