// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// ProtocolError is a message or transfer container that breaks the protocol (TS 38.413 clause 10). It carries what
// the peer is to be told.
type ProtocolError struct {
	// Cause to report, also of a PDU session whose transfer container is the culprit.
	Cause Cause
	// Diagnostics to report; nil when not even the envelope was readable.
	Diagnostics *CriticalityDiagnostics
	// PDU is the message at fault as far as it was decoded, or nil.
	PDU *PDU
	// AMFUENGAPID and RANUENGAPID are the ids as received, nil where there were none.
	AMFUENGAPID *AMFUENGAPID
	RANUENGAPID *RANUENGAPID
	// Err is the *aper.Error of a transfer syntax error, nil otherwise.
	Err error
}

func (e *ProtocolError) Error() string {
	var b strings.Builder
	b.WriteString("ngap: ")
	if e.PDU != nil {
		fmt.Fprintf(&b, "%v %v: ", e.PDU.ProcedureCode, e.PDU.Kind)
	}
	fmt.Fprintf(&b, "%v", e.Cause)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Diagnostics != nil {
		for _, i := range e.Diagnostics.IEsCriticalityDiagnostics {
			fmt.Fprintf(&b, "; %v (%v) %v", i.IEID, i.IECriticality, i.TypeOfError)
		}
	}
	return b.String()
}

func (e *ProtocolError) Unwrap() error { return e.Err }

// Answer returns the message that the sender of a faulty message is due (TS 38.413 10.2 to 10.4): the unsuccessful
// outcome of the procedure where there is one and the fault is in its abstract syntax, else an ERROR INDICATION, or
// nil when the procedure just fails locally. err is that of Decode.
func Answer(err error) Message {
	if m := failure(err); m != nil {
		return m
	}
	if m := Diagnose(err); m != nil {
		return m
	}
	return nil
}

// Diagnose returns the ERROR INDICATION for err, an error of Decode, or nil when none is due: for another kind of
// error, for a fault inside a response or an ERROR INDICATION, and for an unknown procedure of criticality ignore.
func Diagnose(err error) *ErrorIndication {
	var e *ProtocolError
	if !errors.As(err, &e) {
		return nil
	}
	if p := e.PDU; p != nil {
		if p.ProcedureCode == ProcedureErrorIndication {
			return nil
		}
		switch known := byCode[p.ProcedureCode] != nil; {
		case known && p.Kind != InitiatingMessage:
			return nil
		case !known && p.Criticality == aper.Ignore:
			return nil
		}
	}
	cause := e.Cause
	return &ErrorIndication{
		AMFUENGAPID: e.AMFUENGAPID, RANUENGAPID: e.RANUENGAPID,
		Cause: &cause, CriticalityDiagnostics: e.Diagnostics,
	}
}

// failure returns the unsuccessful outcome for an abstract syntax error in the initiating message of its procedure.
func failure(err error) Message {
	var e *ProtocolError
	if !errors.As(err, &e) || e.Err != nil || e.PDU == nil || e.PDU.Kind != InitiatingMessage {
		return nil
	}
	var amf AMFUENGAPID
	var ran RANUENGAPID
	ids := e.AMFUENGAPID != nil && e.RANUENGAPID != nil
	if ids {
		amf, ran = *e.AMFUENGAPID, *e.RANUENGAPID
	}
	switch e.PDU.ProcedureCode {
	case ProcedureNGSetup:
		return &NGSetupFailure{Cause: e.Cause, CriticalityDiagnostics: e.Diagnostics}
	case ProcedureAMFConfigurationUpdate:
		return &AMFConfigurationUpdateFailure{Cause: e.Cause, CriticalityDiagnostics: e.Diagnostics}
	case ProcedureRANConfigurationUpdate:
		return &RANConfigurationUpdateFailure{Cause: e.Cause, CriticalityDiagnostics: e.Diagnostics}
	case ProcedureInitialContextSetup:
		if ids {
			return &InitialContextSetupFailure{
				AMFUENGAPID: amf, RANUENGAPID: ran, Cause: e.Cause, CriticalityDiagnostics: e.Diagnostics,
			}
		}
	case ProcedureUEContextModification:
		if ids {
			return &UEContextModificationFailure{
				AMFUENGAPID: amf, RANUENGAPID: ran, Cause: e.Cause, CriticalityDiagnostics: e.Diagnostics,
			}
		}
	}
	return nil
}

// Notification returns the diagnostics of the IEs of criticality notify that were missing or not understood: to be
// put into the response to p, or, when p has none, sent with NotifyIndication. It is nil when there is nothing to
// report.
func (p *PDU) Notification() *CriticalityDiagnostics {
	items := items(p.Issues, aper.Notify)
	if items == nil {
		return nil
	}
	return p.diagnostics(items)
}

