// SPDX-License-Identifier: Apache-2.0

package eap5g

import "fmt"

// EstablishmentCause says why the UE connects (TS 24.502 clause 9.2.2). Its values are not those of
// NGAP; [EstablishmentCause.NGAP] translates.
type EstablishmentCause uint8

// Establishment causes for non-3GPP access. Other values are treated as MO data.
const (
	CauseEmergency    EstablishmentCause = 0
	CauseHighPriority EstablishmentCause = 1
	CauseMOSignalling EstablishmentCause = 3
	CauseMOData       EstablishmentCause = 4
	CauseMPSPriority  EstablishmentCause = 8
	CauseMCSPriority  EstablishmentCause = 9
	CauseMOSMS        EstablishmentCause = 10
	CauseMOVoice      EstablishmentCause = 11
	CauseMOVideo      EstablishmentCause = 12
)

// NGAP returns the index of the cause in the NGAP enumeration RRCEstablishmentCause
// (TS 38.413 clause 9.3.1.111).
func (c EstablishmentCause) NGAP() uint8 {
	switch c {
	case CauseEmergency, CauseHighPriority, CauseMOSignalling, CauseMOData, CauseMPSPriority, CauseMCSPriority:
		return uint8(c)
	case CauseMOSMS:
		return 7
	case CauseMOVoice:
		return 5
	case CauseMOVideo:
		return 6
	}
	return 4
}

func (c EstablishmentCause) String() string {
	switch c {
	case CauseEmergency:
		return "emergency"
	case CauseHighPriority:
		return "high priority access"
	case CauseMOSignalling:
		return "MO signalling"
	case CauseMOData:
		return "MO data"
	case CauseMPSPriority:
		return "MPS priority access"
	case CauseMCSPriority:
		return "MCS priority access"
	case CauseMOSMS:
		return "MO SMS"
	case CauseMOVoice:
		return "MO voice call"
	case CauseMOVideo:
		return "MO video call"
	}
	return fmt.Sprintf("cause %d", uint8(c))
}
