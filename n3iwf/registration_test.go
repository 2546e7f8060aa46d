// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
)

// TestEstablishmentCause: the values of EAP-5G are other ones than NGAP's, and a UE may give none (TS 24.502 9.2.5, TS 38.413 9.3.1.111).
func TestEstablishmentCause(t *testing.T) {
	require.Equal(t, ngap.RRCEstablishmentCauseMoSignalling, establishmentCause(&eap5g.AN{}))
	for c, want := range map[eap5g.EstablishmentCause]ngap.RRCEstablishmentCause{
		0: ngap.RRCEstablishmentCauseEmergency, 1: ngap.RRCEstablishmentCauseHighPriorityAccess, 3: ngap.RRCEstablishmentCauseMoSignalling,
		4: ngap.RRCEstablishmentCauseMoData, 8: ngap.RRCEstablishmentCauseMpsPriorityAccess, 9: ngap.RRCEstablishmentCauseMcsPriorityAccess,
		10: ngap.RRCEstablishmentCauseMoSMS, 11: ngap.RRCEstablishmentCauseMoVoiceCall, 12: ngap.RRCEstablishmentCauseMoVideoCall, 15: ngap.RRCEstablishmentCauseMoData,
	} {
		require.Equal(t, want, establishmentCause(&eap5g.AN{EstablishmentCause: &c}), "EAP-5G %d", c)
	}
}
