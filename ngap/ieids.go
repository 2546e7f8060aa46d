// SPDX-License-Identifier: Apache-2.0

package ngap

// Identities of the protocol IEs, TS 38.413 9.4.7 (id-...).
const (
	IDAllowedNSSAI                                    ProtocolIEID = 0
	IDAMFName                                         ProtocolIEID = 1
	IDAMFOverloadResponse                             ProtocolIEID = 2
	IDAMFSetID                                        ProtocolIEID = 3
	IDAMFTNLAssociationFailedToSetupList              ProtocolIEID = 4
	IDAMFTNLAssociationSetupList                      ProtocolIEID = 5
	IDAMFTNLAssociationToAddList                      ProtocolIEID = 6
	IDAMFTNLAssociationToRemoveList                   ProtocolIEID = 7
	IDAMFTNLAssociationToUpdateList                   ProtocolIEID = 8
	IDAMFTrafficLoadReductionIndication               ProtocolIEID = 9
	IDAMFUENGAPID                                     ProtocolIEID = 10
	IDCause                                           ProtocolIEID = 15
	IDCoreNetworkAssistanceInformationForInactive     ProtocolIEID = 18
	IDCriticalityDiagnostics                          ProtocolIEID = 19
	IDDefaultPagingDRX                                ProtocolIEID = 21
	IDDirectForwardingPathAvailability                ProtocolIEID = 22
	IDEmergencyFallbackIndicator                      ProtocolIEID = 24
	IDEUTRACGI                                        ProtocolIEID = 25
	IDFiveGSTMSI                                      ProtocolIEID = 26
	IDGlobalRANNodeID                                 ProtocolIEID = 27
	IDGUAMI                                           ProtocolIEID = 28
	IDIndexToRFSP                                     ProtocolIEID = 31
	IDInfoOnRecommendedCellsAndRANNodesForPaging      ProtocolIEID = 32
	IDLocationReportingRequestType                    ProtocolIEID = 33
	IDMaskedIMEISV                                    ProtocolIEID = 34
	IDMobilityRestrictionList                         ProtocolIEID = 36
	IDNASPDU                                          ProtocolIEID = 38
	IDNewAMFUENGAPID                                  ProtocolIEID = 40
	IDNGAPMessage                                     ProtocolIEID = 42
	IDNGRANTraceID                                    ProtocolIEID = 44
	IDOldAMF                                          ProtocolIEID = 48
	IDOverloadStartNSSAIList                          ProtocolIEID = 49
	IDPDUSessionResourceFailedToModifyListModRes      ProtocolIEID = 54
	IDPDUSessionResourceFailedToSetupListCxtRes       ProtocolIEID = 55
	IDPDUSessionResourceFailedToSetupListSURes        ProtocolIEID = 58
	IDPDUSessionResourceListCxtRelCpl                 ProtocolIEID = 60
	IDPDUSessionResourceModifyListModCfm              ProtocolIEID = 62
	IDPDUSessionResourceModifyListModInd              ProtocolIEID = 63
	IDPDUSessionResourceModifyListModReq              ProtocolIEID = 64
	IDPDUSessionResourceModifyListModRes              ProtocolIEID = 65
	IDPDUSessionResourceNotifyList                    ProtocolIEID = 66
	IDPDUSessionResourceReleasedListNot               ProtocolIEID = 67
	IDPDUSessionResourceReleasedListRelRes            ProtocolIEID = 70
	IDPDUSessionResourceSetupListCxtReq               ProtocolIEID = 71
	IDPDUSessionResourceSetupListCxtRes               ProtocolIEID = 72
	IDPDUSessionResourceSetupListSUReq                ProtocolIEID = 74
	IDPDUSessionResourceSetupListSURes                ProtocolIEID = 75
	IDPDUSessionResourceToReleaseListRelCmd           ProtocolIEID = 79
	IDPLMNSupportList                                 ProtocolIEID = 80
	IDRANNodeName                                     ProtocolIEID = 82
	IDRANPagingPriority                               ProtocolIEID = 83
	IDRANUENGAPID                                     ProtocolIEID = 85
	IDRelativeAMFCapacity                             ProtocolIEID = 86
	IDResetType                                       ProtocolIEID = 88
	IDRRCEstablishmentCause                           ProtocolIEID = 90
	IDRRCInactiveTransitionReportRequest              ProtocolIEID = 91
	IDRRCState                                        ProtocolIEID = 92
	IDSecurityKey                                     ProtocolIEID = 94
	IDServedGUAMIList                                 ProtocolIEID = 96
	IDSupportedTAList                                 ProtocolIEID = 102
	IDTimeToWait                                      ProtocolIEID = 107
	IDTraceActivation                                 ProtocolIEID = 108
	IDUEAggregateMaximumBitRate                       ProtocolIEID = 110
	IDUEAssociatedLogicalNGConnectionList             ProtocolIEID = 111
	IDUEContextRequest                                ProtocolIEID = 112
	IDUENGAPIDs                                       ProtocolIEID = 114
	IDUEPresenceInAreaOfInterestList                  ProtocolIEID = 116
	IDUERadioCapability                               ProtocolIEID = 117
	IDUERadioCapabilityForPaging                      ProtocolIEID = 118
	IDUESecurityCapabilities                          ProtocolIEID = 119
	IDUnavailableGUAMIList                            ProtocolIEID = 120
	IDUserLocationInformation                         ProtocolIEID = 121
	IDAdditionalULNGUUPTNLInformation                 ProtocolIEID = 126
	IDDataForwardingNotPossible                       ProtocolIEID = 127
	IDUPTransportLayerInformation                     ProtocolIEID = 128
	IDNetworkInstance                                 ProtocolIEID = 129
	IDPDUSessionAggregateMaximumBitRate               ProtocolIEID = 130
	IDPDUSessionResourceFailedToModifyListModCfm      ProtocolIEID = 131
	IDPDUSessionResourceFailedToSetupListCxtFail      ProtocolIEID = 132
	IDPDUSessionResourceListCxtRelReq                 ProtocolIEID = 133
	IDPDUSessionType                                  ProtocolIEID = 134
	IDQosFlowAddOrModifyRequestList                   ProtocolIEID = 135
	IDQosFlowSetupRequestList                         ProtocolIEID = 136
	IDQosFlowToReleaseList                            ProtocolIEID = 137
	IDSecurityIndication                              ProtocolIEID = 138
	IDULNGUUPTNLInformation                           ProtocolIEID = 139
	IDULNGUUPTNLModifyList                            ProtocolIEID = 140
	IDSecondaryRATUsageInformation                    ProtocolIEID = 144
	IDPDUSessionResourceReleaseResponseTransfer       ProtocolIEID = 145
	IDRedirectionVoiceFallback                        ProtocolIEID = 146
	IDUERetentionInformation                          ProtocolIEID = 147
	IDSNSSAI                                          ProtocolIEID = 148
	IDPSCellInformation                               ProtocolIEID = 149
	IDLastEUTRANPLMNIdentity                          ProtocolIEID = 150
	IDMaximumIntegrityProtectedDataRateDL             ProtocolIEID = 151
	IDAdditionalNGUUPTNLInformation                   ProtocolIEID = 154
	IDSecurityResult                                  ProtocolIEID = 156
	IDCNTypeRestrictionsForEquivalent                 ProtocolIEID = 160
	IDCNTypeRestrictionsForServing                    ProtocolIEID = 161
	IDNewGUAMI                                        ProtocolIEID = 162
	IDCNAssistedRANTuning                             ProtocolIEID = 165
	IDCommonNetworkInstance                           ProtocolIEID = 166
	IDNGRANTNLAssociationToRemoveList                 ProtocolIEID = 167
	IDTNLAssociationTransportLayerAddressNGRAN        ProtocolIEID = 168
	IDEndpointIPAddressAndPort                        ProtocolIEID = 169
	IDLocationReportingAdditionalInfo                 ProtocolIEID = 170
	IDSourceToTargetAMFInformationReroute             ProtocolIEID = 171
	IDSelectedPLMNIdentity                            ProtocolIEID = 174
	IDGUAMIType                                       ProtocolIEID = 176
	IDSRVCCOperationPossible                          ProtocolIEID = 177
	IDRATInformation                                  ProtocolIEID = 179
	IDQosMonitoringRequest                            ProtocolIEID = 181
	IDAdditionalRedundantDLQosFlowPerTNLInformation   ProtocolIEID = 184
	IDAdditionalRedundantNGUUPTNLInformation          ProtocolIEID = 185
	IDAdditionalRedundantULNGUUPTNLInformation        ProtocolIEID = 186
	IDCNPacketDelayBudgetDL                           ProtocolIEID = 187
	IDCNPacketDelayBudgetUL                           ProtocolIEID = 188
	IDExtendedPacketDelayBudget                       ProtocolIEID = 189
	IDRedundantCommonNetworkInstance                  ProtocolIEID = 190
	IDRedundantDLNGUUPTNLInformation                  ProtocolIEID = 192
	IDRedundantDLQosFlowPerTNLInformation             ProtocolIEID = 193
	IDRedundantQosFlowIndicator                       ProtocolIEID = 194
	IDRedundantULNGUUPTNLInformation                  ProtocolIEID = 195
	IDRedundantPDUSessionInformation                  ProtocolIEID = 197
	IDUsedRSNInformation                              ProtocolIEID = 198
	IDIABAuthorized                                   ProtocolIEID = 199
	IDIABSupported                                    ProtocolIEID = 200
	IDIABNodeIndication                               ProtocolIEID = 201
	IDNBIoTDefaultPagingDRX                           ProtocolIEID = 204
	IDEnhancedCoverageRestriction                     ProtocolIEID = 205
	IDExtendedConnectedTime                           ProtocolIEID = 206
	IDPagingAssisDataforCEcapabUE                     ProtocolIEID = 207
	IDUEDifferentiationInfo                           ProtocolIEID = 209
	IDULCPSecurityInformation                         ProtocolIEID = 211
	IDTAI                                             ProtocolIEID = 213
	IDLTEV2XServicesAuthorized                        ProtocolIEID = 215
	IDNRV2XServicesAuthorized                         ProtocolIEID = 216
	IDLTEUESidelinkAggregateMaximumBitrate            ProtocolIEID = 217
	IDNRUESidelinkAggregateMaximumBitrate             ProtocolIEID = 218
	IDPC5QoSParameters                                ProtocolIEID = 219
	IDAlternativeQoSParaSetList                       ProtocolIEID = 220
	IDCurrentQoSParaSetIndex                          ProtocolIEID = 221
	IDCEmodeBrestricted                               ProtocolIEID = 222
	IDCEmodeBSupportIndicator                         ProtocolIEID = 224
	IDLTEMIndication                                  ProtocolIEID = 225
	IDEndIndication                                   ProtocolIEID = 226
	IDEDTSession                                      ProtocolIEID = 227
	IDUECapabilityInfoRequest                         ProtocolIEID = 228
	IDUEUPCIoTSupport                                 ProtocolIEID = 234
	IDRGLevelWirelineAccessCharacteristics            ProtocolIEID = 238
	IDWAGFIdentityInformation                         ProtocolIEID = 239
	IDGlobalTNGFID                                    ProtocolIEID = 240
	IDGlobalTWIFID                                    ProtocolIEID = 241
	IDGlobalWAGFID                                    ProtocolIEID = 242
	IDUserLocationInformationWAGF                     ProtocolIEID = 243
	IDUserLocationInformationTNGF                     ProtocolIEID = 244
	IDAuthenticatedIndication                         ProtocolIEID = 245
	IDTNGFIdentityInformation                         ProtocolIEID = 246
	IDTWIFIdentityInformation                         ProtocolIEID = 247
	IDUserLocationInformationTWIF                     ProtocolIEID = 248
	IDManagementBasedMDTPLMNList                      ProtocolIEID = 254
	IDURIAddress                                      ProtocolIEID = 257
	IDNPNSupport                                      ProtocolIEID = 258
	IDNPNAccessInformation                            ProtocolIEID = 259
	IDNID                                             ProtocolIEID = 263
	IDUERadioCapabilityID                             ProtocolIEID = 264
	IDExtendedSliceSupportList                        ProtocolIEID = 270
	IDExtendedTAISliceSupportList                     ProtocolIEID = 271
	IDConfiguredTACIndication                         ProtocolIEID = 272
	IDExtendedRANNodeName                             ProtocolIEID = 273
	IDExtendedAMFName                                 ProtocolIEID = 274
	IDGlobalCableID                                   ProtocolIEID = 275
	IDQosMonitoringReportingFrequency                 ProtocolIEID = 276
	IDQosFlowFeedbackList                             ProtocolIEID = 278
	IDNRNTNTAIInformation                             ProtocolIEID = 287
	IDMBSSupportIndicator                             ProtocolIEID = 309
	IDOnboardingSupport                               ProtocolIEID = 325
	IDTimeSyncAssistanceInfo                          ProtocolIEID = 326
	IDQMCConfigInfo                                   ProtocolIEID = 328
	IDQMCDeactivation                                 ProtocolIEID = 329
	IDPDUSessionPairID                                ProtocolIEID = 331
	IDRedCapIndication                                ProtocolIEID = 333
	IDTargetNSSAIInformation                          ProtocolIEID = 334
	IDUESliceMaximumBitRateList                       ProtocolIEID = 335
	IDFiveGProSeAuthorized                            ProtocolIEID = 345
	IDFiveGProSeUEPC5AggregateMaximumBitRate          ProtocolIEID = 346
	IDFiveGProSePC5QoSParameters                      ProtocolIEID = 347
	IDTAINSAGSupportList                              ProtocolIEID = 353
	IDManagementBasedMDTPLMNModificationList          ProtocolIEID = 359
	IDHFCNodeIDNew                                    ProtocolIEID = 362
	IDGlobalCableIDNew                                ProtocolIEID = 363
	IDNetworkControlledRepeaterAuthorized             ProtocolIEID = 367
	IDSelectedNID                                     ProtocolIEID = 371
	IDAerialUEsubscriptionInformation                 ProtocolIEID = 373
	IDNRA2XServicesAuthorized                         ProtocolIEID = 374
	IDLTEA2XServicesAuthorized                        ProtocolIEID = 375
	IDNRA2XUEPC5AggregateMaximumBitRate               ProtocolIEID = 376
	IDLTEA2XUEPC5AggregateMaximumBitRate              ProtocolIEID = 377
	IDA2XPC5QoSParameters                             ProtocolIEID = 378
	IDMobileIABAuthorized                             ProtocolIEID = 400
	IDMobileIABNodeIndication                         ProtocolIEID = 402
	IDMobileIABSupported                              ProtocolIEID = 404
	IDPartiallyAllowedNSSAI                           ProtocolIEID = 414
	IDERedCapIndication                               ProtocolIEID = 427
	IDSLPositioningRangingServiceInfo                 ProtocolIEID = 430
	IDMaximumDataBurstVolume                          ProtocolIEID = 432
	IDUserLocationInformationN3IWFWithoutPortNumber   ProtocolIEID = 439
	IDAUN3DeviceAccessInfo                            ProtocolIEID = 440
	IDExtendedOldAMF                                  ProtocolIEID = 443
	IDAerialUEFlightInformationOngoingReportingFailed ProtocolIEID = 446
	IDAMFUENGAPID2                                    ProtocolIEID = 450
	IDGUAMIList                                       ProtocolIEID = 451
	IDGWContextReleaseIndication                      ProtocolIEID = 452
	IDRequestedNSSAI                                  ProtocolIEID = 454
	IDAIOTFIdentifier                                 ProtocolIEID = 467
	IDAIoTSupport                                     ProtocolIEID = 475
	IDAIOTFName                                       ProtocolIEID = 476
	IDAdditionalULI                                   ProtocolIEID = 483
	IDPacketErrorRate                                 ProtocolIEID = 486
)

