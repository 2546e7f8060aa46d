// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// CommonNetworkInstance: see TS 38.413 9.4.5.
type CommonNetworkInstance []byte

func (CommonNetworkInstance) APER() string { return "octets" }

// DataForwardingNotPossible: see TS 38.413 9.4.5.
type DataForwardingNotPossible uint16

const (
	DataForwardingNotPossibleDataForwardingNotPossible DataForwardingNotPossible = iota
)

func (DataForwardingNotPossible) APER() string     { return "enum(data-forwarding-not-possible ...)" }
func (v DataForwardingNotPossible) String() string { return aper.EnumString(v) }

// DirectForwardingPathAvailability: see TS 38.413 9.4.5.
type DirectForwardingPathAvailability uint16

const (
	DirectForwardingPathAvailabilityDirectPathAvailable DirectForwardingPathAvailability = iota
)

func (DirectForwardingPathAvailability) APER() string     { return "enum(direct-path-available ...)" }
func (v DirectForwardingPathAvailability) String() string { return aper.EnumString(v) }

// GTPTEID is the tunnel endpoint identifier of GTP-U.
type GTPTEID uint32

func (GTPTEID) APER() string { return "octets(4)" }

// GTPTunnel: see TS 38.413 9.4.5.
type GTPTunnel struct {
	TransportLayerAddress TransportLayerAddress
	GTPTEID               GTPTEID
	IEExtensions          *aper.Unmodelled
}

// MBSSupportIndicator is MBS-SupportIndicator of TS 38.413 9.4.5.
type MBSSupportIndicator uint16

const (
	MBSSupportIndicatorTrue MBSSupportIndicator = iota
)

func (MBSSupportIndicator) APER() string     { return "enum(true ...)" }
func (v MBSSupportIndicator) String() string { return aper.EnumString(v) }

// NetworkInstance selects the N3 transport network.
type NetworkInstance uint16

func (NetworkInstance) APER() string { return "int(1..256,...)" }

// PDUSessionType: see TS 38.413 9.4.5.
type PDUSessionType uint16

const (
	PDUSessionTypeIPv4 PDUSessionType = iota
	PDUSessionTypeIPv6
	PDUSessionTypeIPv4v6
	PDUSessionTypeEthernet
	PDUSessionTypeUnstructured
)

func (PDUSessionType) APER() string     { return "enum(ipv4 ipv6 ipv4v6 ethernet unstructured ...)" }
func (v PDUSessionType) String() string { return aper.EnumString(v) }

// TransportLayerAddress is an IPv4 address (32 bits), an IPv6 address (128) or both, IPv4 first (160).
type TransportLayerAddress aper.BitString

func (TransportLayerAddress) APER() string { return "bits(1..160,...)" }

// ULNGUUPTNLModifyItem is UL-NGU-UP-TNLModifyItem of TS 38.413 9.4.5.
type ULNGUUPTNLModifyItem struct {
	ULNGUUPTNLInformation          UPTransportLayerInformation
	DLNGUUPTNLInformation          UPTransportLayerInformation
	RedundantULNGUUPTNLInformation *UPTransportLayerInformation `aper:"ext=195,ignore"`
	RedundantDLNGUUPTNLInformation *UPTransportLayerInformation `aper:"ext=192,ignore"`
	IEExtensions                   *aper.Unmodelled
}

// ULNGUUPTNLModifyList is UL-NGU-UP-TNLModifyList of TS 38.413 9.4.5.
type ULNGUUPTNLModifyList []ULNGUUPTNLModifyItem

func (ULNGUUPTNLModifyList) APER() string { return "list(1..4)" }

// UPTransportLayerInformation: see TS 38.413 9.4.5.
type UPTransportLayerInformation struct {
	_                struct{} `aper:"choice"`
	GTPTunnel        *GTPTunnel
	ChoiceExtensions *aper.RawIE
}

// UPTransportLayerInformationItem: see TS 38.413 9.4.5.
type UPTransportLayerInformationItem struct {
	NGUUPTNLInformation   UPTransportLayerInformation
	CommonNetworkInstance CommonNetworkInstance `aper:"ext=166,ignore"`
	IEExtensions          *aper.Unmodelled
}

// UPTransportLayerInformationList: see TS 38.413 9.4.5.
type UPTransportLayerInformationList []UPTransportLayerInformationItem

func (UPTransportLayerInformationList) APER() string { return "list(1..3)" }

// UPTransportLayerInformationPairItem: see TS 38.413 9.4.5.
type UPTransportLayerInformationPairItem struct {
	ULNGUUPTNLInformation UPTransportLayerInformation
	DLNGUUPTNLInformation UPTransportLayerInformation
	IEExtensions          *aper.Unmodelled
}

// UPTransportLayerInformationPairList: see TS 38.413 9.4.5.
type UPTransportLayerInformationPairList []UPTransportLayerInformationPairItem

func (UPTransportLayerInformationPairList) APER() string { return "list(1..3)" }