// NotifyIndication returns the ERROR INDICATION that carries Notification, or nil.
func (p *PDU) NotifyIndication() *ErrorIndication {
	d := p.Notification()
	if d == nil || p.ProcedureCode == ProcedureErrorIndication {
		return nil
	}
	m := &ErrorIndication{CriticalityDiagnostics: d}
	m.AMFUENGAPID, m.RANUENGAPID = UEIDs(p.Message)
	cause := CauseProtocolAbstractSyntaxErrorIgnoreAndNotify.Cause()
	m.Cause = &cause
	return m
}

func (p *PDU) diagnostics(items CriticalityDiagnosticsIEList) *CriticalityDiagnostics {
	code, trigger, criticality := p.ProcedureCode, TriggeringMessage(p.Kind), p.Criticality
	return &CriticalityDiagnostics{
		ProcedureCode: &code, TriggeringMessage: &trigger, ProcedureCriticality: &criticality,
		IEsCriticalityDiagnostics: items,
	}
}

// maxnoofErrors of TS 38.413 9.4.7.
const maxErrors = 256

// items lists the issues of one criticality; repeated IEs have no type of error of their own.
func items(issues []aper.Issue, c Criticality) CriticalityDiagnosticsIEList {
	var list CriticalityDiagnosticsIEList
	for _, i := range issues {
		if i.Criticality != c || i.Kind == aper.Repeated || len(list) == maxErrors {
			continue
		}
		t := TypeOfErrorNotUnderstood
		if i.Kind == aper.Missing {
			t = TypeOfErrorMissing
		}
		list = append(list, CriticalityDiagnosticsIEItem{
			IECriticality: i.Criticality, IEID: ProtocolIEID(i.ID), TypeOfError: t,
		})
	}
	return list
}

// fault sorts the issues of a container: nil if they let it pass.
func fault(issues []aper.Issue) (cause Cause, list CriticalityDiagnosticsIEList, faulty bool) {
	if list = items(issues, aper.Reject); list != nil {
		return CauseProtocolAbstractSyntaxErrorReject.Cause(), list, true
	}
	for _, i := range issues {
		if i.Kind == aper.Repeated {
			return CauseProtocolAbstractSyntaxErrorFalselyConstructedMessage.Cause(), nil, true
		}
	}
	return Cause{}, nil, false
}

func abstractSyntaxError(p *PDU, value []byte) error {
	if len(p.Issues) == 0 {
		return nil
	}
	cause, list, faulty := fault(p.Issues)
	if !faulty {
		return nil
	}
	e := &ProtocolError{Cause: cause, Diagnostics: p.diagnostics(list), PDU: p}
	e.AMFUENGAPID, e.RANUENGAPID = receivedIDs(value)
	return e
}

func transferSyntaxError(p *PDU, value []byte, err error) error {
	e := &ProtocolError{
		Cause: CauseProtocolTransferSyntaxError.Cause(), Diagnostics: p.diagnostics(nil), PDU: p, Err: err,
	}
	e.AMFUENGAPID, e.RANUENGAPID = receivedIDs(value)
	return e
}

// unknownProcedure reports a procedure code, or an outcome, that has no description (TS 38.413 10.3.4.1).
func unknownProcedure(p *PDU) error {
	cause := CauseProtocolAbstractSyntaxErrorReject
	if p.Criticality == aper.Notify {
		cause = CauseProtocolAbstractSyntaxErrorIgnoreAndNotify
	}
	return &ProtocolError{Cause: cause.Cause(), Diagnostics: p.diagnostics(nil), PDU: p}
}

// idsOnly reads the UE NGAP IDs out of any message.
type idsOnly struct {
	AMFUENGAPID *AMFUENGAPID     `aper:"ie=10,reject"`
	RANUENGAPID *RANUENGAPID     `aper:"ie=85,reject"`
	UENGAPIDs   *UENGAPIDs       `aper:"ie=114,reject"`
	Unmodelled  *aper.Unmodelled `aper:"ies"`
}

// receivedIDs returns the ids of a message that may be broken behind them.
func receivedIDs(value []byte) (*AMFUENGAPID, *RANUENGAPID) {
	var m idsOnly
	// What stands before an error has been read; the error itself is known already.
	_, _ = aper.Decode(value, &m)
	if m.UENGAPIDs != nil {
		return m.UENGAPIDs.ids()
	}
	return m.AMFUENGAPID, m.RANUENGAPID
}

// CauseOf returns the cause to report for an error of Decode or DecodeTransfer, protocol/unspecified for any other.
func CauseOf(err error) Cause {
	var e *ProtocolError
	if errors.As(err, &e) {
		return e.Cause
	}
	return CauseProtocolUnspecified.Cause()
}

// DiagnosticsOf returns the diagnostics to report for an error of DecodeTransfer, in the unsuccessful transfer: nil when it names no IE.
func DiagnosticsOf(err error) *CriticalityDiagnostics {
	var e *ProtocolError
	if errors.As(err, &e) && e.Diagnostics != nil && len(e.Diagnostics.IEsCriticalityDiagnostics) > 0 {
		return e.Diagnostics
	}
	return nil
}

// transferName names the type of a transfer container in errors.
func transferName(t any) string { return reflect.TypeOf(t).Elem().Name() }
