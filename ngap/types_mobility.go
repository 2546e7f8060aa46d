// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// AllowedTACs: see TS 38.413 9.4.5.
type AllowedTACs []TAC

func (AllowedTACs) APER() string { return "list(1..16)" }

// CEmodeBrestricted: see TS 38.413 9.4.5.
type CEmodeBrestricted uint16

const (
	CEmodeBrestrictedRestricted CEmodeBrestricted = iota
	CEmodeBrestrictedNotRestricted
)

func (CEmodeBrestricted) APER() string     { return "enum(restricted not-restricted ...)" }
func (v CEmodeBrestricted) String() string { return aper.EnumString(v) }

// CNTypeRestrictionsForEquivalent: see TS 38.413 9.4.5.
type CNTypeRestrictionsForEquivalent []CNTypeRestrictionsForEquivalentItem

func (CNTypeRestrictionsForEquivalent) APER() string { return "list(1..15)" }

// CNTypeRestrictionsForEquivalentItem: see TS 38.413 9.4.5.
type CNTypeRestrictionsForEquivalentItem struct {
	PlmnIdentity PLMNIdentity
	CnType       CNType
	IEExtensions *aper.Unmodelled
}

// CNTypeRestrictionsForServing: see TS 38.413 9.4.5.
type CNTypeRestrictionsForServing uint16

const (
	CNTypeRestrictionsForServingEpcForbidden CNTypeRestrictionsForServing = iota
)

func (CNTypeRestrictionsForServing) APER() string     { return "enum(epc-forbidden ...)" }
func (v CNTypeRestrictionsForServing) String() string { return aper.EnumString(v) }

// EDTSession is EDT-Session of TS 38.413 9.4.5.
type EDTSession uint16

const (
	EDTSessionTrue EDTSession = iota
)

func (EDTSession) APER() string     { return "enum(true ...)" }
func (v EDTSession) String() string { return aper.EnumString(v) }

// EndIndication: see TS 38.413 9.4.5.
type EndIndication uint16

const (
	EndIndicationNoFurtherData EndIndication = iota
	EndIndicationFurtherDataExists
)

func (EndIndication) APER() string     { return "enum(no-further-data further-data-exists ...)" }
func (v EndIndication) String() string { return aper.EnumString(v) }

// EnhancedCoverageRestriction is Enhanced-CoverageRestriction of TS 38.413 9.4.5.
type EnhancedCoverageRestriction uint16

const (
	EnhancedCoverageRestrictionRestricted EnhancedCoverageRestriction = iota
)

func (EnhancedCoverageRestriction) APER() string     { return "enum(restricted ...)" }
func (v EnhancedCoverageRestriction) String() string { return aper.EnumString(v) }

// EquivalentPLMNs: see TS 38.413 9.4.5.
type EquivalentPLMNs []PLMNIdentity

func (EquivalentPLMNs) APER() string { return "list(1..15)" }

// ExtendedConnectedTime is Extended-ConnectedTime of TS 38.413 9.4.5.
type ExtendedConnectedTime uint8

func (ExtendedConnectedTime) APER() string { return "int(0..255)" }

// ForbiddenAreaInformation: see TS 38.413 9.4.5.
type ForbiddenAreaInformation []ForbiddenAreaInformationItem

func (ForbiddenAreaInformation) APER() string { return "list(1..16)" }

// ForbiddenAreaInformationItem is ForbiddenAreaInformation-Item of TS 38.413 9.4.5.
type ForbiddenAreaInformationItem struct {
	PLMNIdentity  PLMNIdentity
	ForbiddenTACs ForbiddenTACs
	IEExtensions  *aper.Unmodelled
}

// ForbiddenTACs: see TS 38.413 9.4.5.
type ForbiddenTACs []TAC

func (ForbiddenTACs) APER() string { return "list(1..4096)" }

// IABAuthorized is IAB-Authorized of TS 38.413 9.4.5.
type IABAuthorized uint16

const (
	IABAuthorizedAuthorized IABAuthorized = iota
	IABAuthorizedNotAuthorized
)

func (IABAuthorized) APER() string     { return "enum(authorized not-authorized ...)" }
func (v IABAuthorized) String() string { return aper.EnumString(v) }

// IABNodeIndication: see TS 38.413 9.4.5.
type IABNodeIndication uint16

const (
	IABNodeIndicationTrue IABNodeIndication = iota
)

func (IABNodeIndication) APER() string     { return "enum(true ...)" }
func (v IABNodeIndication) String() string { return aper.EnumString(v) }

