// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/ngap"
)

func counts(tally *Tally) map[string]uint64 {
	all := map[string]uint64{}
	tally.All(func(word string, n uint64) { all[word] = n })
	return all
}

// What goes wrong on N2 is counted by direction, procedure and cause, and messages of procedures that nobody knows do no harm.
func TestNGAPFaultsAreCounted(t *testing.T) {
	var c Counters
	cause := ngap.CauseRadioNetworkUnknownLocalUENGAPID.Cause()
	c.countSent(&ngap.ErrorIndication{Cause: &cause})
	c.countSent(&ngap.NGResetAcknowledge{})
	failure := ngap.CauseMiscUnspecified.Cause()
	for range 2 {
		c.countReceived(&ngap.PDU{Kind: ngap.UnsuccessfulOutcome, ProcedureCode: ngap.ProcedureNGSetup, Message: &ngap.NGSetupFailure{Cause: failure}})
	}
	c.countReceived(&ngap.PDU{Kind: ngap.InitiatingMessage, ProcedureCode: 200})
	require.Equal(t, map[string]uint64{
		Words("sent", ngap.ProcedureErrorIndication.String(), cause.String()): 1,
		Words("received", ngap.ProcedureNGSetup.String(), failure.String()):   2,
	}, counts(&c.NGAPFaults))
	require.Len(t, counts(&c.NGAPReceived), 2)
	require.Len(t, counts(&c.NGAPSent), 2)
	require.Equal(t, []string{"a", "b", ""}, SplitWords(Words("a", "b", ""), 3))
	require.Equal(t, []string{otherWord, otherWord}, SplitWords(otherWord, 2))
}

// Each way in which an IKE_SA_INIT request is refused has its own word.
func TestInitRefusals(t *testing.T) {
	for want, err := range map[string]error{
		"half-open-limit":              ikev2.ErrHalfOpenLimit,
		"redirected":                   fmt.Errorf("x: %w", ikev2.ErrRedirected),
		"not-a-request":                ikev2.ErrNotInit,
		"NO_PROPOSAL_CHOSEN":           suite.ErrNoProposalChosen,
		"INVALID_KE_PAYLOAD":           &ikev2.NotifyError{Type: message.INVALID_KE_PAYLOAD},
		"INVALID_SYNTAX":               &ikev2.NotifyError{Type: message.INVALID_SYNTAX},
		"UNSUPPORTED_CRITICAL_PAYLOAD": &message.UnsupportedCritical{},
		"INVALID_MAJOR_VERSION":        &message.UnsupportedVersion{Major: 3},
		"malformed":                    errors.New("anything else"),
	} {
		require.Equal(t, want, initRefusal(err))
	}
}
