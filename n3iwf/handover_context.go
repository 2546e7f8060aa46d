// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// ueContext is all of a UE that travels to another node. What does not: the NAS connection, which the node that is left closes in good order so that
// the UE opens it anew (TS 24.502 7.2.2: a UE keeps one as long as it has the signalling SA), and procedures that are under way, for which the node
// waits.
type ueContext struct {
	RANID     uint32
	AMFID     uint64
	AMF       string        // name
	GUAMI     *guamiContext // that the AMF serves the UE with
	TAI       taiContext
	Since     time.Time
	Emergency bool
	Session   []byte // ikev2.Session.Export
	Inner     [2]netip.Addr
	NextChild uint32
	NAS       [][]byte // downlink NAS that waits
	// NASAttempt is the UE's latest inner packet that opens a NAS connection, when one came meanwhile.
	NASAttempt []byte
	Moves      uint64
	Paths      []PathRecord
	Children   []childContext
	Sessions   []sessionContext
	AMBR       [2]uint64 // downlink, uplink; 0 is not known
}

// childContext is a child SA; its keys, selectors and path are in the session.
type childContext struct {
	ID      uint64
	Session uint8 // PDU session identity; 0 is the signalling SA
	QFIs    []uint8
	Default bool
	DSCP    int16 // -1: not marked
	UP      netip.Addr
	Pairs   []ipsec.Handed
}

// sessionContext is a PDU session.
type sessionContext struct {
	ID     uint8
	SST    uint8
	SD     []byte // 3 octets, or none
	Type   uint8
	UPF    netip.Addr
	Uplink uint32 // TEID at the UPF
	TEID   uint32 // of the downlink, at the node that is left
	AMBR   bool
	Flows  []flowContext
}

type guamiContext struct {
	PLMN  [3]byte
	AMFID uint32 // region, set and pointer, 24 bits
}

func newGUAMIContext(g *ngap.GUAMI) *guamiContext {
	if g == nil {
		return nil
	}
	return &guamiContext{[3]byte(g.PLMNIdentity), g.AMFID()}
}

func (g *guamiContext) guami() (*ngap.GUAMI, error) {
	if g == nil {
		return nil, nil
	}
	out, err := ngap.NewGUAMI(ngap.PLMNIdentity(g.PLMN), fmt.Sprintf("%06x", g.AMFID))
	return &out, err
}

// taiContext is the tracking area that the UE is in.
type taiContext struct{ PLMN, TAC [3]byte }

func newTAIContext(t *ngap.TAI) (c taiContext) {
	if t != nil {
		c = taiContext{t.PLMNIdentity, t.TAC}
	}
	return c
}

func (c taiContext) tai() *ngap.TAI { return &ngap.TAI{PLMNIdentity: c.PLMN, TAC: c.TAC} }

type flowContext struct {
	QFI        uint8
	Reflective bool
	FiveQI     uint8
	MFBR       *[2]uint64 // of a GBR flow: downlink, uplink, in bit/s
}

const (
	contextVersion = 2
	contextNonce   = 12
	maxContext     = 6 << 20
)

// Errors of openContext.
var (
	errContextVersion = errors.New("the UE's context has a version that is not known here; run one version of the program at all nodes")
	errContextKey     = errors.New("the UE's context does not fit the key, or was changed on its way, or is for another node")
	errContextContent = errors.New("the UE's context is malformed")
)

// seal makes version | nonce | AES-256-GCM of the JSON. The nodes that it is between are authenticated with it.
func (c *ueContext) seal(key *[32]byte, from, to int) ([]byte, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	if len(plain) > maxContext {
		return nil, fmt.Errorf("%w: %d octets", errContextContent, len(plain))
	}
	b := make([]byte, 1+contextNonce, 1+contextNonce+len(plain)+16)
	b[0] = contextVersion
	if _, err := rand.Read(b[1:]); err != nil {
		return nil, err
	}
	return contextAEAD(key).Seal(b, b[1:], plain, contextBinding(from, to)), nil
}

// openContext reads a context that seal made. Any input gives a context that has passed check, or an error.
func openContext(key *[32]byte, from, to int, b []byte) (*ueContext, error) {
	switch {
	case len(b) < 1+contextNonce || len(b) > maxContext+1+contextNonce+16:
		return nil, fmt.Errorf("%w: %d octets", errContextContent, len(b))
	case b[0] != contextVersion:
		return nil, fmt.Errorf("%w: %d", errContextVersion, b[0])
	}
	plain, err := contextAEAD(key).Open(nil, b[1:1+contextNonce], b[1+contextNonce:], contextBinding(from, to))
	if err != nil {
		return nil, errContextKey
	}
	return decodeContext(plain)
}

