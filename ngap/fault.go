// SPDX-License-Identifier: Apache-2.0

package ngap

import "reflect"

// Fault tells what a message says to have gone wrong: the cause of an unsuccessful outcome and its procedure, or the cause of an ERROR INDICATION and
// the procedure that its diagnostics name, Error Indication itself when they name none. ok is false for all other messages, and for an ERROR
// INDICATION that has diagnostics without a cause, cause is the zero value.
func Fault(m Message) (procedure ProcedureCode, cause Cause, ok bool) {
	if e, isError := m.(*ErrorIndication); isError {
		procedure = ProcedureErrorIndication
		if d := e.CriticalityDiagnostics; d != nil && d.ProcedureCode != nil {
			procedure = *d.ProcedureCode
		}
		if e.Cause != nil {
			cause = *e.Cause
		}
		return procedure, cause, true
	}
	v := reflect.ValueOf(m).Elem()
	d, known := directory[reflect.TypeOf(m)]
	if !known || d.kind != UnsuccessfulOutcome {
		return 0, Cause{}, false
	}
	if f := v.FieldByName("Cause"); f.IsValid() {
		cause, _ = f.Interface().(Cause)
	}
	return d.code, cause, true
}
