// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// A session travels as: version (1 octet) | nonce (12) | AES-256-GCM of its fields as JSON. The version and the
// owner's associated data are authenticated. Fields have names, so that a later program can add one and still read
// what an earlier one wrote; it must raise the version only when the meaning of a field changes.
const (
	exportVersion = 1
	exportNonce   = 12
	exportLabel   = "open-n3iwf ikev2 session"
	// maxExport bounds a blob, in octets. A session has a few kilobytes; its unanswered requests and its latest
	// response can add a UDP datagram each.
	maxExport = 4 << 20
)

// TransferKey encrypts exported sessions. All nodes that hand sessions to each other have the same. It protects the
// keys of every session, and at most 2^32 exports may be made with one.
type TransferKey [32]byte

// Errors of ImportSession. Test with errors.Is.
var (
	// ErrTransferKey: the blob was made with another key or other associated data, or was changed on its way.
	ErrTransferKey = errors.New("ikev2: the exported session does not fit the key or the associated data")
	// ErrTransferVersion: another version of this program made the blob.
	ErrTransferVersion = errors.New("ikev2: the exported session has a format that is not known here")
	// ErrTransferContent: the content makes no session.
	ErrTransferContent = errors.New("ikev2: the exported session is malformed")
)

// NotPortableError says why a session cannot be exported right now; after Quiesce it soon can.
type NotPortableError struct {
	// What names what cannot travel.
	What string
}

func (e *NotPortableError) Error() string {
	return "ikev2: the session cannot be exported now: " + e.What
}

// Export ends the session here and returns its whole state for ImportSession at another node, or here after a restart.
// associated is bound to the blob (for whom it is, for instance) but not part of it. After that the session is dead: it
// answers nothing, has no Child SAs and emits no events. Only one of the two may ever send, because the IVs and
// sequence numbers of its keys go on in the other one. With an error (a *NotPortableError names what cannot travel
// right now) nothing has changed. Timers travel as what is left of them.
//
// What does not travel: Owner; fragments of an incomplete message, all of which the peer repeats; the sequence numbers
// and replay windows of the Child SAs, which are the data plane's.
func (s *Session) Export(now time.Time, key *TransferKey, associated []byte) ([]byte, error) {
	blob, err := s.Snapshot(now, key, associated)
	if err == nil {
		s.die()
	}
	return blob, err
}

// Snapshot is Export of a session that goes on. The owner gives it nothing to do until it is known which of the two goes on, and then only that one.
func (s *Session) Snapshot(now time.Time, key *TransferKey, associated []byte) ([]byte, error) {
	if what := s.blocker(); what != "" {
		return nil, &NotPortableError{what}
	}
	s.now = now
	c := &codec{opt: s.opt, now: now, encoding: true, values: map[string]json.RawMessage{}}
	s.fields(c)
	if c.err != nil {
		return nil, c.err
	}
	plain, err := json.Marshal(c.values)
	if err != nil {
		return nil, err
	}
	blob := make([]byte, 1+exportNonce, 1+exportNonce+len(plain)+16)
	blob[0] = exportVersion
	s.random(blob[1:])
	blob = key.aead().Seal(blob, blob[1:], plain, associatedData(exportVersion, associated))
	if len(blob) > maxExport {
		return nil, &NotPortableError{"its requests and responses are too long"}
	}
	return blob, nil
}

func (k *TransferKey) aead() cipher.AEAD {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		panic(err) // the length is right
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the right block size
	}
	return gcm
}

func associatedData(version byte, associated []byte) []byte {
	return append(append([]byte(exportLabel), version), associated...)
}

// die leaves nothing that could send or be sent to.
func (s *Session) die() {
	s.state = stateClosed
	s.sa = &ikeSA{spiI: s.sa.spiI, spiR: s.sa.spiR, initiator: s.sa.initiator}
	s.others, s.children, s.reserved, s.mobility = nil, nil, nil, mobility{}
}

// ImportSession continues a session that Export made, exactly where it stood. o must be what the session had, as far as
// it describes the peer's view (roles, proposals, MOBIKE); Rand, the hooks and the limits are this node's. The owner
// registers the session under each of LocalSPIs, installs its Children, takes the ReservedSPIs out of its own, and
// waits for out.Deadline. key and associated are those of Export.
func ImportSession(now time.Time, o Options, key *TransferKey, associated, blob []byte) (*Session, Output, error) {
	return importSession(now, o.withDefaults(), key, associated, blob)
}

// Import is ImportSession for a session of this responder, whose Options it shares.
func (r *Responder) Import(now time.Time, key *TransferKey, associated, blob []byte) (*Session, Output, error) {
	return importSession(now, r.policy.Load().Options, key, associated, blob)
}

