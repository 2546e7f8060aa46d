// SPDX-License-Identifier: Apache-2.0

package ngap

// Procedure codes, TS 38.413 9.4.7.
const (
	ProcedureAMFConfigurationUpdate                ProcedureCode = 0
	ProcedureAMFStatusIndication                   ProcedureCode = 1
	ProcedureCellTrafficTrace                      ProcedureCode = 2
	ProcedureDeactivateTrace                       ProcedureCode = 3
	ProcedureDownlinkNASTransport                  ProcedureCode = 4
	ProcedureDownlinkNonUEAssociatedNRPPaTransport ProcedureCode = 5
	ProcedureDownlinkRANConfigurationTransfer      ProcedureCode = 6
	ProcedureDownlinkRANStatusTransfer             ProcedureCode = 7
	ProcedureDownlinkUEAssociatedNRPPaTransport    ProcedureCode = 8
	ProcedureErrorIndication                       ProcedureCode = 9
	ProcedureHandoverCancel                        ProcedureCode = 10
	ProcedureHandoverNotify                        ProcedureCode = 11
	ProcedureHandoverRequired                      ProcedureCode = 12
	ProcedureHandoverRequest                       ProcedureCode = 13
	ProcedureInitialContextSetup                   ProcedureCode = 14
	ProcedureInitialUEMessage                      ProcedureCode = 15
	ProcedureLocationReportingControl              ProcedureCode = 16
	ProcedureLocationReportingFailureIndication    ProcedureCode = 17
	ProcedureLocationReport                        ProcedureCode = 18
	ProcedureNASNonDeliveryIndication              ProcedureCode = 19
	ProcedureNGReset                               ProcedureCode = 20
	ProcedureNGSetup                               ProcedureCode = 21
	ProcedureOverloadStart                         ProcedureCode = 22
	ProcedureOverloadStop                          ProcedureCode = 23
	ProcedurePaging                                ProcedureCode = 24
	ProcedurePathSwitchRequest                     ProcedureCode = 25
	ProcedurePDUSessionResourceModify              ProcedureCode = 26
	ProcedurePDUSessionResourceModifyIndication    ProcedureCode = 27
	ProcedurePDUSessionResourceRelease             ProcedureCode = 28
	ProcedurePDUSessionResourceSetup               ProcedureCode = 29
	ProcedurePDUSessionResourceNotify              ProcedureCode = 30
	ProcedurePrivateMessage                        ProcedureCode = 31
	ProcedurePWSCancelRequest                      ProcedureCode = 32
	ProcedurePWSFailureIndication                  ProcedureCode = 33
	ProcedurePWSRestartIndication                  ProcedureCode = 34
	ProcedureRANConfigurationUpdate                ProcedureCode = 35
	ProcedureRerouteNASRequest                     ProcedureCode = 36
	ProcedureRRCInactiveTransitionReport           ProcedureCode = 37
	ProcedureTraceFailureIndication                ProcedureCode = 38
	ProcedureTraceStart                            ProcedureCode = 39
	ProcedureUEContextModification                 ProcedureCode = 40
	ProcedureUEContextRelease                      ProcedureCode = 41
	ProcedureUEContextReleaseRequest               ProcedureCode = 42
	ProcedureUERadioCapabilityCheckRequest         ProcedureCode = 43
	ProcedureUERadioCapabilityInfoIndication       ProcedureCode = 44
	ProcedureUETNLABindingRelease                  ProcedureCode = 45
	ProcedureUplinkNASTransport                    ProcedureCode = 46
	ProcedureUplinkNonUEAssociatedNRPPaTransport   ProcedureCode = 47
	ProcedureUplinkRANConfigurationTransfer        ProcedureCode = 48
	ProcedureUplinkRANStatusTransfer               ProcedureCode = 49
	ProcedureUplinkUEAssociatedNRPPaTransport      ProcedureCode = 50
	ProcedureWriteReplaceWarningRequest            ProcedureCode = 51
	ProcedureSecondaryRATDataUsageReport           ProcedureCode = 52
	ProcedureUplinkRIMInformationTransfer          ProcedureCode = 53
	ProcedureDownlinkRIMInformationTransfer        ProcedureCode = 54
	ProcedureRetrieveUEInformation                 ProcedureCode = 55
	ProcedureUEInformationTransfer                 ProcedureCode = 56
	ProcedureRANCPRelocationIndication             ProcedureCode = 57
	ProcedureUEContextResumeRequest                ProcedureCode = 58
	ProcedureUEContextSuspendRequest               ProcedureCode = 59
	ProcedureUERadioCapabilityIDMappingRequest     ProcedureCode = 60
	ProcedureHandoverSuccess                       ProcedureCode = 61
	ProcedureUplinkRANEarlyStatusTransfer          ProcedureCode = 62
	ProcedureDownlinkRANEarlyStatusTransfer        ProcedureCode = 63
	ProcedureAMFCPRelocationIndication             ProcedureCode = 64
	ProcedureConnectionEstablishmentIndication     ProcedureCode = 65
	ProcedureBroadcastSessionModificationRequest   ProcedureCode = 66
	ProcedureBroadcastSessionReleaseRequest        ProcedureCode = 67
	ProcedureBroadcastSessionSetupRequest          ProcedureCode = 68
	ProcedureDistributionSetupRequest              ProcedureCode = 69
	ProcedureDistributionReleaseRequest            ProcedureCode = 70
	ProcedureMulticastSessionActivationRequest     ProcedureCode = 71
	ProcedureMulticastSessionDeactivationRequest   ProcedureCode = 72
	ProcedureMulticastSessionUpdateRequest         ProcedureCode = 73
	ProcedureMulticastGroupPaging                  ProcedureCode = 74
	ProcedureBroadcastSessionReleaseRequired       ProcedureCode = 75
	ProcedureTimingSynchronisationStatusRequest    ProcedureCode = 76
	ProcedureTimingSynchronisationStatusReport     ProcedureCode = 77
	ProcedureMTCommunicationHandlingRequest        ProcedureCode = 78
	ProcedureRANPagingRequest                      ProcedureCode = 79
	ProcedureBroadcastSessionTransportRequest      ProcedureCode = 80
	ProcedureNGRemovalRequest                      ProcedureCode = 81
	ProcedureInventoryRequest                      ProcedureCode = 82
	ProcedureInventoryReport                       ProcedureCode = 83
	ProcedureCommandRequest                        ProcedureCode = 84
	ProcedureAIOTSessionReleaseCommand             ProcedureCode = 85
	ProcedureAIOTSessionReleaseRequest             ProcedureCode = 86
)

