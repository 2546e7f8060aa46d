// SPDX-License-Identifier: Apache-2.0

package ngap

// InitialUEMessage is the initiating message of procedure 15.
type InitialUEMessage struct {
	RANUENGAPID                         RANUENGAPID                          `aper:"ie=85,reject,mandatory"`
	NASPDU                              NASPDU                               `aper:"ie=38,reject,mandatory"`
	UserLocationInformation             UserLocationInformation              `aper:"ie=121,reject,mandatory"`
	RRCEstablishmentCause               RRCEstablishmentCause                `aper:"ie=90,ignore,mandatory"`
	FiveGSTMSI                          *FiveGSTMSI                          `aper:"ie=26,reject"`
	AMFSetID                            *AMFSetID                            `aper:"ie=3,ignore"`
	UEContextRequest                    *UEContextRequest                    `aper:"ie=112,ignore"`
	AllowedNSSAI                        AllowedNSSAI                         `aper:"ie=0,reject"`
	SourceToTargetAMFInformationReroute *SourceToTargetAMFInformationReroute `aper:"ie=171,ignore"`
	SelectedPLMNIdentity                *PLMNIdentity                        `aper:"ie=174,ignore"`
	IABNodeIndication                   *IABNodeIndication                   `aper:"ie=201,reject"`
	LTEMIndication                      *LTEMIndication                      `aper:"ie=225,ignore"`
	EDTSession                          *EDTSession                          `aper:"ie=227,ignore"`
	AuthenticatedIndication             *AuthenticatedIndication             `aper:"ie=245,ignore"`
	NPNAccessInformation                *NPNAccessInformation                `aper:"ie=259,reject"`
	RedCapIndication                    *RedCapIndication                    `aper:"ie=333,ignore"`
	SelectedNID                         *NID                                 `aper:"ie=371,ignore"`
	MessageIEs
}

// DownlinkNASTransport is the initiating message of procedure 4.
type DownlinkNASTransport struct {
	AMFUENGAPID                 AMFUENGAPID                  `aper:"ie=10,reject,mandatory"`
	RANUENGAPID                 RANUENGAPID                  `aper:"ie=85,reject,mandatory"`
	OldAMF                      AMFName                      `aper:"ie=48,reject"`
	RANPagingPriority           *RANPagingPriority           `aper:"ie=83,ignore"`
	NASPDU                      NASPDU                       `aper:"ie=38,reject,mandatory"`
	MobilityRestrictionList     *MobilityRestrictionList     `aper:"ie=36,ignore"`
	IndexToRFSP                 *IndexToRFSP                 `aper:"ie=31,ignore"`
	UEAggregateMaximumBitRate   *UEAggregateMaximumBitRate   `aper:"ie=110,ignore"`
	AllowedNSSAI                AllowedNSSAI                 `aper:"ie=0,reject"`
	SRVCCOperationPossible      *SRVCCOperationPossible      `aper:"ie=177,ignore"`
	EnhancedCoverageRestriction *EnhancedCoverageRestriction `aper:"ie=205,ignore"`
	ExtendedConnectedTime       *ExtendedConnectedTime       `aper:"ie=206,ignore"`
	UEDifferentiationInfo       *UEDifferentiationInfo       `aper:"ie=209,ignore"`
	CEmodeBrestricted           *CEmodeBrestricted           `aper:"ie=222,ignore"`
	UERadioCapability           UERadioCapability            `aper:"ie=117,ignore"`
	UECapabilityInfoRequest     *UECapabilityInfoRequest     `aper:"ie=228,ignore"`
	EndIndication               *EndIndication               `aper:"ie=226,ignore"`
	UERadioCapabilityID         UERadioCapabilityID          `aper:"ie=264,reject"`
	TargetNSSAIInformation      *TargetNSSAIInformation      `aper:"ie=334,ignore"`
	MaskedIMEISV                *MaskedIMEISV                `aper:"ie=34,ignore"`
	MessageIEs
}

// UplinkNASTransport is the initiating message of procedure 46.
type UplinkNASTransport struct {
	AMFUENGAPID             AMFUENGAPID             `aper:"ie=10,reject,mandatory"`
	RANUENGAPID             RANUENGAPID             `aper:"ie=85,reject,mandatory"`
	NASPDU                  NASPDU                  `aper:"ie=38,reject,mandatory"`
	UserLocationInformation UserLocationInformation `aper:"ie=121,ignore,mandatory"`
	WAGFIdentityInformation []byte                  `aper:"ie=239,reject,octets"`
	TNGFIdentityInformation []byte                  `aper:"ie=246,reject,octets"`
	TWIFIdentityInformation []byte                  `aper:"ie=247,reject,octets"`
	MessageIEs
}

// NASNonDeliveryIndication is the initiating message of procedure 19.
type NASNonDeliveryIndication struct {
	AMFUENGAPID AMFUENGAPID `aper:"ie=10,reject,mandatory"`
	RANUENGAPID RANUENGAPID `aper:"ie=85,reject,mandatory"`
	NASPDU      NASPDU      `aper:"ie=38,ignore,mandatory"`
	Cause       Cause       `aper:"ie=15,ignore,mandatory"`
	MessageIEs
}

// RerouteNASRequest is the initiating message of procedure 36.
type RerouteNASRequest struct {
	RANUENGAPID                         RANUENGAPID                          `aper:"ie=85,reject,mandatory"`
	AMFUENGAPID                         *AMFUENGAPID                         `aper:"ie=10,ignore"`
	NGAPMessage                         []byte                               `aper:"ie=42,reject,mandatory,octets"`
	AMFSetID                            AMFSetID                             `aper:"ie=3,reject,mandatory"`
	AllowedNSSAI                        AllowedNSSAI                         `aper:"ie=0,reject"`
	SourceToTargetAMFInformationReroute *SourceToTargetAMFInformationReroute `aper:"ie=171,ignore"`
	MessageIEs
}
