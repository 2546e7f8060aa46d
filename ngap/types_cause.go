// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// Cause: see TS 38.413 9.4.5.
type Cause struct {
	_                struct{} `aper:"choice"`
	RadioNetwork     *CauseRadioNetwork
	Transport        *CauseTransport
	Nas              *CauseNas
	Protocol         *CauseProtocol
	Misc             *CauseMisc
	ChoiceExtensions *aper.RawIE
}

// CauseRadioNetwork: see TS 38.413 9.4.5.
type CauseRadioNetwork uint16

const (
	CauseRadioNetworkUnspecified CauseRadioNetwork = iota
	CauseRadioNetworkTxnrelocoverallExpiry
	CauseRadioNetworkSuccessfulHandover
	CauseRadioNetworkReleaseDueToNgranGeneratedReason
	CauseRadioNetworkReleaseDueTo5gcGeneratedReason
	CauseRadioNetworkHandoverCancelled
	CauseRadioNetworkPartialHandover
	CauseRadioNetworkHoFailureInTarget5GCNgranNodeOrTargetSystem
	CauseRadioNetworkHoTargetNotAllowed
	CauseRadioNetworkTngrelocoverallExpiry
	CauseRadioNetworkTngrelocprepExpiry
	CauseRadioNetworkCellNotAvailable
	CauseRadioNetworkUnknownTargetID
	CauseRadioNetworkNoRadioResourcesAvailableInTargetCell
	CauseRadioNetworkUnknownLocalUENGAPID
	CauseRadioNetworkInconsistentRemoteUENGAPID
	CauseRadioNetworkHandoverDesirableForRadioReason
	CauseRadioNetworkTimeCriticalHandover
	CauseRadioNetworkResourceOptimisationHandover
	CauseRadioNetworkReduceLoadInServingCell
	CauseRadioNetworkUserInactivity
	CauseRadioNetworkRadioConnectionWithUeLost
	CauseRadioNetworkRadioResourcesNotAvailable
	CauseRadioNetworkInvalidQosCombination
	CauseRadioNetworkFailureInRadioInterfaceProcedure
	CauseRadioNetworkInteractionWithOtherProcedure
	CauseRadioNetworkUnknownPDUSessionID
	CauseRadioNetworkUnkownQosFlowID
	CauseRadioNetworkMultiplePDUSessionIDInstances
	CauseRadioNetworkMultipleQosFlowIDInstances
	CauseRadioNetworkEncryptionAndOrIntegrityProtectionAlgorithmsNotSupported
	CauseRadioNetworkNgIntraSystemHandoverTriggered
	CauseRadioNetworkNgInterSystemHandoverTriggered
	CauseRadioNetworkXnHandoverTriggered
	CauseRadioNetworkNotSupported5QIValue
	CauseRadioNetworkUeContextTransfer
	CauseRadioNetworkImsVoiceEpsFallbackOrRatFallbackTriggered
	CauseRadioNetworkUpIntegrityProtectionNotPossible
	CauseRadioNetworkUpConfidentialityProtectionNotPossible
	CauseRadioNetworkSliceNotSupported
	CauseRadioNetworkUeInRrcInactiveStateNotReachable
	CauseRadioNetworkRedirection
	CauseRadioNetworkResourcesNotAvailableForTheSlice
	CauseRadioNetworkUeMaxIntegrityProtectedDataRateReason
	CauseRadioNetworkReleaseDueToCnDetectedMobility
	CauseRadioNetworkN26InterfaceNotAvailable
	CauseRadioNetworkReleaseDueToPreEmption
	CauseRadioNetworkMultipleLocationReportingReferenceIDInstances
	CauseRadioNetworkRsnNotAvailableForTheUp
	CauseRadioNetworkNpnAccessDenied
	CauseRadioNetworkCagOnlyAccessDenied
	CauseRadioNetworkInsufficientUeCapabilities
	CauseRadioNetworkRedcapUeNotSupported
	CauseRadioNetworkUnknownMBSSessionID
	CauseRadioNetworkIndicatedMBSSessionAreaInformationNotServedByTheGNB
	CauseRadioNetworkInconsistentSliceInfoForTheSession
	CauseRadioNetworkMisalignedAssociationForMulticastUnicast
	CauseRadioNetworkEredcapUeNotSupported
	CauseRadioNetworkTwoRxXrUeNotSupported
	CauseRadioNetworkAerialUeFlightInformationReportingInitiationFailure
	CauseRadioNetworkUnknownRANAIoTDeviceNGAPID
	CauseRadioNetworkRequestedAIoTServiceAreaInformationNotServedByTheGNB
	CauseRadioNetworkUnknownAIoTSession
	CauseRadioNetworkAiotDeviceNotReachable
	CauseRadioNetworkMultipleAIoTSessionIDInstances
)

