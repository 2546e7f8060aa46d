// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// AMFTNLAssociationSetupItem is AMF-TNLAssociationSetupItem of TS 38.413 9.4.5.
type AMFTNLAssociationSetupItem struct {
	AMFTNLAssociationAddress CPTransportLayerInformation
	IEExtensions             *aper.Unmodelled
}

// AMFTNLAssociationSetupList is AMF-TNLAssociationSetupList of TS 38.413 9.4.5.
type AMFTNLAssociationSetupList []AMFTNLAssociationSetupItem

func (AMFTNLAssociationSetupList) APER() string { return "list(1..32)" }

// AMFTNLAssociationToAddItem is AMF-TNLAssociationToAddItem of TS 38.413 9.4.5.
type AMFTNLAssociationToAddItem struct {
	AMFTNLAssociationAddress CPTransportLayerInformation
	TNLAssociationUsage      *TNLAssociationUsage `aper:"optional"`
	TNLAddressWeightFactor   TNLAddressWeightFactor
	IEExtensions             *aper.Unmodelled
}

// AMFTNLAssociationToAddList is AMF-TNLAssociationToAddList of TS 38.413 9.4.5.
type AMFTNLAssociationToAddList []AMFTNLAssociationToAddItem

func (AMFTNLAssociationToAddList) APER() string { return "list(1..32)" }

// AMFTNLAssociationToRemoveItem is AMF-TNLAssociationToRemoveItem of TS 38.413 9.4.5.
type AMFTNLAssociationToRemoveItem struct {
	AMFTNLAssociationAddress                 CPTransportLayerInformation
	TNLAssociationTransportLayerAddressNGRAN *CPTransportLayerInformation `aper:"ext=168,reject"`
	IEExtensions                             *aper.Unmodelled
}

// AMFTNLAssociationToRemoveList is AMF-TNLAssociationToRemoveList of TS 38.413 9.4.5.
type AMFTNLAssociationToRemoveList []AMFTNLAssociationToRemoveItem

func (AMFTNLAssociationToRemoveList) APER() string { return "list(1..32)" }

// AMFTNLAssociationToUpdateItem is AMF-TNLAssociationToUpdateItem of TS 38.413 9.4.5.
type AMFTNLAssociationToUpdateItem struct {
	AMFTNLAssociationAddress CPTransportLayerInformation
	TNLAssociationUsage      *TNLAssociationUsage    `aper:"optional"`
	TNLAddressWeightFactor   *TNLAddressWeightFactor `aper:"optional"`
	IEExtensions             *aper.Unmodelled
}

// AMFTNLAssociationToUpdateList is AMF-TNLAssociationToUpdateList of TS 38.413 9.4.5.
type AMFTNLAssociationToUpdateList []AMFTNLAssociationToUpdateItem

func (AMFTNLAssociationToUpdateList) APER() string { return "list(1..32)" }

// AMFUENGAPID is AMF-UE-NGAP-ID of TS 38.413 9.4.5.
type AMFUENGAPID uint64

func (AMFUENGAPID) APER() string { return "int(0..1099511627775)" }

// AMFName: see TS 38.413 9.4.5.
type AMFName string

func (AMFName) APER() string { return "printable(1..150,...)" }

// AMFNameUTF8String: see TS 38.413 9.4.5.
type AMFNameUTF8String string

func (AMFNameUTF8String) APER() string { return "utf8(1..150,...)" }

// AMFNameVisibleString: see TS 38.413 9.4.5.
type AMFNameVisibleString string

func (AMFNameVisibleString) APER() string { return "visible(1..150,...)" }

// AMFPointer: see TS 38.413 9.4.5.
type AMFPointer uint8

func (AMFPointer) APER() string { return "bits(6)" }

// AMFRegionID: see TS 38.413 9.4.5.
type AMFRegionID uint8

func (AMFRegionID) APER() string { return "bits(8)" }

// AMFSetID: see TS 38.413 9.4.5.
type AMFSetID uint16

func (AMFSetID) APER() string { return "bits(10)" }

// CPTransportLayerInformation is an SCTP endpoint of the AMF, without (EndpointIPAddress) or with a port.
type CPTransportLayerInformation struct {
	_                        struct{} `aper:"choice"`
	EndpointIPAddress        *TransportLayerAddress
	EndpointIPAddressAndPort *EndpointIPAddressAndPort `aper:"sc=169,reject"`
	ChoiceExtensions         *aper.RawIE
}

// EndpointIPAddressAndPort: see TS 38.413 9.4.5.
type EndpointIPAddressAndPort struct {
	_                 struct{} `aper:"seq"`
	EndpointIPAddress TransportLayerAddress
	PortNumber        PortNumber
	IEExtensions      *aper.Unmodelled
}

