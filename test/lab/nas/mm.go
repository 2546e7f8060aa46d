// SPDX-License-Identifier: Apache-2.0

package nas

// 5GMM message types (TS 24.501 table 9.7.1).
const (
	TypeRegistrationRequest         MessageType = 0x41
	TypeRegistrationAccept          MessageType = 0x42
	TypeRegistrationComplete        MessageType = 0x43
	TypeRegistrationReject          MessageType = 0x44
	TypeDeregistrationRequestUE     MessageType = 0x45
	TypeDeregistrationAcceptUE      MessageType = 0x46
	TypeDeregistrationRequestNW     MessageType = 0x47
	TypeDeregistrationAcceptNW      MessageType = 0x48
	TypeServiceRequest              MessageType = 0x4c
	TypeServiceReject               MessageType = 0x4d
	TypeServiceAccept               MessageType = 0x4e
	TypeConfigurationUpdateCommand  MessageType = 0x54
	TypeConfigurationUpdateComplete MessageType = 0x55
	TypeAuthenticationRequest       MessageType = 0x56
	TypeAuthenticationResponse      MessageType = 0x57
	TypeAuthenticationReject        MessageType = 0x58
	TypeAuthenticationFailure       MessageType = 0x59
	TypeAuthenticationResult        MessageType = 0x5a
	TypeIdentityRequest             MessageType = 0x5b
	TypeIdentityResponse            MessageType = 0x5c
	TypeSecurityModeCommand         MessageType = 0x5d
	TypeSecurityModeComplete        MessageType = 0x5e
	TypeSecurityModeReject          MessageType = 0x5f
	TypeMMStatus                    MessageType = 0x64
	TypeNotification                MessageType = 0x65
	TypeNotificationResponse        MessageType = 0x66
	TypeULNASTransport              MessageType = 0x67
	TypeDLNASTransport              MessageType = 0x68
)

// RegistrationRequest is clause 8.2.6.
type RegistrationRequest struct {
	RegistrationType     RegistrationType   `nas:"lo"`
	KSI                  KSI                `nas:"hi"`
	Identity             MobileIdentity     `nas:"LVE"`
	NonCurrentNativeKSI  *KSI               `nas:"T1,C"`
	MMCapability         []byte             `nas:"TLV,10"`
	SecurityCapability   SecurityCapability `nas:"TLV,2e"`
	RequestedNSSAI       NSSAI              `nas:"TLV,2f"`
	LastVisitedTAI       *TAI               `nas:"TV,52"`
	S1NetworkCapability  []byte             `nas:"TLV,17"`
	UplinkDataStatus     *SessionBitmap     `nas:"TLV,40"`
	SessionStatus        *SessionBitmap     `nas:"TLV,50"`
	MICO                 *uint8             `nas:"T1,B"`
	UEStatus             *uint8             `nas:"TLV,2b"`
	AdditionalGUTI       MobileIdentity     `nas:"TLVE,77"`
	AllowedSessionStatus *SessionBitmap     `nas:"TLV,25"`
	UsageSetting         *uint8             `nas:"TLV,18"`
	RequestedDRX         *uint8             `nas:"TLV,51"`
	EPSContainer         []byte             `nas:"TLVE,70"`
	LADNIndication       []byte             `nas:"TLVE,74"`
	PayloadContainerType *uint8             `nas:"T1,8"`
	PayloadContainer     []byte             `nas:"TLVE,7b"`
	SlicingIndication    *uint8             `nas:"T1,9"`
	UpdateType           *uint8             `nas:"TLV,53"`
	Container            []byte             `nas:"TLVE,71"`
	EPSBearerStatus      []byte             `nas:"TLV,60"`
}

// RegistrationAccept is clause 8.2.7.
type RegistrationAccept struct {
	Result                   uint8          `nas:"LV"` // see [ResultNon3GPP]
	GUTI                     MobileIdentity `nas:"TLVE,77"`
	EquivalentPLMNs          []byte         `nas:"TLV,4a"`
	TAIList                  TAIList        `nas:"TLV,54"`
	AllowedNSSAI             NSSAI          `nas:"TLV,15"`
	RejectedNSSAI            []byte         `nas:"TLV,11"`
	ConfiguredNSSAI          NSSAI          `nas:"TLV,31"`
	NetworkFeatures          []byte         `nas:"TLV,21"`
	SessionStatus            *SessionBitmap `nas:"TLV,50"`
	ReactivationResult       *SessionBitmap `nas:"TLV,26"`
	ReactivationErrorCauses  []byte         `nas:"TLVE,72"`
	LADNInformation          []byte         `nas:"TLVE,79"`
	MICO                     *uint8         `nas:"T1,B"`
	SlicingIndication        *uint8         `nas:"T1,9"`
	ServiceAreaList          []byte         `nas:"TLV,27"`
	T3512                    *Timer3        `nas:"TLV,5e"`
	Non3GPPDeregistration    *Timer2        `nas:"TLV,5d"`
	T3502                    *Timer2        `nas:"TLV,16"`
	EmergencyNumbers         []byte         `nas:"TLV,34"`
	ExtendedEmergencyNumbers []byte         `nas:"TLVE,7a"`
	SORContainer             []byte         `nas:"TLVE,73"`
	EAP                      []byte         `nas:"TLVE,78"`
	InclusionMode            *uint8         `nas:"T1,A"`
	AccessCategories         []byte         `nas:"TLVE,76"`
	DRX                      *uint8         `nas:"TLV,51"`
	Non3GPPPolicies          *uint8         `nas:"T1,D"`
	PendingNSSAI             NSSAI          `nas:"TLV,39"`
}

