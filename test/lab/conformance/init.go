// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// init brings an IKE_SA_INIT to its answer and learns which group the N3IWF takes.
func (w *world) init(ctx context.Context) (string, error) {
	group := suite.CURVE25519
	for range 2 {
		m, data, err := w.raw.ask(ctx, w.raw.newRequest(group), nil)
		if err != nil {
			return "", err
		}
		if n := message.GetNotify(m.Payloads, message.INVALID_KE_PAYLOAD); n != nil && len(n.Data) == 2 {
			group = suite.GroupID(binary.BigEndian.Uint16(n.Data))
			continue
		}
		ke, err := accepted(m, data)
		if err != nil {
			return "", err
		}
		if ke.Group != uint16(group) {
			return "", fmt.Errorf("a key of group %d is answered with one of group %d", group, ke.Group)
		}
		w.group = ke.Group
		return "key exchange " + group.String(), nil
	}
	return "", errors.New("the group that INVALID_KE_PAYLOAD named is refused too")
}

// fresh asks with a request that the N3IWF accepts.
func (w *world) fresh(ctx context.Context, change func([]byte) []byte) (*request, *message.Message, []byte, error) {
	q := w.raw.newRequest(suite.GroupID(w.group))
	m, data, err := w.raw.ask(ctx, q, change)
	return q, m, data, err
}

// natDetection compares the hashes of the answer with the addresses of both ends.
func (w *world) natDetection(ctx context.Context) (string, error) {
	_, m, data, err := w.fresh(ctx, nil)
	if err != nil {
		return "", err
	}
	var source, destination *message.Notify
	for _, n := range message.All[*message.Notify](m.Payloads) {
		switch n.Type {
		case message.NAT_DETECTION_SOURCE_IP:
			source = n
		case message.NAT_DETECTION_DESTINATION_IP:
			destination = n
		}
	}
	if source == nil || destination == nil {
		return "", fmt.Errorf("no NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP in %s", describe(data))
	}
	if len(source.Data) != 20 || len(destination.Data) != 20 {
		return "", fmt.Errorf("hashes of %d and %d octets instead of 20", len(source.Data), len(destination.Data))
	}
	text := "the UE is not behind a NAT"
	if !bytes.Equal(destination.Data, suite.NATDetectionHash(m.InitiatorSPI, m.ResponderSPI, w.raw.local)) {
		text = "the UE is behind a NAT"
	}
	if bytes.Equal(source.Data, suite.NATDetectionHash(m.InitiatorSPI, m.ResponderSPI, w.raw.remote)) {
		return text + ", the N3IWF is not", nil
	}
	return text + ", the N3IWF is or says so, for UDP encapsulation", nil
}

// retransmission wants the very same answer to the very same request.
func (w *world) retransmission(ctx context.Context) (string, error) {
	q, m, first, err := w.fresh(ctx, nil)
	if err != nil {
		return "", err
	}
	if _, err := accepted(m, first); err != nil {
		return "", err
	}
	second, err := w.raw.exchange(ctx, q.data)
	if err != nil {
		return "", fmt.Errorf("the repetition: %w", err)
	}
	if !bytes.Equal(first, second) {
		return "", errors.New("a repetition is answered with another message")
	}
	return "the same answer, octet by octet", nil
}

// invalidKE sends a key of another group than the only one in the proposal.
func (w *world) invalidKE(ctx context.Context) (string, error) {
	other := suite.CURVE25519
	if suite.GroupID(w.group) == other {
		other = suite.MODP_2048
	}
	q := w.raw.newRequest(other)
	q.proposals = suite.WithGroups(w.raw.profile.IKE, suite.GroupID(w.group))
	m, data, err := w.raw.ask(ctx, q, nil)
	if err != nil {
		return "", err
	}
	n, err := refused(m, data, message.INVALID_KE_PAYLOAD)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(n.Data, binary.BigEndian.AppendUint16(nil, w.group)) {
		return "", fmt.Errorf("it names the group %x, the proposal has %04x only", n.Data, w.group)
	}
	return "names " + suite.GroupID(w.group).String(), nil
}

// noProposal offers an encryption algorithm that does not exist.
func (w *world) noProposal(ctx context.Context) (string, error) {
	q := w.raw.newRequest(suite.GroupID(w.group))
	q.proposals = []message.Proposal{{Protocol: message.ProtocolIKE, Transforms: []message.Transform{
		{Type: message.TransformENCR, ID: 1023}, {Type: message.TransformPRF, ID: 5}, {Type: message.TransformINTEG, ID: 12}, {Type: message.TransformKE, ID: w.group},
	}}}
	m, data, err := w.raw.ask(ctx, q, nil)
	if err != nil {
		return "", err
	}
	_, err = refused(m, data, message.NO_PROPOSAL_CHOSEN)
	return "an algorithm that does not exist is refused", err
}