// ExtendedAMFName is Extended-AMFName of TS 38.413 9.4.5.
type ExtendedAMFName struct {
	AMFNameVisibleString AMFNameVisibleString `aper:"optional"`
	AMFNameUTF8String    AMFNameUTF8String    `aper:"optional"`
	IEExtensions         *aper.Unmodelled
}

// GUAMI: see TS 38.413 9.4.5.
type GUAMI struct {
	PLMNIdentity PLMNIdentity
	AMFRegionID  AMFRegionID
	AMFSetID     AMFSetID
	AMFPointer   AMFPointer
	IEExtensions *aper.Unmodelled
}

// GUAMIType: see TS 38.413 9.4.5.
type GUAMIType uint16

const (
	GUAMITypeNative GUAMIType = iota
	GUAMITypeMapped
)

func (GUAMIType) APER() string     { return "enum(native mapped ...)" }
func (v GUAMIType) String() string { return aper.EnumString(v) }

// NGRANTNLAssociationToRemoveItem is NGRAN-TNLAssociationToRemoveItem of TS 38.413 9.4.5.
type NGRANTNLAssociationToRemoveItem struct {
	_                                      struct{} `aper:"seq"`
	TNLAssociationTransportLayerAddress    CPTransportLayerInformation
	TNLAssociationTransportLayerAddressAMF *CPTransportLayerInformation `aper:"optional"`
	IEExtensions                           *aper.Unmodelled
}

// NGRANTNLAssociationToRemoveList is NGRAN-TNLAssociationToRemoveList of TS 38.413 9.4.5.
type NGRANTNLAssociationToRemoveList []NGRANTNLAssociationToRemoveItem

func (NGRANTNLAssociationToRemoveList) APER() string { return "list(1..32)" }

// OverloadAction says which RRC establishment causes to refuse (TS 38.413 9.3.1.105).
type OverloadAction uint16

const (
	OverloadActionRejectNonEmergencyMoDt OverloadAction = iota
	OverloadActionRejectRrcCrSignalling
	OverloadActionPermitEmergencySessionsAndMobileTerminatedServicesOnly
	OverloadActionPermitHighPrioritySessionsAndMobileTerminatedServicesOnly
)

func (OverloadAction) APER() string {
	return "enum(reject-non-emergency-mo-dt reject-rrc-cr-signalling permit-emergency-sessions-and-mobile-terminated-services-only " +
		"permit-high-priority-sessions-and-mobile-terminated-services-only ...)"
}
func (v OverloadAction) String() string { return aper.EnumString(v) }

// OverloadResponse: see TS 38.413 9.4.5.
type OverloadResponse struct {
	_                struct{} `aper:"choice"`
	OverloadAction   *OverloadAction
	ChoiceExtensions *aper.RawIE
}

// OverloadStartNSSAIItem: see TS 38.413 9.4.5.
type OverloadStartNSSAIItem struct {
	SliceOverloadList                   SliceOverloadList
	SliceOverloadResponse               *OverloadResponse               `aper:"optional"`
	SliceTrafficLoadReductionIndication *TrafficLoadReductionIndication `aper:"optional"`
	IEExtensions                        *aper.Unmodelled
}

// OverloadStartNSSAIList: see TS 38.413 9.4.5.
type OverloadStartNSSAIList []OverloadStartNSSAIItem

func (OverloadStartNSSAIList) APER() string { return "list(1..1024)" }

// RANUENGAPID is RAN-UE-NGAP-ID of TS 38.413 9.4.5.
type RANUENGAPID uint32

func (RANUENGAPID) APER() string { return "int(0..4294967295)" }

// RelativeAMFCapacity is the weight of an AMF in the choice for a new UE; 0 means no new UE.
type RelativeAMFCapacity uint8

func (RelativeAMFCapacity) APER() string { return "int(0..255)" }

// ResetAll: see TS 38.413 9.4.5.
type ResetAll uint16

const (
	ResetAllResetAll ResetAll = iota
)

func (ResetAll) APER() string     { return "enum(reset-all ...)" }
func (v ResetAll) String() string { return aper.EnumString(v) }

// ResetType: see TS 38.413 9.4.5.
type ResetType struct {
	_                 struct{} `aper:"choice"`
	NGInterface       *ResetAll
	PartOfNGInterface *UEAssociatedLogicalNGConnectionList
	ChoiceExtensions  *aper.RawIE
}

// ServedGUAMIItem: see TS 38.413 9.4.5.
type ServedGUAMIItem struct {
	GUAMI         GUAMI
	BackupAMFName AMFName    `aper:"optional"`
	GUAMIType     *GUAMIType `aper:"ext=176,ignore"`
	IEExtensions  *aper.Unmodelled
}