// IndexToRFSP: see TS 38.413 9.4.5.
type IndexToRFSP uint16

func (IndexToRFSP) APER() string { return "int(1..256,...)" }

// LTEMIndication is LTEM-Indication of TS 38.413 9.4.5.
type LTEMIndication uint16

const (
	LTEMIndicationLteM LTEMIndication = iota
)

func (LTEMIndication) APER() string     { return "enum(lte-m ...)" }
func (v LTEMIndication) String() string { return aper.EnumString(v) }

// MobilityRestrictionList: see TS 38.413 9.4.5.
type MobilityRestrictionList struct {
	ServingPLMN                     PLMNIdentity
	EquivalentPLMNs                 EquivalentPLMNs                 `aper:"optional"`
	RATRestrictions                 RATRestrictions                 `aper:"optional"`
	ForbiddenAreaInformation        ForbiddenAreaInformation        `aper:"optional"`
	ServiceAreaInformation          ServiceAreaInformation          `aper:"optional"`
	LastEUTRANPLMNIdentity          *PLMNIdentity                   `aper:"ext=150,ignore"`
	CNTypeRestrictionsForServing    *CNTypeRestrictionsForServing   `aper:"ext=161,ignore"`
	CNTypeRestrictionsForEquivalent CNTypeRestrictionsForEquivalent `aper:"ext=160,ignore"`
	IEExtensions                    *aper.Unmodelled
}

// NotAllowedTACs: see TS 38.413 9.4.5.
type NotAllowedTACs []TAC

func (NotAllowedTACs) APER() string { return "list(1..16)" }

// RATRestrictionInformation: see TS 38.413 9.4.5.
type RATRestrictionInformation aper.BitString

func (RATRestrictionInformation) APER() string { return "bits(8,...)" }

// RATRestrictions: see TS 38.413 9.4.5.
type RATRestrictions []RATRestrictionsItem

func (RATRestrictions) APER() string { return "list(1..16)" }

// RATRestrictionsItem is RATRestrictions-Item of TS 38.413 9.4.5.
type RATRestrictionsItem struct {
	PLMNIdentity              PLMNIdentity
	RATRestrictionInformation RATRestrictionInformation
	IEExtensions              *aper.Unmodelled
}

// RedCapIndication: see TS 38.413 9.4.5.
type RedCapIndication uint16

const (
	RedCapIndicationRedcap RedCapIndication = iota
)

func (RedCapIndication) APER() string     { return "enum(redcap ...)" }
func (v RedCapIndication) String() string { return aper.EnumString(v) }

// RedirectionVoiceFallback: see TS 38.413 9.4.5.
type RedirectionVoiceFallback uint16

const (
	RedirectionVoiceFallbackPossible RedirectionVoiceFallback = iota
	RedirectionVoiceFallbackNotPossible
)

func (RedirectionVoiceFallback) APER() string     { return "enum(possible not-possible ...)" }
func (v RedirectionVoiceFallback) String() string { return aper.EnumString(v) }

// RRCInactiveTransitionReportRequest: see TS 38.413 9.4.5.
type RRCInactiveTransitionReportRequest uint16

const (
	RRCInactiveTransitionReportRequestSubsequentStateTransitionReport RRCInactiveTransitionReportRequest = iota
	RRCInactiveTransitionReportRequestSingleRrcConnectedStateReport
	RRCInactiveTransitionReportRequestCancelReport
)

func (RRCInactiveTransitionReportRequest) APER() string {
	return "enum(subsequent-state-transition-report single-rrc-connected-state-report cancel-report ...)"
}
func (v RRCInactiveTransitionReportRequest) String() string { return aper.EnumString(v) }

// RRCState: see TS 38.413 9.4.5.
type RRCState uint16

const (
	RRCStateInactive RRCState = iota
	RRCStateConnected
)

func (RRCState) APER() string     { return "enum(inactive connected ...)" }
func (v RRCState) String() string { return aper.EnumString(v) }

// ScheduledCommunicationTime: see TS 38.413 9.4.5.
type ScheduledCommunicationTime struct {
	DayofWeek      *uint8  `aper:"bits(7),optional"`
	TimeofDayStart *uint32 `aper:"int(0..86399,...),optional"`
	TimeofDayEnd   *uint32 `aper:"int(0..86399,...),optional"`
	IEExtensions   *aper.Unmodelled
}

