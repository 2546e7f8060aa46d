// SPDX-License-Identifier: Apache-2.0

package eap5g

import "errors"

// Peer is the UE's end of the method. Its owner gives it the EAP payload of each IKE_AUTH response and answers
// each request with [Peer.SendNAS] or [Peer.Stop], or with the reply that an event brings.
type Peer struct {
	identifier uint8
	state      peerState
	last       []byte // the last response, for a repeated request
}

type peerState uint8

const (
	peerIdle      peerState = iota // waiting for 5G-Start
	peerAnswering                  // a request waits for our response
	peerWaiting                    // answered
	peerDone                       // Success or Failure received
)

// PeerEvent is what the N3IWF asks of the UE: [Started], [NASArrived], [Notified], [Repeated], [Refused],
// [Succeeded] or [Failed].
type PeerEvent interface{ peerEvent() }

// Started asks for the first NAS message.
type Started struct{}

// NASArrived brings a NAS PDU of the AMF; the answer is [Peer.SendNAS], with an empty PDU when there is none.
type NASArrived struct{ PDU []byte }

// Notified brings the parameters of a 5G-Notification and the reply to send.
type Notified struct {
	Parameters []Parameter
	Reply      []byte
}

// Repeated says that the request was seen before; Reply is the response once more.
type Repeated struct{ Reply []byte }

// Refused says that the request was of another EAP method or unknown; Reply is the Nak to send.
type Refused struct{ Reply []byte }

// Succeeded says that the N3IWF has the key: authenticate the IKE SA with K_N3IWF.
type Succeeded struct{}

// Failed says that access was refused.
type Failed struct{}

func (Started) peerEvent()    {}
func (NASArrived) peerEvent() {}
func (Notified) peerEvent()   {}
func (Repeated) peerEvent()   {}
func (Refused) peerEvent()    {}
func (Succeeded) peerEvent()  {}
func (Failed) peerEvent()     {}

// Receive takes an EAP packet of the N3IWF. After an error nothing has changed; there is no reply to a packet
// that is malformed (RFC 3748 clause 4.1).
func (p *Peer) Receive(b []byte) (PeerEvent, error) {
	pkt, err := Decode(b)
	var method *MethodError
	if err != nil && !errors.As(err, &method) {
		return nil, err
	}
	if p.state == peerDone {
		return nil, ErrUnexpected
	}
	switch pkt.Code {
	case Success:
		// Success without a NAS exchange is forged (RFC 3748 clause 4.2). Its identifier should be that of our last
		// response, but free5GC draws one at random, and the IKE exchange already ties it to that response.
		if p.state != peerWaiting {
			return nil, ErrUnexpected
		}
		p.state = peerDone
		return Succeeded{}, nil
	case Failure:
		p.state = peerDone
		return Failed{}, nil
	case Response:
		return nil, ErrCode
	}
	if method != nil {
		nak, err := Packet{Code: Response, Identifier: pkt.Identifier, Message: nakFor(method)}.Append(nil)
		if err != nil {
			return nil, err
		}
		return Refused{Reply: nak}, nil
	}
	if p.state == peerAnswering {
		return nil, ErrUnexpected
	}
	if p.state == peerWaiting && pkt.Identifier == p.identifier {
		return Repeated{Reply: p.last}, nil
	}
	_, isStart := pkt.Message.(Start)
	if isStart != (p.state == peerIdle) {
		return nil, ErrUnexpected
	}
	p.identifier, p.state = pkt.Identifier, peerAnswering
	switch m := pkt.Message.(type) {
	case Start:
		return Started{}, nil
	case NASRequest:
		return NASArrived(m), nil
	case NotificationRequest:
		reply, err := p.respond(NotificationResponse{})
		if err != nil {
			return nil, err
		}
		return Notified{Parameters: m.Parameters, Reply: reply}, nil
	}
	return nil, &MessageError{Code: pkt.Code, ID: pkt.Message.ID()}
}

// nakFor answers a method that we do not have: a plain one with the wish for an expanded one, an expanded one
// with the expanded Nak that has no other wish (RFC 3748 clause 5.3).
func nakFor(e *MethodError) Nak {
	if e.Type == typeExpanded {
		return Nak{Expanded: true, Desired: []uint8{0}}
	}
	return Nak{Desired: []uint8{typeExpanded}}
}

// SendNAS returns the response with a NAS PDU and AN parameters, which belong into the first response only.
func (p *Peer) SendNAS(an AN, pdu []byte) ([]byte, error) {
	return p.respond(an.NASResponse(pdu))
}

// Stop returns the response with which the UE gives up.
func (p *Peer) Stop() ([]byte, error) { return p.respond(Stop{}) }

func (p *Peer) respond(m Message) ([]byte, error) {
	if p.state != peerAnswering {
		return nil, ErrUnexpected
	}
	b, err := Packet{Code: Response, Identifier: p.identifier, Message: m}.Append(nil)
	if err != nil {
		return nil, err
	}
	p.state, p.last = peerWaiting, b
	return b, nil
}
