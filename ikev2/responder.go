// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// Responder stands in front of a responder's sessions: it answers IKE_SA_INIT requests, statelessly where it can, and
// bounds the half-open IKE SAs. It is safe for concurrent use, also with its sessions running elsewhere.
type Responder struct {
	policy atomic.Pointer[policy]

	cookies cookieJar
	count   atomic.Int64 // of the half-open IKE SAs, for Challenge

	mu       sync.Mutex
	halfOpen map[uint64]*Session // by hash of the IKE_SA_INIT request and its source
	sources  map[netip.Prefix]int
	errors   bucket
}

// policy is what a responder works by; it does not change.
type policy struct {
	*Options
	plain []message.Proposal // Options.IKE towards peers without RFC 9242
}

// NewResponder returns a responder. It copies o.
func NewResponder(o Options) *Responder {
	r := &Responder{halfOpen: make(map[uint64]*Session), sources: make(map[netip.Prefix]int)}
	r.cookies.rand = o.withDefaults().Rand
	r.SetOptions(o)
	return r
}

// SetOptions makes the responder work by a copy of o from now on: its limits hold at once, the rest for the sessions that Init and Import return
// from now on. Sessions that exist keep what they began with, see Session.Follow; cookies that are out there and half-open IKE SAs stay.
func (r *Responder) SetOptions(o Options) {
	r.mu.Lock()
	defer r.mu.Unlock()
	opt := o.withDefaults()
	r.cookies.life.Store(int64(opt.Limits.SecretLife))
	r.errors.perSecond = opt.Limits.ErrorsPerSecond
	r.policy.Store(&policy{Options: opt, plain: suite.WithoutAdditional(opt.IKE)})
}

// Options is a copy of those that the responder works by, defaults included.
func (r *Responder) Options() Options { return *r.policy.Load().Options }

// HalfOpen is the number of half-open IKE SAs.
func (r *Responder) HalfOpen() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.halfOpen)
}

// Init takes a datagram that LocalSPI gave 0 for. With a new session s is not nil: the owner registers it under
// s.SPI() and runs out.Work. Otherwise out can hold an answer that leaves no state (a cookie, an error, or the response
// to a retransmission), and err says why there is no session; it is nil for cookies and retransmissions.
func (r *Responder) Init(now time.Time, path Path, data []byte) (s *Session, out Output, err error) {
	h, err := message.DecodeHeader(data)
	var version *message.UnsupportedVersion
	if errors.As(err, &version) {
		if version.Major > 2 && !h.Response() {
			out = r.refuse(now, path, h, message.INVALID_MAJOR_VERSION)
		}
		return nil, out, err
	}
	if err != nil {
		return nil, out, err
	}
	if h.Exchange != message.IKE_SA_INIT || h.Response() || !h.FromInitiator() ||
		h.ResponderSPI != 0 || h.InitiatorSPI == 0 || h.MessageID != 0 {
		return nil, out, ErrNotInit
	}
	if len(data) > maxInit {
		return nil, out, ErrNotInit
	}
	opt := r.policy.Load()
	answer, proof := r.challenge(now, path.Remote, data, nil)
	if proof == proofMissing {
		if answer != nil {
			out.Datagrams = []Datagram{{Path: path, Data: answer}}
		}
		return nil, out, nil
	}
	key := requestKey(path.Remote, data)
	source := opt.Limits.source(path.Remote.Addr())

	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.halfOpen[key]; old != nil {
		// The session's own goroutine set initReply before the session was entered here, or under this lock.
		if old.initReply != nil {
			out.Datagrams = []Datagram{{Path: path, Data: old.initReply}}
		}
		return nil, out, nil
	}
	lim := &opt.Limits
	exempt := contains(lim.Exempt, path.Remote.Addr())
	if len(r.halfOpen) >= lim.Total || (!exempt && r.sources[source] >= lim.PerSource) {
		return nil, out, ErrHalfOpenLimit
	}
	m, err := message.Decode(data)
	if err != nil {
		var critical *message.UnsupportedCritical
		if errors.As(err, &critical) {
			out = r.refuseLocked(now, path, h, message.UNSUPPORTED_CRITICAL_PAYLOAD, byte(critical.Type))
		}
		return nil, out, err
	}
	sa, ok1 := message.Get[*message.SecurityAssociation](m.Payloads)
	ke, ok2 := message.Get[*message.KeyExchange](m.Payloads)
	ni, ok3 := message.Get[*message.Nonce](m.Payloads)
	if !ok1 || !ok2 || !ok3 || len(ni.Data) < message.MinNonceLen || len(ni.Data) > message.MaxNonceLen {
		return nil, r.refuseLocked(now, path, h, message.INVALID_SYNTAX), &NotifyError{Type: message.INVALID_SYNTAX}
	}
	if !exempt && r.sources[source] >= lim.CookiePerSource {
		c := message.GetNotify(m.Payloads, message.COOKIE)
		if c == nil || !r.cookies.valid(now, c.Data, path.Remote.Addr(), h.InitiatorSPI, ni.Data) {
			if c != nil {
				r.cookies.wrong.Add(1)
			}
			out.Datagrams = []Datagram{{Path: path, Data: r.appendChallenge(nil, now, path.Remote, h.InitiatorSPI, ni.Data)}}
			return nil, out, nil
		}
		proof = proofGiven
	}
	if proof == proofGiven {
		r.cookies.verified.Add(1)
	}
	if out.Datagrams = r.redirectInit(path, h, m.Payloads, ni.Data); out.Datagrams != nil {
		return nil, out, ErrRedirected
	}
	accepted := opt.IKE
	if message.GetNotify(m.Payloads, message.INTERMEDIATE_EXCHANGE_SUPPORTED) == nil {
		accepted = opt.plain
	}
	choice, err := suite.SelectIKE(accepted, sa.Proposals, 0, suite.GroupID(ke.Group))
	if err != nil {
		out.Datagrams = plainAnswer(path, h, notify(message.NO_PROPOSAL_CHOSEN, nil))
		return nil, out, err
	}
	if group := choice.IKE.Group; group != suite.GroupID(ke.Group) {
		out.Datagrams = plainAnswer(path, h, notify(message.INVALID_KE_PAYLOAD, groupData(group)))
		return nil, out, &NotifyError{Type: message.INVALID_KE_PAYLOAD, Data: groupData(group)}
	}
	s = &Session{opt: opt.Options, rules: opt.Options, front: r, frontKey: key, source: source, path: path, espPath: path}
	s.own = opt.AdditionalAddresses
	s.begin(now)
	s.initRequest(m, data, choice, ke, ni)
	r.halfOpen[key] = s
	r.sources[source]++
	r.count.Store(int64(len(r.halfOpen)))
	return s, s.finish(), nil
}