func (CauseRadioNetwork) APER() string {
	return "enum(unspecified txnrelocoverall-expiry successful-handover release-due-to-ngran-generated-reason " +
		"release-due-to-5gc-generated-reason handover-cancelled partial-handover " +
		"ho-failure-in-target-5GC-ngran-node-or-target-system ho-target-not-allowed tngrelocoverall-expiry tngrelocprep-expiry " +
		"cell-not-available unknown-targetID no-radio-resources-available-in-target-cell unknown-local-UE-NGAP-ID " +
		"inconsistent-remote-UE-NGAP-ID handover-desirable-for-radio-reason time-critical-handover resource-optimisation-handover " +
		"reduce-load-in-serving-cell user-inactivity radio-connection-with-ue-lost radio-resources-not-available " +
		"invalid-qos-combination failure-in-radio-interface-procedure interaction-with-other-procedure unknown-PDU-session-ID " +
		"unkown-qos-flow-ID multiple-PDU-session-ID-instances multiple-qos-flow-ID-instances " +
		"encryption-and-or-integrity-protection-algorithms-not-supported ng-intra-system-handover-triggered " +
		"ng-inter-system-handover-triggered xn-handover-triggered not-supported-5QI-value ue-context-transfer " +
		"ims-voice-eps-fallback-or-rat-fallback-triggered up-integrity-protection-not-possible " +
		"up-confidentiality-protection-not-possible slice-not-supported ue-in-rrc-inactive-state-not-reachable redirection " +
		"resources-not-available-for-the-slice ue-max-integrity-protected-data-rate-reason release-due-to-cn-detected-mobility " +
		"... n26-interface-not-available release-due-to-pre-emption multiple-location-reporting-reference-ID-instances " +
		"rsn-not-available-for-the-up npn-access-denied cag-only-access-denied insufficient-ue-capabilities " +
		"redcap-ue-not-supported unknown-MBS-Session-ID indicated-MBS-session-area-information-not-served-by-the-gNB " +
		"inconsistent-slice-info-for-the-session misaligned-association-for-multicast-unicast eredcap-ue-not-supported " +
		"two-rx-xr-ue-not-supported aerial-ue-flight-information-reporting-initiation-failure unknown-RAN-AIoT-Device-NGAP-ID " +
		"requested-AIoT-service-area-information-not-served-by-the-gNB unknown-AIoT-session aiot-device-not-reachable " +
		"multiple-AIoT-session-ID-instances)"
}
func (v CauseRadioNetwork) String() string { return aper.EnumString(v) }

// CauseTransport: see TS 38.413 9.4.5.
type CauseTransport uint16

const (
	CauseTransportTransportResourceUnavailable CauseTransport = iota
	CauseTransportUnspecified
)

func (CauseTransport) APER() string     { return "enum(transport-resource-unavailable unspecified ...)" }
func (v CauseTransport) String() string { return aper.EnumString(v) }

// CauseNas: see TS 38.413 9.4.5.
type CauseNas uint16

