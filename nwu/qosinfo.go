// SPDX-License-Identifier: Apache-2.0

package nwu

import (
	"errors"
	"fmt"
)

// QoSInfo is the content of 5G_QOS_INFO (TS 24.502 clause 9.3.1.1): which PDU session and QoS flows a child SA carries. It always stands for
// the whole binding, never for a change of it.
type QoSInfo struct {
	PDUSessionID uint8   // 1 to 15
	QFIs         []uint8 // 0 to 63; none is legal
	Default      bool    // DCSI: the session's default child SA, exactly one
	DSCP         *uint8  // 6 bits, marks all packets of the child SA; nil when not given
	// Additional is the Additional QoS information as coded; nil when not given.
	Additional []byte
}

const (
	qosFlagDSCP       = 1 << 0
	qosFlagDefault    = 1 << 1
	qosFlagAdditional = 1 << 2
)

// ErrQoSInfo says that the content of 5G_QOS_INFO is malformed.
var ErrQoSInfo = errors.New("malformed 5G_QOS_INFO")

// Append codes the content. The values must be in their ranges, and all of it must fit 255 octets.
func (q QoSInfo) Append(b []byte) ([]byte, error) {
	start := len(b)
	b = append(b, 0, q.PDUSessionID, byte(len(q.QFIs)))
	for _, qfi := range q.QFIs {
		if qfi > 63 {
			return nil, fmt.Errorf("%w: QFI %d", ErrQoSInfo, qfi)
		}
		b = append(b, qfi)
	}
	flags := len(b)
	b = append(b, 0)
	if q.Default {
		b[flags] |= qosFlagDefault
	}
	if q.DSCP != nil {
		if *q.DSCP > 63 {
			return nil, fmt.Errorf("%w: DSCP %d", ErrQoSInfo, *q.DSCP)
		}
		b[flags] |= qosFlagDSCP
		b = append(b, *q.DSCP)
	}
	if q.Additional != nil {
		b[flags] |= qosFlagAdditional
		b = append(b, q.Additional...)
	}
	n := len(b) - start - 1
	if n > 255 || len(q.QFIs) > 64 {
		return nil, fmt.Errorf("%w: too long", ErrQoSInfo)
	}
	b[start] = byte(n)
	return b, nil
}

// ParseQoSInfo reads the content. It takes a length octet that counts itself too, as one N3IWF writes it. Additional aliases b.
func ParseQoSInfo(b []byte) (QoSInfo, error) {
	if len(b) < 4 {
		return QoSInfo{}, fmt.Errorf("%w: %d octets", ErrQoSInfo, len(b))
	}
	switch n := int(b[0]); {
	case n == len(b), n == len(b)-1:
	case n >= 3 && n < len(b)-1:
		b = b[:1+n] // later additions follow
	default:
		return QoSInfo{}, fmt.Errorf("%w: length %d of %d octets", ErrQoSInfo, n, len(b)-1)
	}
	q := QoSInfo{PDUSessionID: b[1]}
	n := int(b[2])
	rest := b[3:]
	if n > 64 || len(rest) < n+1 {
		return QoSInfo{}, fmt.Errorf("%w: %d QFIs", ErrQoSInfo, n)
	}
	for _, qfi := range rest[:n] {
		q.QFIs = append(q.QFIs, qfi&0x3f)
	}
	flags := rest[n]
	rest = rest[n+1:]
	q.Default = flags&qosFlagDefault != 0
	if flags&qosFlagDSCP != 0 {
		if len(rest) == 0 {
			return QoSInfo{}, fmt.Errorf("%w: no DSCP", ErrQoSInfo)
		}
		dscp := rest[0] & 0x3f
		q.DSCP, rest = &dscp, rest[1:]
	}
	if flags&qosFlagAdditional != 0 {
		q.Additional = rest
	}
	return q, nil
}
