// SPDX-License-Identifier: Apache-2.0

package ngap

// PDUSessionResourceSetupRequest is the initiating message of procedure 29.
type PDUSessionResourceSetupRequest struct {
	AMFUENGAPID                      AMFUENGAPID                      `aper:"ie=10,reject,mandatory"`
	RANUENGAPID                      RANUENGAPID                      `aper:"ie=85,reject,mandatory"`
	RANPagingPriority                *RANPagingPriority               `aper:"ie=83,ignore"`
	NASPDU                           NASPDU                           `aper:"ie=38,reject"`
	PDUSessionResourceSetupListSUReq PDUSessionResourceSetupListSUReq `aper:"ie=74,reject,mandatory"`
	UEAggregateMaximumBitRate        *UEAggregateMaximumBitRate       `aper:"ie=110,ignore"`
	UESliceMaximumBitRateList        UESliceMaximumBitRateList        `aper:"ie=335,ignore"`
	MessageIEs
}

// PDUSessionResourceSetupResponse is the successful outcome of procedure 29.
type PDUSessionResourceSetupResponse struct {
	AMFUENGAPID                              AMFUENGAPID                              `aper:"ie=10,ignore,mandatory"`
	RANUENGAPID                              RANUENGAPID                              `aper:"ie=85,ignore,mandatory"`
	PDUSessionResourceSetupListSURes         PDUSessionResourceSetupListSURes         `aper:"ie=75,ignore"`
	PDUSessionResourceFailedToSetupListSURes PDUSessionResourceFailedToSetupListSURes `aper:"ie=58,ignore"`
	CriticalityDiagnostics                   *CriticalityDiagnostics                  `aper:"ie=19,ignore"`
	UserLocationInformation                  *UserLocationInformation                 `aper:"ie=121,ignore"`
	MessageIEs
}

// PDUSessionResourceModifyRequest is the initiating message of procedure 26.
type PDUSessionResourceModifyRequest struct {
	AMFUENGAPID                        AMFUENGAPID                        `aper:"ie=10,reject,mandatory"`
	RANUENGAPID                        RANUENGAPID                        `aper:"ie=85,reject,mandatory"`
	RANPagingPriority                  *RANPagingPriority                 `aper:"ie=83,ignore"`
	PDUSessionResourceModifyListModReq PDUSessionResourceModifyListModReq `aper:"ie=64,reject,mandatory"`
	MessageIEs
}

// PDUSessionResourceModifyResponse is the successful outcome of procedure 26.
type PDUSessionResourceModifyResponse struct {
	AMFUENGAPID                                AMFUENGAPID                                `aper:"ie=10,ignore,mandatory"`
	RANUENGAPID                                RANUENGAPID                                `aper:"ie=85,ignore,mandatory"`
	PDUSessionResourceModifyListModRes         PDUSessionResourceModifyListModRes         `aper:"ie=65,ignore"`
	PDUSessionResourceFailedToModifyListModRes PDUSessionResourceFailedToModifyListModRes `aper:"ie=54,ignore"`
	UserLocationInformation                    *UserLocationInformation                   `aper:"ie=121,ignore"`
	CriticalityDiagnostics                     *CriticalityDiagnostics                    `aper:"ie=19,ignore"`
	MessageIEs
}

// PDUSessionResourceModifyIndication is the initiating message of procedure 27.
type PDUSessionResourceModifyIndication struct {
	AMFUENGAPID                        AMFUENGAPID                        `aper:"ie=10,reject,mandatory"`
	RANUENGAPID                        RANUENGAPID                        `aper:"ie=85,reject,mandatory"`
	PDUSessionResourceModifyListModInd PDUSessionResourceModifyListModInd `aper:"ie=63,reject,mandatory"`
	UserLocationInformation            *UserLocationInformation           `aper:"ie=121,ignore"`
	MessageIEs
}

// PDUSessionResourceModifyConfirm is the successful outcome of procedure 27.
type PDUSessionResourceModifyConfirm struct {
	AMFUENGAPID                                AMFUENGAPID                                `aper:"ie=10,ignore,mandatory"`
	RANUENGAPID                                RANUENGAPID                                `aper:"ie=85,ignore,mandatory"`
	PDUSessionResourceModifyListModCfm         PDUSessionResourceModifyListModCfm         `aper:"ie=62,ignore"`
	PDUSessionResourceFailedToModifyListModCfm PDUSessionResourceFailedToModifyListModCfm `aper:"ie=131,ignore"`
	CriticalityDiagnostics                     *CriticalityDiagnostics                    `aper:"ie=19,ignore"`
	MessageIEs
}

// PDUSessionResourceNotify is the initiating message of procedure 30.
type PDUSessionResourceNotify struct {
	AMFUENGAPID                       AMFUENGAPID                       `aper:"ie=10,reject,mandatory"`
	RANUENGAPID                       RANUENGAPID                       `aper:"ie=85,reject,mandatory"`
	PDUSessionResourceNotifyList      PDUSessionResourceNotifyList      `aper:"ie=66,reject"`
	PDUSessionResourceReleasedListNot PDUSessionResourceReleasedListNot `aper:"ie=67,ignore"`
	UserLocationInformation           *UserLocationInformation          `aper:"ie=121,ignore"`
	MessageIEs
}

// PDUSessionResourceReleaseCommand is the initiating message of procedure 28.
type PDUSessionResourceReleaseCommand struct {
	AMFUENGAPID                           AMFUENGAPID                           `aper:"ie=10,reject,mandatory"`
	RANUENGAPID                           RANUENGAPID                           `aper:"ie=85,reject,mandatory"`
	RANPagingPriority                     *RANPagingPriority                    `aper:"ie=83,ignore"`
	NASPDU                                NASPDU                                `aper:"ie=38,ignore"`
	PDUSessionResourceToReleaseListRelCmd PDUSessionResourceToReleaseListRelCmd `aper:"ie=79,reject,mandatory"`
	MessageIEs
}

// PDUSessionResourceReleaseResponse is the successful outcome of procedure 28.
type PDUSessionResourceReleaseResponse struct {
	AMFUENGAPID                          AMFUENGAPID                          `aper:"ie=10,ignore,mandatory"`
	RANUENGAPID                          RANUENGAPID                          `aper:"ie=85,ignore,mandatory"`
	PDUSessionResourceReleasedListRelRes PDUSessionResourceReleasedListRelRes `aper:"ie=70,ignore,mandatory"`
	UserLocationInformation              *UserLocationInformation             `aper:"ie=121,ignore"`
	CriticalityDiagnostics               *CriticalityDiagnostics              `aper:"ie=19,ignore"`
	MessageIEs
}