// ServiceAreaInformation: see TS 38.413 9.4.5.
type ServiceAreaInformation []ServiceAreaInformationItem

func (ServiceAreaInformation) APER() string { return "list(1..16)" }

// ServiceAreaInformationItem is ServiceAreaInformation-Item of TS 38.413 9.4.5.
type ServiceAreaInformationItem struct {
	PLMNIdentity   PLMNIdentity
	AllowedTACs    AllowedTACs    `aper:"optional"`
	NotAllowedTACs NotAllowedTACs `aper:"optional"`
	IEExtensions   *aper.Unmodelled
}

// SRVCCOperationPossible: see TS 38.413 9.4.5.
type SRVCCOperationPossible uint16

const (
	SRVCCOperationPossiblePossible SRVCCOperationPossible = iota
	SRVCCOperationPossibleNotPossible
)

func (SRVCCOperationPossible) APER() string     { return "enum(possible notPossible ...)" }
func (v SRVCCOperationPossible) String() string { return aper.EnumString(v) }

// UEDifferentiationInfo is UE-DifferentiationInfo of TS 38.413 9.4.5.
type UEDifferentiationInfo struct {
	PeriodicCommunicationIndicator *PeriodicCommunicationIndicator `aper:"optional"`
	PeriodicTime                   *uint16                         `aper:"int(1..3600,...),optional"`
	ScheduledCommunicationTime     *ScheduledCommunicationTime     `aper:"optional"`
	StationaryIndication           *StationaryIndication           `aper:"optional"`
	TrafficProfile                 *TrafficProfile                 `aper:"optional"`
	BatteryIndication              *BatteryIndication              `aper:"optional"`
	IEExtensions                   *aper.Unmodelled
}

// UECapabilityInfoRequest: see TS 38.413 9.4.5.
type UECapabilityInfoRequest uint16

const (
	UECapabilityInfoRequestRequested UECapabilityInfoRequest = iota
)

func (UECapabilityInfoRequest) APER() string     { return "enum(requested ...)" }
func (v UECapabilityInfoRequest) String() string { return aper.EnumString(v) }

// UERadioCapability: see TS 38.413 9.4.5.
type UERadioCapability []byte

func (UERadioCapability) APER() string { return "octets" }

// UERadioCapabilityID: see TS 38.413 9.4.5.
type UERadioCapabilityID []byte

func (UERadioCapabilityID) APER() string { return "octets" }

// CNType: see TS 38.413 9.4.5.
type CNType uint16

const (
	CNTypeEpcForbidden CNType = iota
	CNTypeFiveGCForbidden
)

func (CNType) APER() string     { return "enum(epc-forbidden fiveGC-forbidden ...)" }
func (v CNType) String() string { return aper.EnumString(v) }

// PeriodicCommunicationIndicator: see TS 38.413 9.4.5.
type PeriodicCommunicationIndicator uint16

const (
	PeriodicCommunicationIndicatorPeriodically PeriodicCommunicationIndicator = iota
	PeriodicCommunicationIndicatorOndemand
)

func (PeriodicCommunicationIndicator) APER() string     { return "enum(periodically ondemand ...)" }
func (v PeriodicCommunicationIndicator) String() string { return aper.EnumString(v) }

// StationaryIndication: see TS 38.413 9.4.5.
type StationaryIndication uint16

const (
	StationaryIndicationStationary StationaryIndication = iota
	StationaryIndicationMobile
)

func (StationaryIndication) APER() string     { return "enum(stationary mobile ...)" }
func (v StationaryIndication) String() string { return aper.EnumString(v) }

// TrafficProfile: see TS 38.413 9.4.5.
type TrafficProfile uint16

const (
	TrafficProfileSinglePacket TrafficProfile = iota
	TrafficProfileDualPackets
	TrafficProfileMultiplePackets
)

func (TrafficProfile) APER() string     { return "enum(single-packet dual-packets multiple-packets ...)" }
func (v TrafficProfile) String() string { return aper.EnumString(v) }

// BatteryIndication: see TS 38.413 9.4.5.
type BatteryIndication uint16

const (
	BatteryIndicationBatteryPowered BatteryIndication = iota
	BatteryIndicationBatteryPoweredNotRechargeableOrReplaceable
	BatteryIndicationNotBatteryPowered
)

func (BatteryIndication) APER() string {
	return "enum(battery-powered battery-powered-not-rechargeable-or-replaceable not-battery-powered ...)"
}
func (v BatteryIndication) String() string { return aper.EnumString(v) }
