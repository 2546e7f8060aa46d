// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"io"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// Options configures sessions. All sessions of a responder share one value; it must not change after use.
type Options struct {
	// IKE and ESP are the proposals that we accept (responder) or send (initiator), best first.
	IKE, ESP []message.Proposal

	// FullMODP makes a responder avoid shared MODP secrets that begin with a zero octet, for UEs that lose it.
	FullMODP bool

	// Rand is the source of nonces, keys, cookies and jitter, default crypto/rand.Reader. Work reads it on whatever
	// goroutine it runs.
	Rand io.Reader
	// NewIKESPI and NewChildSPI choose our SPIs; the owner puts its steering bits there. nil: random ones. A child SPI
	// must be 256 or more and unused at this node.
	NewIKESPI   func() message.SPI
	NewChildSPI func() (uint32, error)
	// ReleaseChildSPI gets back a child SPI that NewChildSPI gave and that never came up in a ChildUp.
	ReleaseChildSPI func(spi uint32)

	// Identity is ours (IDr of a responder, IDi of an initiator).
	Identity Identity
	// Prove makes our AUTH payload; an initiator with EAP needs none. Verify checks the peer's; a responder that takes
	// EAP only leaves it nil.
	Prove  Prover
	Verify Verifier
	// PPK mixes post-quantum preshared keys into the keys of the IKE SA; nil: not.
	PPK *PPKPolicy
	// EAP: a responder accepts initiators that send no AUTH, an initiator sends none.
	EAP bool
	// AlwaysSendCertificate sends CERT also to a peer that sent no CERTREQ.
	AlwaysSendCertificate bool

	// NoMOBIKE switches MOBIKE off.
	NoMOBIKE bool
	// MOBIKEData is the content of our MOBIKE_SUPPORTED; peers ignore it (RFC 4555 3.5).
	MOBIKEData []byte
	// AdditionalAddresses are our addresses, announced to MOBIKE peers (RFC 4555 3.4) without the one that is in use. See
	// Session.SetAddresses.
	AdditionalAddresses []netip.Addr
	// TestPathsAfter lets an initiator with MOBIKE look for another path by itself after so many repetitions of a
	// request in vain, or when the peer's list lacks the address that is used, and move to the first path that
	// answers. 0: never; 3 is a good value. See Session.TestPaths.
	TestPathsAfter int
	// Rebind says what ESP of the peer from another path does (responder).
	Rebind Rebinding
	// Patience is how long a responder with MOBIKE repeats a request at least, whatever Retransmit.GiveUp says: the peer
	// may be between two networks (RFC 4555 3.9). Default 5 min; negative: no longer than others.
	Patience time.Duration
	// MovesPerMinute bounds how often a peer may change its path; more moves are answered with UNACCEPTABLE_ADDRESSES.
	// 0: no limit.
	MovesPerMinute int
	// Switch lets the responder ask the initiator to move to another of its addresses; nil: neither asks nor follows.
	Switch *SwitchExtension
	// NoNATTraversal switches NAT traversal off: the session stays on its first port, and with MOBIKE each side refuses
	// messages whose addresses a NAT has changed (RFC 4555 3.9).
	NoNATTraversal bool
	// HonestNAT switches the forced UDP encapsulation off. By default a constant bogus address is hashed into
	// NAT_DETECTION_SOURCE_IP, so that the peer always encapsulates ESP in UDP.
	HonestNAT bool
	// Routability says when a path that an UPDATE_SA_ADDRESSES brings must be proven.
	Routability Routability
	// RoutabilityExempt are networks whose addresses count as proven.
	RoutabilityExempt []netip.Prefix
	// RoutabilityTimeout is when RoutabilityFailed is reported, default 10 s. RoutabilityMemory is how long a proof
	// counts, default 10 min.
	RoutabilityTimeout, RoutabilityMemory time.Duration
	// AcceptPath is asked about the path of an UPDATE_SA_ADDRESSES, of a rebinding to another address (ESP, or without
	// MOBIKE any message) or of SWITCH_TO_IP_ADDRESS, after DefaultAcceptPath accepted it. An error leaves everything as
	// it was and is answered with UNACCEPTABLE_ADDRESSES where there is a request to be answered.
	AcceptPath func(s *Session, path Path) error

	// AcceptInfo decides about the notifies of an INFORMATIONAL request that this package does not handle itself: an error type other than 0 is the
	// answer to it, and no InfoReceived follows. nil accepts all.
	AcceptInfo func(s *Session, notifies []*message.Notify) message.NotifyType
	// AcceptChild decides about a Child SA that the peer asks for (not a rekey). nil refuses all with NO_ADDITIONAL_SAS.
	AcceptChild func(s *Session, offer *ChildOffer) (ChildAnswer, error)
	// AcceptSelectors decides about a rekey whose selectors neither cover those of the old pair nor lie within them: a
	// peer whose selector is its own outer address (strongSwan without virtual IP) takes its new one with it when it has
	// moved. The Tag of the answer is not used. nil refuses all with TS_UNACCEPTABLE.
	AcceptSelectors func(s *Session, old *ChildSA, offer *ChildOffer) (ChildAnswer, error)

	// Retransmit times our requests.
	Retransmit Retransmission
	// HalfOpenTime is how long authentication may take in all, default 60 s.
	HalfOpenTime time.Duration
	// Linger is how long a closed session answers retransmissions, default 30 s.
	Linger time.Duration
	// Liveness is the silence of the peer after which it is probed by itself; 0: only Probe does. The owner reports
	// received ESP with Session.Traffic.
	Liveness time.Duration
	// Lifetime says when SAs are rekeyed and when they end; its zero value: never by themselves.
	Lifetime Lifetimes
	// Keepalive is the interval of NAT keepalives while we are behind a NAT, default 20 s; negative: never.
	Keepalive time.Duration
	// FragmentSize is the largest IKE message, in octets with the IKE header, that is sent whole to a peer that
	// supports fragmentation (RFC 7383); default 1200.
	FragmentSize int
	// Window is how many requests of the peer we take at once, told to it with SET_WINDOW_SIZE (RFC 7296 2.3), at most
	// 8. Default 1, which is not told. A peer that offers more than 1 gets up to 8 requests of ours at once. It is
	// announced again after a rekey of the IKE SA.
	Window int

	// CrashSecret lets the peer find out at once that we have restarted (RFC 6290): a secret of 32 octets or more that
	// survives restarts and that no other node has, or nil. See also Elsewhere.
	CrashSecret []byte
	// Elsewhere tells whether an IKE SA with our SPI spi can be alive at another node, or at another part of this one:
	// Responder.Unknown says no token for it then. Without it every SPI that reaches Unknown counts as dead.
	Elsewhere func(spi message.SPI) bool

	// Redirect is asked for every IKE_SA_INIT request of an initiator that can be redirected (RFC 5685): the zero
	// Gateway takes it, any other one sends it there. from is set when it comes from a redirect. It is called on
	// whatever goroutine calls Responder.Init.
	Redirect func(path Path, from Gateway) Gateway

	// Resync announces and accepts the synchronisation of message IDs and replay counters (RFC 6311), for peers of a
	// cluster and its nodes; see Session.Resync.
	Resync bool

	// MarshalTag and UnmarshalTag carry the owner's tags (of Child SAs and of requests) through Session.Export. Without
	// them a session with a tag other than nil is not exported.
	MarshalTag   func(tag any) ([]byte, error)
	UnmarshalTag func(data []byte) (any, error)

	// Responder limits; see Limits.
	Limits Limits
	// KeyLog receives the keys of every SA; nil: nothing.
	KeyLog KeyLogger
}

