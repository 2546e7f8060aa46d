// SPDX-License-Identifier: Apache-2.0

package ngap

// NGSetupRequest is the initiating message of procedure 21.
type NGSetupRequest struct {
	GlobalRANNodeID        GlobalRANNodeID         `aper:"ie=27,reject,mandatory"`
	RANNodeName            RANNodeName             `aper:"ie=82,ignore"`
	SupportedTAList        SupportedTAList         `aper:"ie=102,reject,mandatory"`
	DefaultPagingDRX       PagingDRX               `aper:"ie=21,ignore,mandatory"`
	UERetentionInformation *UERetentionInformation `aper:"ie=147,ignore"`
	NBIoTDefaultPagingDRX  *NBIoTDefaultPagingDRX  `aper:"ie=204,ignore"`
	ExtendedRANNodeName    *ExtendedRANNodeName    `aper:"ie=273,ignore"`
	MessageIEs
}

// NGSetupResponse is the successful outcome of procedure 21.
type NGSetupResponse struct {
	AMFName                AMFName                 `aper:"ie=1,reject,mandatory"`
	ServedGUAMIList        ServedGUAMIList         `aper:"ie=96,reject,mandatory"`
	RelativeAMFCapacity    RelativeAMFCapacity     `aper:"ie=86,ignore,mandatory"`
	PLMNSupportList        PLMNSupportList         `aper:"ie=80,reject,mandatory"`
	CriticalityDiagnostics *CriticalityDiagnostics `aper:"ie=19,ignore"`
	UERetentionInformation *UERetentionInformation `aper:"ie=147,ignore"`
	IABSupported           *IABSupported           `aper:"ie=200,ignore"`
	ExtendedAMFName        *ExtendedAMFName        `aper:"ie=274,ignore"`
	MessageIEs
}

// NGSetupFailure is the unsuccessful outcome of procedure 21.
type NGSetupFailure struct {
	Cause                  Cause                   `aper:"ie=15,ignore,mandatory"`
	TimeToWait             *TimeToWait             `aper:"ie=107,ignore"`
	CriticalityDiagnostics *CriticalityDiagnostics `aper:"ie=19,ignore"`
	MessageIEs
}

// NGReset is the initiating message of procedure 20.
type NGReset struct {
	Cause     Cause     `aper:"ie=15,ignore,mandatory"`
	ResetType ResetType `aper:"ie=88,reject,mandatory"`
	MessageIEs
}

// NGResetAcknowledge is the successful outcome of procedure 20.
type NGResetAcknowledge struct {
	UEAssociatedLogicalNGConnectionList UEAssociatedLogicalNGConnectionList `aper:"ie=111,ignore"`
	CriticalityDiagnostics              *CriticalityDiagnostics             `aper:"ie=19,ignore"`
	MessageIEs
}

// RANConfigurationUpdate is the initiating message of procedure 35.
type RANConfigurationUpdate struct {
	RANNodeName                     RANNodeName                     `aper:"ie=82,ignore"`
	SupportedTAList                 SupportedTAList                 `aper:"ie=102,reject"`
	DefaultPagingDRX                *PagingDRX                      `aper:"ie=21,ignore"`
	GlobalRANNodeID                 *GlobalRANNodeID                `aper:"ie=27,ignore"`
	NGRANTNLAssociationToRemoveList NGRANTNLAssociationToRemoveList `aper:"ie=167,reject"`
	NBIoTDefaultPagingDRX           *NBIoTDefaultPagingDRX          `aper:"ie=204,ignore"`
	ExtendedRANNodeName             *ExtendedRANNodeName            `aper:"ie=273,ignore"`
	MessageIEs
}

// RANConfigurationUpdateAcknowledge is the successful outcome of procedure 35.
type RANConfigurationUpdateAcknowledge struct {
	CriticalityDiagnostics *CriticalityDiagnostics `aper:"ie=19,ignore"`
	MessageIEs
}

// RANConfigurationUpdateFailure is the unsuccessful outcome of procedure 35.
type RANConfigurationUpdateFailure struct {
	Cause                  Cause                   `aper:"ie=15,ignore,mandatory"`
	TimeToWait             *TimeToWait             `aper:"ie=107,ignore"`
	CriticalityDiagnostics *CriticalityDiagnostics `aper:"ie=19,ignore"`
	MessageIEs
}

// AMFConfigurationUpdate is the initiating message of procedure 0.
type AMFConfigurationUpdate struct {
	AMFName                       AMFName                       `aper:"ie=1,reject"`
	ServedGUAMIList               ServedGUAMIList               `aper:"ie=96,reject"`
	RelativeAMFCapacity           *RelativeAMFCapacity          `aper:"ie=86,ignore"`
	PLMNSupportList               PLMNSupportList               `aper:"ie=80,reject"`
	AMFTNLAssociationToAddList    AMFTNLAssociationToAddList    `aper:"ie=6,ignore"`
	AMFTNLAssociationToRemoveList AMFTNLAssociationToRemoveList `aper:"ie=7,ignore"`
	AMFTNLAssociationToUpdateList AMFTNLAssociationToUpdateList `aper:"ie=8,ignore"`
	ExtendedAMFName               *ExtendedAMFName              `aper:"ie=274,ignore"`
	MessageIEs
}

// AMFConfigurationUpdateAcknowledge is the successful outcome of procedure 0.
type AMFConfigurationUpdateAcknowledge struct {
	AMFTNLAssociationSetupList         AMFTNLAssociationSetupList `aper:"ie=5,ignore"`
	AMFTNLAssociationFailedToSetupList TNLAssociationList         `aper:"ie=4,ignore"`
	CriticalityDiagnostics             *CriticalityDiagnostics    `aper:"ie=19,ignore"`
	MessageIEs
}

// AMFConfigurationUpdateFailure is the unsuccessful outcome of procedure 0.
type AMFConfigurationUpdateFailure struct {
	Cause                  Cause                   `aper:"ie=15,ignore,mandatory"`
	TimeToWait             *TimeToWait             `aper:"ie=107,ignore"`
	CriticalityDiagnostics *CriticalityDiagnostics `aper:"ie=19,ignore"`
	MessageIEs
}

// AMFStatusIndication is the initiating message of procedure 1.
type AMFStatusIndication struct {
	UnavailableGUAMIList UnavailableGUAMIList `aper:"ie=120,reject,mandatory"`
	MessageIEs
}
