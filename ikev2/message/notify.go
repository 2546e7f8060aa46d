// SPDX-License-Identifier: Apache-2.0

package message

import (
	"encoding/binary"
	"fmt"
)

// NotifyType is the number of a notification. Types below 16384 are errors, the others status
// (RFC 7296 3.10.1).
type NotifyType uint16

// Error notifications.
const (
	UNSUPPORTED_CRITICAL_PAYLOAD  NotifyType = 1 // data: payload type (1 octet)
	INVALID_IKE_SPI               NotifyType = 4
	INVALID_MAJOR_VERSION         NotifyType = 5
	INVALID_SYNTAX                NotifyType = 7
	INVALID_MESSAGE_ID            NotifyType = 9 // data: the message ID (4 octets)
	INVALID_SPI                   NotifyType = 11
	NO_PROPOSAL_CHOSEN            NotifyType = 14
	INVALID_KE_PAYLOAD            NotifyType = 17 // data: the group that is wanted (2 octets)
	AUTHENTICATION_FAILED         NotifyType = 24
	SINGLE_PAIR_REQUIRED          NotifyType = 34
	NO_ADDITIONAL_SAS             NotifyType = 35
	INTERNAL_ADDRESS_FAILURE      NotifyType = 36
	FAILED_CP_REQUIRED            NotifyType = 37
	TS_UNACCEPTABLE               NotifyType = 38
	INVALID_SELECTORS             NotifyType = 39
	UNACCEPTABLE_ADDRESSES        NotifyType = 40 // RFC 4555
	UNEXPECTED_NAT_DETECTED       NotifyType = 41 // RFC 4555
	USE_ASSIGNED_HoA              NotifyType = 42 // RFC 5026
	TEMPORARY_FAILURE             NotifyType = 43
	CHILD_SA_NOT_FOUND            NotifyType = 44
	INVALID_GROUP_ID              NotifyType = 45
	AUTHORIZATION_FAILED          NotifyType = 46
	STATE_NOT_FOUND               NotifyType = 47 // RFC 9370
	TS_MAX_QUEUE                  NotifyType = 48
	firstStatus                   NotifyType = 16384
	INITIAL_CONTACT               NotifyType = 16384
	SET_WINDOW_SIZE               NotifyType = 16385 // data: window (4 octets)
	ADDITIONAL_TS_POSSIBLE        NotifyType = 16386
	IPCOMP_SUPPORTED              NotifyType = 16387
	NAT_DETECTION_SOURCE_IP       NotifyType = 16388 // data: SHA-1 (20 octets)
	NAT_DETECTION_DESTINATION_IP  NotifyType = 16389 // data: SHA-1 (20 octets)
	COOKIE                        NotifyType = 16390 // data: 1 to 64 octets
	USE_TRANSPORT_MODE            NotifyType = 16391
	HTTP_CERT_LOOKUP_SUPPORTED    NotifyType = 16392
	REKEY_SA                      NotifyType = 16393
	ESP_TFC_PADDING_NOT_SUPPORTED NotifyType = 16394
	NON_FIRST_FRAGMENTS_ALSO      NotifyType = 16395
)

// MOBIKE (RFC 4555 4.2).
const (
	MOBIKE_SUPPORTED        NotifyType = 16396 // data: none is sent, any is ignored
	ADDITIONAL_IP4_ADDRESS  NotifyType = 16397 // data: address (4 octets)
	ADDITIONAL_IP6_ADDRESS  NotifyType = 16398 // data: address (16 octets)
	NO_ADDITIONAL_ADDRESSES NotifyType = 16399
	UPDATE_SA_ADDRESSES     NotifyType = 16400
	COOKIE2                 NotifyType = 16401 // data: 8 to 64 octets
	NO_NATS_ALLOWED         NotifyType = 16402 // data: addresses and ports (12 or 36 octets)
)