// Routability is the policy of the return routability check (RFC 4555 3.7).
type Routability int

const (
	// RoutabilityBefore moves Child SAs only to a proven path.
	RoutabilityBefore Routability = iota
	// RoutabilityAfter moves them at once and checks then; ChildrenMoved.Unproven asks for a cap meanwhile.
	RoutabilityAfter
	// RoutabilityOff never checks.
	RoutabilityOff
)

// Retransmission is the schedule of a request: the first repetition after First, each next wait longer by Factor up
// to Max, all with up to Jitter (a share) added, and the end after GiveUp.
type Retransmission struct {
	First  time.Duration // default 2 s
	Factor float64       // default 1.8
	Max    time.Duration // default 30 s
	Jitter float64       // default 0.1; negative: none
	// GiveUp is when the session ends without an answer. Default 165 s, and 5 min with MOBIKE (RFC 4555 3.9 wants a
	// responder to be patient with a peer that may be between two networks).
	GiveUp time.Duration
}

// Limits bounds what unauthenticated peers cost a responder (RFC 7296 2.6). Zero values take the defaults.
type Limits struct {
	// CookieTotal and CookiePerSource are the numbers of half-open IKE SAs from which cookies are demanded: default
	// 1000 and 100. A negative value demands them always.
	CookieTotal, CookiePerSource int
	// Total and PerSource are the numbers above which IKE_SA_INIT requests are dropped: default 50000 and 1000.
	Total, PerSource int
	// SourceBitsIPv4 and SourceBitsIPv6 are the lengths of the prefixes that count as one source, default 32 and 64.
	SourceBitsIPv4, SourceBitsIPv6 int
	// Exempt are networks (relays, carrier NATs) without a limit per source.
	Exempt []netip.Prefix
	// SecretLife is how long a cookie secret is used, default 60 s; the one before it is still accepted.
	SecretLife time.Duration
	// ErrorsPerSecond bounds unprotected error answers, default 100.
	ErrorsPerSecond int
}