// RegistrationComplete is clause 8.2.8.
type RegistrationComplete struct {
	SORContainer []byte `nas:"TLVE,73"`
}

// RegistrationReject is clause 8.2.9.
type RegistrationReject struct {
	Cause         Cause   `nas:"V"`
	T3346         *Timer2 `nas:"TLV,5f"`
	T3502         *Timer2 `nas:"TLV,16"`
	EAP           []byte  `nas:"TLVE,78"`
	RejectedNSSAI []byte  `nas:"TLV,69"`
}

// DeregistrationRequestUE is clause 8.2.12, sent by the UE.
type DeregistrationRequestUE struct {
	DeregistrationType DeregistrationType `nas:"lo"`
	KSI                KSI                `nas:"hi"`
	Identity           MobileIdentity     `nas:"LVE"`
}

// DeregistrationAcceptUE is clause 8.2.13, the answer to the UE.
type DeregistrationAcceptUE struct{}

// DeregistrationRequestNW is clause 8.2.14, sent by the network.
type DeregistrationRequestNW struct {
	DeregistrationType DeregistrationType `nas:"lo"`
	Spare              uint8              `nas:"hi"`
	Cause              *Cause             `nas:"TV,58"`
	T3346              *Timer2            `nas:"TLV,5f"`
	RejectedNSSAI      []byte             `nas:"TLV,6d"`
}

// DeregistrationAcceptNW is clause 8.2.15, the answer to the network.
type DeregistrationAcceptNW struct{}

// ServiceRequest is clause 8.2.16.
type ServiceRequest struct {
	KSI                  KSI            `nas:"lo"`
	ServiceType          uint8          `nas:"hi"` // 0 signalling, 1 data, 2 mobile terminated, 3 emergency
	Identity             MobileIdentity `nas:"LVE"`
	UplinkDataStatus     *SessionBitmap `nas:"TLV,40"`
	SessionStatus        *SessionBitmap `nas:"TLV,50"`
	AllowedSessionStatus *SessionBitmap `nas:"TLV,25"`
	Container            []byte         `nas:"TLVE,71"`
}

// ServiceAccept is clause 8.2.17.
type ServiceAccept struct {
	SessionStatus           *SessionBitmap `nas:"TLV,50"`
	ReactivationResult      *SessionBitmap `nas:"TLV,26"`
	ReactivationErrorCauses []byte         `nas:"TLVE,72"`
	EAP                     []byte         `nas:"TLVE,78"`
}

// ServiceReject is clause 8.2.18.
type ServiceReject struct {
	Cause         Cause          `nas:"V"`
	SessionStatus *SessionBitmap `nas:"TLV,50"`
	T3346         *Timer2        `nas:"TLV,5f"`
	EAP           []byte         `nas:"TLVE,78"`
}

// ConfigurationUpdateCommand is clause 8.2.19.
type ConfigurationUpdateCommand struct {
	Indication        *uint8         `nas:"T1,D"` // bit 1 acknowledgement requested, bit 2 registration requested
	GUTI              MobileIdentity `nas:"TLVE,77"`
	TAIList           TAIList        `nas:"TLV,54"`
	AllowedNSSAI      NSSAI          `nas:"TLV,15"`
	ServiceAreaList   []byte         `nas:"TLV,27"`
	FullName          []byte         `nas:"TLV,43"`
	ShortName         []byte         `nas:"TLV,45"`
	LocalTimeZone     *uint8         `nas:"TV,46"`
	UniversalTime     *[7]byte       `nas:"TV,47"`
	DaylightSaving    *uint8         `nas:"TLV,49"`
	LADNInformation   []byte         `nas:"TLVE,79"`
	MICO              *uint8         `nas:"T1,B"`
	SlicingIndication *uint8         `nas:"T1,9"`
	ConfiguredNSSAI   NSSAI          `nas:"TLV,31"`
	RejectedNSSAI     []byte         `nas:"TLV,11"`
	AccessCategories  []byte         `nas:"TLVE,76"`
	SMSIndication     *uint8         `nas:"T1,F"`
}

