// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"encoding/binary"
	"math"

	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// syncing is the synchronisation of message IDs and replay counters (RFC 6311): a node that takes a session over with
// counters that are older than the last message agrees with the peer on new ones.
type syncing struct {
	messageIDs bool   // both sides announced IKEV2_MESSAGE_ID_SYNC_SUPPORTED
	replay     bool   // both sides announced IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED
	highest    latest // of the peer's synchronisation requests in the present IKE SA

	// The latest such request and our answer, for a peer that repeats it as it was.
	sum    uint64
	answer [][]byte
}

// skippedIVs is how many IVs of a key for sending are given up by Resync: nobody knows how many were used since the
// state was saved, and none may be used twice.
const skippedIVs = 1 << 40

// Resync is what a node says that took a session over with stale counters.
type Resync struct {
	// Margin is more than the number of our requests that can have been sent since the state was saved; default 1000.
	Margin uint32
	// SkipInbound asks the peer to skip that many sequence numbers of what it sends to us, on every Child SA, so that
	// packets which the former node had accepted already cannot be replayed. 0: it is not asked.
	SkipInbound uint32
}

// announceSync are the notifies about RFC 6311 in our IKE_AUTH message.
func (s *Session) announceSync() []*message.Notify {
	if !s.opt.Resync {
		return nil
	}
	return []*message.Notify{
		notify(message.IKEV2_MESSAGE_ID_SYNC_SUPPORTED, nil), notify(message.IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED, nil),
	}
}

// learnSync takes the peer's.
func (s *Session) learnSync(notifies []*message.Notify) {
	s.sync.messageIDs = s.opt.Resync && hasNotify(notifies, message.IKEV2_MESSAGE_ID_SYNC_SUPPORTED)
	s.sync.replay = s.opt.Resync && hasNotify(notifies, message.IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED)
}

// CanResync tells whether both sides support RFC 6311, so that the session can be taken over with stale counters.
func (s *Session) CanResync() bool { return s.sync.messageIDs }

// Resync agrees with the peer on new message IDs after the session was imported with counters that may be stale
// because the node that had it went on after the export of that state, or died. It ends with Resynced, or with Closed
// when the peer does not answer. Requests of ours that were under way are repeated where that does no harm, and fail
// with ErrResync otherwise. The owner makes its data plane skip outbound sequence numbers by itself. Without CanResync
// it does nothing.
func (s *Session) Resync(now time.Time, r Resync) Output {
	s.begin(now)
	if s.state != stateEstablished || !s.sync.messageIDs {
		return s.finish()
	}
	sa := s.sa
	if r.Margin == 0 {
		r.Margin = 1000
	}
	if uint64(sa.nextSend)+uint64(r.Margin) >= math.MaxUint32/2 {
		s.close(ErrMessageIDs, false)
		return s.finish()
	}
	for each := range s.eachIKESA() { // also one that a rekey has left behind may have to answer
		if p, ok := each.out.(*suite.Protector); ok {
			p.SkipIVs(p.IVs() + skippedIVs)
		}
	}
	sa.nextSend += r.Margin
	s.restartRequests()
	req := &request{kind: requestSync, sa: sa, exchange: message.INFORMATIONAL, done: s.syncResponse, carries: r}
	s.buildSync(req)
	if s.state != stateClosed {
		s.launch(sa, req)
	}
	return s.finish()
}

// buildSync makes a synchronisation request. Each repetition is another one, with a higher message ID to come: a peer
// drops what it has seen (RFC 6311 5.1).
func (s *Session) buildSync(r *request) {
	sa := s.sa
	sa.nextSend++
	r.cookie2 = make([]byte, 4)
	s.random(r.cookie2)
	payloads := []message.Payload{notify(message.IKEV2_MESSAGE_ID_SYNC, syncData(r.cookie2, sa.nextSend, sa.nextRecv))}
	if skip := r.carries.(Resync).SkipInbound; skip > 0 && s.sync.replay {
		payloads = append(payloads, notify(message.IPSEC_REPLAY_COUNTER_SYNC, s.skipData(skip)))
	}
	r.datagrams = s.seal(sa, r.exchange, false, 0, payloads)
}

// syncData is nonce | EXPECTED_SEND_REQ_MESSAGE_ID | EXPECTED_RECV_REQ_MESSAGE_ID of the sender (RFC 6311 6.3).
func syncData(nonce []byte, send, recv uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(bytes.Clone(nonce), send), recv)
}

func parseSync(n *message.Notify) (nonce []byte, send, recv uint32, ok bool) {
	if n == nil || len(n.Data) != 12 {
		return nil, 0, 0, false
	}
	return n.Data[:4], binary.BigEndian.Uint32(n.Data[4:]), binary.BigEndian.Uint32(n.Data[8:]), true
}

