// SPDX-License-Identifier: Apache-2.0

package ngap

// InitialContextSetupRequest is the initiating message of procedure 14.
type InitialContextSetupRequest struct {
	AMFUENGAPID                          AMFUENGAPID                          `aper:"ie=10,reject,mandatory"`
	RANUENGAPID                          RANUENGAPID                          `aper:"ie=85,reject,mandatory"`
	OldAMF                               AMFName                              `aper:"ie=48,reject"`
	UEAggregateMaximumBitRate            *UEAggregateMaximumBitRate           `aper:"ie=110,reject"`
	GUAMI                                GUAMI                                `aper:"ie=28,reject,mandatory"`
	PDUSessionResourceSetupListCxtReq    PDUSessionResourceSetupListCxtReq    `aper:"ie=71,reject"`
	AllowedNSSAI                         AllowedNSSAI                         `aper:"ie=0,reject,mandatory"`
	UESecurityCapabilities               UESecurityCapabilities               `aper:"ie=119,reject,mandatory"`
	SecurityKey                          SecurityKey                          `aper:"ie=94,reject,mandatory"`
	TraceActivation                      *TraceActivation                     `aper:"ie=108,ignore"`
	MobilityRestrictionList              *MobilityRestrictionList             `aper:"ie=36,ignore"`
	UERadioCapability                    UERadioCapability                    `aper:"ie=117,ignore"`
	IndexToRFSP                          *IndexToRFSP                         `aper:"ie=31,ignore"`
	MaskedIMEISV                         *MaskedIMEISV                        `aper:"ie=34,ignore"`
	NASPDU                               NASPDU                               `aper:"ie=38,ignore"`
	EmergencyFallbackIndicator           *EmergencyFallbackIndicator          `aper:"ie=24,reject"`
	RRCInactiveTransitionReportRequest   *RRCInactiveTransitionReportRequest  `aper:"ie=91,ignore"`
	RedirectionVoiceFallback             *RedirectionVoiceFallback            `aper:"ie=146,ignore"`
	LocationReportingRequestType         *LocationReportingRequestType        `aper:"ie=33,ignore"`
	SRVCCOperationPossible               *SRVCCOperationPossible              `aper:"ie=177,ignore"`
	IABAuthorized                        *IABAuthorized                       `aper:"ie=199,ignore"`
	EnhancedCoverageRestriction          *EnhancedCoverageRestriction         `aper:"ie=205,ignore"`
	ExtendedConnectedTime                *ExtendedConnectedTime               `aper:"ie=206,ignore"`
	UEDifferentiationInfo                *UEDifferentiationInfo               `aper:"ie=209,ignore"`
	CEmodeBrestricted                    *CEmodeBrestricted                   `aper:"ie=222,ignore"`
	RGLevelWirelineAccessCharacteristics RGLevelWirelineAccessCharacteristics `aper:"ie=238,ignore"`
	UERadioCapabilityID                  UERadioCapabilityID                  `aper:"ie=264,reject"`
	TargetNSSAIInformation               *TargetNSSAIInformation              `aper:"ie=334,ignore"`
	UESliceMaximumBitRateList            UESliceMaximumBitRateList            `aper:"ie=335,ignore"`
	MessageIEs
}

// InitialContextSetupResponse is the successful outcome of procedure 14.
type InitialContextSetupResponse struct {
	AMFUENGAPID                               AMFUENGAPID                               `aper:"ie=10,ignore,mandatory"`
	RANUENGAPID                               RANUENGAPID                               `aper:"ie=85,ignore,mandatory"`
	PDUSessionResourceSetupListCxtRes         PDUSessionResourceSetupListCxtRes         `aper:"ie=72,ignore"`
	PDUSessionResourceFailedToSetupListCxtRes PDUSessionResourceFailedToSetupListCxtRes `aper:"ie=55,ignore"`
	CriticalityDiagnostics                    *CriticalityDiagnostics                   `aper:"ie=19,ignore"`
	MessageIEs
}

// InitialContextSetupFailure is the unsuccessful outcome of procedure 14.
type InitialContextSetupFailure struct {
	AMFUENGAPID                                AMFUENGAPID                                `aper:"ie=10,ignore,mandatory"`
	RANUENGAPID                                RANUENGAPID                                `aper:"ie=85,ignore,mandatory"`
	PDUSessionResourceFailedToSetupListCxtFail PDUSessionResourceFailedToSetupListCxtFail `aper:"ie=132,ignore"`
	Cause                                      Cause                                      `aper:"ie=15,ignore,mandatory"`
	CriticalityDiagnostics                     *CriticalityDiagnostics                    `aper:"ie=19,ignore"`
	MessageIEs
}