// ServedGUAMIList: see TS 38.413 9.4.5.
type ServedGUAMIList []ServedGUAMIItem

func (ServedGUAMIList) APER() string { return "list(1..256)" }

// SliceOverloadItem: see TS 38.413 9.4.5.
type SliceOverloadItem struct {
	SNSSAI       SNSSAI
	IEExtensions *aper.Unmodelled
}

// SliceOverloadList: see TS 38.413 9.4.5.
type SliceOverloadList []SliceOverloadItem

func (SliceOverloadList) APER() string { return "list(1..1024)" }

// TimerApproachForGUAMIRemoval: see TS 38.413 9.4.5.
type TimerApproachForGUAMIRemoval uint16

const (
	TimerApproachForGUAMIRemovalApplyTimer TimerApproachForGUAMIRemoval = iota
)

func (TimerApproachForGUAMIRemoval) APER() string     { return "enum(apply-timer ...)" }
func (v TimerApproachForGUAMIRemoval) String() string { return aper.EnumString(v) }

// TimeToWait forbids the same procedure towards the same AMF before so many seconds have passed; see Duration.
type TimeToWait uint16

const (
	TimeToWaitV1s TimeToWait = iota
	TimeToWaitV2s
	TimeToWaitV5s
	TimeToWaitV10s
	TimeToWaitV20s
	TimeToWaitV60s
)

func (TimeToWait) APER() string     { return "enum(v1s v2s v5s v10s v20s v60s ...)" }
func (v TimeToWait) String() string { return aper.EnumString(v) }

// TNLAddressWeightFactor weighs a TNL association; 0 keeps it from the first message of a UE.
type TNLAddressWeightFactor uint8

func (TNLAddressWeightFactor) APER() string { return "int(0..255)" }

// TNLAssociationItem: see TS 38.413 9.4.5.
type TNLAssociationItem struct {
	TNLAssociationAddress CPTransportLayerInformation
	Cause                 Cause
	IEExtensions          *aper.Unmodelled
}

// TNLAssociationList: see TS 38.413 9.4.5.
type TNLAssociationList []TNLAssociationItem

func (TNLAssociationList) APER() string { return "list(1..32)" }

// TNLAssociationUsage: see TS 38.413 9.4.5.
type TNLAssociationUsage uint16

const (
	TNLAssociationUsageUe TNLAssociationUsage = iota
	TNLAssociationUsageNonUe
	TNLAssociationUsageBoth
)

func (TNLAssociationUsage) APER() string     { return "enum(ue non-ue both ...)" }
func (v TNLAssociationUsage) String() string { return aper.EnumString(v) }

// TrafficLoadReductionIndication is the percentage of new signalling to refuse.
type TrafficLoadReductionIndication uint8

func (TrafficLoadReductionIndication) APER() string { return "int(1..99)" }

// UEAssociatedLogicalNGConnectionItem is UE-associatedLogicalNG-connectionItem of TS 38.413 9.4.5.
type UEAssociatedLogicalNGConnectionItem struct {
	AMFUENGAPID  *AMFUENGAPID `aper:"optional"`
	RANUENGAPID  *RANUENGAPID `aper:"optional"`
	IEExtensions *aper.Unmodelled
}

// UEAssociatedLogicalNGConnectionList is UE-associatedLogicalNG-connectionList of TS 38.413 9.4.5.
type UEAssociatedLogicalNGConnectionList []UEAssociatedLogicalNGConnectionItem

func (UEAssociatedLogicalNGConnectionList) APER() string { return "list(1..65536)" }

// UENGAPIDPair is UE-NGAP-ID-pair of TS 38.413 9.4.5.
type UENGAPIDPair struct {
	AMFUENGAPID  AMFUENGAPID
	RANUENGAPID  RANUENGAPID
	IEExtensions *aper.Unmodelled
}

// UENGAPIDs names a UE by both ids, or by the id of the AMF alone.
type UENGAPIDs struct {
	_                struct{} `aper:"choice"`
	UENGAPIDPair     *UENGAPIDPair
	AMFUENGAPID      *AMFUENGAPID
	ChoiceExtensions *aper.RawIE
}

// UnavailableGUAMIItem: see TS 38.413 9.4.5.
type UnavailableGUAMIItem struct {
	GUAMI                        GUAMI
	TimerApproachForGUAMIRemoval *TimerApproachForGUAMIRemoval `aper:"optional"`
	BackupAMFName                AMFName                       `aper:"optional"`
	IEExtensions                 *aper.Unmodelled
}

// UnavailableGUAMIList: see TS 38.413 9.4.5.
type UnavailableGUAMIList []UnavailableGUAMIItem

func (UnavailableGUAMIList) APER() string { return "list(1..256)" }
