// SPDX-License-Identifier: Apache-2.0

package ngap

// OverloadStart is the initiating message of procedure 22.
type OverloadStart struct {
	AMFOverloadResponse               *OverloadResponse               `aper:"ie=2,reject"`
	AMFTrafficLoadReductionIndication *TrafficLoadReductionIndication `aper:"ie=9,ignore"`
	OverloadStartNSSAIList            OverloadStartNSSAIList          `aper:"ie=49,ignore"`
	MessageIEs
}

// OverloadStop is the initiating message of procedure 23.
type OverloadStop struct {
	MessageIEs
}

// ErrorIndication is the initiating message of procedure 9.
type ErrorIndication struct {
	AMFUENGAPID            *AMFUENGAPID            `aper:"ie=10,ignore"`
	RANUENGAPID            *RANUENGAPID            `aper:"ie=85,ignore"`
	Cause                  *Cause                  `aper:"ie=15,ignore"`
	CriticalityDiagnostics *CriticalityDiagnostics `aper:"ie=19,ignore"`
	FiveGSTMSI             *FiveGSTMSI             `aper:"ie=26,ignore"`
	MessageIEs
}
