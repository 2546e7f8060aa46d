// SPDX-License-Identifier: Apache-2.0

package nas

import "fmt"

// allMessages has every message once; the codec makes its descriptions from it.
var allMessages = []Message{
	(*RegistrationRequest)(nil),
	(*RegistrationAccept)(nil),
	(*RegistrationComplete)(nil),
	(*RegistrationReject)(nil),
	(*DeregistrationRequestUE)(nil),
	(*DeregistrationAcceptUE)(nil),
	(*DeregistrationRequestNW)(nil),
	(*DeregistrationAcceptNW)(nil),
	(*ServiceRequest)(nil),
	(*ServiceReject)(nil),
	(*ServiceAccept)(nil),
	(*ConfigurationUpdateCommand)(nil),
	(*ConfigurationUpdateComplete)(nil),
	(*AuthenticationRequest)(nil),
	(*AuthenticationResponse)(nil),
	(*AuthenticationReject)(nil),
	(*AuthenticationFailure)(nil),
	(*AuthenticationResult)(nil),
	(*IdentityRequest)(nil),
	(*IdentityResponse)(nil),
	(*SecurityModeCommand)(nil),
	(*SecurityModeComplete)(nil),
	(*SecurityModeReject)(nil),
	(*MMStatus)(nil),
	(*Notification)(nil),
	(*NotificationResponse)(nil),
	(*ULNASTransport)(nil),
	(*DLNASTransport)(nil),
	(*EstablishmentRequest)(nil),
	(*EstablishmentAccept)(nil),
	(*EstablishmentReject)(nil),
	(*SMAuthenticationCommand)(nil),
	(*SMAuthenticationComplete)(nil),
	(*SMAuthenticationResult)(nil),
	(*ModificationRequest)(nil),
	(*ModificationReject)(nil),
	(*ModificationCommand)(nil),
	(*ModificationComplete)(nil),
	(*ModificationCommandReject)(nil),
	(*ReleaseRequest)(nil),
	(*ReleaseReject)(nil),
	(*ReleaseCommand)(nil),
	(*ReleaseComplete)(nil),
	(*SMStatus)(nil),
}

var typeNames = map[MessageType]string{
	TypeRegistrationRequest:         "Registration request",
	TypeRegistrationAccept:          "Registration accept",
	TypeRegistrationComplete:        "Registration complete",
	TypeRegistrationReject:          "Registration reject",
	TypeDeregistrationRequestUE:     "Deregistration request (UE originating)",
	TypeDeregistrationAcceptUE:      "Deregistration accept (UE originating)",
	TypeDeregistrationRequestNW:     "Deregistration request (network originating)",
	TypeDeregistrationAcceptNW:      "Deregistration accept (network originating)",
	TypeServiceRequest:              "Service request",
	TypeServiceReject:               "Service reject",
	TypeServiceAccept:               "Service accept",
	TypeConfigurationUpdateCommand:  "Configuration update command",
	TypeConfigurationUpdateComplete: "Configuration update complete",
	TypeAuthenticationRequest:       "Authentication request",
	TypeAuthenticationResponse:      "Authentication response",
	TypeAuthenticationReject:        "Authentication reject",
	TypeAuthenticationFailure:       "Authentication failure",
	TypeAuthenticationResult:        "Authentication result",
	TypeIdentityRequest:             "Identity request",
	TypeIdentityResponse:            "Identity response",
	TypeSecurityModeCommand:         "Security mode command",
	TypeSecurityModeComplete:        "Security mode complete",
	TypeSecurityModeReject:          "Security mode reject",
	TypeMMStatus:                    "5GMM status",
	TypeNotification:                "Notification",
	TypeNotificationResponse:        "Notification response",
	TypeULNASTransport:              "UL NAS transport",
	TypeDLNASTransport:              "DL NAS transport",
	TypeEstablishmentRequest:        "PDU session establishment request",
	TypeEstablishmentAccept:         "PDU session establishment accept",
	TypeEstablishmentReject:         "PDU session establishment reject",
	TypeSMAuthenticationCommand:     "5GSM authentication command",
	TypeSMAuthenticationComplete:    "5GSM authentication complete",
	TypeSMAuthenticationResult:      "5GSM authentication result",
	TypeModificationRequest:         "PDU session modification request",
	TypeModificationReject:          "PDU session modification reject",
	TypeModificationCommand:         "PDU session modification command",
	TypeModificationComplete:        "PDU session modification complete",
	TypeModificationCommandReject:   "PDU session modification command reject",
	TypeReleaseRequest:              "PDU session release request",
	TypeReleaseReject:               "PDU session release reject",
	TypeReleaseCommand:              "PDU session release command",
	TypeReleaseComplete:             "PDU session release complete",
	TypeSMStatus:                    "5GSM status",
}

// String returns the name of the message in the standard.
func (t MessageType) String() string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("message type %02x", uint8(t))
}

// Type returns TypeRegistrationRequest.
func (*RegistrationRequest) Type() MessageType { return TypeRegistrationRequest }

// Type returns TypeRegistrationAccept.
func (*RegistrationAccept) Type() MessageType { return TypeRegistrationAccept }

// Type returns TypeRegistrationComplete.
func (*RegistrationComplete) Type() MessageType { return TypeRegistrationComplete }