const (
	CauseNasNormalRelease CauseNas = iota
	CauseNasAuthenticationFailure
	CauseNasDeregister
	CauseNasUnspecified
	CauseNasUENotInPLMNServingArea
	CauseNasMobileIABNotAuthorized
	CauseNasIABNotAuthorized
	CauseNasNoAiotNASResponse
)

func (CauseNas) APER() string {
	return "enum(normal-release authentication-failure deregister unspecified ... uE-not-in-PLMN-serving-area " +
		"mobile-IAB-not-authorized iAB-not-authorized no-aiot-NAS-response)"
}
func (v CauseNas) String() string { return aper.EnumString(v) }

// CauseProtocol: see TS 38.413 9.4.5.
type CauseProtocol uint16

const (
	CauseProtocolTransferSyntaxError CauseProtocol = iota
	CauseProtocolAbstractSyntaxErrorReject
	CauseProtocolAbstractSyntaxErrorIgnoreAndNotify
	CauseProtocolMessageNotCompatibleWithReceiverState
	CauseProtocolSemanticError
	CauseProtocolAbstractSyntaxErrorFalselyConstructedMessage
	CauseProtocolUnspecified
)

func (CauseProtocol) APER() string {
	return "enum(transfer-syntax-error abstract-syntax-error-reject abstract-syntax-error-ignore-and-notify " +
		"message-not-compatible-with-receiver-state semantic-error abstract-syntax-error-falsely-constructed-message unspecified " +
		"...)"
}
func (v CauseProtocol) String() string { return aper.EnumString(v) }

// CauseMisc: see TS 38.413 9.4.5.
type CauseMisc uint16

const (
	CauseMiscControlProcessingOverload CauseMisc = iota
	CauseMiscNotEnoughUserPlaneProcessingResources
	CauseMiscHardwareFailure
	CauseMiscOmIntervention
	CauseMiscUnknownPLMNOrSNPN
	CauseMiscUnspecified
)

func (CauseMisc) APER() string {
	return "enum(control-processing-overload not-enough-user-plane-processing-resources hardware-failure om-intervention unknown-PLMN-or-SNPN unspecified ...)"
}
func (v CauseMisc) String() string { return aper.EnumString(v) }

// CriticalityDiagnostics: see TS 38.413 9.4.5.
type CriticalityDiagnostics struct {
	ProcedureCode             *ProcedureCode               `aper:"optional"`
	TriggeringMessage         *TriggeringMessage           `aper:"optional"`
	ProcedureCriticality      *Criticality                 `aper:"optional"`
	IEsCriticalityDiagnostics CriticalityDiagnosticsIEList `aper:"optional"`
	IEExtensions              *aper.Unmodelled
}

// CriticalityDiagnosticsIEItem is CriticalityDiagnostics-IE-Item of TS 38.413 9.4.5.
type CriticalityDiagnosticsIEItem struct {
	IECriticality Criticality
	IEID          ProtocolIEID
	TypeOfError   TypeOfError
	IEExtensions  *aper.Unmodelled
}

// CriticalityDiagnosticsIEList is CriticalityDiagnostics-IE-List of TS 38.413 9.4.5.
type CriticalityDiagnosticsIEList []CriticalityDiagnosticsIEItem

func (CriticalityDiagnosticsIEList) APER() string { return "list(1..256)" }

// TriggeringMessage: see TS 38.413 9.4.5.
type TriggeringMessage uint16

const (
	TriggeringMessageInitiatingMessage TriggeringMessage = iota
	TriggeringMessageSuccessfulOutcome
	TriggeringMessageUnsuccessfulOutcome
)

func (TriggeringMessage) APER() string {
	return "enum(initiating-message successful-outcome unsuccessful-outcome)"
}
func (v TriggeringMessage) String() string { return aper.EnumString(v) }

// TypeOfError: see TS 38.413 9.4.5.
type TypeOfError uint16

const (
	TypeOfErrorNotUnderstood TypeOfError = iota
	TypeOfErrorMissing
)

func (TypeOfError) APER() string     { return "enum(not-understood missing ...)" }
func (v TypeOfError) String() string { return aper.EnumString(v) }
