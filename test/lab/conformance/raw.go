// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

const (
	tries   = 4
	between = 700 * time.Millisecond // of the repetitions of a request
	silence = 500 * time.Millisecond // without an answer is none
)

// raw is a socket for IKE messages that are made by hand.
type raw struct {
	conn          *net.UDPConn
	local, remote netip.AddrPort
	profile       suite.Profile
}

func newRaw(o ue.Options) (*raw, error) {
	profile, err := suite.ByName(cmp.Or(o.Profile, suite.ProfileDefault))
	if err != nil {
		return nil, err
	}
	r := &raw{remote: netip.AddrPortFrom(o.N3IWF, cmp.Or(o.IKEPort, 500)), profile: profile}
	r.conn, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(o.Local, 0)), net.UDPAddrFromAddrPort(r.remote))
	if err != nil {
		return nil, err
	}
	r.local = r.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return r, nil
}

// errSilent says that no answer came.
var errSilent = errors.New("no answer")

// receive waits for a message of the IKE SA whose initiator has this SPI.
func (r *raw) receive(spi message.SPI, until time.Time) ([]byte, error) {
	buffer := make([]byte, 1<<16)
	for {
		if err := r.conn.SetReadDeadline(until); err != nil {
			return nil, err
		}
		n, err := r.conn.Read(buffer)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, errSilent
		case err != nil:
			if time.Now().After(until) {
				return nil, errSilent
			}
			continue // ICMP: nobody is there, or not yet
		}
		if n >= message.HeaderLen && binary.BigEndian.Uint64(buffer) == uint64(spi) {
			return append([]byte(nil), buffer[:n]...), nil
		}
	}
}

// exchange sends a request, repeats it as RFC 7296 2.1 wants, and gives the answer.
func (r *raw) exchange(ctx context.Context, request []byte) ([]byte, error) {
	spi := message.SPI(binary.BigEndian.Uint64(request))
	for range tries {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		_, _ = r.conn.Write(request) // an ICMP error of an earlier one; the answer counts
		if answer, err := r.receive(spi, time.Now().Add(between)); !errors.Is(err, errSilent) {
			return answer, err
		}
	}
	return nil, errSilent
}

// silent sends a message once and is content when no answer comes.
func (r *raw) silent(data []byte) error {
	if _, err := r.conn.Write(data); err != nil {
		return err
	}
	answer, err := r.receive(message.SPI(binary.BigEndian.Uint64(data)), time.Now().Add(silence))
	if errors.Is(err, errSilent) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("answered with %s", describe(answer))
}

// describe names what is in a message.
func describe(data []byte) string {
	m, err := message.Decode(data)
	if err != nil {
		return err.Error()
	}
	text := m.Exchange.String()
	for _, n := range message.All[*message.Notify](m.Payloads) {
		text += " " + n.Type.String()
	}
	if _, ok := message.Get[*message.SecurityAssociation](m.Payloads); ok {
		text += " SA"
	}
	return text
}

// request is an IKE_SA_INIT request before it is sent.
type request struct {
	proposals []message.Proposal
	group     suite.GroupID
	spi       message.SPI
	data      []byte
}

// newRequest makes one with the profile's proposals and a key of a group.
func (r *raw) newRequest(group suite.GroupID) *request {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return &request{proposals: r.profile.IKE, group: group, spi: message.SPI(binary.BigEndian.Uint64(b[:]) | 1)}
}

// encode makes the datagram.
func (r *raw) encode(q *request) ([]byte, error) {
	key, err := suite.GenerateKey(q.group, rand.Reader)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, 32)
	_, _ = rand.Read(nonce) // never fails
	m := message.Message{Header: message.Header{InitiatorSPI: q.spi, Exchange: message.IKE_SA_INIT, Flags: message.FlagInitiator}}
	m.Payloads = append(m.Payloads,
		&message.SecurityAssociation{Proposals: suite.Offer(q.proposals, nil)},
		&message.KeyExchange{Group: uint16(q.group), Data: key.Public()},
		&message.Nonce{Data: nonce},
		&message.Notify{Type: message.NAT_DETECTION_SOURCE_IP, Data: suite.NATDetectionHash(q.spi, 0, r.local)},
		&message.Notify{Type: message.NAT_DETECTION_DESTINATION_IP, Data: suite.NATDetectionHash(q.spi, 0, r.remote)},
		&message.Notify{Type: message.IKEV2_FRAGMENTATION_SUPPORTED},
	)
	q.data, err = m.Append(nil)
	return q.data, err
}

// ask sends a request and brings cookies back when the N3IWF wants that. change may alter the datagram; nil does not.
func (r *raw) ask(ctx context.Context, q *request, change func([]byte) []byte) (*message.Message, []byte, error) {
	if _, err := r.encode(q); err != nil {
		return nil, nil, err
	}
	if change != nil {
		q.data = change(q.data)
	}
	first := q.data
	for range 3 {
		answer, err := r.exchange(ctx, q.data)
		if err != nil {
			return nil, nil, err
		}
		m, err := message.Decode(answer)
		if err != nil {
			return nil, answer, fmt.Errorf("the answer: %w", err)
		}
		if n := message.GetNotify(m.Payloads, message.COOKIE); n != nil {
			q.data = withCookie(first, n.Data) // the request stays the same, as RFC 7296 2.6 wants
			continue
		}
		return m, answer, nil
	}
	return nil, nil, errors.New("another cookie is asked for each time")
}

// accepted gives the KE payload of an answer that accepts the IKE SA.
func accepted(m *message.Message, data []byte) (*message.KeyExchange, error) {
	_, sa := message.Get[*message.SecurityAssociation](m.Payloads)
	ke, hasKE := message.Get[*message.KeyExchange](m.Payloads)
	nonce, hasNonce := message.Get[*message.Nonce](m.Payloads)
	switch {
	case !sa || !hasKE || !hasNonce:
		return nil, fmt.Errorf("no SA, KE and nonce in the answer: %s", describe(data))
	case m.ResponderSPI == 0:
		return nil, errors.New("the responder's SPI is 0")
	case !m.Response() || m.FromInitiator() || m.MessageID != 0:
		return nil, fmt.Errorf("flags or message ID of the header: %s", m.Header)
	case len(nonce.Data) < message.MinNonceLen:
		return nil, fmt.Errorf("a nonce of %d octets", len(nonce.Data))
	}
	return ke, nil
}

// refused wants an error notify of a type, and no IKE SA.
func refused(m *message.Message, data []byte, want message.NotifyType) (*message.Notify, error) {
	n := message.GetNotify(m.Payloads, want)
	if n == nil {
		return nil, fmt.Errorf("want %s, got %s", want, describe(data))
	}
	return n, nil
}