func importSession(now time.Time, opt *Options, key *TransferKey, associated, blob []byte) (*Session, Output, error) {
	if len(blob) < 1+exportNonce || len(blob) > maxExport {
		return nil, Output{}, fmt.Errorf("%w: %d octets", ErrTransferContent, len(blob))
	}
	if blob[0] != exportVersion {
		return nil, Output{}, fmt.Errorf("%w: version %d", ErrTransferVersion, blob[0])
	}
	plain, err := key.aead().Open(nil, blob[1:1+exportNonce], blob[1+exportNonce:], associatedData(exportVersion, associated))
	if err != nil {
		return nil, Output{}, ErrTransferKey
	}
	c := &codec{opt: opt, now: now}
	if err := json.Unmarshal(plain, &c.values); err != nil {
		return nil, Output{}, fmt.Errorf("%w: %w", ErrTransferContent, err)
	}
	s := &Session{opt: opt, rules: opt, state: stateEstablished, now: now}
	s.fields(c)
	c.leftover("the session")
	if c.err == nil {
		c.err = s.plausible()
	}
	if c.err != nil {
		return nil, Output{}, c.err
	}
	return s, Output{Deadline: s.deadline()}, nil
}

// LocalSPIs are our SPIs of the IKE SA and of those that it has replaced lately.
func (s *Session) LocalSPIs() []message.SPI {
	var spis []message.SPI
	for sa := range s.eachIKESA() {
		spis = append(spis, sa.local())
	}
	return spis
}

// ReservedSPIs are the child SPIs that requests under way have taken from Options.NewChildSPI.
func (s *Session) ReservedSPIs() []uint32 { return append([]uint32(nil), s.reserved...) }

// quietness is how far Quiesce has come.
type quietness uint8

const (
	quietNot   quietness = iota
	quietAsked           // nothing new is begun
	quietTold            // Quiescent was emitted
)

// Quiesce makes the session fit for Export: it begins no requests and answers CREATE_CHILD_SA with TEMPORARY_FAILURE,
// while what is under way comes to its end. A rekey of the IKE SA that has not begun ends with RekeyFailed. Quiescent
// follows, perhaps at once. Resume takes it back.
func (s *Session) Quiesce(now time.Time) Output {
	s.begin(now)
	if s.state == stateEstablished && s.quiet == quietNot {
		s.quiet = quietAsked
	}
	return s.finish()
}

// Resume ends Quiesce.
func (s *Session) Resume(now time.Time) Output {
	s.begin(now)
	s.quiet = quietNot
	return s.finish()
}

func (s *Session) tellQuiescent() {
	if s.quiet == quietNot {
		return
	}
	// A rekey of the IKE SA that waits cannot travel, and need not: it will be due again. What waits can also be left of an
	// earlier wish, which a rekey of the peer's has fulfilled.
	waits := func(r *request) bool { return r.kind == requestRekeyIKE }
	if slices.ContainsFunc(s.sa.queue, waits) {
		s.sa.queue = slices.DeleteFunc(s.sa.queue, waits)
		if p := s.ikeRekey; p != nil && !p.sent {
			s.ikeRekeyFailed(p, ErrState)
		}
	}
	if s.quiet == quietAsked && s.blocker() == "" {
		s.quiet = quietTold
		s.emit(Quiescent{})
	}
}

// blocker says what stands in the way of Export; "": nothing.
func (s *Session) blocker() string {
	switch {
	case s.state < stateEstablished:
		return "the IKE SA is not up yet"
	case s.state != stateEstablished:
		return "the IKE SA is being deleted"
	case s.following > 0 || len(s.followUps) > 0:
		return "additional key exchanges are under way"
	case s.working > 0:
		return "public-key work is under way"
	}
	for sa := range s.eachIKESA() {
		if sa.pending != nil {
			return fmt.Sprintf("%v request %d of the peer is not answered yet", sa.pending.exchange, sa.pending.mid)
		}
		if len(sa.held) > 0 {
			return "a request of the peer waits for another one"
		}
		for _, list := range [][]*request{sa.outstanding, sa.queue} {
			for _, r := range list {
				if !r.portable() || !s.rekeyPortable(r) {
					return fmt.Sprintf("our %v request (kind %d) is under way", r.exchange, r.kind)
				}
			}
		}
	}
	return ""
}

// rekeyPortable tells whether a request that may be a rekey of a Child SA can travel: it can unless the pair has ended
// or is rekeyed by the peer as well, where it soon comes to its end.
func (s *Session) rekeyPortable(r *request) bool {
	p, ok := r.carries.(*pendingChild)
	return !ok || p.old == nil || p.old.rekey == p && p.peer == nil && s.alive(p.old)
}

// portable tells whether the request can be made again from its data; see restoreRequest.
func (r *request) portable() bool { return kindNames[r.kind] != "" }
