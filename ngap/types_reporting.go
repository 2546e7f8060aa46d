// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// AreaOfInterest: see TS 38.413 9.4.5.
type AreaOfInterest struct {
	AreaOfInterestTAIList     AreaOfInterestTAIList     `aper:"optional"`
	AreaOfInterestCellList    AreaOfInterestCellList    `aper:"optional"`
	AreaOfInterestRANNodeList AreaOfInterestRANNodeList `aper:"optional"`
	IEExtensions              *aper.Unmodelled
}

// AreaOfInterestCellItem: see TS 38.413 9.4.5.
type AreaOfInterestCellItem struct {
	NGRANCGI     NGRANCGI
	IEExtensions *aper.Unmodelled
}

// AreaOfInterestCellList: see TS 38.413 9.4.5.
type AreaOfInterestCellList []AreaOfInterestCellItem

func (AreaOfInterestCellList) APER() string { return "list(1..256)" }

// AreaOfInterestItem: see TS 38.413 9.4.5.
type AreaOfInterestItem struct {
	AreaOfInterest               AreaOfInterest
	LocationReportingReferenceID LocationReportingReferenceID
	IEExtensions                 *aper.Unmodelled
}

// AreaOfInterestList: see TS 38.413 9.4.5.
type AreaOfInterestList []AreaOfInterestItem

func (AreaOfInterestList) APER() string { return "list(1..64)" }

// AreaOfInterestRANNodeItem: see TS 38.413 9.4.5.
type AreaOfInterestRANNodeItem struct {
	GlobalRANNodeID GlobalRANNodeID
	IEExtensions    *aper.Unmodelled
}

// AreaOfInterestRANNodeList: see TS 38.413 9.4.5.
type AreaOfInterestRANNodeList []AreaOfInterestRANNodeItem

func (AreaOfInterestRANNodeList) APER() string { return "list(1..64)" }

// AreaOfInterestTAIItem: see TS 38.413 9.4.5.
type AreaOfInterestTAIItem struct {
	TAI          TAI
	IEExtensions *aper.Unmodelled
}

// AreaOfInterestTAIList: see TS 38.413 9.4.5.
type AreaOfInterestTAIList []AreaOfInterestTAIItem

func (AreaOfInterestTAIList) APER() string { return "list(1..16)" }

// EventType: see TS 38.413 9.4.5.
type EventType uint16

const (
	EventTypeDirect EventType = iota
	EventTypeChangeOfServeCell
	EventTypeUePresenceInAreaOfInterest
	EventTypeStopChangeOfServeCell
	EventTypeStopUePresenceInAreaOfInterest
	EventTypeCancelLocationReportingForTheUe
	EventTypeChangeOfServingCellAndUEPresenceInTheAreaOfInterest
	EventTypeReportTheAerialUEFlightInformation
	EventTypeCancelTheAerialUEFlightInformationReporting
)

func (EventType) APER() string {
	return "enum(direct change-of-serve-cell ue-presence-in-area-of-interest stop-change-of-serve-cell " +
		"stop-ue-presence-in-area-of-interest cancel-location-reporting-for-the-ue ... " +
		"change-of-serving-cell-and-UE-presence-in-the-Area-of-Interest report-the-Aerial-UE-flight-information " +
		"cancel-the-Aerial-UE-flight-information-reporting)"
}
func (v EventType) String() string { return aper.EnumString(v) }

// InterfacesToTrace: see TS 38.413 9.4.5.
type InterfacesToTrace uint8

func (InterfacesToTrace) APER() string { return "bits(8)" }

// LocationReportingAdditionalInfo: see TS 38.413 9.4.5.
type LocationReportingAdditionalInfo uint16

const (
	LocationReportingAdditionalInfoIncludePSCell LocationReportingAdditionalInfo = iota
)

func (LocationReportingAdditionalInfo) APER() string     { return "enum(includePSCell ...)" }
func (v LocationReportingAdditionalInfo) String() string { return aper.EnumString(v) }

// LocationReportingReferenceID: see TS 38.413 9.4.5.
type LocationReportingReferenceID uint8

func (LocationReportingReferenceID) APER() string { return "int(1..64,...)" }

// LocationReportingRequestType: see TS 38.413 9.4.5.
type LocationReportingRequestType struct {
	EventType                                 EventType
	ReportArea                                ReportArea
	AreaOfInterestList                        AreaOfInterestList               `aper:"optional"`
	LocationReportingReferenceIDToBeCancelled *LocationReportingReferenceID    `aper:"optional"`
	LocationReportingAdditionalInfo           *LocationReportingAdditionalInfo `aper:"ext=170,ignore"`
	IEExtensions                              *aper.Unmodelled
}

// NGRANTraceID: see TS 38.413 9.4.5.
type NGRANTraceID [8]byte

func (NGRANTraceID) APER() string { return "octets(8)" }

// ReportArea: see TS 38.413 9.4.5.
type ReportArea uint16

const (
	ReportAreaCell ReportArea = iota
)

func (ReportArea) APER() string     { return "enum(cell ...)" }
func (v ReportArea) String() string { return aper.EnumString(v) }

// TraceActivation: see TS 38.413 9.4.5.
type TraceActivation struct {
	NGRANTraceID                   NGRANTraceID
	InterfacesToTrace              InterfacesToTrace
	TraceDepth                     TraceDepth
	TraceCollectionEntityIPAddress TransportLayerAddress
	URIAddress                     URIAddress `aper:"ext=257,ignore"`
	IEExtensions                   *aper.Unmodelled
}

// TraceDepth: see TS 38.413 9.4.5.
type TraceDepth uint16

const (
	TraceDepthMinimum TraceDepth = iota
	TraceDepthMedium
	TraceDepthMaximum
	TraceDepthMinimumWithoutVendorSpecificExtension
	TraceDepthMediumWithoutVendorSpecificExtension
	TraceDepthMaximumWithoutVendorSpecificExtension
	TraceDepthMinimumOnlyVendorSpecificTraceRecord
	TraceDepthMediumOnlyVendorSpecificTraceRecord
	TraceDepthMaximumOnlyVendorSpecificTraceRecord
)

func (TraceDepth) APER() string {
	return "enum(minimum medium maximum minimumWithoutVendorSpecificExtension mediumWithoutVendorSpecificExtension " +
		"maximumWithoutVendorSpecificExtension ... minimumOnlyVendorSpecificTraceRecord mediumOnlyVendorSpecificTraceRecord " +
		"maximumOnlyVendorSpecificTraceRecord)"
}
func (v TraceDepth) String() string { return aper.EnumString(v) }

// UEPresence: see TS 38.413 9.4.5.
type UEPresence uint16

const (
	UEPresenceIn UEPresence = iota
	UEPresenceOut
	UEPresenceUnknown
)

func (UEPresence) APER() string     { return "enum(in out unknown ...)" }
func (v UEPresence) String() string { return aper.EnumString(v) }

// UEPresenceInAreaOfInterestItem: see TS 38.413 9.4.5.
type UEPresenceInAreaOfInterestItem struct {
	LocationReportingReferenceID LocationReportingReferenceID
	UEPresence                   UEPresence
	IEExtensions                 *aper.Unmodelled
}

// UEPresenceInAreaOfInterestList: see TS 38.413 9.4.5.
type UEPresenceInAreaOfInterestList []UEPresenceInAreaOfInterestItem

func (UEPresenceInAreaOfInterestList) APER() string { return "list(1..64)" }

// URIAddress is URI-address of TS 38.413 9.4.5.
type URIAddress string

func (URIAddress) APER() string { return "visible" }
