// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"fmt"
	"reflect"
)

// Extended protocol discriminators (TS 24.007 clause 11.2.3.1A).
const (
	discriminatorSM = 0x2e
	discriminatorMM = 0x7e
)

// MessageType tells the messages apart; the types of 5GMM and 5GSM do not overlap (TS 24.501 clause 9.7).
type MessageType uint8

// Message is one plain NAS message: a pointer to one of the structs of this package.
type Message interface {
	Type() MessageType
}

// SM is the header of a 5GSM message.
type SM struct {
	SessionID uint8 // 1 to 15
	PTI       uint8 // procedure transaction identity: 1 to 254 for procedures of the UE, 0 for those of the network
}

func (h *SM) header() *SM { return h }

type smMessage interface {
	Message
	header() *SM
}

var (
	makers       = map[MessageType]func() Message{}
	descriptions = map[reflect.Type]*description{}
)

func init() {
	for _, m := range allMessages {
		t := reflect.TypeOf(m).Elem()
		makers[m.Type()] = func() Message { return reflect.New(t).Interface().(Message) }
		descriptions[t] = describe(t)
	}
}

// Decode reads a plain 5GMM or 5GSM message. It fails with [ErrTruncated] (ignore the message), [ErrProtected],
// [ErrDiscriminator], or an *[Error] whose cause goes into a status message. The result does not alias b.
func Decode(b []byte) (Message, error) {
	if len(b) < 3 {
		return nil, ErrTruncated
	}
	var header SM
	var isSM bool
	switch b[0] {
	case discriminatorMM:
		if b[1]&0x0f != 0 {
			return nil, ErrProtected
		}
		b = b[2:]
	case discriminatorSM:
		if len(b) < 4 {
			return nil, ErrTruncated
		}
		isSM, header = true, SM{SessionID: b[1], PTI: b[2]}
		b = b[3:]
	default:
		return nil, ErrDiscriminator
	}
	t := MessageType(b[0])
	maker := makers[t]
	if maker == nil {
		return nil, &Error{Cause: CauseMessageTypeUnknown, Message: t, Reason: "unknown message type"}
	}
	m := maker()
	sm, ok := m.(smMessage)
	if ok != isSM {
		return nil, &Error{Cause: CauseMessageTypeUnknown, Message: t, Reason: "message type of the other protocol"}
	}
	if isSM {
		*sm.header() = header
	}
	v := reflect.ValueOf(m).Elem()
	if err := descriptions[v.Type()].decode(t, v, b[1:]); err != nil {
		return nil, err
	}
	return m, nil
}

// Encode returns the plain message. It fails with an *[Error] when an element is longer than its length field
// can say.
func Encode(m Message) ([]byte, error) {
	b := []byte{discriminatorMM, 0, byte(m.Type())}
	if sm, ok := m.(smMessage); ok {
		h := sm.header()
		b = []byte{discriminatorSM, h.SessionID, h.PTI, byte(m.Type())}
	}
	v := reflect.ValueOf(m).Elem()
	d := descriptions[v.Type()]
	if d == nil {
		return nil, fmt.Errorf("nas: %T is not a message", m)
	}
	return d.encode(m.Type(), v, b)
}

// MustEncode is Encode for messages that the caller has built and that cannot be too long.
func MustEncode(m Message) []byte {
	b, err := Encode(m)
	if err != nil {
		panic(err)
	}
	return b
}
