// SPDX-License-Identifier: Apache-2.0

package eap5g

// Server is the N3IWF's end of the method for one UE. Its owner sends what [Server.Start], [Server.SendNAS],
// [Server.Success] and [Server.Failure] return in an IKE_AUTH response and gives it each EAP payload that
// comes in the next IKE_AUTH request. The zero value is not usable; see [NewServer].
type Server struct {
	identifier uint8 // of the last request
	state      serverState
	registered bool // a NAS message has been received
}

type serverState uint8

const (
	serverIdle    serverState = iota // nothing sent
	serverWaiting                    // a request is outstanding
	serverReady                      // answered; the next packet is ours
	serverDone                       // Success or Failure sent
)

// NewServer returns the N3IWF's end. Its first request carries identifier; take a random one.
func NewServer(identifier uint8) *Server {
	return &Server{identifier: identifier - 1}
}

// ServerEvent is what a response of the UE asks of the owner: [NASReceived], [Acknowledged] or [Stopped].
type ServerEvent interface{ serverEvent() }

// NASReceived brings a NAS PDU for the AMF; it is never empty. First marks the one that becomes the NGAP
// Initial UE Message. AN is what this response carried, usually empty after the first.
type NASReceived struct {
	PDU   []byte
	AN    AN
	First bool
}

// Acknowledged says that the UE had nothing to say to the last request. The next packet comes when the AMF sends.
type Acknowledged struct{}

// Stopped says that the UE gave up with 5G-Stop. The owner sends [Server.Failure], discards the IKE SA, and
// releases the UE at the AMF where there is one.
type Stopped struct{}

func (NASReceived) serverEvent()  {}
func (Acknowledged) serverEvent() {}
func (Stopped) serverEvent()      {}

// Start returns the request that opens the method. It is called once.
func (s *Server) Start() ([]byte, error) {
	if s.state != serverIdle {
		return nil, ErrUnexpected
	}
	return s.request(Start{})
}

// CanSend says whether a request may be sent now: one that is outstanding must be answered first.
func (s *Server) CanSend() bool { return s.state == serverReady }

// SendNAS returns the request with a NAS PDU of the AMF. It fails with [ErrUnexpected] while a request is
// outstanding (keep the PDU until the next [Server.Receive]) and after the end.
func (s *Server) SendNAS(pdu []byte) ([]byte, error) {
	if s.state != serverReady {
		return nil, ErrUnexpected
	}
	return s.request(NASRequest{PDU: pdu})
}

func (s *Server) request(m Message) ([]byte, error) {
	b, err := Packet{Code: Request, Identifier: s.identifier + 1, Message: m}.Append(nil)
	if err != nil {
		return nil, err
	}
	s.identifier++
	s.state = serverWaiting
	return b, nil
}

// Receive takes the EAP packet of the UE. After an [ErrIdentifier] or [ErrUnexpected] nothing has changed and
// the packet is to be ignored; after any other error the owner sends [Server.Failure]. A PDU in the event
// aliases b.
func (s *Server) Receive(b []byte) (ServerEvent, error) {
	if s.state != serverWaiting {
		return nil, ErrUnexpected
	}
	p, err := Decode(b)
	if len(b) < headerLength || p.Code != Response {
		if err == nil {
			err = ErrCode
		}
		s.state = serverReady
		return nil, err
	}
	if p.Identifier != s.identifier {
		return nil, ErrIdentifier
	}
	s.state = serverReady
	if err != nil {
		return nil, err
	}
	switch m := p.Message.(type) {
	case NASResponse:
		an, err := m.AN()
		if err != nil {
			return nil, err
		}
		if len(m.PDU) == 0 {
			if !s.registered {
				return nil, ErrTruncated // the first response must say what the UE wants
			}
			return Acknowledged{}, nil
		}
		first := !s.registered
		s.registered = true
		return NASReceived{PDU: m.PDU, AN: an, First: first}, nil
	case Stop:
		return Stopped{}, nil
	case Nak:
		return nil, &NakError{Desired: m.Desired}
	}
	return nil, &MessageError{Code: p.Code, ID: p.Message.ID()}
}

// Success ends the method after the AMF has given the key. It carries the identifier of the last response
// (RFC 3748 clause 4.2). It fails with [ErrUnexpected] while a request is outstanding and after the end.
func (s *Server) Success() ([]byte, error) {
	if s.state != serverReady || !s.registered {
		return nil, ErrUnexpected
	}
	s.state = serverDone
	return []byte{byte(Success), s.identifier, 0, headerLength}, nil
}

// Failure ends the method without access. It may be sent at any time before the end; later it returns nil.
func (s *Server) Failure() []byte {
	if s.state == serverDone {
		return nil
	}
	s.state = serverDone
	return []byte{byte(Failure), s.identifier, 0, headerLength}
}
