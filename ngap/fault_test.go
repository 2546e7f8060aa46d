// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Every unsuccessful outcome and ERROR INDICATION is a fault with its cause, and nothing else is.
func TestFault(t *testing.T) {
	cause, procedure := CauseMiscUnspecified.Cause(), ProcedureNGReset
	for name, row := range map[string]struct {
		m     Message
		code  ProcedureCode
		cause string
		ok    bool
	}{
		"NG Setup failed":      {&NGSetupFailure{Cause: cause}, ProcedureNGSetup, cause.String(), true},
		"context not set up":   {&InitialContextSetupFailure{Cause: cause}, ProcedureInitialContextSetup, cause.String(), true},
		"error":                {&ErrorIndication{Cause: &cause}, ProcedureErrorIndication, cause.String(), true},
		"error of a procedure": {&ErrorIndication{CriticalityDiagnostics: &CriticalityDiagnostics{ProcedureCode: &procedure}}, ProcedureNGReset, "none", true},
		"release":              {&UEContextReleaseCommand{Cause: cause}, 0, "none", false},
		"answer":               {&NGSetupResponse{}, 0, "none", false},
	} {
		code, cause, ok := Fault(row.m)
		require.Equal(t, row.ok, ok, name)
		require.Equal(t, row.code, code, name)
		require.Equal(t, row.cause, cause.String(), name)
	}
	faults := 0
	for typ, e := range directory {
		if e.kind == UnsuccessfulOutcome {
			faults++
			f, ok := typ.Elem().FieldByName("Cause")
			require.True(t, ok && f.Type.Name() == "Cause", "%v has no cause", typ)
		}
	}
	require.Greater(t, faults, 4)
}