// Unknown answers a datagram for an IKE SA that does not exist, or of a higher major version, where an answer is due:
// with an unprotected error, limited in rate (RFC 7296 2.5, 2.21.4). Most calls return nil.
func (r *Responder) Unknown(now time.Time, path Path, data []byte) *Datagram {
	h, err := message.DecodeHeader(data)
	t := message.INVALID_IKE_SPI
	var version *message.UnsupportedVersion
	switch {
	case errors.As(err, &version) && version.Major > 2:
		t = message.INVALID_MAJOR_VERSION
	case err != nil:
		return nil
	}
	if h.Response() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.errors.take(now) {
		return nil
	}
	notifies := []*message.Notify{notify(t, nil)}
	if t == message.INVALID_IKE_SPI {
		notifies = append(notifies, r.token(h, data)...)
	}
	out := Output{Datagrams: plainAnswer(path, h, notifies...)}
	if len(out.Datagrams) == 0 {
		return nil
	}
	return &out.Datagrams[0]
}

func (r *Responder) refuse(now time.Time, path Path, h message.Header, t message.NotifyType) Output {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refuseLocked(now, path, h, t)
}

func (r *Responder) refuseLocked(now time.Time, path Path, h message.Header, t message.NotifyType, data ...byte) (out Output) {
	if r.errors.take(now) {
		out.Datagrams = plainAnswer(path, h, notify(t, data))
	}
	return out
}

// plainAnswer is an unprotected response with notifies, to a request with header h. The SPIs are the request's, so
// that of an IKE_SA_INIT request's responder stays 0: no state was made.
func plainAnswer(path Path, h message.Header, notifies ...*message.Notify) []Datagram {
	m := message.Message{Header: h, Payloads: appendNotifies(nil, notifies)}
	m.Flags = message.FlagResponse
	if !h.FromInitiator() {
		m.Flags |= message.FlagInitiator
	}
	data, err := m.Append(nil)
	if err != nil {
		return nil
	}
	return []Datagram{{Path: path, Data: data}}
}

// forget takes a session out that is no longer half-open.
func (r *Responder) forget(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.halfOpen[s.frontKey] != s {
		return
	}
	delete(r.halfOpen, s.frontKey)
	r.count.Store(int64(len(r.halfOpen)))
	if n := r.sources[s.source] - 1; n > 0 {
		r.sources[s.source] = n
	} else {
		delete(r.sources, s.source)
	}
}

// remember keeps the IKE_SA_INIT response for retransmissions of the request.
func (r *Responder) remember(s *Session, reply []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.initReply = reply
}

// maxInit bounds an IKE_SA_INIT request in octets, which a half-open IKE SA keeps for the authentication: three times
// what one with a dozen proposals, ML-KEM-1024 and every notify has.
const maxInit = 8 << 10

// source is the unit that limits per source count.
func (l *Limits) source(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := l.SourceBitsIPv6
	if a.Is4() {
		bits = l.SourceBitsIPv4
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.PrefixFrom(a, a.BitLen()) // a length that does not exist counts each address
	}
	return p
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// bucket limits a rate: at most perSecond in each second.
type bucket struct {
	perSecond int
	second    time.Time
	used      int
}

func (b *bucket) take(now time.Time) bool {
	if now.Sub(b.second) >= time.Second || now.Before(b.second) {
		b.second, b.used = now, 0
	}
	if b.used >= b.perSecond {
		return false
	}
	b.used++
	return true
}
