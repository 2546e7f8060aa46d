// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"math"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// maxReplyOctets bounds what a session keeps of its responses. The latest one is always kept; a peer that asks for an
// older one beyond the bound gets nothing.
const maxReplyOctets = 128 << 10

// taken is a request of the peer that was accepted: it is worked on, or has its response.
type taken struct {
	mid      uint32
	exchange message.ExchangeType
	sum      uint64   // of its datagram, or of its first fragment
	total    uint16   // number of its fragments, 0 for a whole message
	reply    [][]byte // nil while it is worked on
	inner    []message.Payload
	to       Path // where the response goes instead of to the source of the request; zero: to the source
	copies   int  // of the response, so far
	// in and out are the keys of the exchange where the IKE SA has others by now; nil: those of the IKE SA.
	in, out message.Protector
}

// held is an authentic request that waits until the one before it is answered.
type held struct {
	h    message.Header
	path Path
	in   []message.Payload
	err  error
}

// receiving is the responder's side of the message window (RFC 7296 2.3): which requests of the peer may come, and the
// responses that may have to be repeated.
type receiving struct {
	nextRecv uint32 // the lowest message ID that has not come yet
	width    int    // how many requests at once; 0 is 1
	taken    []taken
	held     []held

	lastUpdate, lastList latest // UPDATE_SA_ADDRESSES and address lists
}

func (r *receiving) window() uint64 { return uint64(max(1, r.width)) }

func (r *receiving) find(mid uint32) *taken {
	if i := slices.IndexFunc(r.taken, func(t taken) bool { return t.mid == mid }); i >= 0 {
		return &r.taken[i]
	}
	return nil
}

// fits tells whether a new request with that message ID is within the window: the peer may be ahead of the first one
// that has no response yet, by less than the window's width.
func (r *receiving) fits(mid uint32) bool {
	first := r.nextRecv
	for _, t := range r.taken {
		if t.reply == nil {
			first = min(first, t.mid)
		}
	}
	return mid >= r.nextRecv && mid < math.MaxUint32 && uint64(mid) < uint64(first)+r.window()
}

// take notes a request. That the peer sent it shows that it has the responses a whole window before.
func (r *receiving) take(h message.Header, sum uint64, total uint16) {
	mid := h.MessageID
	r.taken = slices.DeleteFunc(r.taken, func(t taken) bool { return t.reply != nil && uint64(t.mid)+r.window() <= uint64(mid) })
	r.taken = append(r.taken, taken{mid: mid, exchange: h.Exchange, sum: sum, total: total})
	for r.find(r.nextRecv) != nil {
		r.nextRecv++
	}
	octets := 0
	for i := len(r.taken) - 1; i >= 0; i-- {
		n := 0
		for _, d := range r.taken[i].reply {
			n += len(d)
		}
		if octets += n; octets > maxReplyOctets && n > 0 {
			r.taken[i].reply, r.taken[i].inner = [][]byte{}, nil
		}
	}
}

// repeat answers a retransmission with the very same response, to where it came from now. While the first copy is
// worked on (an EAP packet can be on its way to the core and back for seconds) it gets nothing.
func (s *Session) repeat(sa *ikeSA, t *taken, path Path, data []byte) {
	if t.reply == nil {
		return
	}
	finer := false
	if sum := hash(data); sum != t.sum {
		// Split anew for a smaller path MTU, it is still the same request (RFC 7383 2.5.2).
		in := sa.in
		if t.in != nil {
			in = t.in
		}
		total := s.firstOf(in, data)
		if total <= t.total {
			return
		}
		t.sum, t.total, finer = sum, total, true
	}
	t.copies++
	if t.to.Remote.IsValid() {
		path = t.to
	}
	if t.inner != nil && (finer || t.copies > smallerAfter) {
		s.shrinkReply(sa, t, path)
	}
	s.send(path, t.reply)
}

// firstOf returns the number of fragments when data is an authentic first fragment, else 0.
func (s *Session) firstOf(in message.Protector, data []byte) uint16 {
	m, err := message.Decode(data)
	if err != nil || len(m.Payloads) == 0 || !s.fragment {
		return 0
	}
	f, ok := m.Payloads[len(m.Payloads)-1].(*message.EncryptedFragment)
	if !ok || f.Number != 1 {
		return 0
	}
	if _, err := f.Decrypt(in); err != nil {
		return 0
	}
	return f.Total
}

// resume works on requests that had to wait, now that the one before them is answered.
func (s *Session) resume() {
	for sa := range s.eachIKESA() {
		for sa.pending == nil && len(sa.held) > 0 && s.state != stateClosed {
			next := sa.held[0]
			sa.held = slices.Delete(sa.held, 0, 1)
			s.begun(sa, next.h, next.path, next.in, next.err)
		}
	}
}

// windowNotify announces how many requests we take at once; none for one, which is what everybody assumes.
func (s *Session) windowNotify() []message.Payload {
	if s.opt.Window <= 1 {
		return nil
	}
	return []message.Payload{notify(message.SET_WINDOW_SIZE, []byte{0, 0, 0, byte(min(s.opt.Window, maxWindow))})}
}

// enqueueWindow announces it again in the IKE SA that a rekey has made, where it is 1 at first (RFC 7296 2.3). Who
// answered the rekey waits until the peer is likely to have the new keys: an unanswered request would block the window.
func (s *Session) enqueueWindow() {
	if s.opt.Window <= 1 || s.sa.queued(requestWindow) {
		return
	}
	r := s.windowRequest()
	if !s.sa.initiator {
		r.notBefore = s.now.Add(time.Second)
	}
	s.enqueue(r, false)
}

func (s *Session) windowRequest() *request {
	return &request{
		kind: requestWindow, exchange: message.INFORMATIONAL,
		build: func(r *request) []message.Payload {
			r.sa.width = min(s.opt.Window, maxWindow)
			return s.windowNotify()
		},
		done: func(*request, []message.Payload) {},
	}
}