// skipData has 8 octets where the Child SAs have extended sequence numbers, else 4 (RFC 6311 6.4).
func (s *Session) skipData(skip uint32) []byte {
	for _, c := range s.children {
		if c.sa.Suite.ESN {
			return binary.BigEndian.AppendUint64(nil, uint64(skip))
		}
	}
	return binary.BigEndian.AppendUint32(nil, skip)
}

func (s *Session) syncResponse(r *request, in []message.Payload) {
	sa := s.sa
	nonce, send, recv, ok := parseSync(message.GetNotify(in, message.IKEV2_MESSAGE_ID_SYNC))
	if !ok || !bytes.Equal(nonce, r.cookie2) || recv < sa.nextSend || send < sa.nextRecv {
		sa.outstanding = append(sa.outstanding, r) // the answer to an earlier one, or nonsense
		return
	}
	sa.nextSend = recv
	sa.restartReceiving(send)
	s.emit(Resynced{})
}

// syncRequest works on a synchronisation request: the only kind of message whose ID is 0 out of order, and that holds
// nothing else (RFC 6311 5.1). It returns false when it is not one.
func (s *Session) syncRequest(sa *ikeSA, h message.Header, path Path, data []byte) bool {
	if h.MessageID != 0 || h.Exchange != message.INFORMATIONAL || !s.sync.messageIDs || sa != s.sa || s.state != stateEstablished {
		return false
	}
	sum := hash(data)
	if s.sync.answer != nil && s.sync.sum == sum {
		s.send(path, s.sync.answer)
		return true
	}
	in, err := message.Open(data, sa.in)
	if err != nil {
		return false
	}
	nonce, send, recv, ok := parseSync(message.GetNotify(in.Payloads, message.IKEV2_MESSAGE_ID_SYNC))
	if !ok {
		return false
	}
	var skip *message.Notify
	for _, p := range in.Payloads {
		n, ok := p.(*message.Notify)
		switch {
		case ok && n.Type == message.IKEV2_MESSAGE_ID_SYNC:
		case ok && n.Type == message.IPSEC_REPLAY_COUNTER_SYNC && s.sync.replay:
			skip = n
		default:
			return true // something else is in it: dropped
		}
	}
	highest := uint64(sa.nextRecv)
	for _, t := range sa.taken {
		highest = max(highest, uint64(t.mid)+1)
	}
	// What is not above everything that we have seen is a replay.
	if uint64(send) < highest || send >= math.MaxUint32/2 || recv >= math.MaxUint32/2 || !s.sync.highest.newer(send) {
		return true
	}
	sa.nextSend = max(sa.nextSend, recv)
	sa.restartReceiving(send)
	s.heard(path)
	s.restartRequests()
	if d := s.seal(sa, message.INFORMATIONAL, true, 0, []message.Payload{
		notify(message.IKEV2_MESSAGE_ID_SYNC, syncData(nonce, sa.nextSend, sa.nextRecv)),
	}); d != nil {
		s.sync.sum, s.sync.answer = sum, d
		s.send(path, d)
	}
	if skip != nil {
		s.skipSequence(skip.Data)
	}
	return true
}

// skipSequence tells the data plane to skip sequence numbers of what it sends.
func (s *Session) skipSequence(data []byte) {
	switch len(data) {
	case 4:
		s.emit(SequenceSkipped{By: uint64(binary.BigEndian.Uint32(data))})
	case 8:
		s.emit(SequenceSkipped{By: binary.BigEndian.Uint64(data)})
	}
}

// restartReceiving forgets what came before message ID next.
func (r *receiving) restartReceiving(next uint32) { r.nextRecv, r.taken, r.held = next, nil, nil }

// restartRequests takes back the requests that are outstanding, whose message IDs mean nothing any more. What can be
// asked twice is asked again.
func (s *Session) restartRequests() {
	sa := s.sa
	outstanding := sa.outstanding
	sa.outstanding = nil
	for i := len(outstanding) - 1; i >= 0; i-- {
		switch r := outstanding[i]; r.kind {
		case requestSync:
			sa.outstanding = append(sa.outstanding, r)
		case requestToken, requestWindow, requestLiveness, requestRoutability, requestUpdate, requestAddresses, requestSwitch, requestDeleteChild:
			s.enqueue(&request{kind: r.kind, exchange: r.exchange, build: r.build, done: r.done, failed: r.failed, carries: r.carries}, true)
		case requestChild:
			s.failChild(r.carries.(*pendingChild), ErrResync)
		case requestRekeyIKE:
			s.ikeRekeyFailed(s.ikeRekey, ErrResync)
		default:
			if r.failed != nil {
				r.failed(ErrResync)
			}
		}
	}
}
