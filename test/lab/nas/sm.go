// SPDX-License-Identifier: Apache-2.0

package nas

// 5GSM message types (TS 24.501 table 9.7.2).
const (
	TypeEstablishmentRequest      MessageType = 0xc1
	TypeEstablishmentAccept       MessageType = 0xc2
	TypeEstablishmentReject       MessageType = 0xc3
	TypeSMAuthenticationCommand   MessageType = 0xc5
	TypeSMAuthenticationComplete  MessageType = 0xc6
	TypeSMAuthenticationResult    MessageType = 0xc7
	TypeModificationRequest       MessageType = 0xc9
	TypeModificationReject        MessageType = 0xca
	TypeModificationCommand       MessageType = 0xcb
	TypeModificationComplete      MessageType = 0xcc
	TypeModificationCommandReject MessageType = 0xcd
	TypeReleaseRequest            MessageType = 0xd1
	TypeReleaseReject             MessageType = 0xd2
	TypeReleaseCommand            MessageType = 0xd3
	TypeReleaseComplete           MessageType = 0xd4
	TypeSMStatus                  MessageType = 0xd6
)

// EstablishmentRequest is clause 8.3.1.
type EstablishmentRequest struct {
	SM
	IntegrityRate   [2]byte      `nas:"V"` // maximum data rate with integrity protection, uplink and downlink: ff is full rate
	SessionType     *SessionType `nas:"T1,9"`
	SSCMode         *uint8       `nas:"T1,A"`
	Capability      []byte       `nas:"TLV,28"`
	MaxFilters      *[2]byte     `nas:"TV,55"`
	AlwaysOn        *uint8       `nas:"T1,B"`
	DNRequest       []byte       `nas:"TLV,39"`
	ExtendedOptions []byte       `nas:"TLVE,7b"` // see [ExtendedOptions]
}

// EstablishmentAccept is clause 8.3.2.
type EstablishmentAccept struct {
	SM
	SessionType      SessionType      `nas:"lo"`
	SSCMode          uint8            `nas:"hi"`
	Rules            QoSRules         `nas:"LVE"`
	AMBR             AMBR             `nas:"LV"`
	Cause            *SMCause         `nas:"TV,59"`
	Address          *PDUAddress      `nas:"TLV,29"`
	ReflectiveTimer  *uint8           `nas:"TV,56"`
	SNSSAI           *SNSSAI          `nas:"TLV,22"`
	AlwaysOn         *uint8           `nas:"T1,8"`
	MappedEPSBearers []byte           `nas:"TLVE,75"`
	EAP              []byte           `nas:"TLVE,78"`
	Flows            FlowDescriptions `nas:"TLVE,79"`
	ExtendedOptions  []byte           `nas:"TLVE,7b"`
	DNN              *DNN             `nas:"TLV,25"`
	NetworkFeatures  []byte           `nas:"TLV,17"`
	ServingPLMNRate  *[2]byte         `nas:"TLV,18"`
	ATSSS            []byte           `nas:"TLVE,77"`
	ControlPlaneOnly *uint8           `nas:"T1,C"`
}

// EstablishmentReject is clause 8.3.3.
type EstablishmentReject struct {
	SM
	Cause           SMCause `nas:"V"`
	BackOff         *Timer3 `nas:"TLV,37"`
	AllowedSSC      *uint8  `nas:"T1,F"`
	EAP             []byte  `nas:"TLVE,78"`
	Congestion      *uint8  `nas:"TLV,61"`
	ExtendedOptions []byte  `nas:"TLVE,7b"`
	ReAttempt       *uint8  `nas:"TLV,1d"`
}

// SMAuthenticationCommand is clause 8.3.4.
type SMAuthenticationCommand struct {
	SM
	EAP             []byte `nas:"LVE"`
	ExtendedOptions []byte `nas:"TLVE,7b"`
}

// SMAuthenticationComplete is clause 8.3.5.
type SMAuthenticationComplete struct {
	SM
	EAP             []byte `nas:"LVE"`
	ExtendedOptions []byte `nas:"TLVE,7b"`
}

// SMAuthenticationResult is clause 8.3.6.
type SMAuthenticationResult struct {
	SM
	EAP             []byte `nas:"TLVE,78"`
	ExtendedOptions []byte `nas:"TLVE,7b"`
}

// ModificationRequest is clause 8.3.7.
type ModificationRequest struct {
	SM
	Capability       []byte           `nas:"TLV,28"`
	Cause            *SMCause         `nas:"TV,59"`
	MaxFilters       *[2]byte         `nas:"TV,55"`
	AlwaysOn         *uint8           `nas:"T1,B"`
	IntegrityRate    *[2]byte         `nas:"TV,13"`
	Rules            QoSRules         `nas:"TLVE,7a"`
	Flows            FlowDescriptions `nas:"TLVE,79"`
	MappedEPSBearers []byte           `nas:"TLVE,75"`
	ExtendedOptions  []byte           `nas:"TLVE,7b"`
}

// ModificationReject is clause 8.3.8.
type ModificationReject struct {
	SM
	Cause           SMCause `nas:"V"`
	BackOff         *Timer3 `nas:"TLV,37"`
	Congestion      *uint8  `nas:"TLV,61"`
	ExtendedOptions []byte  `nas:"TLVE,7b"`
	ReAttempt       *uint8  `nas:"TLV,1d"`
}

// ModificationCommand is clause 8.3.9.
type ModificationCommand struct {
	SM
	Cause            *SMCause         `nas:"TV,59"`
	AMBR             *AMBR            `nas:"TLV,2a"`
	ReflectiveTimer  *uint8           `nas:"TV,56"`
	AlwaysOn         *uint8           `nas:"T1,8"`
	Rules            QoSRules         `nas:"TLVE,7a"`
	MappedEPSBearers []byte           `nas:"TLVE,75"`
	Flows            FlowDescriptions `nas:"TLVE,79"`
	ExtendedOptions  []byte           `nas:"TLVE,7b"`
	ATSSS            []byte           `nas:"TLVE,77"`
}

// ModificationComplete is clause 8.3.10.
type ModificationComplete struct {
	SM
	ExtendedOptions []byte `nas:"TLVE,7b"`
}

// ModificationCommandReject is clause 8.3.11.
type ModificationCommandReject struct {
	SM
	Cause           SMCause `nas:"V"`
	ExtendedOptions []byte  `nas:"TLVE,7b"`
}

// ReleaseRequest is clause 8.3.12.
type ReleaseRequest struct {
	SM
	Cause           *SMCause `nas:"TV,59"`
	ExtendedOptions []byte   `nas:"TLVE,7b"`
}

// ReleaseReject is clause 8.3.13.
type ReleaseReject struct {
	SM
	Cause           SMCause `nas:"V"`
	ExtendedOptions []byte  `nas:"TLVE,7b"`
}

// ReleaseCommand is clause 8.3.14.
type ReleaseCommand struct {
	SM
	Cause           SMCause `nas:"V"`
	BackOff         *Timer3 `nas:"TLV,37"`
	EAP             []byte  `nas:"TLVE,78"`
	Congestion      *uint8  `nas:"TLV,61"`
	ExtendedOptions []byte  `nas:"TLVE,7b"`
	AccessType      *uint8  `nas:"T1,D"`
}

// ReleaseComplete is clause 8.3.15.
type ReleaseComplete struct {
	SM
	Cause           *SMCause `nas:"TV,59"`
	ExtendedOptions []byte   `nas:"TLVE,7b"`
}

// SMStatus is clause 8.3.16.
type SMStatus struct {
	SM
	Cause SMCause `nas:"V"`
}