func decodeContext(plain []byte) (*ueContext, error) {
	c := &ueContext{}
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("%w: %w", errContextContent, err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", errContextContent, err)
	}
	return c, nil
}

func contextAEAD(key *[32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the length is right
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the right block size
	}
	return aead
}

func contextBinding(from, to int) []byte {
	return append([]byte("open-n3iwf ue context "), contextVersion, byte(from), byte(to))
}

// Bounds of what a context may hold. A node never makes more: they are those of NGAP, or generous.
const (
	maxContextChildren = 256
	maxContextPairs    = 8
	maxContextNAS      = 1024
)

// check tells what is wrong with the values; what the session and the data plane find out for themselves is left to them.
func (c *ueContext) check() error {
	sessions := map[uint8]*sessionContext{}
	for i := range c.Sessions {
		s := &c.Sessions[i]
		switch {
		case s.ID == 0 || s.ID > 15 || sessions[s.ID] != nil:
			return fmt.Errorf("PDU session %d", s.ID)
		case !s.UPF.IsValid() || s.Uplink == 0 || s.TEID == 0:
			return fmt.Errorf("PDU session %d without tunnel", s.ID)
		case pduTypes[ngap.PDUSessionType(s.Type)] == 0 && ngap.PDUSessionType(s.Type) != ngap.PDUSessionTypeIPv4:
			return fmt.Errorf("PDU session %d of type %d", s.ID, s.Type)
		case len(s.SD) != 0 && len(s.SD) != 3:
			return fmt.Errorf("PDU session %d: slice differentiator of %d octets", s.ID, len(s.SD))
		case len(s.Flows) == 0 || len(s.Flows) > gtpu.MaxQFI+1:
			return fmt.Errorf("PDU session %d with %d QoS flows", s.ID, len(s.Flows))
		}
		for _, f := range s.Flows {
			if f.QFI > gtpu.MaxQFI {
				return fmt.Errorf("QFI %d", f.QFI)
			}
		}
		sessions[s.ID] = s
	}
	signalling, children := 0, map[uint64]bool{}
	for _, child := range c.Children {
		switch {
		case child.ID>>32 != uint64(c.RANID) || uint32(child.ID) == 0 || uint32(child.ID) > c.NextChild || children[child.ID]:
			return fmt.Errorf("child SA %#x", child.ID)
		case len(child.Pairs) == 0 || len(child.Pairs) > maxContextPairs:
			return fmt.Errorf("child SA %#x with %d pairs", child.ID, len(child.Pairs))
		case len(child.QFIs) > gtpu.MaxQFI+1:
			return fmt.Errorf("child SA %#x with %d QoS flows", child.ID, len(child.QFIs))
		case child.Session == 0:
			signalling++
		case sessions[child.Session] == nil || !child.UP.IsValid():
			return fmt.Errorf("child SA %#x of PDU session %d", child.ID, child.Session)
		}
		children[child.ID] = true
		for _, p := range child.Pairs {
			if len(p.Resume.Inbound.Seen) > ipsec.MaxReplayWindow/64 {
				return fmt.Errorf("child SA %#x: replay window of %d words", child.ID, len(p.Resume.Inbound.Seen))
			}
		}
	}
	if _, err := c.GUAMI.guami(); err != nil {
		return err
	}
	switch {
	case signalling != 1:
		return fmt.Errorf("%d signalling SAs", signalling)
	case len(c.NASAttempt) > 1500:
		return fmt.Errorf("%d octets to open the NAS connection", len(c.NASAttempt))
	case len(c.Children) > maxContextChildren || len(c.NAS) > maxContextNAS || len(c.Paths) > maxPaths:
		return errors.New("too much")
	case c.AMFID >= 1<<40:
		return fmt.Errorf("AMF-UE-NGAP-ID %d", c.AMFID)
	case !c.Inner[0].IsValid() && !c.Inner[1].IsValid() || c.Inner[0].IsValid() && !c.Inner[0].Is4() || c.Inner[1].IsValid() && !c.Inner[1].Is6():
		return fmt.Errorf("inner addresses %v", c.Inner)
	}
	return nil
}