// KeyLogger gets key material, for dissectors. It must not block.
type KeyLogger interface {
	IKE(spiI, spiR message.SPI, s suite.IKE, keys *suite.IKEKeys)
	Child(c *ChildSA)
}

// ChildRequest asks for a Child SA.
type ChildRequest struct {
	LocalTS, RemoteTS []message.TrafficSelector
	// ESP overrides Options.ESP when not nil.
	ESP []message.Proposal
	// Notifies are added to the request.
	Notifies []*message.Notify
	// Tag comes back in ChildUp (as ChildSA.Tag) or ChildFailed.
	Tag any
}

// ChildOffer is a Child SA that the peer asks for.
type ChildOffer struct {
	LocalTS, RemoteTS []message.TrafficSelector
	Notifies          []*message.Notify
}

// ChildAnswer narrows a ChildOffer. nil selectors accept what was offered.
type ChildAnswer struct {
	LocalTS, RemoteTS []message.TrafficSelector
	Notifies          []*message.Notify
	Tag               any
}

// Authorization is the responder's decision about the last IKE_AUTH request.
type Authorization struct {
	// Config is the CFG_REPLY, or nil.
	Config *message.Configuration
	// LocalTS and RemoteTS narrow the selectors; nil accepts what was proposed.
	LocalTS, RemoteTS []message.TrafficSelector
	// ESP overrides Options.ESP when not nil.
	ESP []message.Proposal
	// Notifies are added to the response.
	Notifies []*message.Notify
	// Redirect sends the peer to another gateway instead (RFC 5685 5), when it can be redirected: no Child SA comes up,
	// and the peer is to delete the IKE SA.
	Redirect Gateway
	// Refuse, when not nil, keeps the IKE SA but answers this error instead of a Child SA (RFC 7296 1.2).
	Refuse *NotifyError
	// Reject, when not nil, ends the IKE SA with this error notify (AUTHENTICATION_FAILED and an owner's own ones).
	Reject *NotifyError
	// Tag becomes ChildSA.Tag.
	Tag any
}

// InitiatorOptions is what an initiator asks for in IKE_AUTH.
type InitiatorOptions struct {
	// Peer is sent as IDr when its Data is not nil, and then the responder must prove exactly this identity.
	Peer Identity
	// Child is the first Child SA.
	Child ChildRequest
	// Config is the CFG_REQUEST, or nil.
	Config *message.Configuration
	// Notifies are added to the first IKE_AUTH request.
	Notifies []*message.Notify
	// NATTPath is where the session goes after IKE_SA_INIT when that was not on the NAT-traversal port. Its zero value
	// means the addresses of the first path with port 4500 on both sides.
	NATTPath Path
	// LateConfig puts Config into the last IKE_AUTH request instead of the first.
	LateConfig bool
	// AcceptRedirect says that the responder may send us to another one (RFC 5685); see Redirected.
	AcceptRedirect bool
	redirect       redirection
	// InitialContact says that we have no other IKE SA with this peer.
	InitialContact bool
}
