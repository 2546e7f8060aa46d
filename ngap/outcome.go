// SPDX-License-Identifier: Apache-2.0

package ngap

import "reflect"

// HasResponse says whether a procedure has an outcome: whether it is of class 1 (TS 38.413 8.1).
func HasResponse(c ProcedureCode) bool { return byCode[c] != nil && byCode[c].successful != nil }

// KindOf returns the kind and the procedure of a message.
func KindOf(m Message) (Kind, ProcedureCode) {
	d := directory[reflect.TypeOf(m)]
	return d.kind, d.code
}

// SetDiagnostics puts the diagnostics into a message that has a place for them and none yet. It tells whether it did.
func SetDiagnostics(m Message, d *CriticalityDiagnostics) bool {
	f := reflect.ValueOf(m).Elem().FieldByName("CriticalityDiagnostics")
	if !f.IsValid() || !f.IsNil() {
		return false
	}
	f.Set(reflect.ValueOf(d))
	return true
}