// Offsets in the header (RFC 7296 3.1).
const (
	offsetNext, offsetVersion, offsetLength = 16, 17, 24
)

// minorVersion must be ignored.
func (w *world) minorVersion(ctx context.Context) (string, error) {
	_, m, data, err := w.fresh(ctx, func(b []byte) []byte { b[offsetVersion] = 0x2f; return b })
	if err != nil {
		return "", err
	}
	_, err = accepted(m, data)
	return "2.15 is answered as 2.0", err
}

// majorVersion must be dropped, and should be answered.
func (w *world) majorVersion(ctx context.Context) (string, error) {
	q := w.raw.newRequest(suite.GroupID(w.group))
	data, err := w.raw.encode(q)
	if err != nil {
		return "", err
	}
	data[offsetVersion] = 0x30
	answer, err := w.raw.exchange(ctx, data)
	if errors.Is(err, errSilent) {
		return "dropped without INVALID_MAJOR_VERSION, which should be sent", nil
	}
	if err != nil {
		return "", err
	}
	m, err := message.Decode(answer)
	if err != nil {
		return "", err
	}
	_, err = refused(m, answer, message.INVALID_MAJOR_VERSION)
	return "3.0 is answered with INVALID_MAJOR_VERSION", err
}

// withPayload puts an empty payload of an unknown type in front.
func withPayload(b []byte, flags byte) []byte {
	const unknown = 200
	out := append([]byte(nil), b[:message.HeaderLen]...)
	out = append(out, b[offsetNext], flags, 0, 4)
	out = append(out, b[message.HeaderLen:]...)
	out[offsetNext] = unknown
	binary.BigEndian.PutUint32(out[offsetLength:], uint32(len(out)))
	return out
}

func (w *world) unknownPayload(ctx context.Context) (string, error) {
	_, m, data, err := w.fresh(ctx, func(b []byte) []byte { return withPayload(b, 0) })
	if err != nil {
		return "", err
	}
	_, err = accepted(m, data)
	return "an unknown payload is skipped", err
}

func (w *world) criticalPayload(ctx context.Context) (string, error) {
	_, m, data, err := w.fresh(ctx, func(b []byte) []byte { return withPayload(b, 0x80) })
	if err != nil {
		return "", err
	}
	n, err := refused(m, data, message.UNSUPPORTED_CRITICAL_PAYLOAD)
	if err == nil && !bytes.Equal(n.Data, []byte{200}) {
		err = fmt.Errorf("it names the payload %d, want 200", n.Data)
	}
	return "names the payload", err
}

// badMessages sends what is no IKE message, and looks whether the N3IWF still answers.
func (w *world) badMessages(ctx context.Context) (string, error) {
	q := w.raw.newRequest(suite.GroupID(w.group))
	good, err := w.raw.encode(q)
	if err != nil {
		return "", err
	}
	count := 0
	for _, change := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:message.HeaderLen-1] },
		func(b []byte) []byte { return b[:len(b)/2] },
		func(b []byte) []byte { binary.BigEndian.PutUint32(b[offsetLength:], 1<<31); return b },
		func(b []byte) []byte { binary.BigEndian.PutUint16(b[message.HeaderLen+2:], 0xffff); return b },
		func(b []byte) []byte { binary.BigEndian.PutUint16(b[message.HeaderLen+2:], 0); return b },
		func(b []byte) []byte { return append(b, make([]byte, 1000)...) },
		func([]byte) []byte { return []byte{0xff} },
		func([]byte) []byte { return nil },
	} {
		if _, err := w.raw.conn.Write(change(bytes.Clone(good))); err != nil {
			return "", err
		}
		count++
	}
	_, m, data, err := w.fresh(ctx, nil)
	if err != nil {
		return "", fmt.Errorf("after bad messages: %w", err)
	}
	_, err = accepted(m, data)
	return fmt.Sprintf("%d of them, and the next good one is answered", count), err
}

// badIntegrity sends an IKE_AUTH request that is protected with no key, into a half-open IKE SA.
func (w *world) badIntegrity(ctx context.Context) (string, error) {
	q, m, first, err := w.fresh(ctx, nil)
	if err != nil {
		return "", err
	}
	if _, err := accepted(m, first); err != nil {
		return "", err
	}
	if err := w.raw.silent(protected(m.InitiatorSPI, m.ResponderSPI, message.IKE_AUTH, message.FlagInitiator, 1)); err != nil {
		return "", err
	}
	again, err := w.raw.exchange(ctx, q.data)
	if err != nil || !bytes.Equal(again, first) {
		return "", fmt.Errorf("the half-open IKE SA did not survive it (%w)", errors.Join(err, errors.New("the repeated IKE_SA_INIT has another answer")))
	}
	return "ignored, the half-open IKE SA stays", nil
}