// Extensions.
const (
	AUTH_LIFETIME                       NotifyType = 16403 // RFC 4478
	MULTIPLE_AUTH_SUPPORTED             NotifyType = 16404 // RFC 4739
	ANOTHER_AUTH_FOLLOWS                NotifyType = 16405 // RFC 4739
	REDIRECT_SUPPORTED                  NotifyType = 16406 // RFC 5685
	REDIRECT                            NotifyType = 16407 // RFC 5685
	REDIRECTED_FROM                     NotifyType = 16408 // RFC 5685
	TICKET_LT_OPAQUE                    NotifyType = 16409 // RFC 5723
	TICKET_REQUEST                      NotifyType = 16410 // RFC 5723
	TICKET_ACK                          NotifyType = 16411 // RFC 5723
	TICKET_NACK                         NotifyType = 16412 // RFC 5723
	TICKET_OPAQUE                       NotifyType = 16413 // RFC 5723
	LINK_ID                             NotifyType = 16414 // RFC 5739
	USE_WESP_MODE                       NotifyType = 16415 // RFC 5840
	ROHC_SUPPORTED                      NotifyType = 16416 // RFC 5857
	EAP_ONLY_AUTHENTICATION             NotifyType = 16417 // RFC 5998
	CHILDLESS_IKEV2_SUPPORTED           NotifyType = 16418 // RFC 6023
	QUICK_CRASH_DETECTION               NotifyType = 16419 // RFC 6290
	IKEV2_MESSAGE_ID_SYNC_SUPPORTED     NotifyType = 16420 // RFC 6311
	IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED NotifyType = 16421 // RFC 6311
	IKEV2_MESSAGE_ID_SYNC               NotifyType = 16422 // RFC 6311
	IPSEC_REPLAY_COUNTER_SYNC           NotifyType = 16423 // RFC 6311
	SECURE_PASSWORD_METHODS             NotifyType = 16424 // RFC 6467
	ERX_SUPPORTED                       NotifyType = 16427 // RFC 6867
	IFOM_CAPABILITY                     NotifyType = 16428
	SENDER_REQUEST_ID                   NotifyType = 16429
	IKEV2_FRAGMENTATION_SUPPORTED       NotifyType = 16430 // RFC 7383
	SIGNATURE_HASH_ALGORITHMS           NotifyType = 16431 // RFC 7427; data: 2 octets for each hash
	CLONE_IKE_SA_SUPPORTED              NotifyType = 16432 // RFC 7791
	CLONE_IKE_SA                        NotifyType = 16433 // RFC 7791
	PUZZLE                              NotifyType = 16434 // RFC 8019
	USE_PPK                             NotifyType = 16435 // RFC 8784
	PPK_IDENTITY                        NotifyType = 16436 // RFC 8784
	NO_PPK_AUTH                         NotifyType = 16437 // RFC 8784
	INTERMEDIATE_EXCHANGE_SUPPORTED     NotifyType = 16438 // RFC 9242
	IP4_ALLOWED                         NotifyType = 16439 // RFC 8983
	IP6_ALLOWED                         NotifyType = 16440 // RFC 8983
	ADDITIONAL_KEY_EXCHANGE             NotifyType = 16441 // RFC 9370
	USE_AGGFRAG                         NotifyType = 16442 // RFC 9347
)

// IsError says whether the type is an error: one of an unknown type in a response means that the
// whole request failed (RFC 7296 3.10.1).
func (t NotifyType) IsError() bool { return t < firstStatus }

func (t NotifyType) String() string {
	if name, ok := notifyNames[t]; ok {
		return name
	}
	return fmt.Sprintf("notify %d", uint16(t))
}

// Notify is the Notify payload (RFC 7296 3.10). Protocol and SPI name an existing SA where the
// type concerns one; otherwise they are ProtocolNone and empty.
type Notify struct {
	Protocol ProtocolID
	SPI      []byte
	Type     NotifyType
	Data     []byte
}

func (*Notify) PayloadType() PayloadType { return PayloadNotify }

func (p *Notify) AppendBody(dst []byte) ([]byte, error) {
	if len(p.SPI) > 255 {
		return dst, ErrTooLong
	}
	dst = append(dst, byte(p.Protocol), byte(len(p.SPI)), byte(p.Type>>8), byte(p.Type))
	return append(append(dst, p.SPI...), p.Data...), nil
}

func decodeNotify(b []byte) (Payload, error) {
	if len(b) < 4 || len(b) < 4+int(b[1]) {
		return nil, truncated(PayloadNotify)
	}
	end := 4 + int(b[1])
	return &Notify{
		Protocol: ProtocolID(b[0]), SPI: b[4:end:end],
		Type: NotifyType(binary.BigEndian.Uint16(b[2:])), Data: b[end:],
	}, nil
}

// GetNotify returns the first notify of type t, or nil.
func GetNotify(payloads []Payload, t NotifyType) *Notify {
	for _, p := range payloads {
		if n, ok := p.(*Notify); ok && n.Type == t {
			return n
		}
	}
	return nil
}

// ErrorNotify returns the first error notify, or nil: the reason why a request failed.
func ErrorNotify(payloads []Payload) *Notify {
	for _, p := range payloads {
		if n, ok := p.(*Notify); ok && n.Type.IsError() {
			return n
		}
	}
	return nil
}