// Type returns TypeRegistrationReject.
func (*RegistrationReject) Type() MessageType { return TypeRegistrationReject }

// Type returns TypeDeregistrationRequestUE.
func (*DeregistrationRequestUE) Type() MessageType { return TypeDeregistrationRequestUE }

// Type returns TypeDeregistrationAcceptUE.
func (*DeregistrationAcceptUE) Type() MessageType { return TypeDeregistrationAcceptUE }

// Type returns TypeDeregistrationRequestNW.
func (*DeregistrationRequestNW) Type() MessageType { return TypeDeregistrationRequestNW }

// Type returns TypeDeregistrationAcceptNW.
func (*DeregistrationAcceptNW) Type() MessageType { return TypeDeregistrationAcceptNW }

// Type returns TypeServiceRequest.
func (*ServiceRequest) Type() MessageType { return TypeServiceRequest }

// Type returns TypeServiceReject.
func (*ServiceReject) Type() MessageType { return TypeServiceReject }

// Type returns TypeServiceAccept.
func (*ServiceAccept) Type() MessageType { return TypeServiceAccept }

// Type returns TypeConfigurationUpdateCommand.
func (*ConfigurationUpdateCommand) Type() MessageType { return TypeConfigurationUpdateCommand }

// Type returns TypeConfigurationUpdateComplete.
func (*ConfigurationUpdateComplete) Type() MessageType { return TypeConfigurationUpdateComplete }

// Type returns TypeAuthenticationRequest.
func (*AuthenticationRequest) Type() MessageType { return TypeAuthenticationRequest }

// Type returns TypeAuthenticationResponse.
func (*AuthenticationResponse) Type() MessageType { return TypeAuthenticationResponse }

// Type returns TypeAuthenticationReject.
func (*AuthenticationReject) Type() MessageType { return TypeAuthenticationReject }

// Type returns TypeAuthenticationFailure.
func (*AuthenticationFailure) Type() MessageType { return TypeAuthenticationFailure }

// Type returns TypeAuthenticationResult.
func (*AuthenticationResult) Type() MessageType { return TypeAuthenticationResult }

// Type returns TypeIdentityRequest.
func (*IdentityRequest) Type() MessageType { return TypeIdentityRequest }

// Type returns TypeIdentityResponse.
func (*IdentityResponse) Type() MessageType { return TypeIdentityResponse }

// Type returns TypeSecurityModeCommand.
func (*SecurityModeCommand) Type() MessageType { return TypeSecurityModeCommand }

// Type returns TypeSecurityModeComplete.
func (*SecurityModeComplete) Type() MessageType { return TypeSecurityModeComplete }

// Type returns TypeSecurityModeReject.
func (*SecurityModeReject) Type() MessageType { return TypeSecurityModeReject }

// Type returns TypeMMStatus.
func (*MMStatus) Type() MessageType { return TypeMMStatus }

// Type returns TypeNotification.
func (*Notification) Type() MessageType { return TypeNotification }

// Type returns TypeNotificationResponse.
func (*NotificationResponse) Type() MessageType { return TypeNotificationResponse }

// Type returns TypeULNASTransport.
func (*ULNASTransport) Type() MessageType { return TypeULNASTransport }

// Type returns TypeDLNASTransport.
func (*DLNASTransport) Type() MessageType { return TypeDLNASTransport }

// Type returns TypeEstablishmentRequest.
func (*EstablishmentRequest) Type() MessageType { return TypeEstablishmentRequest }

// Type returns TypeEstablishmentAccept.
func (*EstablishmentAccept) Type() MessageType { return TypeEstablishmentAccept }

// Type returns TypeEstablishmentReject.
func (*EstablishmentReject) Type() MessageType { return TypeEstablishmentReject }

// Type returns TypeSMAuthenticationCommand.
func (*SMAuthenticationCommand) Type() MessageType { return TypeSMAuthenticationCommand }

// Type returns TypeSMAuthenticationComplete.
func (*SMAuthenticationComplete) Type() MessageType { return TypeSMAuthenticationComplete }

// Type returns TypeSMAuthenticationResult.
func (*SMAuthenticationResult) Type() MessageType { return TypeSMAuthenticationResult }

// Type returns TypeModificationRequest.
func (*ModificationRequest) Type() MessageType { return TypeModificationRequest }

// Type returns TypeModificationReject.
func (*ModificationReject) Type() MessageType { return TypeModificationReject }

// Type returns TypeModificationCommand.
func (*ModificationCommand) Type() MessageType { return TypeModificationCommand }

// Type returns TypeModificationComplete.
func (*ModificationComplete) Type() MessageType { return TypeModificationComplete }

// Type returns TypeModificationCommandReject.
func (*ModificationCommandReject) Type() MessageType { return TypeModificationCommandReject }

// Type returns TypeReleaseRequest.
func (*ReleaseRequest) Type() MessageType { return TypeReleaseRequest }

// Type returns TypeReleaseReject.
func (*ReleaseReject) Type() MessageType { return TypeReleaseReject }

// Type returns TypeReleaseCommand.
func (*ReleaseCommand) Type() MessageType { return TypeReleaseCommand }

// Type returns TypeReleaseComplete.
func (*ReleaseComplete) Type() MessageType { return TypeReleaseComplete }

// Type returns TypeSMStatus.
func (*SMStatus) Type() MessageType { return TypeSMStatus }