var procedureNames = map[ProcedureCode]string{
	ProcedureAMFConfigurationUpdate:                "AMFConfigurationUpdate",
	ProcedureAMFStatusIndication:                   "AMFStatusIndication",
	ProcedureCellTrafficTrace:                      "CellTrafficTrace",
	ProcedureDeactivateTrace:                       "DeactivateTrace",
	ProcedureDownlinkNASTransport:                  "DownlinkNASTransport",
	ProcedureDownlinkNonUEAssociatedNRPPaTransport: "DownlinkNonUEAssociatedNRPPaTransport",
	ProcedureDownlinkRANConfigurationTransfer:      "DownlinkRANConfigurationTransfer",
	ProcedureDownlinkRANStatusTransfer:             "DownlinkRANStatusTransfer",
	ProcedureDownlinkUEAssociatedNRPPaTransport:    "DownlinkUEAssociatedNRPPaTransport",
	ProcedureErrorIndication:                       "ErrorIndication",
	ProcedureHandoverCancel:                        "HandoverCancel",
	ProcedureHandoverNotify:                        "HandoverNotify",
	ProcedureHandoverRequired:                      "HandoverRequired",
	ProcedureHandoverRequest:                       "HandoverRequest",
	ProcedureInitialContextSetup:                   "InitialContextSetup",
	ProcedureInitialUEMessage:                      "InitialUEMessage",
	ProcedureLocationReportingControl:              "LocationReportingControl",
	ProcedureLocationReportingFailureIndication:    "LocationReportingFailureIndication",
	ProcedureLocationReport:                        "LocationReport",
	ProcedureNASNonDeliveryIndication:              "NASNonDeliveryIndication",
	ProcedureNGReset:                               "NGReset",
	ProcedureNGSetup:                               "NGSetup",
	ProcedureOverloadStart:                         "OverloadStart",
	ProcedureOverloadStop:                          "OverloadStop",
	ProcedurePaging:                                "Paging",
	ProcedurePathSwitchRequest:                     "PathSwitchRequest",
	ProcedurePDUSessionResourceModify:              "PDUSessionResourceModify",
	ProcedurePDUSessionResourceModifyIndication:    "PDUSessionResourceModifyIndication",
	ProcedurePDUSessionResourceRelease:             "PDUSessionResourceRelease",
	ProcedurePDUSessionResourceSetup:               "PDUSessionResourceSetup",
	ProcedurePDUSessionResourceNotify:              "PDUSessionResourceNotify",
	ProcedurePrivateMessage:                        "PrivateMessage",
	ProcedurePWSCancelRequest:                      "PWSCancelRequest",
	ProcedurePWSFailureIndication:                  "PWSFailureIndication",
	ProcedurePWSRestartIndication:                  "PWSRestartIndication",
	ProcedureRANConfigurationUpdate:                "RANConfigurationUpdate",
	ProcedureRerouteNASRequest:                     "RerouteNASRequest",
	ProcedureRRCInactiveTransitionReport:           "RRCInactiveTransitionReport",
	ProcedureTraceFailureIndication:                "TraceFailureIndication",
	ProcedureTraceStart:                            "TraceStart",
	ProcedureUEContextModification:                 "UEContextModification",
	ProcedureUEContextRelease:                      "UEContextRelease",
	ProcedureUEContextReleaseRequest:               "UEContextReleaseRequest",
	ProcedureUERadioCapabilityCheckRequest:         "UERadioCapabilityCheckRequest",
	ProcedureUERadioCapabilityInfoIndication:       "UERadioCapabilityInfoIndication",
	ProcedureUETNLABindingRelease:                  "UETNLABindingRelease",
	ProcedureUplinkNASTransport:                    "UplinkNASTransport",
	ProcedureUplinkNonUEAssociatedNRPPaTransport:   "UplinkNonUEAssociatedNRPPaTransport",
	ProcedureUplinkRANConfigurationTransfer:        "UplinkRANConfigurationTransfer",
	ProcedureUplinkRANStatusTransfer:               "UplinkRANStatusTransfer",
	ProcedureUplinkUEAssociatedNRPPaTransport:      "UplinkUEAssociatedNRPPaTransport",
	ProcedureWriteReplaceWarningRequest:            "WriteReplaceWarningRequest",
	ProcedureSecondaryRATDataUsageReport:           "SecondaryRATDataUsageReport",
	ProcedureUplinkRIMInformationTransfer:          "UplinkRIMInformationTransfer",
	ProcedureDownlinkRIMInformationTransfer:        "DownlinkRIMInformationTransfer",
	ProcedureRetrieveUEInformation:                 "RetrieveUEInformation",
	ProcedureUEInformationTransfer:                 "UEInformationTransfer",
	ProcedureRANCPRelocationIndication:             "RANCPRelocationIndication",
	ProcedureUEContextResumeRequest:                "UEContextResumeRequest",
	ProcedureUEContextSuspendRequest:               "UEContextSuspendRequest",
	ProcedureUERadioCapabilityIDMappingRequest:     "UERadioCapabilityIDMappingRequest",
	ProcedureHandoverSuccess:                       "HandoverSuccess",
	ProcedureUplinkRANEarlyStatusTransfer:          "UplinkRANEarlyStatusTransfer",
	ProcedureDownlinkRANEarlyStatusTransfer:        "DownlinkRANEarlyStatusTransfer",
	ProcedureAMFCPRelocationIndication:             "AMFCPRelocationIndication",
	ProcedureConnectionEstablishmentIndication:     "ConnectionEstablishmentIndication",
	ProcedureBroadcastSessionModificationRequest:   "BroadcastSessionModificationRequest",
	ProcedureBroadcastSessionReleaseRequest:        "BroadcastSessionReleaseRequest",
	ProcedureBroadcastSessionSetupRequest:          "BroadcastSessionSetupRequest",
	ProcedureDistributionSetupRequest:              "DistributionSetupRequest",
	ProcedureDistributionReleaseRequest:            "DistributionReleaseRequest",
	ProcedureMulticastSessionActivationRequest:     "MulticastSessionActivationRequest",
	ProcedureMulticastSessionDeactivationRequest:   "MulticastSessionDeactivationRequest",
	ProcedureMulticastSessionUpdateRequest:         "MulticastSessionUpdateRequest",
	ProcedureMulticastGroupPaging:                  "MulticastGroupPaging",
	ProcedureBroadcastSessionReleaseRequired:       "BroadcastSessionReleaseRequired",
	ProcedureTimingSynchronisationStatusRequest:    "TimingSynchronisationStatusRequest",
	ProcedureTimingSynchronisationStatusReport:     "TimingSynchronisationStatusReport",
	ProcedureMTCommunicationHandlingRequest:        "MTCommunicationHandlingRequest",
	ProcedureRANPagingRequest:                      "RANPagingRequest",
	ProcedureBroadcastSessionTransportRequest:      "BroadcastSessionTransportRequest",
	ProcedureNGRemovalRequest:                      "NGRemovalRequest",
	ProcedureInventoryRequest:                      "InventoryRequest",
	ProcedureInventoryReport:                       "InventoryReport",
	ProcedureCommandRequest:                        "CommandRequest",
	ProcedureAIOTSessionReleaseCommand:             "AIOTSessionReleaseCommand",
	ProcedureAIOTSessionReleaseRequest:             "AIOTSessionReleaseRequest",
}