// UEContextModificationRequest is the initiating message of procedure 40.
type UEContextModificationRequest struct {
	AMFUENGAPID                          AMFUENGAPID                          `aper:"ie=10,reject,mandatory"`
	RANUENGAPID                          RANUENGAPID                          `aper:"ie=85,reject,mandatory"`
	RANPagingPriority                    *RANPagingPriority                   `aper:"ie=83,ignore"`
	SecurityKey                          *SecurityKey                         `aper:"ie=94,reject"`
	IndexToRFSP                          *IndexToRFSP                         `aper:"ie=31,ignore"`
	UEAggregateMaximumBitRate            *UEAggregateMaximumBitRate           `aper:"ie=110,ignore"`
	UESecurityCapabilities               *UESecurityCapabilities              `aper:"ie=119,reject"`
	EmergencyFallbackIndicator           *EmergencyFallbackIndicator          `aper:"ie=24,reject"`
	NewAMFUENGAPID                       *AMFUENGAPID                         `aper:"ie=40,reject"`
	RRCInactiveTransitionReportRequest   *RRCInactiveTransitionReportRequest  `aper:"ie=91,ignore"`
	NewGUAMI                             *GUAMI                               `aper:"ie=162,reject"`
	SRVCCOperationPossible               *SRVCCOperationPossible              `aper:"ie=177,ignore"`
	IABAuthorized                        *IABAuthorized                       `aper:"ie=199,ignore"`
	UERadioCapabilityID                  UERadioCapabilityID                  `aper:"ie=264,reject"`
	RGLevelWirelineAccessCharacteristics RGLevelWirelineAccessCharacteristics `aper:"ie=238,ignore"`
	UESliceMaximumBitRateList            UESliceMaximumBitRateList            `aper:"ie=335,ignore"`
	MessageIEs
}

// UEContextModificationResponse is the successful outcome of procedure 40.
type UEContextModificationResponse struct {
	AMFUENGAPID             AMFUENGAPID              `aper:"ie=10,ignore,mandatory"`
	RANUENGAPID             RANUENGAPID              `aper:"ie=85,ignore,mandatory"`
	RRCState                *RRCState                `aper:"ie=92,ignore"`
	UserLocationInformation *UserLocationInformation `aper:"ie=121,ignore"`
	CriticalityDiagnostics  *CriticalityDiagnostics  `aper:"ie=19,ignore"`
	MessageIEs
}

// UEContextModificationFailure is the unsuccessful outcome of procedure 40.
type UEContextModificationFailure struct {
	AMFUENGAPID            AMFUENGAPID             `aper:"ie=10,ignore,mandatory"`
	RANUENGAPID            RANUENGAPID             `aper:"ie=85,ignore,mandatory"`
	Cause                  Cause                   `aper:"ie=15,ignore,mandatory"`
	CriticalityDiagnostics *CriticalityDiagnostics `aper:"ie=19,ignore"`
	MessageIEs
}

// UEContextReleaseRequest is the initiating message of procedure 42.
type UEContextReleaseRequest struct {
	AMFUENGAPID                     AMFUENGAPID                     `aper:"ie=10,reject,mandatory"`
	RANUENGAPID                     RANUENGAPID                     `aper:"ie=85,reject,mandatory"`
	PDUSessionResourceListCxtRelReq PDUSessionResourceListCxtRelReq `aper:"ie=133,reject"`
	Cause                           Cause                           `aper:"ie=15,ignore,mandatory"`
	MessageIEs
}

// UEContextReleaseCommand is the initiating message of procedure 41.
type UEContextReleaseCommand struct {
	UENGAPIDs UENGAPIDs `aper:"ie=114,reject,mandatory"`
	Cause     Cause     `aper:"ie=15,ignore,mandatory"`
	MessageIEs
}

// UEContextReleaseComplete is the successful outcome of procedure 41.
type UEContextReleaseComplete struct {
	AMFUENGAPID                     AMFUENGAPID                     `aper:"ie=10,ignore,mandatory"`
	RANUENGAPID                     RANUENGAPID                     `aper:"ie=85,ignore,mandatory"`
	UserLocationInformation         *UserLocationInformation        `aper:"ie=121,ignore"`
	PDUSessionResourceListCxtRelCpl PDUSessionResourceListCxtRelCpl `aper:"ie=60,reject"`
	CriticalityDiagnostics          *CriticalityDiagnostics         `aper:"ie=19,ignore"`
	MessageIEs
}

// UETNLABindingReleaseRequest is the initiating message of procedure 45.
type UETNLABindingReleaseRequest struct {
	AMFUENGAPID AMFUENGAPID `aper:"ie=10,reject,mandatory"`
	RANUENGAPID RANUENGAPID `aper:"ie=85,reject,mandatory"`
	MessageIEs
}