// protected is a message with an SK payload of random octets.
func protected(i, r message.SPI, exchange message.ExchangeType, flags message.Flags, id uint32) []byte {
	const body, encrypted = 64, 46
	b := binary.BigEndian.AppendUint64(nil, uint64(i))
	b = binary.BigEndian.AppendUint64(b, uint64(r))
	b = append(b, encrypted, 0x20, byte(exchange), byte(flags))
	b = binary.BigEndian.AppendUint32(b, id)
	b = binary.BigEndian.AppendUint32(b, message.HeaderLen+4+body)
	b = append(b, 0, 0, 0, 4+body)
	secret := make([]byte, body)
	_, _ = rand.Read(secret) // never fails
	return append(b, secret...)
}

// unknownSPI: a request for an IKE SA that does not exist may be answered with INVALID_IKE_SPI; a response must not be answered at all.
func (w *world) unknownSPI(_ context.Context) (string, error) {
	q, other := w.raw.newRequest(0), w.raw.newRequest(0)
	if err := w.raw.silent(protected(q.spi, other.spi, message.INFORMATIONAL, message.FlagInitiator|message.FlagResponse, 3)); err != nil {
		return "", fmt.Errorf("a response: %w", err)
	}
	request := protected(q.spi, other.spi, message.INFORMATIONAL, message.FlagInitiator, 3)
	if _, err := w.raw.conn.Write(request); err != nil {
		return "", err
	}
	answer, err := w.raw.receive(q.spi, time.Now().Add(silence))
	if errors.Is(err, errSilent) {
		return "dropped", nil
	}
	if err != nil {
		return "", err
	}
	m, err := message.Decode(answer)
	if err != nil {
		return "", err
	}
	if _, err := refused(m, answer, message.INVALID_IKE_SPI); err != nil {
		return "", err
	}
	if m.MessageID != 3 || m.ResponderSPI != other.spi || !m.Response() {
		return "", fmt.Errorf("INVALID_IKE_SPI must carry the SPIs and the message ID of the request, not %s", m.Header)
	}
	return "INVALID_IKE_SPI", nil
}

// cookie opens IKE SAs from one address until the N3IWF wants proof that the address is real.
func (w *world) cookie(ctx context.Context) (string, error) {
	for i := range w.o.Cookies {
		q := w.raw.newRequest(suite.GroupID(w.group))
		data, err := w.raw.encode(q)
		if err != nil {
			return "", err
		}
		answer, err := w.raw.exchange(ctx, data)
		if err != nil {
			return "", fmt.Errorf("request %d: %w", i+1, err)
		}
		m, err := message.Decode(answer)
		if err != nil {
			return "", err
		}
		n := message.GetNotify(m.Payloads, message.COOKIE)
		if n == nil || len(n.Data) == 0 {
			continue
		}
		if m.ResponderSPI != 0 {
			return "", errors.New("the answer with the cookie has a responder's SPI: there is state already")
		}
		wrong := bytes.Clone(n.Data)
		wrong[len(wrong)-1] ^= 1
		if err := w.cookieRefused(ctx, withCookie(data, wrong)); err != nil {
			return "", err
		}
		if answer, err = w.raw.exchange(ctx, withCookie(data, n.Data)); err == nil {
			m, err = message.Decode(answer)
		}
		if err == nil {
			_, err = accepted(m, answer)
		}
		return fmt.Sprintf("asked for after %d requests; the right one is accepted, a wrong one is not", i), err
	}
	return "", skip(fmt.Sprintf("no cookie was asked for in %d IKE_SA_INIT requests from one address", w.o.Cookies))
}

// withCookie puts a cookie in front of the payloads of a request.
func withCookie(first, cookie []byte) []byte {
	const notify = 41
	out := append([]byte(nil), first[:message.HeaderLen]...)
	out = append(out, first[offsetNext], 0)
	out = binary.BigEndian.AppendUint16(out, uint16(8+len(cookie)))
	out = append(out, 0, 0)
	out = binary.BigEndian.AppendUint16(out, uint16(message.COOKIE))
	out = append(append(out, cookie...), first[message.HeaderLen:]...)
	out[offsetNext] = notify
	binary.BigEndian.PutUint32(out[offsetLength:], uint32(len(out)))
	return out
}

// cookieRefused wants another cookie or silence as the answer to a request with a wrong one.
func (w *world) cookieRefused(ctx context.Context, request []byte) error {
	answer, err := w.raw.exchange(ctx, request)
	if errors.Is(err, errSilent) {
		return nil
	}
	if err != nil {
		return err
	}
	m, err := message.Decode(answer)
	if err != nil {
		return err
	}
	if message.GetNotify(m.Payloads, message.COOKIE) == nil {
		return fmt.Errorf("a wrong cookie is answered with %s", describe(answer))
	}
	return nil
}