// ConfigurationUpdateComplete is clause 8.2.20.
type ConfigurationUpdateComplete struct{}

// AuthenticationRequest is clause 8.2.1. RAND and AUTN are of 5G-AKA, EAP of EAP-AKA'.
type AuthenticationRequest struct {
	KSI  KSI       `nas:"lo"`
	ABBA []byte    `nas:"LV"`
	RAND *[16]byte `nas:"TV,21"`
	AUTN *[16]byte `nas:"TLV,20"`
	EAP  []byte    `nas:"TLVE,78"`
}

// AuthenticationResponse is clause 8.2.2.
type AuthenticationResponse struct {
	RESStar *[16]byte `nas:"TLV,2d"`
	EAP     []byte    `nas:"TLVE,78"`
}

// AuthenticationReject is clause 8.2.5.
type AuthenticationReject struct {
	EAP []byte `nas:"TLVE,78"`
}

// AuthenticationFailure is clause 8.2.4. AUTS comes with [CauseSynchFailure].
type AuthenticationFailure struct {
	Cause Cause     `nas:"V"`
	AUTS  *[14]byte `nas:"TLV,30"`
}

// AuthenticationResult is clause 8.2.3.
type AuthenticationResult struct {
	KSI  KSI    `nas:"lo"`
	EAP  []byte `nas:"LVE"`
	ABBA []byte `nas:"TLV,38"`
}

// IdentityRequest is clause 8.2.21.
type IdentityRequest struct {
	IdentityType IdentityType `nas:"lo"`
}

// IdentityResponse is clause 8.2.22.
type IdentityResponse struct {
	Identity MobileIdentity `nas:"LVE"`
}

// SecurityModeCommand is clause 8.2.25.
type SecurityModeCommand struct {
	Algorithms             uint8              `nas:"V"` // ciphering in the high half, integrity in the low one
	KSI                    KSI                `nas:"lo"`
	ReplayedCapability     SecurityCapability `nas:"LV"`
	IMEISVRequest          *uint8             `nas:"T1,E"` // 1: requested
	EPSAlgorithms          *uint8             `nas:"TV,57"`
	AdditionalSecurity     *uint8             `nas:"TLV,36"` // bit 1 HDP, bit 2 RINMR: send the initial message again
	EAP                    []byte             `nas:"TLVE,78"`
	ABBA                   []byte             `nas:"TLV,38"`
	ReplayedS1Capabilities []byte             `nas:"TLV,19"`
}

// SecurityModeComplete is clause 8.2.26.
type SecurityModeComplete struct {
	IMEISV     MobileIdentity `nas:"TLVE,77"`
	Container  []byte         `nas:"TLVE,71"`
	NonIMEISVP MobileIdentity `nas:"TLVE,78"`
}

// SecurityModeReject is clause 8.2.27.
type SecurityModeReject struct {
	Cause Cause `nas:"V"`
}

// ULNASTransport is clause 8.2.10.
type ULNASTransport struct {
	ContainerType         uint8   `nas:"lo"` // see [ContainerN1SM]
	Container             []byte  `nas:"LVE"`
	SessionID             *uint8  `nas:"TV,12"`
	OldSessionID          *uint8  `nas:"TV,59"`
	RequestType           *uint8  `nas:"T1,8"` // see [RequestInitial]
	SNSSAI                *SNSSAI `nas:"TLV,22"`
	DNN                   *DNN    `nas:"TLV,25"`
	AdditionalInformation []byte  `nas:"TLV,24"`
	MAInformation         *uint8  `nas:"T1,A"`
	ReleaseAssistance     *uint8  `nas:"T1,F"`
}

// DLNASTransport is clause 8.2.11. With a Cause the container is an uplink message that was not forwarded.
type DLNASTransport struct {
	ContainerType         uint8   `nas:"lo"`
	Container             []byte  `nas:"LVE"`
	SessionID             *uint8  `nas:"TV,12"`
	AdditionalInformation []byte  `nas:"TLV,24"`
	Cause                 *Cause  `nas:"TV,58"`
	BackOff               *Timer3 `nas:"TLV,37"`
}

// MMStatus is clause 8.2.29.
type MMStatus struct {
	Cause Cause `nas:"V"`
}

// Notification is clause 8.2.23.
type Notification struct {
	AccessType uint8 `nas:"lo"` // 1 3GPP, 2 non-3GPP
}

// NotificationResponse is clause 8.2.24.
type NotificationResponse struct {
	SessionStatus *SessionBitmap `nas:"TLV,50"`
}
