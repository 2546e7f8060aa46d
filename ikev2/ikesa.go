// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// maxWindow bounds how many of our requests are outstanding, whatever SET_WINDOW_SIZE allows (RFC 7296 2.3).
const maxWindow = 8

// ikeSA is one IKE SA: its SPIs, keys, message IDs and the exchanges that run in it. A rekey makes a new one.
type ikeSA struct {
	spiI, spiR message.SPI
	// initiator tells whether we initiated this IKE SA. After a rekey by the peer it differs from
	// Session.origInitiator.
	initiator bool
	suite     suite.IKE
	keys      *suite.IKEKeys
	in, out   message.Protector

	nextSend uint32
	receiving
	window      int    // how many requests the peer can take at once
	lastMove    latest // UPDATE_SA_ADDRESSES of ours that the peer has answered
	outstanding []*request
	queue       []*request
	life        term                 // when it is rekeyed and when it ends
	until       time.Time            // of an IKE SA that a rekey has left behind: when to forget it; zero: it is ours to delete
	fragments   *message.Reassembler // nil until a fragment comes

	peerToken []byte // by which the peer shows that it has lost this IKE SA (RFC 6290)

	pending *pendingRequest // the peer's request that is worked on
	first   []firstFragment // of requests that are being put together
}

// pendingRequest is a request of the peer whose response is not ready yet.
type pendingRequest struct {
	exchange message.ExchangeType
	mid      uint32
	path     Path // where it came from, and where the response goes
}

// firstFragment is what recognises a retransmission of a fragmented request (RFC 7383 2.6.1).
type firstFragment struct {
	mid uint32
	sum uint64
}

func (sa *ikeSA) local() message.SPI {
	if sa.initiator {
		return sa.spiI
	}
	return sa.spiR
}

func (sa *ikeSA) header(exchange message.ExchangeType, response bool, mid uint32) message.Header {
	h := message.Header{InitiatorSPI: sa.spiI, ResponderSPI: sa.spiR, Exchange: exchange, MessageID: mid}
	if sa.initiator {
		h.Flags |= message.FlagInitiator
	}
	if response {
		h.Flags |= message.FlagResponse
	}
	return h
}

// request is one of our requests, from the wish to its response.
type request struct {
	exchange message.ExchangeType
	// build makes the payloads when there is room in the window; nil result: the request is not wanted any more.
	build func(r *request) []message.Payload
	// done gets the payloads of the response.
	done func(r *request, in []message.Payload)
	// failed is called when the session ends first.
	failed func(err error)
	// kind finds requests that exclude others.
	kind requestKind
	// giveUp overrides Retransmission.GiveUp when not 0.
	giveUp time.Duration
	// carries is what build and done work on, for the kinds that have such a thing; the export of a session needs it.
	carries any

	sa        *ikeSA // that it runs in, from build on
	mid       uint32
	datagrams [][]byte
	inner     []message.Payload // kept while it may have to be split smaller
	tries     int               // repetitions that came to nothing
	// paths are all paths that it was sent on. An answer proves a path only when there is exactly one (RFC 4555 3.7).
	paths     []Path
	sent      time.Time
	next      time.Time
	wait      time.Duration
	notBefore time.Time // back-off after TEMPORARY_FAILURE; zero: as soon as there is room
	cookie2   []byte
	only      *Path // a check of this path, which goes nowhere else
	answered  Path  // where the response came
	void      bool  // the response means nothing any more
}

type requestKind uint8

const (
	requestOther requestKind = iota
	requestChild
	requestRekeyIKE
	requestFollowUp
	requestDeleteChild
	requestDeleteIKE
	requestLiveness
	requestRoutability
	requestUpdate
	requestNotify
	requestAddresses
	requestRebinding
	requestSwitch
	requestSync
	requestToken
	requestWindow
)

func (sa *ikeSA) queued(kind requestKind) bool {
	for _, r := range sa.queue {
		if r.kind == kind {
			return true
		}
	}
	return false
}

// hash tells a retransmission from another message with the same message ID, also at the node that a session is handed
// to.
func hash(datagram []byte) uint64 {
	sum := sha256.Sum256(datagram)
	return binary.BigEndian.Uint64(sum[:])
}

var hashSeed = maphash.MakeSeed()

// requestKey recognises a retransmitted IKE_SA_INIT request: the same octets from the same source.
func requestKey(from netip.AddrPort, datagram []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	maphash.WriteComparable(&h, from)
	h.Write(datagram)
	return h.Sum64()
}
