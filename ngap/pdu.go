// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// Kind is the alternative of NGAP-PDU.
type Kind uint8

const (
	InitiatingMessage Kind = iota
	SuccessfulOutcome
	UnsuccessfulOutcome
)

func (k Kind) String() string {
	if k > UnsuccessfulOutcome {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return [...]string{"initiatingMessage", "successfulOutcome", "unsuccessfulOutcome"}[k]
}

// Criticality of a procedure or IE.
type Criticality = aper.Criticality

// ProcedureCode identifies an elementary procedure.
type ProcedureCode uint8

func (ProcedureCode) APER() string { return "int(0..255)" }

func (c ProcedureCode) String() string {
	if s, ok := procedureNames[c]; ok {
		return s
	}
	return fmt.Sprintf("procedure %d", uint8(c))
}

// ProtocolIEID identifies an IE.
type ProtocolIEID uint16

func (ProtocolIEID) APER() string { return "int(0..65535)" }

func (id ProtocolIEID) String() string {
	if s, ok := ieNames[id]; ok {
		return s
	}
	return fmt.Sprintf("IE %d", uint16(id))
}

// MessageIEs is embedded in every message. It keeps the IEs that the message does not model.
type MessageIEs struct {
	Unmodelled *aper.Unmodelled `aper:"ies"`
}

func (*MessageIEs) message() {}

// Message is a pointer to one of the message structs of this package, such as *NGSetupRequest.
type Message interface{ message() }

// PDU is a decoded NGAP-PDU.
type PDU struct {
	Kind          Kind
	ProcedureCode ProcedureCode
	Criticality   Criticality
	// Message is nil when this package has no description of the procedure; Value is then the content.
	Message Message
	Value   []byte
	// Issues are the abstract syntax problems of the message, of every criticality.
	Issues []aper.Issue
}

// NGAP-PDU (TS 38.413 9.4.3), with its value still encoded.
type envelope struct {
	_                   struct{} `aper:"choice,extensible"`
	InitiatingMessage   *contents
	SuccessfulOutcome   *contents
	UnsuccessfulOutcome *contents
}

type contents struct {
	_             struct{} `aper:"seq"`
	ProcedureCode ProcedureCode
	Criticality   Criticality
	Value         []byte `aper:"open"`
}

// Encode returns the NGAP-PDU of a message.
func Encode(m Message) ([]byte, error) {
	d, ok := directory[reflect.TypeOf(m)]
	if !ok {
		return nil, fmt.Errorf("ngap: %T is no message of a known procedure", m)
	}
	p := PDU{Kind: d.kind, ProcedureCode: d.code, Criticality: d.criticality, Message: m}
	return p.Encode()
}

// Encode returns the encoding of p, from Message where there is one and else from Value.
func (p *PDU) Encode() ([]byte, error) {
	c := contents{ProcedureCode: p.ProcedureCode, Criticality: p.Criticality, Value: p.Value}
	if p.Message != nil {
		var err error
		if c.Value, err = aper.Encode(p.Message); err != nil {
			return nil, fmt.Errorf("ngap: encode %s: %w", Name(p.Message), err)
		}
	}
	var e envelope
	switch p.Kind {
	case InitiatingMessage:
		e.InitiatingMessage = &c
	case SuccessfulOutcome:
		e.SuccessfulOutcome = &c
	case UnsuccessfulOutcome:
		e.UnsuccessfulOutcome = &c
	default:
		return nil, fmt.Errorf("ngap: encode: %v is no kind of PDU", p.Kind)
	}
	b, err := aper.Encode(&e)
	if err != nil {
		return nil, fmt.Errorf("ngap: encode %v: %w", p.ProcedureCode, err)
	}
	return b, nil
}

// Decode decodes one NGAP-PDU, the content of one SCTP message. It copies b.
//
// The error is a *ProtocolError; Answer says what to send for it. The PDU is not nil as soon as its envelope was
// readable: with a transfer syntax error its message holds what was read before, with an abstract syntax error
// it is complete but for what the error names. Issues of criticality notify and ignore are no error.
func Decode(b []byte) (*PDU, error) {
	var e envelope
	if _, err := aper.Decode(bytes.Clone(b), &e); err != nil {
		return nil, &ProtocolError{Cause: CauseProtocolTransferSyntaxError.Cause(), Err: err}
	}
	p := &PDU{}
	var c *contents
	switch {
	case e.InitiatingMessage != nil:
		p.Kind, c = InitiatingMessage, e.InitiatingMessage
	case e.SuccessfulOutcome != nil:
		p.Kind, c = SuccessfulOutcome, e.SuccessfulOutcome
	default:
		p.Kind, c = UnsuccessfulOutcome, e.UnsuccessfulOutcome
	}
	p.ProcedureCode, p.Criticality = c.ProcedureCode, c.Criticality
	t := messageType(p.Kind, p.ProcedureCode)
	if t == nil {
		p.Value = c.Value
		return p, unknownProcedure(p)
	}
	p.Message = reflect.New(t).Interface().(Message)
	var err error
	p.Issues, err = aper.Decode(c.Value, p.Message)
	if err != nil {
		return p, transferSyntaxError(p, c.Value, err)
	}
	return p, abstractSyntaxError(p, c.Value)
}

// Missing says whether the mandatory IE id was absent. Its field then holds the zero value.
func (p *PDU) Missing(id ProtocolIEID) bool {
	for _, i := range p.Issues {
		if i.Kind == aper.Missing && i.ID == uint16(id) && !i.Nested {
			return true
		}
	}
	return false
}

// String prints the whole PDU on one line. Keys are left out, NAS PDUs are not.
func (p *PDU) String() string {
	if p.Message == nil {
		return fmt.Sprintf("%s %x", p.Name(), p.Value)
	}
	return String(p.Message)
}

// String prints a message on one line, as PDU.String does.
func String(m Message) string { return aper.Print(m) }

// Name returns the name of the message, such as NGSetupRequest, or of its unknown procedure.
func (p *PDU) Name() string {
	if p.Message == nil {
		return fmt.Sprintf("%v %v", p.ProcedureCode, p.Kind)
	}
	return Name(p.Message)
}

// Name returns the name of the message, such as NGSetupRequest.
func Name(m Message) string { return reflect.TypeOf(m).Elem().Name() }

// UEIDs returns the UE NGAP IDs that a message carries, nil where it carries none. An id whose mandatory IE was
// missing reads as 0; see PDU.Missing.
func UEIDs(m Message) (amf *AMFUENGAPID, ran *RANUENGAPID) {
	v := reflect.ValueOf(m).Elem()
	d := directory[v.Addr().Type()]
	if c, ok := m.(*UEContextReleaseCommand); ok {
		return c.UENGAPIDs.ids()
	}
	if d.amfID >= 0 {
		amf = pointer[AMFUENGAPID](v.Field(d.amfID))
	}
	if d.ranID >= 0 {
		ran = pointer[RANUENGAPID](v.Field(d.ranID))
	}
	return amf, ran
}

func pointer[T any](f reflect.Value) *T {
	if f.Kind() == reflect.Pointer {
		return f.Interface().(*T)
	}
	return f.Addr().Interface().(*T)
}

func (u *UENGAPIDs) ids() (*AMFUENGAPID, *RANUENGAPID) {
	if p := u.UENGAPIDPair; p != nil {
		return &p.AMFUENGAPID, &p.RANUENGAPID
	}
	return u.AMFUENGAPID, nil
}