var ieNames = map[ProtocolIEID]string{
	IDAllowedNSSAI:                                    "AllowedNSSAI",
	IDAMFName:                                         "AMFName",
	IDAMFOverloadResponse:                             "AMFOverloadResponse",
	IDAMFSetID:                                        "AMFSetID",
	IDAMFTNLAssociationFailedToSetupList:              "AMF-TNLAssociationFailedToSetupList",
	IDAMFTNLAssociationSetupList:                      "AMF-TNLAssociationSetupList",
	IDAMFTNLAssociationToAddList:                      "AMF-TNLAssociationToAddList",
	IDAMFTNLAssociationToRemoveList:                   "AMF-TNLAssociationToRemoveList",
	IDAMFTNLAssociationToUpdateList:                   "AMF-TNLAssociationToUpdateList",
	IDAMFTrafficLoadReductionIndication:               "AMFTrafficLoadReductionIndication",
	IDAMFUENGAPID:                                     "AMF-UE-NGAP-ID",
	IDCause:                                           "Cause",
	IDCoreNetworkAssistanceInformationForInactive:     "CoreNetworkAssistanceInformationForInactive",
	IDCriticalityDiagnostics:                          "CriticalityDiagnostics",
	IDDefaultPagingDRX:                                "DefaultPagingDRX",
	IDDirectForwardingPathAvailability:                "DirectForwardingPathAvailability",
	IDEmergencyFallbackIndicator:                      "EmergencyFallbackIndicator",
	IDEUTRACGI:                                        "EUTRA-CGI",
	IDFiveGSTMSI:                                      "FiveG-S-TMSI",
	IDGlobalRANNodeID:                                 "GlobalRANNodeID",
	IDGUAMI:                                           "GUAMI",
	IDIndexToRFSP:                                     "IndexToRFSP",
	IDInfoOnRecommendedCellsAndRANNodesForPaging:      "InfoOnRecommendedCellsAndRANNodesForPaging",
	IDLocationReportingRequestType:                    "LocationReportingRequestType",
	IDMaskedIMEISV:                                    "MaskedIMEISV",
	IDMobilityRestrictionList:                         "MobilityRestrictionList",
	IDNASPDU:                                          "NAS-PDU",
	IDNewAMFUENGAPID:                                  "NewAMF-UE-NGAP-ID",
	IDNGAPMessage:                                     "NGAP-Message",
	IDNGRANTraceID:                                    "NGRANTraceID",
	IDOldAMF:                                          "OldAMF",
	IDOverloadStartNSSAIList:                          "OverloadStartNSSAIList",
	IDPDUSessionResourceFailedToModifyListModRes:      "PDUSessionResourceFailedToModifyListModRes",
	IDPDUSessionResourceFailedToSetupListCxtRes:       "PDUSessionResourceFailedToSetupListCxtRes",
	IDPDUSessionResourceFailedToSetupListSURes:        "PDUSessionResourceFailedToSetupListSURes",
	IDPDUSessionResourceListCxtRelCpl:                 "PDUSessionResourceListCxtRelCpl",
	IDPDUSessionResourceModifyListModCfm:              "PDUSessionResourceModifyListModCfm",
	IDPDUSessionResourceModifyListModInd:              "PDUSessionResourceModifyListModInd",
	IDPDUSessionResourceModifyListModReq:              "PDUSessionResourceModifyListModReq",
	IDPDUSessionResourceModifyListModRes:              "PDUSessionResourceModifyListModRes",
	IDPDUSessionResourceNotifyList:                    "PDUSessionResourceNotifyList",
	IDPDUSessionResourceReleasedListNot:               "PDUSessionResourceReleasedListNot",
	IDPDUSessionResourceReleasedListRelRes:            "PDUSessionResourceReleasedListRelRes",
	IDPDUSessionResourceSetupListCxtReq:               "PDUSessionResourceSetupListCxtReq",
	IDPDUSessionResourceSetupListCxtRes:               "PDUSessionResourceSetupListCxtRes",
	IDPDUSessionResourceSetupListSUReq:                "PDUSessionResourceSetupListSUReq",
	IDPDUSessionResourceSetupListSURes:                "PDUSessionResourceSetupListSURes",
	IDPDUSessionResourceToReleaseListRelCmd:           "PDUSessionResourceToReleaseListRelCmd",
	IDPLMNSupportList:                                 "PLMNSupportList",
	IDRANNodeName:                                     "RANNodeName",
	IDRANPagingPriority:                               "RANPagingPriority",
	IDRANUENGAPID:                                     "RAN-UE-NGAP-ID",
	IDRelativeAMFCapacity:                             "RelativeAMFCapacity",
	IDResetType:                                       "ResetType",
	IDRRCEstablishmentCause:                           "RRCEstablishmentCause",
	IDRRCInactiveTransitionReportRequest:              "RRCInactiveTransitionReportRequest",
	IDRRCState:                                        "RRCState",
	IDSecurityKey:                                     "SecurityKey",
	IDServedGUAMIList:                                 "ServedGUAMIList",
	IDSupportedTAList:                                 "SupportedTAList",
	IDTimeToWait:                                      "TimeToWait",
	IDTraceActivation:                                 "TraceActivation",
	IDUEAggregateMaximumBitRate:                       "UEAggregateMaximumBitRate",
	IDUEAssociatedLogicalNGConnectionList:             "UE-associatedLogicalNG-connectionList",
	IDUEContextRequest:                                "UEContextRequest",
	IDUENGAPIDs:                                       "UE-NGAP-IDs",
	IDUEPresenceInAreaOfInterestList:                  "UEPresenceInAreaOfInterestList",
	IDUERadioCapability:                               "UERadioCapability",
	IDUERadioCapabilityForPaging:                      "UERadioCapabilityForPaging",
	IDUESecurityCapabilities:                          "UESecurityCapabilities",
	IDUnavailableGUAMIList:                            "UnavailableGUAMIList",
	IDUserLocationInformation:                         "UserLocationInformation",
	IDAdditionalULNGUUPTNLInformation:                 "AdditionalUL-NGU-UP-TNLInformation",
	IDDataForwardingNotPossible:                       "DataForwardingNotPossible",
	IDUPTransportLayerInformation:                     "UPTransportLayerInformation",
	IDNetworkInstance:                                 "NetworkInstance",
	IDPDUSessionAggregateMaximumBitRate:               "PDUSessionAggregateMaximumBitRate",
	IDPDUSessionResourceFailedToModifyListModCfm:      "PDUSessionResourceFailedToModifyListModCfm",
	IDPDUSessionResourceFailedToSetupListCxtFail:      "PDUSessionResourceFailedToSetupListCxtFail",
	IDPDUSessionResourceListCxtRelReq:                 "PDUSessionResourceListCxtRelReq",
	IDPDUSessionType:                                  "PDUSessionType",
	IDQosFlowAddOrModifyRequestList:                   "QosFlowAddOrModifyRequestList",
	IDQosFlowSetupRequestList:                         "QosFlowSetupRequestList",
	IDQosFlowToReleaseList:                            "QosFlowToReleaseList",
	IDSecurityIndication:                              "SecurityIndication",
	IDULNGUUPTNLInformation:                           "UL-NGU-UP-TNLInformation",
	IDULNGUUPTNLModifyList:                            "UL-NGU-UP-TNLModifyList",
	IDSecondaryRATUsageInformation:                    "SecondaryRATUsageInformation",
	IDPDUSessionResourceReleaseResponseTransfer:       "PDUSessionResourceReleaseResponseTransfer",
	IDRedirectionVoiceFallback:                        "RedirectionVoiceFallback",
	IDUERetentionInformation:                          "UERetentionInformation",
	IDSNSSAI:                                          "S-NSSAI",
	IDPSCellInformation:                               "PSCellInformation",
	IDLastEUTRANPLMNIdentity:                          "LastEUTRAN-PLMNIdentity",
	IDMaximumIntegrityProtectedDataRateDL:             "MaximumIntegrityProtectedDataRate-DL",
	IDAdditionalNGUUPTNLInformation:                   "AdditionalNGU-UP-TNLInformation",
	IDSecurityResult:                                  "SecurityResult",
	IDCNTypeRestrictionsForEquivalent:                 "CNTypeRestrictionsForEquivalent",
	IDCNTypeRestrictionsForServing:                    "CNTypeRestrictionsForServing",
	IDNewGUAMI:                                        "NewGUAMI",
	IDCNAssistedRANTuning:                             "CNAssistedRANTuning",
	IDCommonNetworkInstance:                           "CommonNetworkInstance",
	IDNGRANTNLAssociationToRemoveList:                 "NGRAN-TNLAssociationToRemoveList",
	IDTNLAssociationTransportLayerAddressNGRAN:        "TNLAssociationTransportLayerAddressNGRAN",
	IDEndpointIPAddressAndPort:                        "EndpointIPAddressAndPort",
	IDLocationReportingAdditionalInfo:                 "LocationReportingAdditionalInfo",
	IDSourceToTargetAMFInformationReroute:             "SourceToTarget-AMFInformationReroute",
	IDSelectedPLMNIdentity:                            "SelectedPLMNIdentity",
	IDGUAMIType:                                       "GUAMIType",
	IDSRVCCOperationPossible:                          "SRVCCOperationPossible",
	IDRATInformation:                                  "RATInformation",
	IDQosMonitoringRequest:                            "QosMonitoringRequest",
	IDAdditionalRedundantDLQosFlowPerTNLInformation:   "AdditionalRedundantDLQosFlowPerTNLInformation",
	IDAdditionalRedundantNGUUPTNLInformation:          "AdditionalRedundantNGU-UP-TNLInformation",
	IDAdditionalRedundantULNGUUPTNLInformation:        "AdditionalRedundantUL-NGU-UP-TNLInformation",
	IDCNPacketDelayBudgetDL:                           "CNPacketDelayBudgetDL",
	IDCNPacketDelayBudgetUL:                           "CNPacketDelayBudgetUL",
	IDExtendedPacketDelayBudget:                       "ExtendedPacketDelayBudget",
	IDRedundantCommonNetworkInstance:                  "RedundantCommonNetworkInstance",
	IDRedundantDLNGUUPTNLInformation:                  "RedundantDL-NGU-UP-TNLInformation",
	IDRedundantDLQosFlowPerTNLInformation:             "RedundantDLQosFlowPerTNLInformation",
	IDRedundantQosFlowIndicator:                       "RedundantQosFlowIndicator",
	IDRedundantULNGUUPTNLInformation:                  "RedundantUL-NGU-UP-TNLInformation",
	IDRedundantPDUSessionInformation:                  "RedundantPDUSessionInformation",
	IDUsedRSNInformation:                              "UsedRSNInformation",
	IDIABAuthorized:                                   "IAB-Authorized",
	IDIABSupported:                                    "IAB-Supported",
	IDIABNodeIndication:                               "IABNodeIndication",
	IDNBIoTDefaultPagingDRX:                           "NB-IoT-DefaultPagingDRX",
	IDEnhancedCoverageRestriction:                     "Enhanced-CoverageRestriction",
	IDExtendedConnectedTime:                           "Extended-ConnectedTime",
	IDPagingAssisDataforCEcapabUE:                     "PagingAssisDataforCEcapabUE",
	IDUEDifferentiationInfo:                           "UE-DifferentiationInfo",
	IDULCPSecurityInformation:                         "UL-CP-SecurityInformation",
	IDTAI:                                             "TAI",
	IDLTEV2XServicesAuthorized:                        "LTEV2XServicesAuthorized",
	IDNRV2XServicesAuthorized:                         "NRV2XServicesAuthorized",
	IDLTEUESidelinkAggregateMaximumBitrate:            "LTEUESidelinkAggregateMaximumBitrate",
	IDNRUESidelinkAggregateMaximumBitrate:             "NRUESidelinkAggregateMaximumBitrate",
	IDPC5QoSParameters:                                "PC5QoSParameters",
	IDAlternativeQoSParaSetList:                       "AlternativeQoSParaSetList",
	IDCurrentQoSParaSetIndex:                          "CurrentQoSParaSetIndex",
	IDCEmodeBrestricted:                               "CEmodeBrestricted",
	IDCEmodeBSupportIndicator:                         "CEmodeBSupport-Indicator",
	IDLTEMIndication:                                  "LTEM-Indication",
	IDEndIndication:                                   "EndIndication",
	IDEDTSession:                                      "EDT-Session",
	IDUECapabilityInfoRequest:                         "UECapabilityInfoRequest",
	IDUEUPCIoTSupport:                                 "UE-UP-CIoT-Support",
	IDRGLevelWirelineAccessCharacteristics:            "RGLevelWirelineAccessCharacteristics",
	IDWAGFIdentityInformation:                         "W-AGFIdentityInformation",
	IDGlobalTNGFID:                                    "GlobalTNGF-ID",
	IDGlobalTWIFID:                                    "GlobalTWIF-ID",
	IDGlobalWAGFID:                                    "GlobalW-AGF-ID",
	IDUserLocationInformationWAGF:                     "UserLocationInformationW-AGF",
	IDUserLocationInformationTNGF:                     "UserLocationInformationTNGF",
	IDAuthenticatedIndication:                         "AuthenticatedIndication",
	IDTNGFIdentityInformation:                         "TNGFIdentityInformation",
	IDTWIFIdentityInformation:                         "TWIFIdentityInformation",
	IDUserLocationInformationTWIF:                     "UserLocationInformationTWIF",
	IDManagementBasedMDTPLMNList:                      "ManagementBasedMDTPLMNList",
	IDURIAddress:                                      "URI-address",
	IDNPNSupport:                                      "NPN-Support",
	IDNPNAccessInformation:                            "NPN-AccessInformation",
	IDNID:                                             "NID",
	IDUERadioCapabilityID:                             "UERadioCapabilityID",
	IDExtendedSliceSupportList:                        "ExtendedSliceSupportList",
	IDExtendedTAISliceSupportList:                     "ExtendedTAISliceSupportList",
	IDConfiguredTACIndication:                         "ConfiguredTACIndication",
	IDExtendedRANNodeName:                             "Extended-RANNodeName",
	IDExtendedAMFName:                                 "Extended-AMFName",
	IDGlobalCableID:                                   "GlobalCable-ID",
	IDQosMonitoringReportingFrequency:                 "QosMonitoringReportingFrequency",
	IDQosFlowFeedbackList:                             "QosFlowFeedbackList",
	IDNRNTNTAIInformation:                             "NRNTNTAIInformation",
	IDMBSSupportIndicator:                             "MBS-SupportIndicator",
	IDOnboardingSupport:                               "OnboardingSupport",
	IDTimeSyncAssistanceInfo:                          "TimeSyncAssistanceInfo",
	IDQMCConfigInfo:                                   "QMCConfigInfo",
	IDQMCDeactivation:                                 "QMCDeactivation",
	IDPDUSessionPairID:                                "PDUSessionPairID",
	IDRedCapIndication:                                "RedCapIndication",
	IDTargetNSSAIInformation:                          "TargetNSSAIInformation",
	IDUESliceMaximumBitRateList:                       "UESliceMaximumBitRateList",
	IDFiveGProSeAuthorized:                            "FiveG-ProSeAuthorized",
	IDFiveGProSeUEPC5AggregateMaximumBitRate:          "FiveG-ProSeUEPC5AggregateMaximumBitRate",
	IDFiveGProSePC5QoSParameters:                      "FiveG-ProSePC5QoSParameters",
	IDTAINSAGSupportList:                              "TAINSAGSupportList",
	IDManagementBasedMDTPLMNModificationList:          "ManagementBasedMDTPLMNModificationList",
	IDHFCNodeIDNew:                                    "HFCNode-ID-new",
	IDGlobalCableIDNew:                                "GlobalCable-ID-new",
	IDNetworkControlledRepeaterAuthorized:             "NetworkControlledRepeaterAuthorized",
	IDSelectedNID:                                     "SelectedNID",
	IDAerialUEsubscriptionInformation:                 "AerialUEsubscriptionInformation",
	IDNRA2XServicesAuthorized:                         "NR-A2X-ServicesAuthorized",
	IDLTEA2XServicesAuthorized:                        "LTE-A2X-ServicesAuthorized",
	IDNRA2XUEPC5AggregateMaximumBitRate:               "NR-A2X-UE-PC5-AggregateMaximumBitRate",
	IDLTEA2XUEPC5AggregateMaximumBitRate:              "LTE-A2X-UE-PC5-AggregateMaximumBitRate",
	IDA2XPC5QoSParameters:                             "A2X-PC5-QoS-Parameters",
	IDMobileIABAuthorized:                             "MobileIAB-Authorized",
	IDMobileIABNodeIndication:                         "MobileIABNodeIndication",
	IDMobileIABSupported:                              "MobileIAB-Supported",
	IDPartiallyAllowedNSSAI:                           "Partially-Allowed-NSSAI",
	IDERedCapIndication:                               "ERedCapIndication",
	IDSLPositioningRangingServiceInfo:                 "SLPositioningRangingServiceInfo",
	IDMaximumDataBurstVolume:                          "MaximumDataBurstVolume",
	IDUserLocationInformationN3IWFWithoutPortNumber:   "UserLocationInformationN3IWF-without-PortNumber",
	IDAUN3DeviceAccessInfo:                            "AUN3DeviceAccessInfo",
	IDExtendedOldAMF:                                  "ExtendedOldAMF",
	IDAerialUEFlightInformationOngoingReportingFailed: "Aerial-UE-FlightInformationOngoingReporting-failed",
	IDAMFUENGAPID2:                                    "AMF-UE-NGAP-ID2",
	IDGUAMIList:                                       "GUAMIList",
	IDGWContextReleaseIndication:                      "GW-Context-Release-Indication",
	IDRequestedNSSAI:                                  "RequestedNSSAI",
	IDAIOTFIdentifier:                                 "AIOTFIdentifier",
	IDAIoTSupport:                                     "AIoT-Support",
	IDAIOTFName:                                       "AIOTFName",
	IDAdditionalULI:                                   "AdditionalULI",
	IDPacketErrorRate:                                 "PacketErrorRate",
}
